//! YAML as a tree that knows where each part stood.
//!
//! Here: the tree, reading it under limits (`parse`), writing it (`emit`). Not here: what any document means.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod emit;
mod fields;
mod parse;
mod substitution;

use std::collections::BTreeMap;

pub use emit::emit;
pub use fields::Fields;
pub(crate) use parse::cost;
pub use parse::{
    ParseError, ParseLimits, YamlRule, parse, parse_all, parse_bytes, parse_last_wins,
    parse_shorthand, resolve_plain,
};
pub(crate) use substitution::has_reference;
pub use substitution::{leading_reference, literal, reference};

/// Where a node begins in its source text. Lines and columns count from 1; a generated node has line 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value with its place.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Where the value begins.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// Two nodes are equal when their values are; places do not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A YAML value under the 1.2 core schema.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written (`1.10` stays `1.10`).
    Number(String),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; keys are strings by their text, unique, sorted.
    Map(Map),
}

/// A mapping: key text to entry.
pub type Map = BTreeMap<String, Entry>;

/// One entry of a mapping.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Where the key begins.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

/// Two entries are equal when their values are; places do not count.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self {
            span: Span::default(),
            value,
        }
    }
}

impl Value {
    /// What a person calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The text of a scalar (`Null` has none).
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(text) | Self::String(text) => Some(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}
