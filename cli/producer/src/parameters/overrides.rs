//! `parameter_overrides` of a `samconfig.toml` or `samconfig.yaml`, in the forms that SAM takes.

use engine::contract::Violation;
use engine::yaml::{Span, Value};

use super::value::{assignment, at, flat, is_name, parsed, wrong};
use super::{Given, GivenValue};

/// The commands of a `samconfig` whose parameters count, the weakest first.
const COMMANDS: [&str; 2] = ["global", "deploy"];

/// `parameter_overrides`, in the forms that SAM takes.
pub(super) enum Overrides {
    /// Nothing is said.
    None,
    /// `NAME=VALUE`, each a text.
    Words(Vec<String>),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// Those of several commands, the weakest first.
    All(Vec<Self>),
    /// Something else.
    Wrong(&'static str),
}

const WRONG_KIND: &str =
    "`parameter_overrides` is a text, a list of texts, or a table of names and values";
const NO_NAME: &str = "this is no name of a parameter";
const OPEN_QUOTE: &str = "a quote is opened and not closed";

impl Overrides {
    /// The words of one text. A lone apostrophe is a character like others, as SAM has it.
    fn of_text(text: &str) -> Self {
        let plain = || text.split_whitespace().map(str::to_owned).collect();
        match shlex::split(text) {
            Some(words) => Self::Words(words),
            None if !text.contains('"') && !text.contains("='") => Self::Words(plain()),
            None => Self::Wrong(OPEN_QUOTE),
        }
    }

    fn of_toml(value: &toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::of_text(text),
            toml::Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().map(item_of));
                texts.collect::<Option<_>>().map_or(
                    Self::Wrong("an item of `parameter_overrides` is a text"),
                    Self::Words,
                )
            }
            toml::Value::Table(table) => {
                let pairs = table
                    .iter()
                    .map(|(name, value)| Some((name.clone(), toml_text(value)?)));
                pairs.collect::<Option<_>>().map_or(
                    Self::Wrong("a value of `parameter_overrides` is a text or a list of texts"),
                    Self::Pairs,
                )
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => Self::Wrong(WRONG_KIND),
        }
    }

    fn of_yaml(value: &Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::String(text) => Self::of_text(text),
            Value::List(items) => {
                let texts = items.iter().map(|item| item.value.text().map(item_of));
                texts.collect::<Option<_>>().map_or(
                    Self::Wrong("an item of `parameter_overrides` is a text"),
                    Self::Words,
                )
            }
            Value::Map(map) => {
                let pairs = map
                    .iter()
                    .map(|(name, entry)| Some((name.clone(), flat(&entry.node.value)?)));
                pairs.collect::<Option<_>>().map_or(
                    Self::Wrong("a value of `parameter_overrides` is a text or a list of texts"),
                    Self::Pairs,
                )
            }
            Value::Bool(_) | Value::Number(_) => Self::Wrong(WRONG_KIND),
        }
    }
}

/// A value of TOML as `CloudFormation` writes it; none for a table.
fn toml_text(value: &toml::Value) -> Option<String> {
    Some(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(toml_text).collect();
            texts?.join(",")
        }
        toml::Value::Table(_) => return None,
    })
}

pub(super) fn of_toml(file: &str, text: &str, section: &str) -> Result<Overrides, Violation> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let span = error
            .span()
            .map_or(Span::default(), |range| at(text, range.start));
        wrong(file, span, "this is no TOML")
    })?;
    let of_command = |command| {
        let parameters = table.get(section)?.get(command)?.get("parameters")?;
        Some(Overrides::of_toml(parameters.get("parameter_overrides")?))
    };
    Ok(Overrides::All(
        COMMANDS.iter().filter_map(of_command).collect(),
    ))
}

pub(super) fn of_yaml(file: &str, text: &str, section: &str) -> Result<Overrides, Vec<Violation>> {
    let root = parsed(file, text)?;
    let of_command = |command: &&str| {
        let mut at = &root;
        for key in [section, *command, "parameters", "parameter_overrides"] {
            let Value::Map(map) = &at.value else {
                return None;
            };
            at = &map.get(key)?.node;
        }
        Some(Overrides::of_yaml(&at.value))
    };
    Ok(Overrides::All(
        COMMANDS.iter().filter_map(of_command).collect(),
    ))
}

pub(super) fn words(file: &str, overrides: Overrides) -> Result<Given, Violation> {
    let refuse = |message: &str| wrong(file, Span::default(), message);
    match overrides {
        Overrides::None => Ok(Given::new()),
        Overrides::Wrong(message) => Err(refuse(message)),
        Overrides::All(all) => {
            let mut given = Given::new();
            for overrides in all {
                given.extend(words(file, overrides)?);
            }
            Ok(given)
        }
        Overrides::Pairs(pairs) => pairs
            .into_iter()
            .map(|(name, value)| {
                if is_name(&name) {
                    Ok((name, GivenValue(value)))
                } else {
                    Err(refuse(NO_NAME))
                }
            })
            .collect(),
        Overrides::Words(texts) => texts
            .iter()
            .map(|text| {
                if text.starts_with("file://") {
                    return Err(refuse(
                        "a file is named by `--parameters-file`, not by `file://`",
                    ));
                }
                let long = text
                    .strip_prefix("ParameterKey=")
                    .and_then(|rest| rest.split_once(",ParameterValue="));
                match long {
                    Some((name, value)) if is_name(name) => {
                        Ok((name.to_owned(), GivenValue::new(value)))
                    }
                    Some(_) => Err(refuse(NO_NAME)),
                    None => assignment(text).map_err(refuse),
                }
            })
            .collect(),
    }
}

/// An item of a list: the quotes around its value are no part of it, as SAM has it.
fn item_of(text: &str) -> String {
    const LONG: &str = ",ParameterValue=";
    let long = text.find(LONG).map(|at| at + LONG.len());
    let Some(at) = long.or_else(|| text.find('=').map(|at| at + 1)) else {
        return text.to_owned();
    };
    let (name, value) = text.split_at(at);
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = inside('"').or_else(|| inside('\'')).unwrap_or(value);
    format!("{name}{value}")
}
