//! Typed access to the tree of a document; what does not fit becomes a violation, and reading goes on.

use super::nearest::misspelt;
use super::rule::Rule;
use super::source::{Source, quoted};
use super::violation::{Violation, Warning};
use crate::yaml::{Entry, Map, Node, Span, Value};

/// At most this many violations of one file are listed, and as many warnings.
pub(super) const MAX_FINDINGS: usize = 1000;

/// A scalar's text and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'n> {
    pub(super) text: &'n str,
    pub(super) span: Span,
}

/// Why a text does not fit.
pub(super) type Misfit = (Rule, String);

/// Reads one document and collects what is wrong with it.
pub(super) struct Reader<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) violations: Vec<Violation>,
    pub(super) warnings: Vec<Warning>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s Source<'s>) -> Self {
        Self {
            source,
            violations: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes a violation; beyond the bound only that there are more.
    pub(super) fn violation(&mut self, rule: Rule, span: Span, message: impl Into<String>) {
        self.push(Violation::new(rule, self.source.place(span), message));
    }

    pub(super) fn push(&mut self, violation: Violation) {
        match self.violations.len() {
            len if len < MAX_FINDINGS => self.violations.push(violation),
            MAX_FINDINGS => self.violations.push(Violation::new(
                Rule::TooMany,
                violation.place,
                format!("only the first {MAX_FINDINGS} violations of this file are listed"),
            )),
            _ => {}
        }
    }

    pub(super) fn warning(&mut self, rule: Rule, span: Span, message: impl Into<String>) {
        if self.warnings.len() < MAX_FINDINGS {
            self.warnings
                .push(Warning::new(rule, self.source.place(span), message));
        }
    }

    /// A value that must be a mapping; `what` names it in messages.
    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Map> {
        if let Value::Map(map) = &node.value {
            return Some(map);
        }
        self.wrong_kind(node, what, "a mapping");
        None
    }

    /// A value that must be a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        self.wrong_kind(node, what, "a list");
        None
    }

    /// A value that must be a scalar with a text.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<Field<'n>> {
        if let Some(text) = node.value.text() {
            return Some(Field {
                text,
                span: node.span,
            });
        }
        self.wrong_kind(node, what, "a scalar");
        None
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, what: &str, expected: &str) {
        self.violation(
            Rule::WrongKind,
            node.span,
            format!("{what} must be {expected}, not {}", node.value.kind()),
        );
    }

    /// Refuses keys that are misspellings of known ones.
    pub(super) fn misspelt_keys(&mut self, map: &Map, what: &str, known: &[&str]) {
        let mut found: Vec<_> = map
            .iter()
            .filter_map(|(key, entry)| Some((entry.key_span, key, misspelt(key, known)?)))
            .collect();
        found.sort_unstable();
        for (span, key, meant) in found {
            let message = format!("{what} has no key {}; did you mean `{meant}`?", quoted(key));
            let violation = Violation::new(Rule::MisspeltKey, self.source.place(span), message);
            self.push(violation.with_hint("a key that is meant so is kept with `--allow-unknown`"));
        }
    }

    /// Refuses misspellings of known keys, and warns of other keys that the contract does not know.
    pub(super) fn known_keys(&mut self, map: &Map, what: &str, known: &[&str]) {
        self.misspelt_keys(map, what, known);
        let mut unknown: Vec<(&String, &Entry)> = map
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()) && misspelt(key, known).is_none())
            .collect();
        unknown.sort_by_key(|(_, entry)| entry.key_span);
        for (key, entry) in unknown {
            self.warning(
                Rule::UnknownKey,
                entry.key_span,
                format!("{what} has no key {}; it is ignored", quoted(key)),
            );
        }
    }

    /// The value under a key; absent and null are the same.
    pub(super) fn optional<'n>(map: &'n Map, key: &str) -> Option<&'n Node> {
        map.get(key)
            .map(|entry| &entry.node)
            .filter(|node| node.value != Value::Null)
    }

    /// The value under a key that must be there.
    pub(super) fn required<'n>(
        &mut self,
        map: &'n Map,
        owner: (&str, Span),
        key: &str,
    ) -> Option<&'n Node> {
        let found = Self::optional(map, key);
        if found.is_none() {
            // A key with nothing behind it is a better place than the mapping it stands in.
            let span = map.get(key).map_or(owner.1, |entry| entry.key_span);
            self.violation(
                Rule::MissingField,
                span,
                format!("{} lacks the required key `{key}`", owner.0),
            );
        }
        found
    }

    /// The text under a required key, when it fits.
    pub(super) fn required_text<T>(
        &mut self,
        map: &Map,
        owner: (&str, Span),
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Misfit>,
    ) -> Option<T> {
        let node = self.required(map, owner, key)?;
        self.read(node, key, read)
    }

    /// The text under an optional key, when it fits.
    pub(super) fn optional_text<T>(
        &mut self,
        map: &Map,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Misfit>,
    ) -> Option<T> {
        let node = Self::optional(map, key)?;
        self.read(node, key, read)
    }

    fn read<T>(
        &mut self,
        node: &Node,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Misfit>,
    ) -> Option<T> {
        let field = self.scalar(node, &format!("`{key}`"))?;
        match read(field.text) {
            Ok(value) => Some(value),
            Err((rule, message)) => {
                self.violation(rule, field.span, format!("`{key}` {message}"));
                None
            }
        }
    }
}
