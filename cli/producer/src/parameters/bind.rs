//! Given values meet declarations.

use std::collections::BTreeMap;

use engine::contract::{Place, quoted};
use engine::yaml::Span;
use serde::Serialize;

use super::declare::items;
use super::{Declaration, Given, is_of_the_cloud};
use crate::report::{
    Findings, Level, Reported, Subject, TemplateFinding, TemplateRule, did_you_mean,
};
use crate::template::Template;
use crate::text::Text;

/// A parameter with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// One text.
    One(Text),
    /// The texts of a list.
    Many(Vec<Text>),
    /// It has no value, which matters to whoever asks for it.
    Missing(Missing),
    /// Its value does not fit, which was reported.
    Refused(Reported),
}

/// A parameter without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The parameter.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// Whether the cloud would look its value up.
    pub looked_up: bool,
    /// Whether it is one of a nested template.
    pub is_nested: bool,
    /// Whether it is a secret, which nobody may give as an argument.
    pub is_secret: bool,
    /// Whether its value is a list.
    pub is_list: bool,
}

impl Missing {
    /// Reports it: something asks for the value.
    pub fn report(&self, findings: &Findings<'_>) -> Reported {
        let name = &self.name;
        let why = if self.looked_up {
            "the cloud takes its value from SSM, and none is given"
        } else {
            "it has no value and no default"
        };
        findings.error_with_hint(
            TemplateRule::MissingParameter,
            &subject(name),
            self.span,
            format!("the parameter `{name}` is needed: {why}"),
            if self.is_nested {
                format!("give `{name}` among the `Parameters` of the nested stack")
            } else if self.is_secret {
                format!("give it in a file: `--parameters-file PATH` with the line `{name}=…`")
            } else {
                format!("give it with `--parameter {name}=VALUE`")
            },
        )
    }
}

fn subject(name: &str) -> Subject {
    Subject {
        id: name.to_owned(),
        kind: "parameter".to_owned(),
        property: String::new(),
    }
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

/// The parameters without a given value and without a default, in the order of the text, whether anything reads them or not.
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
pub fn unknown(templates: &[&Template<'_>], given: &Given) -> Vec<TemplateFinding> {
    let declared = || {
        templates
            .iter()
            .flat_map(|template| template.parameter_names())
    };
    given
        .keys()
        .filter(|name| !is_of_the_cloud(name) && !declared().any(|known| known == *name))
        .map(|name| TemplateFinding {
            place: Place::file(""),
            level: Level::Error,
            rule: TemplateRule::UnknownParameter.name().to_owned(),
            subject: Subject {
                id: name.clone(),
                ..Subject::default()
            },
            message: format!("no template has a parameter {}", quoted(name)),
            hint: did_you_mean(name, declared()),
        })
        .collect()
}

/// Gives every parameter its value. What does not fit is reported; what is missing is reported to whoever asks for it.
pub fn bind(template: &Template<'_>, given: &Given) -> BTreeMap<String, Bound> {
    let bind = |declared: &Declaration| bind_one(template, declared, given);
    bind_all(template, bind)
}

/// Gives every parameter of a nested template the value that the template around it says. What is missing or does not fit is reported
/// as [`bind`] does.
pub fn bind_nested(
    template: &Template<'_>,
    values: &BTreeMap<String, Text>,
) -> BTreeMap<String, Bound> {
    let nothing = Given::new();
    let bind = |declared: &Declaration| match values.get(&declared.name) {
        Some(text) => bind_text(template, declared, text),
        None => match bind_one(template, declared, &nothing) {
            Bound::Missing(missing) => Bound::Missing(Missing {
                is_nested: true,
                ..missing
            }),
            bound @ (Bound::One(_) | Bound::Many(_) | Bound::Refused(_)) => bound,
        },
    };
    bind_all(template, bind)
}

fn bind_all(
    template: &Template<'_>,
    bind: impl Fn(&Declaration) -> Bound,
) -> BTreeMap<String, Bound> {
    let declared = template.declarations().iter();
    let bound = declared.map(|declared| (declared.name.clone(), bind(declared)));
    let refused = template.refused().iter();
    let refused = refused.map(|(name, reported)| (name.clone(), Bound::Refused(*reported)));
    bound.chain(refused).collect()
}

/// The value that the template around gives: a secret stays one under its own name. Of one that has no value yet, nothing can be
/// checked.
fn bind_text(template: &Template<'_>, declared: &Declaration, text: &Text) -> Bound {
    if text.lacks_value() && declared.shape.is_list {
        return Bound::Missing(Missing {
            name: declared.name.clone(),
            span: declared.span,
            looked_up: declared.looked_up,
            is_nested: true,
            is_secret: true,
            is_list: true,
        });
    }
    if !text.lacks_value()
        && let Err(message) = declared.check(text.reveal())
    {
        let message = match text.shown() {
            Ok(_) => message,
            Err(taint) => format!("the value of {} does not fit", taint.names()),
        };
        let (findings, subject) = (&template.findings, subject(&declared.name));
        return Bound::Refused(findings.error(
            TemplateRule::ParameterValue,
            &subject,
            declared.span,
            message,
        ));
    }
    let text = match text.shown() {
        Ok(clean) if declared.no_echo => Text::secret(&declared.name, clean),
        Ok(_) | Err(_) => text.clone(),
    };
    if declared.shape.is_list {
        let part = |item: &str| Text::made_from(item, [&text]);
        Bound::Many(items(text.reveal()).map(part).collect())
    } else {
        Bound::One(text)
    }
}

fn bind_one(template: &Template<'_>, declared: &Declaration, given: &Given) -> Bound {
    let name = &declared.name;
    let Some(value) = given.get(name).or(declared.default.as_ref()) else {
        return Bound::Missing(Missing {
            name: name.clone(),
            span: declared.span,
            looked_up: declared.looked_up,
            is_nested: false,
            is_secret: declared.no_echo,
            is_list: declared.shape.is_list,
        });
    };
    if let Err(message) = declared.check(value.reveal()) {
        let span = declared.span;
        let findings = &template.findings;
        return Bound::Refused(findings.error(
            TemplateRule::ParameterValue,
            &subject(name),
            span,
            message,
        ));
    }
    let text = |part: &str| {
        if declared.no_echo {
            Text::secret(name, part)
        } else {
            Text::clean(part)
        }
    };
    if declared.shape.is_list {
        // A part of a secret is not the secret: nobody can give it by the parameter's name.
        let part = |item: &str| text(item).altered();
        Bound::Many(items(value.reveal()).map(part).collect())
    } else {
        Bound::One(text(value.reveal()))
    }
}
