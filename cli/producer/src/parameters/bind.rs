//! Given values meet declarations.

use std::collections::BTreeMap;

use engine::contract::{Place, quoted};
use serde::Serialize;

use super::declare::items;
use super::{Declaration, Given, IMPORT};
use crate::report::{Finding, Level, Rule, Subject, did_you_mean};
use crate::template::Template;
use crate::text::Text;

/// A parameter with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// One text.
    One(Text),
    /// The texts of a list.
    Many(Vec<Text>),
}

/// A parameter that nothing gives a value: something to ask a person for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The parameter.
    pub name: String,
    /// Its type, as the template writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The only values it takes; empty when it takes any, or when they are secrets.
    pub allowed: Vec<String>,
    /// Whether the answer is a secret: neither shown nor saved.
    pub no_echo: bool,
}

/// The parameters without a given value and without a default, in the order of the text.
pub fn questions(template: &Template<'_>, given: &Given) -> Vec<Question> {
    template
        .declarations()
        .iter()
        .filter(|declared| declared.default.is_none() && !given.contains_key(&declared.name))
        .map(|declared| Question {
            name: declared.name.clone(),
            type_name: declared.type_name.clone(),
            description: declared.description.clone(),
            allowed: declared.allowed_values().to_vec(),
            no_echo: declared.no_echo,
        })
        .collect()
}

/// Given names that none of the templates declares, as errors. One run gives values to several templates, so that one template
/// alone cannot tell.
pub fn unknown(templates: &[&Template<'_>], given: &Given) -> Vec<Finding> {
    let declared = || {
        templates
            .iter()
            .flat_map(|template| template.declarations())
            .map(|declaration| declaration.name.as_str())
    };
    given
        .keys()
        .filter(|name| !name.starts_with(IMPORT) && !declared().any(|known| known == *name))
        .map(|name| Finding {
            place: Place::file(""),
            level: Level::Error,
            rule: Rule::UnknownParameter.name().to_owned(),
            subject: Subject {
                id: name.clone(),
                ..Subject::default()
            },
            message: format!("no template has a parameter {}", quoted(name)),
            hint: did_you_mean(name, declared()),
        })
        .collect()
}

/// Gives every parameter its value. What is missing or does not fit is reported.
pub fn bind(template: &Template<'_>, given: &Given) -> BTreeMap<String, Bound> {
    template
        .declarations()
        .iter()
        .filter_map(|declared| Some((declared.name.clone(), bind_one(template, declared, given)?)))
        .collect()
}

fn bind_one(template: &Template<'_>, declared: &Declaration, given: &Given) -> Option<Bound> {
    let name = &declared.name;
    let subject = Subject {
        id: name.clone(),
        kind: "parameter".to_owned(),
        property: String::new(),
    };
    let Some(value) = given.get(name).or(declared.default.as_ref()) else {
        template.findings.error_with_hint(
            Rule::MissingParameter,
            &subject,
            declared.span,
            format!("the parameter `{name}` has no value and no default"),
            format!("give it with `--parameter {name}=VALUE`"),
        );
        return None;
    };
    if let Err(message) = declared.check(value.reveal()) {
        let span = declared.span;
        let findings = &template.findings;
        findings.error(Rule::ParameterValue, &subject, span, message);
        return None;
    }
    let text = |part: &str| {
        if declared.no_echo {
            Text::secret(name, part)
        } else {
            Text::clean(part)
        }
    };
    Some(if declared.shape.is_list {
        // A part of a secret is not the secret: nobody can give it by the parameter's name.
        let part = |item: &str| text(item).altered();
        Bound::Many(items(value.reveal()).map(part).collect())
    } else {
        Bound::One(text(value.reveal()))
    })
}
