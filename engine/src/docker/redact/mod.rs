//! The secrets of this run, for taking them out of what people see and the journal keeps.
//!
//! A secret is searched for as a whole and line by line, in the text and in what the text says once it is read as JSON, as a part
//! of a URL, or as words of a shell (`view`); base64 is searched for by its digits (`pieces`). Credentials that show themselves by
//! their form are the matter of [`crate::redact`]. `lines` puts lines together that come in pieces.

mod lines;
mod pieces;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;

use crate::contract::SecretValues;
use crate::image::proxy;
use crate::redact::{REDACTED, credentials};
pub(super) use lines::{Line, Lines};
use pieces::{Bare, bare_pieces, pieces};
use view::View;

/// Takes credentials out of texts: those that show themselves by their form, and those this run knows.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    known: Option<Arc<Known>>,
}

/// What this run knows.
struct Known {
    /// Each piece of a secret as it is, and in base64.
    pieces: AhoCorasick,
    /// Each piece without quotes and backslashes.
    bare: AhoCorasick,
    bares: Vec<Bare>,
    /// No spelling of a piece that is found is longer, in bytes.
    longest: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.as_ref();
        let known = known.map_or(0, |known| known.pieces.patterns_len());
        write!(f, "Redactor({known} spellings)")
    }
}

impl Redactor {
    /// Knows no secrets besides those that show themselves.
    pub(super) const NONE: Self = Self { known: None };

    /// Knows the credentials inside of build arguments and the secrets of the artifact. A secret of less than four characters
    /// is in every text, and none.
    pub(super) fn of(build_args: &BTreeMap<String, String>, values: &SecretValues) -> Self {
        let credentials = proxy::credentials(build_args);
        let known = credentials.iter().map(String::as_str);
        Self::knowing(known.chain(values.iter()))
    }

    fn knowing<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let pieces = pieces(secrets);
        if pieces.is_empty() {
            return Self::NONE;
        }
        let bares = bare_pieces(&pieces);
        let longest = pieces.iter().map(String::len).max().unwrap_or(0);
        let digits = pieces.iter().flat_map(|piece| pieces::base64_of(piece));
        let spelled = pieces.iter().cloned().chain(digits);
        let search = |patterns: Vec<Vec<u8>>| {
            AhoCorasick::new(patterns).expect("secret files are too small for too many patterns")
        };
        Self {
            known: Some(Arc::new(Known {
                bare: search(bares.iter().map(|bare| bare.text.clone()).collect()),
                pieces: search(spelled.map(String::into_bytes).collect()),
                longest: longest * view::LONGEST_ESCAPE,
                bares,
            })),
        }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.clean_until(text, text.len())
    }

    /// As [`Self::clean`], of a text whose end is missing: what may be the beginning of a secret is left out.
    pub(super) fn clean_cut(&self, text: &str) -> String {
        let longest = self.known.as_ref().map_or(0, |known| known.longest);
        let end = boundary_before(text, text.len().saturating_sub(longest));
        self.clean_until(text, end)
    }

    fn clean_until(&self, text: &str, end: usize) -> String {
        let found = self.found(text);
        let mut cleaned = String::with_capacity(end);
        let mut shown = 0;
        for Range { start, end: after } in found {
            if start >= end {
                break;
            }
            cleaned.push_str(&text[shown..start]);
            cleaned.push_str(REDACTED);
            shown = after;
        }
        cleaned.push_str(text.get(shown..end).unwrap_or_default());
        credentials(&cleaned).into_owned()
    }

    /// Where secrets stand in a text: apart from each other, in order, at boundaries of characters.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let Some(known) = &self.known else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for view in view::of(text) {
            known.search(text.as_bytes(), &view, &mut found);
        }
        found.sort_by_key(|range: &Range<usize>| range.start);
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for Range { start, end } in found {
            let start = boundary_before(text, start);
            let end = (end..text.len()).find(|at| text.is_char_boundary(*at));
            let end = end.unwrap_or(text.len());
            match apart.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                Some(_) | None => apart.push(start..end),
            }
        }
        apart
    }
}

/// The last boundary of a character that is not behind a place.
fn boundary_before(text: &str, at: usize) -> usize {
    let mut all = (0..=at).rev();
    all.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Known {
    fn search(&self, text: &[u8], view: &View<'_>, found: &mut Vec<Range<usize>>) {
        let whole = self.pieces.find_overlapping_iter(view.bytes());
        found.extend(whole.map(|one| view.source(one.range())));
        if self.bares.is_empty() {
            return;
        }
        let bare = view.bare();
        for one in self.bare.find_overlapping_iter(bare.bytes()) {
            let wanted = &self.bares[one.pattern().as_usize()];
            if wanted.stands_in(text, &bare, one.range()) {
                found.push(bare.source(one.range()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
