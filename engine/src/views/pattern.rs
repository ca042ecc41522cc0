//! A sequence of event kinds, as CI asserts it: `Requested Observed CompatChecked Merged ImageBuilt+ Applied`.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::machine::Event;

/// Kinds in order, each with how often it may stand: once, `?`, `*` or `+`. `_` stands for any kind.
///
/// A pattern is about how a deploy went. Kinds about the lock of the target (`TakenOver`, `Held`, `Released`) are passed over unless the
/// pattern names them: a deploy that met no other trouble than a leftover lock went as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    kind: Option<String>,
    optional: bool,
    repeated: bool,
}

/// A pattern that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("the pattern is empty")]
    Empty,
    /// A word is no event kind.
    #[error("`{word}` is no event kind; known are {}", known.join(", "))]
    UnknownKind {
        /// The word.
        word: String,
        /// What would have been one.
        known: Vec<String>,
    },
}

/// Where a sequence leaves the pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Index of the first kind that does not fit; the length of the sequence when it ends too early.
    pub index: usize,
    /// What stands there; none when the sequence ends too early.
    pub found: Option<String>,
    /// What could have stood there, sorted; empty when nothing may follow.
    pub expected: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; every word must be one of `known`, or `_`.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, PatternError> {
        let items = text
            .split_whitespace()
            .map(|word| Item::parse(word, known))
            .collect::<Result<Vec<_>, _>>()?;
        if items.is_empty() {
            Err(PatternError::Empty)
        } else {
            Ok(Self { items })
        }
    }

    /// Compares a whole sequence with the pattern.
    pub fn compare<'a>(&self, kinds: impl IntoIterator<Item = &'a str>) -> Result<(), Mismatch> {
        let mut at = self.reachable(BTreeSet::from([0]));
        let mut length = 0;
        for (index, kind) in kinds.into_iter().enumerate() {
            length = index + 1;
            if self.passes_over(kind) {
                continue;
            }
            let stepped = at
                .iter()
                .filter(|&&i| self.items.get(i).is_some_and(|item| item.fits(kind)));
            // A repeated item may stand again; any item may be left behind.
            let after = stepped
                .flat_map(|&i| [Some(i + 1), self.items[i].repeated.then_some(i)])
                .flatten()
                .collect();
            let after = self.reachable(after);
            if after.is_empty() {
                return Err(Mismatch {
                    index,
                    found: Some(kind.to_owned()),
                    expected: self.expected(&at),
                });
            }
            at = after;
        }
        if at.contains(&self.items.len()) {
            Ok(())
        } else {
            Err(Mismatch {
                index: length,
                found: None,
                expected: self.expected(&at),
            })
        }
    }

    fn passes_over(&self, kind: &str) -> bool {
        let named = |item: &Item| item.kind.as_deref() == Some(kind);
        Event::LOCK_KINDS.contains(&kind) && !self.items.iter().any(named)
    }

    /// Adds every position that is reached by leaving out optional items.
    fn reachable(&self, mut at: BTreeSet<usize>) -> BTreeSet<usize> {
        for (i, item) in self.items.iter().enumerate() {
            if item.optional && at.contains(&i) {
                at.insert(i + 1);
            }
        }
        at
    }

    fn expected(&self, at: &BTreeSet<usize>) -> Vec<String> {
        let names = at.iter().filter_map(|&i| self.items.get(i));
        names
            .map(|item| item.kind.clone().unwrap_or_else(|| "_".to_owned()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

impl Item {
    fn parse(word: &str, known: &[&str]) -> Result<Self, PatternError> {
        let (name, optional, repeated) = match word.char_indices().last() {
            Some((end, '?')) => (&word[..end], true, false),
            Some((end, '*')) => (&word[..end], true, true),
            Some((end, '+')) => (&word[..end], false, true),
            Some(_) | None => (word, false, false),
        };
        if name == "_" {
            return Ok(Self {
                kind: None,
                optional,
                repeated,
            });
        }
        if !known.contains(&name) {
            let known = known.iter().map(|kind| (*kind).to_owned()).collect();
            return Err(PatternError::UnknownKind {
                word: name.to_owned(),
                known,
            });
        }
        Ok(Self {
            kind: Some(name.to_owned()),
            optional,
            repeated,
        })
    }

    fn fits(&self, kind: &str) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = if self.expected.is_empty() {
            "the end".to_owned()
        } else {
            self.expected.join(" or ")
        };
        match &self.found {
            Some(found) => write!(
                f,
                "event {} is `{found}`, expected {expected}",
                self.index + 1
            ),
            None => write!(
                f,
                "the events end after {}, expected {expected}",
                self.index
            ),
        }
    }
}
