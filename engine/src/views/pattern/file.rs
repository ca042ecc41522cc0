//! Files of named patterns, `.assert`.
//!
//! A line that begins at its left edge names an assertion, `NAME:`; what follows the colon, and the indented lines below, are its pattern.

use super::parse::Problem;
use super::{Pattern, PatternError};

/// The longest file, in bytes.
const FILE_MAX: usize = 1 << 20;
/// The longest name, in characters.
const NAME_CHARS: usize = 100;

/// A pattern with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedPattern {
    /// The name.
    pub name: String,
    /// The line that names it, from 1.
    pub line: u32,
    /// The pattern as it is written, its blanks and line ends as one blank each, without comments.
    pub text: String,
    /// The pattern.
    pub pattern: Pattern,
}

/// Reads a file of assertions; the error is all that is wrong with it.
pub fn parse_assertions(text: &str) -> Result<Vec<NamedPattern>, Vec<PatternError>> {
    let wrong = |at: usize, message: String, hint: &str| {
        let hint = Some(hint.to_owned());
        PatternError::at(text, at, Problem { at, message, hint })
    };
    let form = "write `NAME:` at the left edge, and its pattern behind it or indented below";
    if text.len() > FILE_MAX {
        let message = format!("the file is longer than {FILE_MAX} bytes");
        return Err(vec![wrong(0, message, "split it")]);
    }
    let mut named: Vec<NamedPattern> = Vec::new();
    let mut problems = Vec::new();
    let heads = heads(text);
    if heads
        .first()
        .is_none_or(|first| blank_until(text, *first).is_some())
    {
        let at = blank_until(text, heads.first().copied().unwrap_or(text.len()));
        problems.push(wrong(
            at.unwrap_or_default(),
            "no assertion is named here".to_owned(),
            form,
        ));
    }
    for (index, &head) in heads.iter().enumerate() {
        let end = heads.get(index + 1).copied().unwrap_or(text.len());
        let line = text[head..end].lines().next().unwrap_or_default();
        let Some((name, _)) = line.split_once(':') else {
            problems.push(wrong(head, "this line names no assertion".to_owned(), form));
            continue;
        };
        let from = head + name.len() + 1;
        let name = name.trim();
        let is_good = |c: char| c.is_alphanumeric() || " _-.,/".contains(c);
        if name.is_empty() || name.chars().count() > NAME_CHARS || !name.chars().all(is_good) {
            let hint = "a name has letters, digits, blanks and `_-.,/`, at most 100 characters";
            problems.push(wrong(head, "this is no name".to_owned(), hint));
            continue;
        }
        if named.iter().any(|earlier| earlier.name == name) {
            let message = format!("`{name}` is named twice");
            problems.push(wrong(head, message, "give each its own name"));
            continue;
        }
        match Pattern::parse_at(text, from, end) {
            Ok(pattern) => named.push(NamedPattern {
                name: name.to_owned(),
                line: PatternError::at(text, head, Problem::default()).line,
                text: plain(&text[from..end]),
                pattern,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(named)
    } else {
        Err(problems)
    }
}

/// Where lines begin that are neither indented nor empty nor a comment.
fn heads(text: &str) -> Vec<usize> {
    let mut at = 0;
    let mut heads = Vec::new();
    for line in text.split_inclusive('\n') {
        let begins = line.chars().next();
        if begins.is_some_and(|c| !c.is_whitespace() && c != '#') {
            heads.push(at);
        }
        at += line.len();
    }
    heads
}

/// The first byte before this place that is no blank and no comment.
fn blank_until(text: &str, end: usize) -> Option<usize> {
    let mut at = 0;
    for line in text[..end].split_inclusive('\n') {
        let inside = line.trim_start();
        if !inside.is_empty() && !inside.starts_with('#') {
            return Some(at + line.len() - inside.len());
        }
        at += line.len();
    }
    end.eq(&text.len()).then_some(0)
}

/// A pattern on one line. A `#` in quotes stays.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut is_quoted = false;
        let mut is_escaped = false;
        let end = line.char_indices().find(|(_, c)| {
            let ends = *c == '#' && !is_quoted;
            is_quoted ^= *c == '"' && !is_escaped;
            is_escaped = *c == '\\' && is_quoted && !is_escaped;
            ends
        });
        &line[..end.map_or(line.len(), |(at, _)| at)]
    });
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}
