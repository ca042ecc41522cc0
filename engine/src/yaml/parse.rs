//! Reading one YAML document into a tree, under limits.
//!
//! Here: the entry points and the limits. `build` makes the tree, `schema` says what a scalar means, `problem` what can be
//! wrong. Not here: what any document means.
//!
//! The tree is built from `granit_parser` events (the parser under `serde-saphyr`), not through serde: only the events
//! carry the place of every key, and the text of every scalar as it was written.

mod build;
mod copy;
mod problem;
mod schema;
#[cfg(test)]
mod tests;

use serde_saphyr::granit_parser::{ErrorKind, Options, Parser, ScanError, options};

pub(crate) use copy::cost;
pub use problem::{ParseError, YamlRule};
pub use schema::resolve_plain;

use self::build::Builder;
use super::{Node, Span};

/// Bounds on what is read. A document beyond one of them is refused, never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of text.
    pub text_bytes: usize,
    /// Lists and mappings inside each other, aliases followed.
    pub depth: usize,
    /// Nodes in the tree, aliases followed.
    pub nodes: usize,
    /// Nodes copied because of anchors and aliases.
    pub alias_nodes: usize,
    /// Bytes of scalars copied because of anchors and aliases.
    pub alias_bytes: usize,
}

impl Default for ParseLimits {
    /// 8 MiB of text (contract, section 1); the others are far above any real configuration and far below harm.
    fn default() -> Self {
        Self {
            text_bytes: 8 << 20,
            depth: 64,
            nodes: 500_000,
            alias_nodes: 200_000,
            alias_bytes: 16 << 20,
        }
    }
}

/// Reads one YAML document.
///
/// The error is the first problem in the text; [`parse_all`] gives every one.
pub fn parse(text: &str, limits: &ParseLimits) -> Result<Node, ParseError> {
    parse_all(text, limits).map_err(|mut problems| problems.swap_remove(0))
}

/// Reads one YAML document; the error is every problem that was found, never empty, in the order of the text.
pub fn parse_all(text: &str, limits: &ParseLimits) -> Result<Node, Vec<ParseError>> {
    parse_shorthand(text, limits, |_| None)
}

/// Reads one YAML document in which some local tags are short for a mapping: where `shorthand` gives `Fn::Sub` for `Sub`,
/// `!Sub x` is `{Fn::Sub: x}`. Every other tag is refused as [`parse_all`] does.
pub fn parse_shorthand(
    text: &str,
    limits: &ParseLimits,
    shorthand: fn(&str) -> Option<&'static str>,
) -> Result<Node, Vec<ParseError>> {
    let builder = Builder::new(*limits, shorthand);
    build(text, limits, builder).map(|(root, _)| root)
}

/// Reads one YAML document as [`parse_shorthand`] does, but where a key stands twice the last one counts. The second part of the
/// result holds the keys that stand twice, in the order of the text, at most 100.
pub fn parse_last_wins(
    text: &str,
    limits: &ParseLimits,
    shorthand: fn(&str) -> Option<&'static str>,
) -> Result<(Node, Vec<ParseError>), Vec<ParseError>> {
    let builder = Builder::new(*limits, shorthand).last_wins();
    build(text, limits, builder)
}

fn build(
    text: &str,
    limits: &ParseLimits,
    mut builder: Builder,
) -> Result<(Node, Vec<ParseError>), Vec<ParseError>> {
    if text.len() > limits.text_bytes {
        return Err(vec![problem::too_large(limits.text_bytes)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(problem) = problem::control_character(text) {
        return Err(vec![problem]);
    }
    for event in Parser::new_from_str_with_options(text, parser_options(limits)) {
        let step = event
            .map_err(|error| scan_error(&error))
            .and_then(|(event, range)| builder.take(event, &range));
        if let Err(fatal) = step {
            return Err(builder.fail(fatal));
        }
    }
    builder.finish()
}

/// Reads one YAML document from bytes, which must be UTF-8.
pub fn parse_bytes(bytes: &[u8], limits: &ParseLimits) -> Result<Node, Vec<ParseError>> {
    if bytes.len() > limits.text_bytes {
        return Err(vec![problem::too_large(limits.text_bytes)]);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_all(text, limits),
        Err(error) => Err(vec![problem::not_utf8(bytes, error.valid_up_to())]),
    }
}

fn parser_options(limits: &ParseLimits) -> Options {
    options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    }
}

fn scan_error(error: &ScanError) -> ParseError {
    let mark = error.marker();
    let span = span_at(mark.line(), mark.col());
    let kind = error.kind();
    let info = error.info();
    let (rule, message) = if matches!(kind, ErrorKind::RecursionLimitExceeded) {
        (YamlRule::TooDeep, "lists and mappings are nested too deep")
    } else if matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
    ) {
        (YamlRule::Tab, "a tab stands where YAML takes only spaces")
    } else {
        (YamlRule::Syntax, &*info)
    };
    ParseError::new(rule, span, message)
}

fn span_at(line: usize, column_from_zero: usize) -> Span {
    Span {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column_from_zero.saturating_add(1)).unwrap_or(u32::MAX),
    }
}
