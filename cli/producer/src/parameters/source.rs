//! The forms in which values are given: `NAME=VALUE`, JSON, YAML, dotenv, `samconfig.toml` and `samconfig.yaml`.
//!
//! Each gives names and values. Messages carry names, lines and columns, never a piece of the text, since every piece may be a secret.

use engine::contract::{EnvText, Violation, env_line};
use engine::yaml::{Node, Span, Value};

use super::overrides::{Overrides, of_toml, of_yaml, words};
use super::value::{flat, is_name, parsed, wrong};
use super::{Given, GivenValue};

/// Bytes of a file of values.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The form of a file of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A mapping, a list of `ParameterKey` and `ParameterValue`, or a mapping under `Parameters`; JSON or YAML.
    Tree,
    /// `NAME=value` lines.
    Dotenv,
    /// `parameter_overrides` of a `samconfig.toml`.
    SamConfig,
    /// The same of a `samconfig.yaml`.
    SamConfigTree,
}

impl Format {
    /// The form that a file of this name has.
    fn of(file: &str) -> Self {
        let name = file.rsplit('/').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let (stem, extension) = lower.rsplit_once('.').unwrap_or((&lower, ""));
        match (stem, extension) {
            ("samconfig", "yaml" | "yml") => Self::SamConfigTree,
            (_, "json" | "yaml" | "yml") => Self::Tree,
            (_, "toml") => Self::SamConfig,
            (_, _) => Self::Dotenv,
        }
    }
}

/// Reads a file of values. `section` is the environment of a `samconfig.toml`, usually `default`.
pub fn read_file(file: &str, text: &str, section: &str) -> Result<Given, Vec<Violation>> {
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("a file of parameters has at most {MAX_FILE_BYTES} bytes");
        return Err(vec![wrong(file, Span::default(), message)]);
    }
    match Format::of(file) {
        Format::Tree => tree(file, text),
        Format::Dotenv => dotenv(file, text),
        Format::SamConfig => {
            let overrides = of_toml(file, text, section);
            overrides
                .and_then(|all| words(file, all))
                .map_err(|violation| vec![violation])
        }
        Format::SamConfigTree => {
            let overrides = of_yaml(file, text, section)?;
            words(file, overrides).map_err(|violation| vec![violation])
        }
    }
}

fn tree(file: &str, text: &str) -> Result<Given, Vec<Violation>> {
    let root = parsed(file, text)?;
    let mut given = Given::new();
    let mut problems = Vec::new();
    let mut take = |name: &str, span: Span, node: &Node| {
        if !is_name(name) {
            problems.push(wrong(file, span, "this is no name of a parameter"));
        } else if let Some(value) = flat(&node.value) {
            given.insert(name.to_owned(), GivenValue(value));
        } else {
            let message = format!(
                "`{name}` is a text or a list of texts, not {}",
                node.value.kind()
            );
            problems.push(wrong(file, node.span, message));
        }
    };
    match &root.value {
        Value::Null => {}
        Value::Map(map) => {
            let nested = map.get("Parameters").map(|entry| &entry.node.value);
            let map = match nested {
                Some(Value::Map(inner)) => inner,
                Some(_) | None => map,
            };
            for (name, entry) in map {
                take(name, entry.key_span, &entry.node);
            }
        }
        Value::List(items) => {
            // As `aws cloudformation deploy` takes them.
            if let Some(texts) = texts(items) {
                return words(file, Overrides::Words(texts)).map_err(|violation| vec![violation]);
            }
            for item in items {
                match pair(item) {
                    Some((name, Some(value))) => take(name, item.span, value),
                    // There is no stack yet that has a value of before.
                    Some((_, None)) => {}
                    None => return Err(vec![wrong(file, item.span, PAIR)]),
                }
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            problems.push(wrong(file, root.span, "parameters are a mapping or a list"));
        }
    }
    if problems.is_empty() {
        Ok(given)
    } else {
        Err(problems)
    }
}

const PAIR: &str = "an item has a `ParameterKey` and a `ParameterValue`, or is a text `NAME=VALUE`";

/// A parameter's name and its value; no value for one that keeps what it was.
fn pair(item: &Node) -> Option<(&str, Option<&Node>)> {
    let Value::Map(map) = &item.value else {
        return None;
    };
    let name = map.get("ParameterKey")?.node.value.text()?;
    match map.get("ParameterValue") {
        Some(entry) => Some((name, Some(&entry.node))),
        None => map.contains_key("UsePreviousValue").then_some((name, None)),
    }
}

/// The items of a list of texts; none for an empty list, or one of anything else.
fn texts(items: &[Node]) -> Option<Vec<String>> {
    let texts = items.iter().map(|item| match &item.value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    });
    texts
        .collect::<Option<Vec<_>>>()
        .filter(|texts| !texts.is_empty())
}

fn dotenv(file: &str, text: &str) -> Result<Given, Vec<Violation>> {
    let mut given = Given::new();
    let mut problems = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let span = Span {
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            column: 0,
        };
        match env_line(line) {
            Ok(None) => {}
            Ok(Some((name, value))) if is_name(name) => {
                given.insert(name.to_owned(), GivenValue(value_of(value)));
            }
            Ok(Some(_)) => problems.push(wrong(file, span, "this is no name of a parameter")),
            Err(message) => problems.push(wrong(file, span, message)),
        }
    }
    if problems.is_empty() {
        Ok(given)
    } else {
        Err(problems)
    }
}

/// The characters of a value: as they stand, or, between double quotes, with escapes.
fn value_of(value: EnvText<'_>) -> String {
    match value {
        EnvText::Plain(text) | EnvText::Single(text) => text.to_owned(),
        EnvText::Double(text) => {
            let mut out = String::with_capacity(text.len());
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                if c != '\\' {
                    out.push(c);
                    continue;
                }
                match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some(escaped) => out.push(escaped),
                    None => out.push('\\'),
                }
            }
            out
        }
    }
}
