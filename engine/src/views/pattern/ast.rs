//! A pattern as it was written.

use super::predicate::Predicate;

/// One part of a pattern. Events are named by their place in the list of tests, so that copies of a part share them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// One event that passes this test.
    Event(usize),
    /// One part after the other.
    Sequence(Vec<Node>),
    /// Any one of these.
    Either(Vec<Node>),
    /// The part again and again.
    Repeat {
        /// What is repeated.
        node: Box<Node>,
        /// At least so often.
        least: u32,
        /// At most so often; none without a bound.
        most: Option<u32>,
    },
    /// Each event of the part is at most so long after the first one of it.
    Within {
        /// What is limited.
        node: Box<Node>,
        /// Milliseconds.
        limit_ms: i64,
    },
}

/// What one event must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EventTest {
    /// It is one of these; of none of them when negated.
    pub(super) any: Vec<Single>,
    /// `!` stands before it.
    pub(super) negated: bool,
    /// As it was written, without blanks.
    pub(super) label: String,
}

/// A kind with its predicates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Single {
    /// The kind; none stands for any.
    pub(super) kind: Option<&'static str>,
    /// What must hold of its fields, all of it.
    pub(super) predicates: Vec<Predicate>,
}

/// A pattern with the tests that its parts name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    /// The pattern.
    pub(super) node: Node,
    /// The tests.
    pub(super) tests: Vec<EventTest>,
}
