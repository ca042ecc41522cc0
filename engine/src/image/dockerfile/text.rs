//! Text that remembers where each of its bytes stood in the Dockerfile.
//!
//! Joining continued lines and taking quotes away gives text that is no substring of the file any more; edits and
//! error messages need the original places nevertheless.

use std::ops::Range;

/// Text with the source offset of each byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Placed {
    text: String,
    at: Vec<usize>,
}

/// A slice of [`Placed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The text.
    pub(super) text: &'a str,
    at: &'a [usize],
    /// Where an empty piece stands.
    anchor: usize,
}

impl Placed {
    /// Appends a slice of the source that begins at `offset`.
    pub(super) fn push_str(&mut self, text: &str, offset: usize) {
        self.text.push_str(text);
        self.at.extend(offset..offset + text.len());
    }

    /// Appends a piece.
    pub(super) fn push(&mut self, piece: Piece<'_>) {
        self.text.push_str(piece.text);
        self.at.extend_from_slice(piece.at);
    }

    /// The whole text; `anchor` is where it stands when it is empty.
    pub(super) fn piece(&self, anchor: usize) -> Piece<'_> {
        Piece {
            text: &self.text,
            at: &self.at,
            anchor,
        }
    }
}

impl Piece<'_> {
    /// The bytes of the source that the text came from, with what was dropped between them.
    pub(super) fn span(self) -> Range<usize> {
        match (self.at.first(), self.at.last()) {
            (Some(first), Some(last)) => *first..last + 1,
            (None, _) | (_, None) => self.anchor..self.anchor,
        }
    }

    /// Where it begins in the source.
    pub(super) fn start(self) -> usize {
        self.span().start
    }

    /// The two parts around a byte index, which must be a character boundary.
    pub(super) fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.text.split_at(index);
        let (left_at, right_at) = self.at.split_at(index);
        let middle = right_at.first().copied().unwrap_or(self.span().end);
        let left = Self {
            text: left,
            at: left_at,
            anchor: self.anchor,
        };
        let right = Self {
            text: right,
            at: right_at,
            anchor: middle,
        };
        (left, right)
    }

    /// Without a prefix of `len` bytes.
    pub(super) fn skip(self, len: usize) -> Self {
        self.split_at(len).1
    }

    /// The part in a byte range.
    pub(super) fn slice(self, range: Range<usize>) -> Self {
        self.split_at(range.end).0.skip(range.start)
    }

    /// The parts around the first occurrence of a character, without it.
    pub(super) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let index = self.text.find(separator)?;
        let (left, right) = self.split_at(index);
        Some((left, right.skip(separator.len_utf8())))
    }

    /// Without white space at both ends.
    pub(super) fn trim(self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        let end = start + self.text.trim().len();
        self.slice(start..end)
    }

    /// The words between blanks; a Dockerfile's blanks are space, tab, vertical tab, form feed and carriage return.
    pub(super) fn words(self) -> impl Iterator<Item = Self> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let start = rest.text.find(|c| !is_blank(c))?;
            rest = rest.skip(start);
            let end = rest.text.find(is_blank).unwrap_or(rest.text.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            Some(word)
        })
    }
}

/// Separates the words of an instruction.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}
