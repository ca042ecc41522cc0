//! The pieces of a secret that are searched for.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::view::{View, is_quote};
use crate::docker::transcript::printable;

/// Shorter pieces are in every text.
const SHORTEST: usize = 4;

/// Each secret as a whole and line by line, as it is and as a line of output shows it.
pub(super) fn pieces<'a>(secrets: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut pieces = BTreeSet::new();
    for secret in secrets {
        let lines = secret.split(['\n', '\r']);
        for line in std::iter::once(secret).chain(lines) {
            let shown = printable(line);
            let trimmed = [line, line.trim(), &shown, shown.trim()].map(str::to_owned);
            pieces.extend(trimmed.into_iter().filter(|piece| is_long_enough(piece)));
        }
    }
    pieces.into_iter().collect()
}

fn is_long_enough(piece: &str) -> bool {
    piece.chars().count() >= SHORTEST && !piece.trim().is_empty()
}

/// The digits that stand for a piece in the base64 of any text that holds it: three bytes are four digits, so that there are
/// three ways to begin. Digits at the ends, in which neighbours have a part, are left out.
pub(super) fn base64_of(piece: &str) -> BTreeSet<String> {
    let at = |before: usize| {
        let text = [&b"\0\0"[..before], piece.as_bytes()].concat();
        let digits = (before * 8).div_ceil(6)..text.len() * 8 / 6;
        [STANDARD.encode(&text), URL_SAFE.encode(&text)].map(|all| all[digits.clone()].to_owned())
    };
    let all = (0..3).flat_map(at);
    all.filter(|digits| digits.len() >= SHORTEST).collect()
}

/// A piece without its quotes and backslashes, which a shell's words have in many ways.
pub(super) struct Bare {
    pub(super) text: Vec<u8>,
    /// Behind which bytes of the text the piece has quotes or backslashes; the last byte is not among them.
    quoted: Vec<usize>,
    /// It begins, and it ends, with quotes or backslashes.
    edges: [bool; 2],
}

impl Bare {
    fn of(piece: &str) -> Self {
        let mut text = Vec::new();
        let mut quoted = Vec::new();
        for byte in piece.bytes() {
            if !is_quote(byte) {
                text.push(byte);
            } else if !text.is_empty() {
                quoted.push(text.len() - 1);
            }
        }
        quoted.dedup();
        quoted.retain(|at| at + 1 < text.len());
        let edges = [piece.bytes().next(), piece.bytes().last()];
        Self {
            text,
            quoted,
            edges: edges.map(|byte| byte.is_some_and(is_quote)),
        }
    }

    /// Whether quotes or backslashes stand in `text` wherever the piece has some.
    pub(super) fn stands_in(&self, text: &[u8], view: &View, range: Range<usize>) -> bool {
        let mut quoted = self.quoted.iter();
        let Range { start, end } = view.source(range.clone());
        let [before, after] = self.edges;
        let is_quoted =
            |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|b| is_quote(*b));
        quoted.all(|at| view.has_gap(range.start + at))
            && (!before || is_quoted(start.checked_sub(1)))
            && (!after || is_quoted(Some(end)))
    }
}

/// The pieces that hold quotes or backslashes, without them.
pub(super) fn bare_pieces(pieces: &[String]) -> Vec<Bare> {
    let quoted = pieces.iter().filter(|piece| piece.bytes().any(is_quote));
    let bare = quoted.map(|piece| Bare::of(piece));
    // Of a single letter that is quoted nobody learns anything.
    bare.filter(|bare| bare.text.len() > 1).collect()
}
