//! Environment files, read as Compose reads them: quotes, escapes, values over several lines, and interpolation.
//!
//! No message here carries a piece of a value, since every piece may be a secret.

use std::collections::BTreeMap;

use super::fields::MAX_FINDINGS;
use super::rule::Rule;
use super::text::is_secret_name;
use super::violation::{Place, Violation};

/// How deep defaults may hold further variables: `${A:-${B:-…}}`.
const MAX_DEFAULTS: usize = 16;

/// A value may expand to this many bytes.
const MAX_VALUE: usize = 1 << 20;

/// One value of a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct EnvValue {
    /// What a program gets.
    pub(super) resolved: String,
    /// What stands in the file, without the quotes around it.
    pub(super) written: String,
}

/// The process environment, as far as a file may refer to it.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Reads the assignments of a file in their order. The error is every line that cannot be understood.
pub(super) fn parse(
    file: &str,
    text: &str,
    lookup: Lookup<'_>,
) -> Result<Vec<(String, EnvValue)>, Vec<Violation>> {
    let mut reading = Reading {
        file,
        rest: text.trim_start_matches('\u{feff}'),
        line: 1,
        violations: Vec::new(),
    };
    let mut assignments = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    while reading.skip_to_statement() {
        let line = reading.line;
        let Some((name, text)) = reading.assignment() else {
            continue;
        };
        let earlier = |name: &str| lookup(name).or_else(|| known.get(name).cloned());
        let (written, resolved) = match text {
            Text::Single(written) => (written, Ok(without_escaped_quotes(written, '\''))),
            Text::Double(written) => {
                let text = unescaped(&without_escaped_quotes(written, '"'));
                (written, expanded(&text, &earlier, 0))
            }
            Text::Plain(written) => (written, expanded(written, &earlier, 0)),
        };
        match resolved {
            Ok(resolved) => {
                known.insert(name.to_owned(), resolved.clone());
                let value = EnvValue {
                    resolved,
                    written: written.to_owned(),
                };
                assignments.push((name.to_owned(), value));
            }
            Err(message) => reading.refuse(line, message),
        }
    }
    if reading.violations.is_empty() {
        Ok(assignments)
    } else {
        Err(reading.violations)
    }
}

/// The text of a value, and how it is quoted.
enum Text<'t> {
    Plain(&'t str),
    Single(&'t str),
    Double(&'t str),
}

struct Reading<'t> {
    file: &'t str,
    rest: &'t str,
    line: u32,
    violations: Vec<Violation>,
}

impl<'t> Reading<'t> {
    /// Skips blank lines and comments; whether something is left.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let text = self.rest.trim_start();
            self.take(self.rest.len() - text.len());
            if !text.starts_with('#') {
                return !text.is_empty() && self.violations.len() < MAX_FINDINGS;
            }
            self.take_line();
        }
    }

    /// Takes one assignment. When it cannot be read that is noted, and its line is taken.
    fn assignment(&mut self) -> Option<(&'t str, Text<'t>)> {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let statement = match line.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            Some(_) | None => line,
        };
        let Some((name, value)) = statement.split_once('=') else {
            return self.refuse_line("this line is no `KEY=value`");
        };
        let name = name.trim_end();
        if !is_secret_name(name) {
            return self.refuse_line("the name before `=` can be no environment variable");
        }
        let trimmed = value.trim_start_matches([' ', '\t']);
        let Some(quote) = trimmed.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            self.take_line();
            // A comment needs a blank before its `#`; `KEY=#x` is a value.
            let end = value.find(" #").or_else(|| value.find("\t#"));
            let text = value[..end.unwrap_or(value.len())].trim();
            return Some((name, Text::Plain(text)));
        };
        let start = line.len() - trimmed.len() + 1;
        let Some(end) = closing(&self.rest[start..], quote) else {
            let line = self.line;
            self.take(self.rest.len());
            self.refuse(line, "a quote is opened here and never closed".to_owned());
            return None;
        };
        let inside = &self.rest[start..start + end];
        self.take(start + end + 1);
        let after = self.rest.split('\n').next().unwrap_or_default().trim();
        if !after.is_empty() && !after.starts_with('#') {
            return self.refuse_line("something follows the closing quote");
        }
        self.take_line();
        let text = if quote == '"' {
            Text::Double(inside)
        } else {
            Text::Single(inside)
        };
        Some((name, text))
    }

    fn refuse_line<T>(&mut self, message: &str) -> Option<T> {
        self.refuse(self.line, message.to_owned());
        self.take_line();
        None
    }

    fn refuse(&mut self, line: u32, message: String) {
        let place = Place {
            line,
            ..Place::file(self.file)
        };
        self.violations
            .push(Violation::new(Rule::BadSecretLine, place, message));
    }

    fn take_line(&mut self) {
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.take(end);
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        let breaks = taken.bytes().filter(|b| *b == b'\n').count();
        self.line = self
            .line
            .saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.rest = rest;
    }
}

/// Where a quoted value ends. A backslash escapes the quote, within both kinds.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// The text with `\"` as `"`; every other escape stays.
fn without_escaped_quotes(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(next) if next == quote => out.push(next),
            Some(next) => out.extend(['\\', next]),
            None => out.push('\\'),
        }
    }
    out
}

/// The text with the escapes of double quotes resolved; `\$` becomes `$$`, which interpolation takes for one dollar.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut chars = rest.chars();
        let Some(c) = chars.next() else {
            out.push('\\');
            break;
        };
        let plain = match c {
            'a' => Some("\u{7}"),
            'b' => Some("\u{8}"),
            'f' => Some("\u{c}"),
            'n' => Some("\n"),
            'r' => Some("\r"),
            't' => Some("\t"),
            'v' => Some("\u{b}"),
            '\\' => Some("\\"),
            '"' => Some("\""),
            '$' => Some("$$"),
            _ => None,
        };
        let octal = rest.get(1..4).filter(|_| c == '0');
        let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (plain, octal) {
            (Some(text), _) => {
                out.push_str(text);
                rest = chars.as_str();
            }
            (None, Some(byte)) => {
                out.push(char::from(byte));
                rest = &rest[4..];
            }
            (None, None) => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}

/// The text with its variables replaced: `$NAME`, `${NAME}` and its forms with a default, an error or an alternative.
fn expanded(text: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, String> {
    if depth > MAX_DEFAULTS {
        return Err("defaults stand inside each other too deep".to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(body) = rest.strip_prefix('{') {
            let end = closing_brace(body)
                .ok_or("a `${` is opened and never closed; single quotes keep a dollar as it is")?;
            out.push_str(&braced(&body[..end], lookup, depth)?);
            rest = &body[end + 1..];
        } else {
            let (name, after) = name(rest);
            if name.is_empty() {
                return Err(
                    "a `$` begins no variable; write `$$`, or single quotes around the value"
                        .to_owned(),
                );
            }
            out.push_str(&lookup(name).unwrap_or_default());
            rest = after;
        }
        if out.len() > MAX_VALUE {
            return Err("the value is larger than 1 MiB".to_owned());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between braces: a name, and perhaps what to take when it has a value or none.
fn braced(body: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, String> {
    let (name, rest) = name(body);
    if name.is_empty() {
        return Err("`${` begins no variable; single quotes keep a dollar as it is".to_owned());
    }
    let found = lookup(name);
    let (blank_counts, rest) = match rest.strip_prefix(':') {
        Some(rest) => (false, rest),
        None => (true, rest),
    };
    let usable = found
        .clone()
        .filter(|value| blank_counts || !value.is_empty());
    match (rest.chars().next(), usable) {
        (None, _) if blank_counts => Ok(found.unwrap_or_default()),
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('-'), None) | (Some('+'), Some(_)) => expanded(&rest[1..], lookup, depth + 1),
        (Some('?'), None) => Err("a variable that this value requires is not set".to_owned()),
        (Some('+'), None) => Ok(String::new()),
        (_, _) => Err("`${…}` holds something else than a variable and a default".to_owned()),
    }
}

/// The name of a variable at the beginning of a text, and what follows.
fn name(text: &str) -> (&str, &str) {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let end = match text.chars().next() {
        Some(c) if is_first(c) => text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len()),
        Some(_) | None => 0,
    };
    text.split_at(end)
}

/// Where the brace closes that was opened before the text.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut before = '\0';
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        before = c;
        (open == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "SET" => "from outside",
            "EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn values(text: &str) -> Result<Vec<(String, String)>, Vec<Violation>> {
        let assignments = parse("s.env", text, &environment)?;
        let resolved = assignments
            .into_iter()
            .map(|(name, value)| (name, value.resolved));
        Ok(resolved.collect())
    }

    /// What Compose 2 gives a container for the same line.
    #[rstest]
    #[case::plain("A= x y ", "x y")]
    #[case::comment("A=x # note", "x")]
    #[case::no_comment("A=x#y", "x#y")]
    #[case::carriage_return("A=x\r", "x")]
    #[case::single_is_literal(r"A='$SET \n # x' # note", r"$SET \n # x")]
    #[case::single_keeps_an_escaped_quote(r"A='it\'s'", "it's")]
    #[case::line_break(r#"A="a\nb""#, "a\nb")]
    #[case::escapes(r#"A="\t\"\\\$SET\q""#, "\t\"\\$SET\\q")]
    #[case::octal(r#"A="\0101""#, "A")]
    #[case::several_lines("A=\"a\nb\n\nc\"", "a\nb\n\nc")]
    #[case::several_lines_single("A='a\nb'", "a\nb")]
    #[case::variable("A=$SET!", "from outside!")]
    #[case::braces(r#"A="<${SET}>""#, "<from outside>")]
    #[case::unset("A=x${NONE}y", "xy")]
    #[case::dollar("A=a$$b", "a$b")]
    #[case::default("A=${NONE:-d}", "d")]
    #[case::default_of_blank("A=${EMPTY:-d}", "d")]
    #[case::default_of_unset_only("A=${EMPTY-d}x", "x")]
    #[case::default_in_default("A=${NONE:-${EMPTY:-${SET}}}", "from outside")]
    #[case::alternative("A=${SET:+yes}", "yes")]
    #[case::no_alternative("A=${EMPTY:+yes}", "")]
    #[case::required("A=${SET:?must be}", "from outside")]
    fn a_value_is_what_compose_gives(#[case] text: &str, #[case] expected: &str) {
        let expected = vec![("A".to_owned(), expected.to_owned())];
        assert_eq!(values(text), Ok(expected));
    }

    #[test]
    fn a_variable_is_of_the_environment_or_of_an_earlier_line() {
        let found = values("ONE=1\nTWO=$ONE-$SET\nSET=inside\nTHREE=$SET\nONE=$ONE$ONE\n").unwrap();
        let found: Vec<_> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            found,
            ["1", "1-from outside", "inside", "from outside", "11"]
        );
    }

    #[rstest]
    #[case::never_closed("OK=1\nA=\"hunter2\nB=x\n", 2)]
    #[case::after_lines("A='a\nb'\nhunter2\n", 3)]
    #[case::behind_a_quote("A='a\nhunter2' hunter2", 2)]
    #[case::no_assignment("hunter2", 1)]
    #[case::odd_name("hun-ter2=hunter2", 1)]
    #[case::dollar("A=hunter2$1", 1)]
    #[case::open_brace("A=${hunter2", 1)]
    #[case::odd_brace("A=${hunter2!}", 1)]
    #[case::bare_colon("A=${hunter2:}", 1)]
    #[case::required("A=${NONE:?hunter2}", 1)]
    fn what_cannot_be_understood_is_refused_by_its_line(#[case] text: &str, #[case] line: u32) {
        let violations = values(text).unwrap_err();
        assert_eq!((violations.len(), violations[0].place.line), (1, line));
        assert!(!format!("{violations:?}").contains("hunter2"));
    }

    #[test]
    fn a_chain_that_doubles_is_bounded() {
        let mut text = "A0=xxxxxxxxxxxxxxxx\n".to_owned();
        for at in 1..40 {
            text += &format!("A{at}=$A{0}$A{0}\n", at - 1);
        }
        assert!(values(&text).is_err());
    }

    #[test]
    fn nested_defaults_are_bounded() {
        let text = format!("A={}x{}", "${N:-".repeat(40), "}".repeat(40));
        assert!(values(&text).is_err());
    }
}
