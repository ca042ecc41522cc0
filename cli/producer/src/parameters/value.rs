//! Names and values of every form: `NAME=VALUE`, a value of a tree, and what is said of a wrong one.

use engine::contract::{Place, Violation};
use engine::yaml::{self, Node, ParseLimits, Span, Value};

use super::{GivenValue, IMPORT, SSM};

/// Reads `NAME=VALUE`. The message does not repeat it.
pub fn assignment(text: &str) -> Result<(String, GivenValue), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a parameter is given as `NAME=VALUE`")?;
    if !is_name(name) {
        return Err(
            "the name before `=` is made of letters and digits; or it is `ImportValue:` with the name of an export, or `resolve:ssm:` with a name in SSM",
        );
    }
    Ok((name.to_owned(), GivenValue::new(value)))
}

/// Whether a text can name a parameter, an export or a name in SSM.
pub(super) fn is_name(name: &str) -> bool {
    let of_the_cloud = name.strip_prefix(IMPORT).or(name.strip_prefix(SSM));
    match of_the_cloud {
        Some(name) => !name.is_empty() && !name.chars().any(char::is_control),
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()),
    }
}

/// A violation at a place of a file, without a piece of its text.
pub(super) fn wrong(file: &str, span: Span, message: impl Into<String>) -> Violation {
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

/// The tree of a YAML or JSON text.
pub(super) fn parsed(file: &str, text: &str) -> Result<Node, Vec<Violation>> {
    yaml::parse_all(text, &ParseLimits::default()).map_err(|errors| {
        let refused = errors.iter();
        refused
            // The parser's own words may repeat a key; they never repeat a value.
            .map(|error| wrong(file, error.span, error.rule.name()))
            .collect::<Vec<_>>()
    })
}

/// A value as text; lists as `CloudFormation` writes them, with commas.
pub(super) fn flat(value: &Value) -> Option<String> {
    if let Value::List(items) = value {
        let texts: Option<Vec<&str>> = items.iter().map(|item| item.value.text()).collect();
        return texts.map(|texts| texts.join(","));
    }
    value.text().map(str::to_owned)
}

/// The place of a byte of a text.
pub(super) fn at(text: &str, offset: usize) -> Span {
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
