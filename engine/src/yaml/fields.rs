//! Making mappings for [`emit`](super::emit).

use std::collections::BTreeMap;

use super::{Entry, Map, Node, Value};

/// A mapping in the making. A field that is set twice has its last value.
#[derive(Debug, Clone, Default)]
pub struct Fields(Map);

impl Fields {
    /// Sets a field.
    pub fn node(&mut self, key: &str, node: Node) {
        let entry = Entry {
            node,
            ..Entry::default()
        };
        self.0.insert(key.to_owned(), entry);
    }

    /// Sets a field to a string.
    pub fn text(&mut self, key: &str, text: &str) {
        self.node(key, Value::String(text.to_owned()).into());
    }

    /// Sets a field to a string, when there is one.
    pub fn optional(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Sets a field to a number.
    pub fn number(&mut self, key: &str, number: u64) {
        self.node(key, Value::Number(number.to_string()).into());
    }

    /// Sets a field to `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.node(key, Value::Bool(value).into());
    }

    /// Sets a field to a list of strings; an empty one is left out.
    pub fn list(&mut self, key: &str, texts: &[impl AsRef<str>]) {
        if !texts.is_empty() {
            let texts = texts.iter().map(|text| text.as_ref().to_owned());
            let items = texts.map(|text| Value::String(text).into()).collect();
            self.node(key, Value::List(items).into());
        }
    }

    /// Sets a field to a mapping; an empty one is left out.
    pub fn filled(&mut self, key: &str, fields: Self) {
        if !fields.is_empty() {
            self.node(key, fields.into());
        }
    }

    /// Sets a field to a mapping of strings; an empty one is left out.
    pub fn texts(&mut self, key: &str, texts: &BTreeMap<String, String>) {
        let mut fields = Self::default();
        for (name, text) in texts {
            fields.text(name, text);
        }
        self.filled(key, fields);
    }

    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Fields> for Node {
    fn from(fields: Fields) -> Self {
        Value::Map(fields.0).into()
    }
}
