//! The top level of a template.

use engine::yaml::{Map, Node, Value};

use super::function::{LANGUAGE, LOOP, is_function, refuse};
use crate::report::{Findings, Level, Subject, TemplateRule, did_you_mean};

/// What becomes of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is read, and must be a mapping.
    Read,
    /// It has a check of its own.
    Checked,
    /// It changes nothing about what runs locally.
    NoEffect(&'static str),
    /// It is left out, and said so.
    LeftOut(&'static str),
}

const SECTIONS: [(&str, Fate); 12] = [
    ("AWSTemplateFormatVersion", Fate::Checked),
    ("Conditions", Fate::Read),
    ("Description", Fate::NoEffect("it is for people")),
    ("Globals", Fate::Read),
    (
        "Hooks",
        Fate::LeftOut("blue/green deployments are the cloud's"),
    ),
    ("Mappings", Fate::Read),
    ("Metadata", Fate::NoEffect("it is for other tools")),
    (
        "Outputs",
        Fate::NoEffect("only a template around this one reads them"),
    ),
    ("Parameters", Fate::Read),
    ("Resources", Fate::Read),
    (
        "Rules",
        Fate::LeftOut("assertions about parameters are not checked"),
    ),
    ("Transform", Fate::Checked),
];

/// The transforms that are known.
const TRANSFORMS: [&str; 2] = ["AWS::Serverless-2016-10-31", LANGUAGE];

/// Transforms that add nothing that runs, and why.
const WITHOUT_EFFECT: [(&str, &str); 4] = [
    (
        "AWS::CodeDeployBlueGreen",
        "blue/green deployments are the cloud's",
    ),
    ("AWS::CodeStar", "it adds permissions only"),
    (
        "AWS::SecretsManager-2020-07-23",
        "secrets are not rotated here",
    ),
    (
        "AWS::SecretsManager-2024-09-16",
        "secrets are not rotated here",
    ),
];

/// Checks every section's name and kind, and tells whether there are resources.
pub(super) fn check(findings: &Findings<'_>, root: &Map) -> bool {
    let nothing = Subject::default();
    for (name, entry) in root {
        let span = entry.key_span;
        if is_function(name) {
            refuse(findings, &nothing, span, name);
            continue;
        }
        let Some((_, fate)) = SECTIONS.iter().find(|(known, _)| known == name) else {
            let known = SECTIONS.map(|(known, _)| known);
            let message = format!("no section `{name}` is known");
            if findings.is_misspelling(&nothing, span, &message, name, &known) {
                continue;
            }
            let hint = did_you_mean(name, known.into_iter());
            let message = format!("{message}; it is left out");
            findings.note(
                Level::Warning,
                TemplateRule::UnknownProperty,
                &nothing,
                span,
                message,
                hint,
            );
            continue;
        };
        match fate {
            Fate::Read => {
                mapping(findings, name, &entry.node);
                if name == "Mappings" {
                    mappings(findings, &entry.node);
                }
            }
            Fate::Checked if name == "Transform" => transform(findings, &entry.node),
            Fate::Checked => version(findings, &entry.node),
            Fate::NoEffect(why) => {
                let message = format!("`{name}` has no effect: {why}");
                findings.note(
                    Level::Note,
                    TemplateRule::NoEffect,
                    &nothing,
                    span,
                    message,
                    None,
                );
            }
            Fate::LeftOut(why) => {
                let message = format!("`{name}` is left out: {why}");
                findings.note(
                    Level::Warning,
                    TemplateRule::PropertyLeftOut,
                    &nothing,
                    span,
                    message,
                    None,
                );
            }
        }
    }
    if !root.contains_key("Resources") {
        let span = engine::yaml::Span { line: 1, column: 1 };
        let message = "a template has a mapping `Resources`";
        findings.error(TemplateRule::NotATemplate, &nothing, span, message);
    }
    let resources = root.get("Resources").map(|entry| &entry.node.value);
    matches!(resources, Some(Value::Map(_)))
}

fn mapping(findings: &Findings<'_>, name: &str, node: &Node) {
    if let Value::Map(map) = &node.value {
        let may_repeat = ["Conditions", "Outputs", "Resources"].contains(&name);
        let is_wrong = |key: &str| is_function(key) && !(may_repeat && key.starts_with(LOOP));
        for (key, entry) in map.iter().filter(|(key, _)| is_wrong(key)) {
            let subject = Subject {
                id: name.to_owned(),
                ..Subject::default()
            };
            refuse(findings, &subject, entry.key_span, key);
        }
        return;
    }
    let is_empty = node.value == Value::Null && name != "Resources";
    if !is_empty {
        let message = format!("`{name}` is a mapping, not {}", node.value.kind());
        findings.error(
            TemplateRule::WrongKind,
            &Subject::default(),
            node.span,
            message,
        );
    }
}

/// Checks that every mapping has two levels of keys, and texts or lists of texts below them, whether they are asked for or not.
fn mappings(findings: &Findings<'_>, node: &Node) {
    let Value::Map(all) = &node.value else {
        return;
    };
    for (name, entry) in all.iter().filter(|(name, _)| !is_function(name)) {
        let subject = Subject {
            id: name.clone(),
            kind: "mapping".to_owned(),
            property: String::new(),
        };
        let rows = level(findings, &subject, &entry.node);
        for row in rows.values() {
            let cells = level(findings, &subject, &row.node);
            for cell in cells.values() {
                let is_text = |node: &Node| node.value.text().is_some();
                let fits = match &cell.node.value {
                    Value::List(items) => items.iter().all(is_text),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Map(_) => is_text(&cell.node),
                };
                if !fits {
                    let message = "a mapping holds texts and lists of texts";
                    findings.error(TemplateRule::WrongKind, &subject, cell.node.span, message);
                }
            }
        }
    }
}

/// A level of keys; an empty one where there is none, which is reported.
fn level<'n>(findings: &Findings<'_>, subject: &Subject, node: &'n Node) -> &'n Map {
    static NONE: Map = Map::new();
    if let Value::Map(map) = &node.value {
        return map;
    }
    let message = "a mapping has two levels of keys";
    findings.error(TemplateRule::WrongKind, subject, node.span, message);
    &NONE
}

fn version(findings: &Findings<'_>, node: &Node) {
    if node.value.text() != Some("2010-09-09") {
        let message = "`AWSTemplateFormatVersion` is `2010-09-09`";
        findings.error(
            TemplateRule::BadValue,
            &Subject::default(),
            node.span,
            message,
        );
    }
}

fn transform(findings: &Findings<'_>, node: &Node) {
    let single = std::slice::from_ref(node);
    let transforms = match &node.value {
        Value::List(items) => items,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
            single
        }
    };
    for item in transforms {
        let Some(name) = item.value.text() else {
            let message = format!("a transform is a name, not {}", item.value.kind());
            findings.error(
                TemplateRule::RefusedIntrinsic,
                &Subject::default(),
                item.span,
                message,
            );
            continue;
        };
        if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name) {
            let message = format!("the transform `{name}` has no effect: {why}");
            let (level, rule, subject) = (Level::Note, TemplateRule::NoEffect, Subject::default());
            findings.note(level, rule, &subject, item.span, message, None);
        } else if !TRANSFORMS.contains(&name) {
            let known = TRANSFORMS.join("` and `");
            let message = format!("the transform `{name}` is not supported, only `{known}`");
            findings.error_with_hint(
                TemplateRule::RefusedIntrinsic,
                &Subject::default(),
                item.span,
                message,
                "a macro may change anything: give the template that it makes",
            );
        }
    }
}
