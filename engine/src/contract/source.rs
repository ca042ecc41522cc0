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

/// A character that a terminal only shows: no control, none that turns the direction of the text, none that breaks a
/// line, none that nobody sees.
pub(crate) fn is_shown(c: char) -> bool {
    let is_hidden = matches!(
        c,
        '\u{061c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    c == '\t' || !(c.is_control() || is_hidden)
}

/// A value for a message: in backticks, escaped, cut.
pub fn quoted(text: &str) -> String {
    let cut = text.char_indices().nth(QUOTED_CHARS);
    let (shown, more) = match cut {
        Some((at, _)) => (&text[..at], "…"),
        None => (text, ""),
    };
    format!("`{}{more}`", printable(shown))
}

/// A name within a line, such as one that a file system gave: whatever is more than a character to be seen is escaped.
pub fn printable(name: &str) -> String {
    escaped(name, |_| false)
}

/// A text of several lines, of whatever origin: the same, but lines stay lines.
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) || (is_shown(c) && c != '\t') {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "\u{feff}a: é1\r\nb\rc\n\nend";

    #[rstest]
    #[case(1, 4, "a: é1", "é1")]
    #[case(1, 5, "a: é1", "1")]
    #[case(2, 1, "b", "b")]
    #[case(3, 1, "c", "c")]
    #[case(4, 1, "", "")]
    #[case(5, 2, "end", "nd")]
    #[case(5, 4, "end", "")]
    fn a_span_has_a_line_and_an_offset(
        #[case] line: u32,
        #[case] column: u32,
        #[case] excerpt: &str,
        #[case] rest: &str,
    ) {
        let source = Source::new("f", TEXT);
        let span = Span { line, column };

        assert_eq!(source.place(span).excerpt, excerpt);
        let offset = source.offset(span).unwrap();
        assert_eq!(TEXT[offset..].split(['\r', '\n']).next(), Some(rest));
    }

    #[rstest]
    #[case(0, 0)]
    #[case(1, 0)]
    #[case(5, 5)]
    #[case(6, 1)]
    fn a_span_outside_of_the_text_has_no_offset(#[case] line: u32, #[case] column: u32) {
        assert_eq!(Source::new("f", TEXT).offset(Span { line, column }), None);
    }

    #[test]
    fn a_quoted_value_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}b\tc\u{202e}é"), r"`a\u{1b}b\tc\u{202e}é`");
        assert_eq!(quoted(&"x".repeat(81)), format!("`{}…`", "x".repeat(80)));
    }

    #[rstest]
    #[case('\u{61c}')]
    #[case('\u{2028}')]
    #[case('\u{2029}')]
    #[case('\u{202e}')]
    #[case('\u{2067}')]
    #[case('\u{feff}')]
    #[case('\u{85}')]
    fn what_moves_or_hides_text_is_escaped(#[case] c: char) {
        let escaped = format!("a{}b", c.escape_default());
        assert_eq!(printable(&format!("a{c}b")), escaped);
        assert_eq!(printable_lines(&format!("a{c}b")), escaped);
    }

    #[test]
    fn a_name_stays_in_its_line_and_a_text_keeps_its_lines() {
        let text = "a\nb\tc\u{1b}[2J\u{9b}K\u{2066}é\r";
        assert_eq!(printable(text), r"a\nb\tc\u{1b}[2J\u{9b}K\u{2066}é\r");
        assert_eq!(
            printable_lines(text),
            "a\nb\tc\\u{1b}[2J\\u{9b}K\\u{2066}é\\r"
        );
    }
}
