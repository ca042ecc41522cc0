//! The section `Globals`, laid under the properties of resources.
//!
//! Mappings merge, lists append (the global items first), everything else is overridden. An intrinsic function is one value, as SAM
//! has it.

use std::collections::BTreeSet;

use engine::yaml::{Entry, Map, Node, Value};

use crate::report::{Findings, Level, Subject, TemplateRule, did_you_mean};
use crate::sam::trigger::Preflight;
use crate::template::{Kind, Template, is_function};

/// Sections of `Globals` that are read.
pub(super) const READ: [&str; 2] = ["Function", "SimpleTable"];
/// Sections of APIs: who may call, and who answers preflight requests, is said; the rest has no effect.
pub(super) const APIS: [&str; 2] = ["Api", "HttpApi"];
/// Sections that are known and left out.
pub(super) const LEFT_OUT: [&str; 4] = [
    "CapacityProvider",
    "LayerVersion",
    "StateMachine",
    "WebSocketApi",
];
/// Settings by which APIs would answer preflight requests.
pub(super) const PREFLIGHT: [&str; 2] = ["Cors", "CorsConfiguration"];

/// Reports what of `Globals` is not read.
pub(super) fn check(findings: &Findings<'_>, template: &Template<'_>) {
    for (name, entry) in template.section("Globals") {
        let subject = Subject {
            id: "Globals".to_owned(),
            kind: String::new(),
            property: name.clone(),
        };
        let span = entry.key_span;
        if READ.contains(&name.as_str()) {
            if !template
                .resources()
                .values()
                .any(|resource| resource.kind.and_then(section) == Some(name))
            {
                let message = "it has no effect: no resource has this type";
                findings.note(
                    Level::Note,
                    TemplateRule::NoEffect,
                    &subject,
                    span,
                    message,
                    None,
                );
            }
            match &entry.node.value {
                Value::Map(map) => refuse_names(findings, &subject, map),
                Value::Null => {}
                other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_)) => {
                    let message = format!("a mapping stands here, not {}", other.kind());
                    findings.error(TemplateRule::WrongKind, &subject, entry.node.span, message);
                }
            }
            continue;
        }
        if APIS.contains(&name.as_str()) {
            check_api(findings, &subject, entry);
            continue;
        }
        let known: Vec<&str> = READ.into_iter().chain(APIS).chain(LEFT_OUT).collect();
        if findings.is_misspelling(&subject, span, "no such section is known", name, &known) {
            continue;
        }
        let (rule, message) = if LEFT_OUT.contains(&name.as_str()) {
            let why = "its resources have no counterpart in the stack";
            (
                TemplateRule::PropertyLeftOut,
                format!("it is left out: {why}"),
            )
        } else {
            (
                TemplateRule::UnknownProperty,
                "no such section is known; it is left out".to_owned(),
            )
        };
        let hint =
            did_you_mean(name, known.into_iter()).filter(|_| rule == TemplateRule::UnknownProperty);
        findings.note(Level::Warning, rule, &subject, span, message, hint);
    }
}

/// Reports what every API of the template would do, and the gateway does not.
fn check_api(findings: &Findings<'_>, subject: &Subject, entry: &Entry) {
    let Value::Map(map) = &entry.node.value else {
        let message = format!("a mapping stands here, not {}", entry.node.value.kind());
        if entry.node.value != Value::Null {
            findings.error(TemplateRule::WrongKind, subject, entry.node.span, message);
        }
        return;
    };
    for (name, entry) in map {
        if PREFLIGHT.contains(&name.as_str()) {
            continue;
        }
        let subject = Subject {
            property: format!("{}.{name}", subject.property),
            ..subject.clone()
        };
        let (level, rule, message) = if name == "Auth" {
            let message =
                "it is left out: the gateway does not ask who calls; see its own configuration";
            (Level::Warning, TemplateRule::PropertyLeftOut, message)
        } else {
            let message = "it has no effect: the gateway has one set of routes, without stages";
            (Level::Note, TemplateRule::NoEffect, message)
        };
        findings.note(level, rule, &subject, entry.key_span, message, None);
    }
}

/// The settings by which every API of the template would answer preflight requests.
pub(super) fn preflight(template: &Template<'_>) -> Vec<Preflight> {
    let mut found = Vec::new();
    for section in APIS {
        let Some(Value::Map(map)) = template
            .section("Globals")
            .get(section)
            .map(|entry| &entry.node.value)
        else {
            continue;
        };
        let settings = PREFLIGHT
            .iter()
            .filter_map(|name| Some((name, map.get(*name)?)));
        found.extend(settings.map(|(name, entry)| Preflight {
            subject: Subject {
                id: "Globals".to_owned(),
                kind: String::new(),
                property: format!("{section}.{name}"),
            },
            place: template.findings.place(entry.key_span),
            api: None,
        }));
    }
    found
}

/// Refuses what would be the name of every resource.
fn refuse_names(findings: &Findings<'_>, subject: &Subject, map: &Map) {
    let names: BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::name_property).collect();
    for (name, entry) in map.iter().filter(|(name, _)| names.contains(name.as_str())) {
        let message = format!("`{name}` is one resource's own");
        findings.error(TemplateRule::BadValue, subject, entry.key_span, message);
    }
}

/// Values of `Globals`, counted once for each resource that they are laid under.
const MAX_VALUES: usize = 1_000_000;

/// Whether `Globals` may be laid under so many resources of each kind; if not, it is reported.
pub(super) fn fit(template: &Template<'_>, kinds: impl Iterator<Item = Kind>) -> bool {
    let (mut functions, mut tables) = (0_usize, 0_usize);
    for kind in kinds {
        match section(kind) {
            Some("Function") => functions += 1,
            Some(_) => tables += 1,
            None => {}
        }
    }
    let globals = template.section("Globals");
    let values = |section: &str| globals.get(section).map_or(0, |entry| count(&entry.node));
    let total = values("Function")
        .saturating_mul(functions)
        .saturating_add(values("SimpleTable").saturating_mul(tables));
    if total > MAX_VALUES {
        let message = format!(
            "`Globals`, laid under every resource, has {total} values; at most {MAX_VALUES} are read"
        );
        let subject = Subject {
            id: "Globals".to_owned(),
            ..Subject::default()
        };
        let span = template.place_of("Globals");
        template
            .findings
            .error(TemplateRule::TooMany, &subject, span, message);
    }
    total <= MAX_VALUES
}

/// How many values a value is made of.
fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(map) => map.values().map(|entry| count(&entry.node)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The section of `Globals` that a type has.
fn section(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ServerlessFunction => Some("Function"),
        Kind::SimpleTable => Some("SimpleTable"),
        Kind::LambdaFunction
        | Kind::ServerlessLayer
        | Kind::LambdaLayer
        | Kind::Table
        | Kind::Bucket => None,
    }
}

/// The properties of a resource with the globals of its type under them; none when nothing is merged.
pub(super) fn merged(template: &Template<'_>, kind: Kind, own: &Node) -> Option<Node> {
    let globals = template.section("Globals").get(section(kind)?)?;
    matches!(globals.node.value, Value::Map(_)).then(|| merge(&globals.node, own))
}

fn merge(global: &Node, own: &Node) -> Node {
    let value = match (&global.value, &own.value) {
        (Value::Map(below), Value::Map(above)) if !is_one_value(below) && !is_one_value(above) => {
            let mut map = below.clone();
            for (key, entry) in above {
                let node = match below.get(key) {
                    Some(lower) => merge(&lower.node, &entry.node),
                    None => entry.node.clone(),
                };
                let key_span = entry.key_span;
                map.insert(key.clone(), Entry { key_span, node });
            }
            Value::Map(map)
        }
        (Value::List(below), Value::List(above)) => {
            Value::List(below.iter().chain(above).cloned().collect())
        }
        (_, other) => other.clone(),
    };
    Node {
        span: own.span,
        value,
    }
}

fn is_one_value(map: &Map) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Condition" || is_function(key))
}
