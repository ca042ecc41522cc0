//! A template as a tree: YAML with short tags, or JSON.
//!
//! Here: reading the text under limits, the sections, the list of resources. Not here: what a parameter, an intrinsic function or a
//! property means.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod function;
mod kind;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use engine::yaml::{self, Map, Node, ParseLimits, Span, Value};

use function::LANGUAGE;
pub(crate) use function::LOOP;
#[cfg(test)]
pub(crate) use function::REFUSED;
pub use function::{is_call, is_function, is_refused, needs_language, refuse, shorthand};
pub use kind::Kind;

use super::parameters::{self, Declaration};
use super::report::{Findings, Report, Reported, Subject, TemplateRule, did_you_mean};

/// Resources of one template.
const MAX_RESOURCES: usize = 5000;

/// Types of resources that are templates of their own.
pub(crate) const NESTED: [&str; 2] = ["AWS::CloudFormation::Stack", "AWS::Serverless::Application"];

/// A template that could be read: its tree, its parameters, its resources.
pub struct Template<'a> {
    pub(super) findings: Rc<Findings<'a>>,
    file: &'a str,
    text: &'a str,
    root: Map,
    declarations: Vec<Declaration>,
    /// Parameters that are declared wrongly, which was reported.
    refused: Vec<(String, Reported)>,
}

/// A resource before its properties are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'t> {
    /// Its logical id.
    pub id: &'t str,
    /// Where the logical id stands.
    pub span: Span,
    /// Its type, as written.
    pub type_name: &'t str,
    /// Its type, when it is a supported one.
    pub kind: Option<Kind>,
    /// The whole resource.
    pub map: &'t Map,
}

impl Resource<'_> {
    /// Whether it is a template of its own.
    pub fn is_nested(&self) -> bool {
        NESTED.contains(&self.type_name)
    }

    /// Where its type stands.
    pub(super) fn type_span(&self) -> Span {
        self.map
            .get("Type")
            .map_or(self.span, |entry| entry.node.span)
    }

    /// What findings about it are about.
    pub fn subject(&self) -> Subject {
        Subject {
            id: self.id.to_owned(),
            kind: self.type_name.to_owned(),
            property: String::new(),
        }
    }
}

impl<'a> Template<'a> {
    /// Reads a template. What is wrong with its sections, parameters and resources is reported with the model.
    pub fn read(file: &'a str, text: &'a str) -> Result<Self, Report> {
        match yaml::parse_last_wins(text, &ParseLimits::default(), shorthand) {
            Ok((node, twice)) => {
                let template = Self::of(file, text, node)?;
                template.findings.twice(&twice, text.contains("NoEcho"));
                Ok(template)
            }
            Err(errors) => {
                let findings = Findings::of(file, text);
                findings.refused(&errors, text.contains("NoEcho"));
                Err(findings.report())
            }
        }
    }

    /// The template that a text was parsed to.
    pub(super) fn of(file: &'a str, text: &'a str, node: Node) -> Result<Self, Report> {
        let findings = Findings::of(file, text);
        let Value::Map(root) = node.value else {
            let message = format!("a template is a mapping, not {}", node.value.kind());
            findings.error(
                TemplateRule::NotATemplate,
                &Subject::default(),
                node.span,
                message,
            );
            return Err(findings.report());
        };
        hide_secrets(&findings, &root);
        let mut template = Self {
            findings: Rc::new(findings),
            file,
            text,
            root,
            declarations: Vec::new(),
            refused: Vec::new(),
        };
        let has_resources = section::check(&template.findings, &template.root);
        let section = template.section("Parameters");
        let (declared, refused) = parameters::declarations(&template.findings, section);
        (template.declarations, template.refused) = (declared, refused);
        if has_resources {
            Ok(template)
        } else {
            Err(template.findings.report())
        }
    }

    /// The same template with another tree; what is found in it goes to the same report.
    pub(super) fn with_root(&self, root: Map) -> Self {
        Self {
            findings: Rc::clone(&self.findings),
            file: self.file,
            text: self.text,
            root,
            declarations: self.declarations.clone(),
            refused: self.refused.clone(),
        }
    }

    /// The whole tree.
    pub(super) fn root(&self) -> &Map {
        &self.root
    }

    /// Whether it asks for the functions of `AWS::LanguageExtensions`.
    pub(super) fn has_language(&self) -> bool {
        let transform = self.root.get("Transform").map(|entry| &entry.node.value);
        match transform {
            Some(Value::List(items)) => {
                items.iter().any(|item| item.value.text() == Some(LANGUAGE))
            }
            Some(value) => value.text() == Some(LANGUAGE),
            None => false,
        }
    }

    /// Its file, as the user names it.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Its text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its parameters, in the order of the text.
    pub fn declarations(&self) -> &[Declaration] {
        &self.declarations
    }

    /// Its parameters that are declared wrongly.
    pub(super) fn refused(&self) -> &[(String, Reported)] {
        &self.refused
    }

    /// The names of its parameters, also of those that are declared wrongly.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        let declared = self.declarations.iter().map(|one| one.name.as_str());
        declared.chain(self.refused.iter().map(|(name, _)| name.as_str()))
    }

    /// Where a section stands.
    pub(super) fn place_of(&self, name: &str) -> Span {
        self.root
            .get(name)
            .map_or(Span::default(), |entry| entry.key_span)
    }

    /// A section; an absent one is empty.
    pub(super) fn section(&self, name: &str) -> &Map {
        static NONE: Map = Map::new();
        match self.root.get(name).map(|entry| &entry.node.value) {
            Some(Value::Map(map)) => map,
            Some(
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_),
            )
            | None => &NONE,
        }
    }

    /// Its resources, by logical id; what is no resource is reported.
    pub(super) fn resources(&self) -> BTreeMap<&str, Resource<'_>> {
        let section = self.section("Resources");
        if section.len() > MAX_RESOURCES {
            let message = format!(
                "the template has {} resources; at most {MAX_RESOURCES} are read",
                section.len()
            );
            let span = self.place_of("Resources");
            self.findings
                .error(TemplateRule::TooMany, &Subject::default(), span, message);
            return BTreeMap::new();
        }
        section
            .iter()
            // Loops are written out before any resource is read.
            .filter(|(id, _)| !id.starts_with(LOOP))
            .filter_map(|(id, entry)| {
                let resource = self.resource(id, entry.key_span, &entry.node)?;
                Some((id.as_str(), resource))
            })
            .collect()
    }

    fn resource<'t>(&self, id: &'t str, span: Span, node: &'t Node) -> Option<Resource<'t>> {
        let subject = Subject {
            id: id.to_owned(),
            ..Subject::default()
        };
        if id.is_empty() || id.len() > 255 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let message = "a logical id is made of letters and digits, at most 255";
            self.findings
                .error(TemplateRule::BadValue, &subject, span, message);
            return None;
        }
        let Value::Map(map) = &node.value else {
            let message = format!("a resource is a mapping, not {}", node.value.kind());
            self.findings
                .error(TemplateRule::WrongKind, &subject, node.span, message);
            return None;
        };
        let Some(Value::String(type_name)) = map.get("Type").map(|entry| &entry.node.value) else {
            let message = "a resource has a `Type`, which is a text";
            self.findings
                .error(TemplateRule::MissingProperty, &subject, span, message);
            return None;
        };
        Some(Resource {
            id,
            span,
            type_name,
            kind: Kind::parse(type_name),
            map,
        })
    }
}

/// Hides every line of a parameter that is or may be a `NoEcho` one: its default is a secret too.
fn hide_secrets(findings: &Findings<'_>, root: &Map) {
    let Some(Value::Map(section)) = root.get("Parameters").map(|entry| &entry.node.value) else {
        return;
    };
    for entry in section.values() {
        let Value::Map(declaration) = &entry.node.value else {
            continue;
        };
        let no_echo = declaration.get("NoEcho").map(|entry| &entry.node.value);
        if no_echo.is_none_or(|value| parameters::is_flag(value) == Some(false)) {
            continue;
        }
        let mut last = entry.key_span;
        let mut rest: Vec<&Node> = vec![&entry.node];
        while let Some(node) = rest.pop() {
            findings.hide(node.span, node.span);
            last = last.max(node.span);
            match &node.value {
                Value::List(items) => rest.extend(items),
                Value::Map(map) => rest.extend(map.values().map(|entry| &entry.node)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        findings.hide(entry.key_span, last);
    }
}

/// Reports a name that nothing has, with the nearest that something has.
pub(super) fn unknown_name<'n>(
    findings: &Findings<'_>,
    subject: &Subject,
    span: Span,
    message: String,
    name: &str,
    known: impl Iterator<Item = &'n str>,
) -> Reported {
    // Every known name is compared: for as many errors as are kept, and no more.
    let hint = (!findings.is_full())
        .then(|| did_you_mean(name, known))
        .flatten();
    match hint {
        Some(hint) => {
            findings.error_with_hint(TemplateRule::UnknownName, subject, span, message, hint)
        }
        None => findings.error(TemplateRule::UnknownName, subject, span, message),
    }
}
