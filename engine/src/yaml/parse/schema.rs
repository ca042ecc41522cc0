//! What a scalar means: the YAML 1.2 core schema.

use serde_saphyr::granit_parser::Tag;

use crate::yaml::Value;

/// The value of a plain scalar. `on`, `no`, `1_000` and `12:30` are strings; YAML 1.1 is not followed.
pub fn resolve_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::String(text.to_owned()),
    }
}

/// The value of any scalar; the error says what its tag does not allow.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return Ok(if plain {
            resolve_plain(text)
        } else {
            Value::String(text.to_owned())
        });
    };
    if tag.is_yaml_core_schema_tag("str") || is_non_specific(tag) {
        return Ok(Value::String(text.to_owned()));
    }
    let value = resolve_plain(text);
    let fits = match &value {
        Value::Null => tag.is_yaml_core_schema_tag("null"),
        Value::Bool(_) => tag.is_yaml_core_schema_tag("bool"),
        Value::Number(text) => {
            tag.is_yaml_core_schema_tag("float")
                || (tag.is_yaml_core_schema_tag("int") && is_integer(text))
        }
        Value::String(_) | Value::List(_) | Value::Map(_) => false,
    };
    if fits {
        return Ok(value);
    }
    Err(if tag.is_yaml_core_schema() {
        format!(
            "the value does not fit its tag `{}`",
            tag.original().escape_debug()
        )
    } else {
        format!(
            "the tag `{}` is not supported",
            tag.original().escape_debug()
        )
    })
}

/// The tag `!`, which says only that the value is not to be resolved.
pub(super) fn is_non_specific(tag: &Tag) -> bool {
    let (handle, suffix) = tag.parts();
    matches!((handle, suffix), ("!", "") | ("", "!"))
}

fn is_number(text: &str) -> bool {
    is_integer(text) || is_float(text)
}

fn is_integer(text: &str) -> bool {
    let digits =
        |rest: &str, fits: fn(&u8) -> bool| !rest.is_empty() && rest.as_bytes().iter().all(fits);
    if let Some(rest) = text.strip_prefix("0o") {
        return digits(rest, |b| (b'0'..=b'7').contains(b));
    }
    if let Some(rest) = text.strip_prefix("0x") {
        return digits(rest, u8::is_ascii_hexdigit);
    }
    digits(unsigned(text), u8::is_ascii_digit)
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let rest = unsigned(text);
    if matches!(rest, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(unsigned(exponent))),
        None => (rest, None),
    };
    if exponent.is_some_and(|part| part.is_empty() || !digits(part)) {
        return false;
    }
    match number.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && (!whole.is_empty() || !fraction.is_empty())
        }
        None => !number.is_empty() && digits(number),
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}
