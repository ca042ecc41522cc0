//! Values of `functions.yml` and `routing.yml`, by the rules of those that read the merged files: the gateway and its scheduler.
//!
//! Here: numbers, variables, methods, paths. A value that makes the gateway refuse its whole file, or that can never do what it
//! says, is a violation; one that the stack ignores is a warning. Not here: which keys there are (`payload`), the expressions of
//! schedules (`schedule`).

use regex::Regex;

use super::fields::Reader;
use super::nearest::slipped;
use super::rule::Rule;
use super::secrets::may_name_a_secret;
use super::source::quoted;
use super::violation::Violation;
use crate::yaml::{Map, Node, Value, has_reference};

/// The methods of HTTP and of what is built upon it. Others exist, so that an unknown one is only odd.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PURGE",
    "LINK",
    "UNLINK",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
];

/// A number that the gateway reads.
#[derive(Clone, Copy)]
pub(super) struct NumberField {
    pub(super) key: &'static str,
    /// In what it counts.
    pub(super) unit: &'static str,
    pub(super) least: u32,
    /// It may have a fraction.
    pub(super) has_fraction: bool,
}

pub(super) const TIMEOUT: NumberField = NumberField {
    key: "timeout",
    unit: "seconds",
    least: 1,
    has_fraction: false,
};
pub(super) const MEMORY: NumberField = NumberField {
    key: "memory_size",
    unit: "MiB",
    least: 0,
    has_fraction: false,
};
const SCALING: [NumberField; 4] = [
    NumberField {
        key: "min_capacity",
        unit: "containers",
        least: 0,
        has_fraction: false,
    },
    NumberField {
        key: "max_capacity",
        unit: "containers",
        least: 0,
        has_fraction: false,
    },
    NumberField {
        key: "idle_timeout",
        unit: "seconds",
        least: 0,
        has_fraction: false,
    },
    NumberField {
        key: "acquire_timeout",
        unit: "seconds",
        least: 0,
        has_fraction: true,
    },
];

impl Reader<'_> {
    /// A number of a mapping; absent and null are the gateway's default.
    pub(super) fn number(&mut self, map: &Map, what: &str, field: NumberField) {
        let Some(node) = Reader::optional(map, field.key) else {
            return;
        };
        let NumberField { key, unit, .. } = field;
        let kind = if field.has_fraction {
            "a number"
        } else {
            "a whole number"
        };
        let must = format!("`{key}` of {what} must be {kind} of {unit}");
        let fits = |text: &str| {
            (is_whole(text) || (field.has_fraction && is_fraction(text))).then_some(())
        };
        match &node.value {
            Value::Number(text) if fits(text).is_some() => {
                let least = field.least;
                let is_enough = text
                    .parse::<f64>()
                    .map_or(!text.starts_with('-'), |number| number >= f64::from(least));
                if !is_enough {
                    let message = format!("{must} from {least} on, not {}", quoted(text));
                    self.violation(Rule::OutOfRange, node.span, message);
                }
            }
            Value::Number(text) => {
                let message = format!("{must}, not {}", quoted(text));
                self.violation(Rule::WrongKind, node.span, message);
            }
            // The gateway puts a value of its own environment there before it reads numbers.
            Value::String(text) if has_reference(text) => {}
            Value::String(text) => {
                let place = self.source.place(node.span);
                let message = format!("{must}, not the text {}", quoted(text));
                let hint = match fits(text) {
                    Some(()) => format!("write it without quotes: `{key}: {text}`"),
                    None => format!("write a number alone, such as `{key}: 30`"),
                };
                self.push(Violation::new(Rule::WrongKind, place, message).with_hint(hint));
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                let message = format!("{must}, not {}", node.value.kind());
                self.violation(Rule::WrongKind, node.span, message);
            }
        }
    }

    /// The numbers of a `scaling`.
    pub(super) fn scaling(&mut self, map: &Map, what: &str) {
        let keys = SCALING.map(|field| field.key);
        self.misspelt_keys(map, &format!("`scaling` of {what}"), &keys);
        for field in SCALING {
            self.number(map, &format!("`scaling` of {what}"), field);
        }
    }

    /// The variables of an `environment`: text to text, or the gateway refuses the file.
    pub(super) fn environment(&mut self, map: &Map, what: &str) {
        let mut variables: Vec<_> = map
            .iter()
            .filter(|(_, entry)| !matches!(entry.node.value, Value::String(_)))
            .collect();
        variables.sort_by_key(|(_, entry)| entry.key_span);
        // A source line that may hold a secret is not shown.
        let secret_lines: Vec<u32> = map
            .iter()
            .filter(|(name, _)| may_name_a_secret(name))
            .flat_map(|(_, entry)| [entry.key_span.line, entry.node.span.line])
            .collect();
        for (name, entry) in variables {
            let node = &entry.node;
            let is_hidden = secret_lines.contains(&node.span.line);
            let place = self.source.place(node.span);
            let place = if is_hidden {
                place.without_excerpt()
            } else {
                place
            };
            let message = format!(
                "the variable {} of {what} must be text, not {}",
                quoted(name),
                node.value.kind()
            );
            let hint = match node.value.text() {
                Some(_) if is_hidden => "write its value between quotes".to_owned(),
                Some(text) => format!("write it between quotes: `{name}: \"{text}\"`"),
                None if node.value == Value::Null => {
                    format!("a variable without a value is `{name}: \"\"`")
                }
                None => "write it as one text, such as JSON between quotes".to_owned(),
            };
            self.push(Violation::new(Rule::WrongKind, place, message).with_hint(hint));
        }
    }

    /// The method of a route. The gateway compares it in upper case.
    pub(super) fn method(&mut self, node: Option<&Node>, what: &str, at: &Node) {
        let Some(node) = node else {
            let message = format!("{what} has no `method`, so that it matches no call");
            self.warning(Rule::IgnoredValue, at.span, message);
            return;
        };
        let Some(text) = node.value.text() else {
            self.wrong_kind(node, "`method`", "a scalar");
            return;
        };
        let method = text.to_uppercase();
        if METHODS.contains(&method.as_str()) {
            return;
        }
        let place = self.source.place(node.span);
        let message = format!("{what} has the method {}", quoted(text));
        if method == "ANY" || method == "*" {
            let message = format!(
                "{message}; the gateway knows none that stands for all, so that it matches no call"
            );
            self.warning(Rule::IgnoredValue, node.span, message);
        } else if let Some(meant) = slipped(&method, METHODS) {
            let message = format!("{message}; did you mean `{meant}`?");
            self.push(Violation::new(Rule::BadMethod, place, message));
        } else if method.is_empty() || method.chars().any(|c| !is_token(c)) {
            let message = format!("{message}, which no call can have");
            let hint = "write one method of HTTP, such as `GET`; each further one needs a route";
            self.push(Violation::new(Rule::BadMethod, place, message).with_hint(hint));
        } else {
            let message = format!("{message}, which is no method of HTTP");
            self.warning(Rule::IgnoredValue, node.span, message);
        }
    }

    /// The path of a route, which the gateway reads as an expression.
    pub(super) fn route_path(&mut self, node: &Node, text: &str, what: &str) {
        let place = self.source.place(node.span);
        let (pattern, has_signs) = pattern(text);
        if !has_signs {
            if !text.starts_with('/') {
                let message = format!(
                    "the path {} of {what} does not begin with `/`, so that it matches no call",
                    quoted(text)
                );
                let violation = Violation::new(Rule::BadRoutePath, place, message);
                let meant = quoted(&format!("/{text}"));
                self.push(violation.with_hint(format!("write {meant}")));
            }
            return;
        }
        // Python's expressions know more than these do: what only Python knows is left to it.
        let is_pythons = text.contains("(?") || text.contains('\\');
        if !is_pythons && Regex::new(&pattern).is_err() {
            let message = format!(
                "the path {} of {what} is no expression, so that the gateway refuses the whole file",
                quoted(text)
            );
            let violation = Violation::new(Rule::BadRoutePath, place, message);
            self.push(violation.with_hint("a sign such as `(` is written as `\\(`"));
        } else if text.contains("+}") {
            let message = format!(
                "the path {} of {what} has a greedy parameter; a gateway that does not know them matches no call",
                quoted(text)
            );
            self.warning(Rule::IgnoredValue, node.span, message);
        }
    }
}

/// The expression that the gateway makes of a path, and whether the path has signs besides its parameters that mean something
/// in an expression. A dot alone does not count: it matches itself.
fn pattern(path: &str) -> (String, bool) {
    let (mut pattern, mut has_signs) = (String::from("^"), false);
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if let Some((word, after)) = inside
            && !word.is_empty()
            && word.chars().all(is_word)
        {
            pattern.push_str("([^/]+)");
            rest = after;
            continue;
        }
        match first {
            '{' | '}' => {
                has_signs = true;
                pattern.push('\\');
            }
            '(' | ')' | '[' | ']' | '*' | '+' | '?' | '|' | '\\' | '^' | '$' => has_signs = true,
            _ => {}
        }
        pattern.push(first);
        rest = &rest[first.len_utf8()..];
    }
    // `.` before a path's first `/` stands for it.
    (pattern + "$", has_signs || path.starts_with('.'))
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// A whole number that readers of YAML 1.1 and 1.2 take for the same: a zero in front makes it octal for one of them.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return !hexadecimal.is_empty() && hexadecimal.chars().all(|c| c.is_ascii_hexdigit());
    }
    digits == "0"
        || (digits.starts_with(|c: char| c.is_ascii_digit() && c != '0')
            && digits.chars().all(|c| c.is_ascii_digit()))
}

/// A fraction that readers of YAML 1.1 and 1.2 take for one: with a point, and an exponent that has a sign.
fn is_fraction(text: &str) -> bool {
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(number, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (number, exponent) = number
        .split_once(['e', 'E'])
        .map_or((number, None), |(number, exponent)| {
            (number, Some(exponent))
        });
    let Some((whole, fraction)) = number.split_once('.') else {
        return false;
    };
    let are_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let has_sign = |exponent: &str| {
        exponent
            .strip_prefix(['-', '+'])
            .is_some_and(|digits| !digits.is_empty() && are_digits(digits))
    };
    are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(has_sign)
}
