//! A text with its file name: from spans to places.

use super::rule::Rule;
use super::violation::{Place, Violation};
use crate::yaml::{ParseError, Span};

/// A source line is shown up to this many characters.
const EXCERPT_CHARS: usize = 200;

/// A value is repeated in a message up to this many characters.
const QUOTED_CHARS: usize = 80;

/// A text and the name of its file.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// A text and the name under which the user knows it.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        // The YAML reader does not count a byte order mark; places must agree with it.
        let mut lines = vec![if text.starts_with('\u{feff}') { 3 } else { 0 }];
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let ends_line = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            if ends_line {
                lines.push(at + 1);
            }
        }
        Self { file, text, lines }
    }

    /// The name of the file.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The place of a span, with its source line.
    pub fn place(&self, span: Span) -> Place {
        Place {
            file: self.file.to_owned(),
            line: span.line,
            column: span.column,
            excerpt: self.line(span.line).map_or_else(String::new, |line| {
                line.chars()
                    .take(EXCERPT_CHARS)
                    .map(|c| if is_shown(c) { c } else { '\u{fffd}' })
                    .collect()
            }),
        }
    }

    /// The line of this number, without its line break.
    pub fn line(&self, number: u32) -> Option<&'a str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = *self.lines.get(index)?;
        let end = self.lines.get(index + 1).copied();
        let line = &self.text[start..end.unwrap_or(self.text.len())];
        Some(line.trim_end_matches(['\n', '\r']))
    }

    /// Where a span stands in the text, in bytes.
    pub fn offset(&self, span: Span) -> Option<usize> {
        let line = self.line(span.line)?;
        let index = usize::try_from(span.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(span.column).ok()?.checked_sub(1)?;
        let within = line
            .char_indices()
            .map(|(at, _)| at)
            .chain([line.len()])
            .nth(column)?;
        Some(self.lines.get(index)? + within)
    }

    /// A text that is no YAML, as violations.
    pub fn refused(&self, errors: &[ParseError]) -> Vec<Violation> {
        errors
            .iter()
            .map(|error| {
                Violation::new(
                    Rule::Yaml(error.rule),
                    self.place(error.span),
                    error.message.clone(),
                )
            })
            .collect()
    }
}

/// A character that a terminal only shows: neither control nor one that turns the direction of the text.
fn is_shown(c: char) -> bool {
    c == '\t'
        || !(c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// A value for a message: in backticks, escaped, cut.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(QUOTED_CHARS)
        .flat_map(|c| {
            let escaped = if is_shown(c) && c != '\t' {
                None
            } else {
                Some(c.escape_default())
            };
            let plain = escaped.is_none().then_some(c);
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
