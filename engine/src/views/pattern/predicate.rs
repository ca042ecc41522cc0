//! What must hold of a field of an event: `changes.added > 0`, `gateway.version >= 1.4`.

use semver::{Version, VersionReq};
use serde_json::Value;

use super::TimedEvent;
use super::fields::FieldType;
use crate::contract::{did_you_mean, quoted};

/// Where a value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// In the payload, below these names. A list on the way stands for each of its elements.
    Payload(Vec<String>),
    /// In each container of this service, below these names.
    Service {
        /// The service.
        service: String,
        /// The names.
        inside: &'static [&'static str],
    },
    /// Of an image: it was taken from the registry as this journal had recorded it.
    Reused,
    /// In the envelope: who.
    Actor,
    /// In the envelope: in which attempt.
    Attempt,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `=`
    Same,
    /// `!=`
    Other,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Comparison {
    fn is_order(self) -> bool {
        !matches!(self, Self::Same | Self::Other)
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Same => "=",
            Self::Other => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    fn holds(self, found: f64, wanted: f64) -> bool {
        match self {
            Self::Same => found.total_cmp(&wanted).is_eq(),
            Self::Other => found.total_cmp(&wanted).is_ne(),
            Self::Less => found < wanted,
            Self::AtMost => found <= wanted,
            Self::More => found > wanted,
            Self::AtLeast => found >= wanted,
        }
    }
}

/// What a value is compared with, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    /// The text, without quotes.
    pub(super) text: String,
    /// It stood in quotes: it is a text, whatever it looks like.
    pub(super) is_quoted: bool,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Nothing,
    Number(f64),
    Flag(bool),
    Text(String),
    /// The range that is meant; `!=` asks that a version is not in it.
    Version(VersionReq),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Predicate {
    field: Field,
    comparison: Comparison,
    wanted: Wanted,
    /// The path, as it was written.
    path: String,
}

/// Why a comparison makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Senseless {
    /// What is wrong.
    pub(super) message: String,
    /// What would be right.
    pub(super) hint: Option<String>,
}

impl Predicate {
    /// A comparison that fits what the field holds.
    pub(super) fn new(
        field: Field,
        of: FieldType,
        path: String,
        comparison: Comparison,
        literal: &Literal,
    ) -> Result<Self, Senseless> {
        let wanted = wanted(of, comparison, literal).map_err(|(what, hint)| Senseless {
            message: format!("{} {what}", quoted(&path)),
            hint,
        })?;
        Ok(Self {
            field,
            comparison,
            wanted,
            path,
        })
    }

    /// Says whether it holds of an event. `!=` holds of a list when no element is equal; every other comparison when one element is right.
    pub(super) fn holds(&self, event: &TimedEvent) -> bool {
        let values = self.values(event);
        match &self.field {
            // Of a service that several containers run, each must be right.
            Field::Service { .. } => {
                !values.is_empty() && values.iter().all(|value| self.is_right(value))
            }
            Field::Payload(_) | Field::Reused | Field::Actor | Field::Attempt => {
                let mut values = values.iter();
                if self.comparison == Comparison::Other {
                    values.all(|value| self.is_right(value))
                } else {
                    values.any(|value| self.is_right(value))
                }
            }
        }
    }

    /// What the field is, for whoever asks why it does not hold.
    pub(super) fn found(&self, event: &TimedEvent) -> String {
        let values = self.values(event);
        let path = quoted(&self.path);
        if values.is_empty() {
            return format!("{path} is nothing that runs");
        }
        let mut words: Vec<String> = values.iter().map(|value| self.word(value)).collect();
        words.dedup();
        let more = words.len().saturating_sub(SHOWN_MAX);
        words.truncate(SHOWN_MAX);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{path} is {}{more}", words.join(", "))
    }

    fn values(&self, event: &TimedEvent) -> Vec<Value> {
        match &self.field {
            Field::Payload(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let found: Vec<Value> =
                    select(&event.payload, &path).into_iter().cloned().collect();
                if found.is_empty() {
                    vec![Value::Null]
                } else {
                    found
                }
            }
            Field::Service { service, inside } => {
                let containers = select(&event.payload, &["observation", "containers"]);
                let containers = containers.into_iter().flat_map(elements);
                containers
                    .filter(|container| container["service"] == service.as_str())
                    .map(|container| {
                        let found = select(container, inside).into_iter().next();
                        found.cloned().unwrap_or(Value::Null)
                    })
                    .collect()
            }
            Field::Reused => vec![Value::Bool(event.payload["source"] == "reused")],
            Field::Actor => vec![Value::from(event.actor.as_str())],
            Field::Attempt => vec![Value::from(event.attempt)],
        }
    }

    fn is_right(&self, value: &Value) -> bool {
        let same = match (&self.wanted, value) {
            (Wanted::Nothing, value) => value.is_null(),
            (Wanted::Number(wanted), value) => {
                return match number(value) {
                    Some(found) => self.comparison.holds(found, *wanted),
                    None => self.comparison == Comparison::Other,
                };
            }
            (Wanted::Flag(wanted), value) => flag(value) == Some(*wanted),
            (Wanted::Text(wanted), Value::String(found)) => found == wanted,
            (Wanted::Text(wanted), Value::Array(found)) => {
                found.iter().any(|found| found == wanted.as_str())
            }
            (Wanted::Version(range), Value::String(found)) => {
                version(found).is_some_and(|found| range.matches(&found))
            }
            (Wanted::Text(_) | Wanted::Version(_), _) => false,
        };
        same == (self.comparison != Comparison::Other)
    }

    fn word(&self, value: &Value) -> String {
        match (value, &self.wanted) {
            (Value::Null, _) => "nothing".to_owned(),
            (Value::Array(_) | Value::Object(_), Wanted::Number(_)) => {
                number(value).unwrap_or_default().to_string()
            }
            (Value::String(text), _) => quoted(text),
            (Value::Array(values), _) => format!("a list of {}", values.len()),
            (Value::Object(_), _) => "there".to_owned(),
            (Value::Bool(_) | Value::Number(_), _) => value.to_string(),
        }
    }
}

/// At most so many different values are named.
const SHOWN_MAX: usize = 4;

/// What is asked of a field of this type; what is wrong with the question, and what would be right.
fn wanted(
    of: FieldType,
    comparison: Comparison,
    literal: &Literal,
) -> Result<Wanted, (String, Option<String>)> {
    let text = literal.text.as_str();
    if text == "null" && !literal.is_quoted {
        return if comparison.is_order() {
            Err(("has no order with `null`".to_owned(), None))
        } else {
            Ok(Wanted::Nothing)
        };
    }
    let as_number = text
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && !literal.is_quoted);
    let no_order = |what: &str| {
        let hint = "compare it with `=` or `!=`".to_owned();
        Err((format!("{what}, which has no order"), Some(hint)))
    };
    match of {
        FieldType::Number => as_number.map(Wanted::Number).ok_or_else(|| {
            let what = format!("is a number, and {} is none", quoted(text));
            (what, None)
        }),
        FieldType::Flag if comparison.is_order() => no_order("is true or false"),
        FieldType::Flag => match text {
            "true" => Ok(Wanted::Flag(true)),
            "false" => Ok(Wanted::Flag(false)),
            _ => Err((
                format!("is `true` or `false`, and never {}", quoted(text)),
                None,
            )),
        },
        FieldType::Version => as_version(comparison, text),
        FieldType::Word(_) | FieldType::Text if comparison.is_order() => no_order("is a text"),
        FieldType::Word(words) if !words.contains(&text) => {
            let hint = did_you_mean(text, words.iter().copied())
                .unwrap_or_else(|| format!("it is {}", words.join(", ")));
            Err((format!("is never {}", quoted(text)), Some(hint)))
        }
        FieldType::Word(_) | FieldType::Text => Ok(Wanted::Text(text.to_owned())),
        FieldType::Texts => match as_number {
            Some(number) => Ok(Wanted::Number(number)),
            None if comparison.is_order() => Err((
                "is a list: its length is compared, with a number".to_owned(),
                None,
            )),
            None => Ok(Wanted::Text(text.to_owned())),
        },
        FieldType::Things => as_number.map(Wanted::Number).ok_or_else(|| {
            let hint = "compare how many there are with a number, or name a field below it";
            (
                "holds other fields, and is no text".to_owned(),
                Some(hint.to_owned()),
            )
        }),
    }
}

fn as_version(comparison: Comparison, text: &str) -> Result<Wanted, (String, Option<String>)> {
    let sign = if comparison == Comparison::Other {
        Comparison::Same.sign()
    } else {
        comparison.sign()
    };
    let plain = text.strip_prefix('v').unwrap_or(text);
    let is_one = plain.starts_with(|c: char| c.is_ascii_digit()) && !plain.contains(',');
    let range = VersionReq::parse(&format!("{sign}{plain}")).ok();
    match range.filter(|_| is_one) {
        Some(range) => Ok(Wanted::Version(range)),
        None if comparison.is_order() => Err((
            format!("is a version, and {} is none", quoted(text)),
            Some("write one as `1`, `1.4` or `1.4.2`".to_owned()),
        )),
        None => Ok(Wanted::Text(text.to_owned())),
    }
}

/// A version as programs say it: with a leading `v` or without, its last parts left out or not.
fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let (_, rest) = text.split_at(numbers.len());
    let missing = 2_usize.saturating_sub(numbers.matches('.').count());
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

/// A number, or how many things there are.
fn number(value: &Value) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nothing that is counted here has 2^52 elements"
    )]
    let count = |length: usize| Some(length as f64);
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Array(values) => count(values.len()),
        Value::Object(fields) => count(fields.len()),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// True or false. A flag that is not recorded is false.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(flag) => Some(*flag),
        Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values below these names. A list on the way stands for each of its elements.
fn select<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    let Some((name, rest)) = path.split_first() else {
        return vec![value];
    };
    let inside = elements(value).into_iter();
    inside
        .filter_map(|value| value.get(name))
        .flat_map(|value| select(value, rest))
        .collect()
}

/// The elements of a list; anything else stands for itself.
fn elements(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |values| values.iter().collect())
}
