//! A sequence of events, as CI asserts it: `Requested Observed CompatChecked Merged[changes.added > 0] ImageBuilt+ Applied`.
//!
//! A regular language over events. Here: the pattern (`ast`), reading it (`parse`, `brackets`), which fields there are (`fields`) and what is asked of
//! them (`predicate`), the program that it becomes (`compile`), running that over events (`matching`), what to say when they differ
//! (`explain`), and files of named patterns (`file`).

mod ast;
mod brackets;
mod compile;
mod explain;
mod fields;
mod file;
mod matching;
mod parse;
mod predicate;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use journal::StoredEvent;
use serde::Serialize;
use serde_json::Value;

use self::ast::{EventTest, Parsed, Single};
use self::compile::{Program, STEPS_MAX};
use self::matching::Left;
use self::parse::Problem;
use crate::contract::{Place, Source, Violation};
use crate::machine::{self, DecodeError, Event};
use crate::yaml::Span;

pub use file::{NamedPattern, parse_assertions};

/// The rule that a text breaks which is no pattern.
const RULE: &str = "bad-pattern";

/// Kinds in order, with how often each may stand, what must hold of its fields, and how long it may take.
///
/// A pattern is about how a deploy went. Kinds about the lock of the target (`TakenOver`, `Held`, `Released`) are passed over unless the
/// pattern names them: a deploy that met no other trouble than a leftover lock went as it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    tests: Vec<EventTest>,
    program: Program,
}

/// An event, as far as patterns look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedEvent {
    /// Its kind.
    pub kind: String,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_at_ms: i64,
    /// Who.
    pub actor: String,
    /// In which attempt, from 1.
    pub attempt: u32,
    /// Its payload in the newest schema; null when the pattern asks nothing of it.
    pub payload: Value,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// Where: line and column, from 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// The line, cut to 200 characters.
    pub excerpt: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Where a sequence leaves the pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mismatch {
    /// Index of the first event that does not fit; the length of the sequence when it ends too early. The events before it are the
    /// beginning of a sequence that fits.
    pub index: usize,
    /// What stands there; none when the sequence ends too early.
    pub found: Option<String>,
    /// What could have stood there, sorted; empty when nothing may follow.
    pub expected: Vec<String>,
    /// Why an event of an expected kind does not fit, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The longest beginning, in events, that fits the whole pattern; none when no beginning does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<usize>,
}

/// How events differ from a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternDifference {
    /// They leave it.
    Mismatch {
        /// Where.
        mismatch: Mismatch,
        /// Pattern and events side by side, line by line.
        side_by_side: Vec<String>,
    },
    /// So many ways are possible that it was not found out: a pattern whose groups with a limit repeat each other.
    TooCostly,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_at(text, 0, text.len())
    }

    /// Reads the part of a text that is a pattern; places are those of the whole text.
    fn parse_at(text: &str, from: usize, to: usize) -> Result<Self, PatternError> {
        let wrong = |problem: Problem| PatternError::at(text, from + problem.at, problem);
        let Parsed { node, tests } = parse::parse(&text[from..to]).map_err(wrong)?;
        let program = Program::of(&node).ok_or_else(|| {
            wrong(Problem {
                at: 0,
                message: format!(
                    "the pattern has more than {STEPS_MAX} parts when repetitions are written out"
                ),
                hint: Some("ask for fewer repetitions, or for `{N,}`".to_owned()),
            })
        })?;
        Ok(Self { tests, program })
    }

    /// It asks something of the fields of events of this kind.
    pub fn reads_fields_of(&self, kind: &str) -> bool {
        let mut singles = self.tests.iter().flat_map(|test| &test.any);
        singles.any(|single| {
            !single.predicates.is_empty() && single.kind.is_none_or(|named| named == kind)
        })
    }

    /// Compares a whole sequence with the pattern.
    pub fn compare(&self, events: &[TimedEvent]) -> Result<(), PatternDifference> {
        match matching::run(&self.program, &self.tests, &self.passed_over(), events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Left { mismatch, passed })) => Err(PatternDifference::Mismatch {
                side_by_side: explain::side_by_side(&self.tests, events, &mismatch, &passed),
                mismatch,
            }),
            Err(matching::TooMuch) => Err(PatternDifference::TooCostly),
        }
    }

    /// The kinds about the lock that the pattern does not name.
    fn passed_over(&self) -> BTreeSet<&'static str> {
        let singles = self.tests.iter().flat_map(|test| &test.any);
        let named: BTreeSet<&str> = singles.filter_map(|single| single.kind).collect();
        let kinds = Event::LOCK_KINDS.into_iter();
        kinds.filter(|kind| !named.contains(kind)).collect()
    }
}

impl TimedEvent {
    /// An event of a journal. Its payload is read only where one of the patterns asks for it.
    pub fn of(stored: &StoredEvent, patterns: &[&Pattern]) -> Result<Self, DecodeError> {
        let header = &stored.header;
        let mut patterns = patterns.iter();
        let payload = if patterns.any(|pattern| pattern.reads_fields_of(&header.kind)) {
            machine::payload_json(&header.kind, header.schema, &stored.payload)?
        } else {
            Value::Null
        };
        Ok(Self {
            kind: header.kind.clone(),
            recorded_at_ms: header.recorded_at.as_millisecond(),
            actor: header.actor.clone(),
            attempt: header.attempt,
            payload,
        })
    }
}

impl EventTest {
    fn passes(&self, event: &TimedEvent) -> bool {
        let fits = |single: &Single| {
            let mut predicates = single.predicates.iter();
            single.is_of_kind(event) && predicates.all(|predicate| predicate.holds(event))
        };
        self.any.iter().any(fits) != self.negated
    }

    /// What fields of an event of the right kind are, where that is not what was asked for.
    fn reasons(&self, event: &TimedEvent) -> Vec<String> {
        if self.negated {
            return Vec::new();
        }
        let singles = self.any.iter().filter(|single| single.is_of_kind(event));
        let predicates = singles.flat_map(|single| &single.predicates);
        let failing = predicates.filter(|predicate| !predicate.holds(event));
        failing.map(|predicate| predicate.found(event)).collect()
    }
}

impl Single {
    fn is_of_kind(&self, event: &TimedEvent) -> bool {
        self.kind.is_none_or(|kind| kind == event.kind)
    }
}

impl PatternError {
    fn at(text: &str, at: usize, problem: Problem) -> Self {
        let bytes = text.as_bytes();
        let ends_line = |at: &usize| {
            bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        };
        // Lines and columns are counted as `Source` counts them.
        let ends: Vec<usize> = (0..at.min(bytes.len())).filter(ends_line).collect();
        let mark = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let start = ends.last().map_or(mark, |end| end + 1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let before = text.get(start..at).unwrap_or_default();
        let span = Span {
            line: number(ends.len() + 1),
            column: number(before.chars().count() + 1),
        };
        Self {
            message: problem.message,
            line: span.line,
            column: span.column,
            excerpt: Source::new("", text).place(span).excerpt,
            hint: problem.hint,
        }
    }

    /// The same as other texts say what is wrong with them, with a caret; `file` is where the pattern stands.
    pub fn violation(&self, file: &str) -> Violation {
        Violation {
            place: Place {
                file: file.to_owned(),
                line: self.line,
                column: self.column,
                excerpt: self.excerpt.clone(),
            },
            rule: RULE.to_owned(),
            message: self.message.clone(),
            hint: self.hint.clone(),
        }
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
            )?,
            None => write!(
                f,
                "the events end after {}, expected {expected}",
                self.index
            )?,
        }
        if !self.reasons.is_empty() {
            write!(f, "; {}", self.reasons.join("; "))?;
        }
        Ok(())
    }
}
