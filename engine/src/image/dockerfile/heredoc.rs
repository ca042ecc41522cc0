//! Heredocs: which lines after an instruction belong to it.

use super::shell;
use super::text::Piece;
use super::words;

/// A `<<` word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heredoc {
    /// The line that ends it.
    pub(super) name: String,
    /// `<<-`: tabs before the end are dropped.
    chomp: bool,
}

impl Heredoc {
    /// Whether a line ends it.
    pub(super) fn ends(&self, line: &str) -> bool {
        let line = if self.chomp {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.name
    }
}

/// The heredocs that follow an instruction, in their order. Only RUN, COPY and ADD have them, also below ONBUILD. What
/// stands in quotes announces none, so the JSON form does not, and neither does a line that is no sequence of shell words.
pub(super) fn announced(line: Piece<'_>) -> Vec<Heredoc> {
    if !line.text.contains("<<") {
        return Vec::new();
    }
    let (mut name, rest) = words::instruction(line);
    if name.text.eq_ignore_ascii_case("ONBUILD") {
        (name, _) = words::instruction(rest);
    }
    let takes = ["RUN", "COPY", "ADD"]
        .iter()
        .any(|known| name.text.eq_ignore_ascii_case(known));
    if !takes {
        return Vec::new();
    }
    let words = shell::raw_words(line.text).unwrap_or_default();
    words.iter().filter_map(|word| parse(word)).collect()
}

/// Reads a `<<` word: digits of a file descriptor, `<<`, perhaps `-`, and a name that may be quoted.
pub(super) fn parse(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    match <[String; 1]>::try_from(shell::plain_words(rest)?) {
        Ok([name]) => Some(Heredoc { name, chomp }),
        Err(_) => None,
    }
}
