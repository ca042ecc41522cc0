//! The forms in which values are given: `NAME=VALUE`, JSON, YAML, dotenv, `samconfig.toml`.
//!
//! Each gives names and values. Messages carry names, lines and columns, never a piece of the text, since every piece may be a secret.

use engine::contract::{EnvText, Place, Violation, env_line};
use engine::yaml::{self, Limits, Node, Span, Value};

use super::{Given, GivenValue, IMPORT};

/// Bytes of a file of values.
const MAX_BYTES: usize = 1 << 20;

/// The form of a file of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A mapping, a list of `ParameterKey` and `ParameterValue`, or a mapping under `Parameters`; JSON or YAML.
    Tree,
    /// `NAME=value` lines.
    Dotenv,
    /// `parameter_overrides` of a `samconfig.toml`.
    SamConfig,
}

impl Format {
    /// The form that a file of this name has.
    fn of(file: &str) -> Self {
        let extension = file
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'));
        match extension
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .as_deref()
        {
            Some("json" | "yaml" | "yml") => Self::Tree,
            Some("toml") => Self::SamConfig,
            Some(_) | None => Self::Dotenv,
        }
    }
}

/// Reads `NAME=VALUE`. The message does not repeat it.
pub fn assignment(text: &str) -> Result<(String, GivenValue), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a parameter is given as `NAME=VALUE`")?;
    if !is_name(name) {
        return Err(
            "the name before `=` is made of letters and digits, or of `ImportValue:` and the name of an export",
        );
    }
    Ok((name.to_owned(), GivenValue::new(value)))
}

fn is_name(name: &str) -> bool {
    match name.strip_prefix(IMPORT) {
        Some(export) => !export.is_empty() && !export.chars().any(char::is_control),
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()),
    }
}

/// Reads a file of values. `section` is the environment of a `samconfig.toml`, usually `default`.
pub fn read_file(file: &str, text: &str, section: &str) -> Result<Given, Vec<Violation>> {
    if text.len() > MAX_BYTES {
        let message = format!("a file of parameters has at most {MAX_BYTES} bytes");
        return Err(vec![wrong(file, Span::default(), message)]);
    }
    match Format::of(file) {
        Format::Tree => tree(file, text),
        Format::Dotenv => dotenv(file, text),
        Format::SamConfig => sam_config(file, text, section).map_err(|violation| vec![violation]),
    }
}

fn wrong(file: &str, span: Span, message: impl Into<String>) -> Violation {
    Violation {
        place: Place {
            line: span.line,
            column: span.column,
            ..Place::file(file)
        },
        rule: "bad-parameter-file".to_owned(),
        message: message.into(),
        hint: None,
    }
}

fn tree(file: &str, text: &str) -> Result<Given, Vec<Violation>> {
    let root = yaml::parse_all(text, &Limits::default()).map_err(|errors| {
        let refused = errors.iter();
        refused
            // The parser's own words may repeat a key; they never repeat a value.
            .map(|error| wrong(file, error.span, error.rule.name()))
            .collect::<Vec<_>>()
    })?;
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
            for item in items {
                match pair(item) {
                    Some((name, value)) => take(name, item.span, value),
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

const PAIR: &str = "an item has a `ParameterKey` and a `ParameterValue`";

fn pair(item: &Node) -> Option<(&str, &Node)> {
    let Value::Map(map) = &item.value else {
        return None;
    };
    let name = map.get("ParameterKey")?.node.value.text()?;
    Some((name, &map.get("ParameterValue")?.node))
}

/// A value as text; lists as `CloudFormation` writes them, with commas.
fn flat(value: &Value) -> Option<String> {
    if let Value::List(items) = value {
        let texts: Option<Vec<&str>> = items.iter().map(|item| item.value.text()).collect();
        return texts.map(|texts| texts.join(","));
    }
    value.text().map(str::to_owned)
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

/// `[SECTION.deploy.parameters]`, then `[SECTION.global.parameters]`, for what the first leaves out.
fn sam_config(file: &str, text: &str, section: &str) -> Result<Given, Violation> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let span = error
            .span()
            .map_or(Span::default(), |range| at(text, range.start));
        wrong(file, span, "this is no TOML")
    })?;
    let mut given = Given::new();
    for command in ["global", "deploy"] {
        let overrides = table
            .get(section)
            .and_then(|value| value.get(command))
            .and_then(|value| value.get("parameters"))
            .and_then(|value| value.get("parameter_overrides"));
        if let Some(overrides) = overrides {
            given.extend(words(file, overrides)?);
        }
    }
    Ok(given)
}

fn words(file: &str, overrides: &toml::Value) -> Result<Given, Violation> {
    let refuse = |message: &str| {
        let message = format!("`parameter_overrides`: {message}");
        wrong(file, Span::default(), message)
    };
    let texts: Vec<String> = match overrides {
        toml::Value::String(text) => {
            shlex::split(text).ok_or_else(|| refuse("a quote is opened and not closed"))?
        }
        toml::Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| refuse("an item is a text"))?,
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Table(_) => return Err(refuse("it is a text, or a list of texts")),
    };
    texts
        .iter()
        .map(|text| {
            let long = text
                .strip_prefix("ParameterKey=")
                .and_then(|rest| rest.split_once(",ParameterValue="));
            match long {
                Some((name, value)) if is_name(name) => {
                    Ok((name.to_owned(), GivenValue::new(value)))
                }
                Some(_) => Err(refuse("this is no name of a parameter")),
                None => assignment(text).map_err(refuse),
            }
        })
        .collect()
}

/// The place of a byte of a text.
fn at(text: &str, offset: usize) -> Span {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    Span {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}
