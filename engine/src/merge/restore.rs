//! A configuration of the past as entries of an artifact would write it: what a rollback merges.
//!
//! A value that was kept whole is written as it was. What was withheld, or not kept, is taken from the output directory, and only when
//! the value that it makes has the recorded digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::{digest, slots};
use super::slot::{ResourceList, Section};
use super::{
    ConfigFile, ConfigText, ConfigTrees, EntryConfig, Key, OwnedConfiguration, OwnedValue,
};
use super::{Ownership, SourceKey};
use crate::contract::printable;
use crate::redact::REDACTED;
use crate::yaml::{Entry, Map, Node, Value};

/// A key whose recorded value cannot be written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrestorable {
    /// The key.
    pub key: Key,
    /// Why.
    pub why: LostValue,
}

/// Why a value cannot be written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostValue {
    /// The journal did not keep it, and another value stands in the output directory.
    NotKept,
    /// Of these fields something was withheld, and the output directory does not have it.
    Withheld(Vec<String>),
}

impl std::fmt::Display for Unrestorable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = printable(&self.key.0);
        match &self.why {
            LostValue::NotKept => write!(
                f,
                "the value of {key} was not kept, and another one stands in the output directory"
            ),
            LostValue::Withheld(fields) => {
                let named = fields.iter().filter(|field| !field.is_empty());
                let named: Vec<String> = named.map(|field| printable(field)).collect();
                let of = if named.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", named.join(", "))
                };
                write!(
                    f,
                    "the value of {key} holds a secret that the journal does not keep{of}, and the output directory has another one"
                )
            }
        }
    }
}

/// The entries that write a configuration of the past. Sources of today that wrote nothing then have entries without anything, so that
/// a merge removes what they own. `name` stands for the recorded configuration in messages.
///
/// The error is every key that cannot be restored.
pub fn restored(
    recorded: &OwnedConfiguration,
    today: &Ownership,
    standing: &ConfigTrees,
    name: &str,
) -> Result<Vec<EntryConfig>, Vec<Unrestorable>> {
    let standing = slots(standing);
    let mut sources: BTreeMap<&SourceKey, Trees> = BTreeMap::new();
    for source in today.sources.keys() {
        sources.entry(source).or_default();
    }
    let mut lost = Vec::new();
    for (key, owned) in recorded {
        match value(owned, standing.get(key).map(|node| &**node)) {
            Ok(node) => sources.entry(&owned.source).or_default().put(key, node),
            Err(why) => lost.push(Unrestorable {
                key: key.clone(),
                why,
            }),
        }
    }
    if !lost.is_empty() {
        return Err(lost);
    }
    let entries = sources
        .into_iter()
        .map(|(source, trees)| trees.entry(source, name));
    Ok(entries.collect())
}

/// The recorded value of a key. `standing` is what fills it in the output directory.
fn value(owned: &OwnedValue, standing: Option<&Node>) -> Result<Node, LostValue> {
    if let Some(same) = standing.filter(|node| digest(node) == owned.digest) {
        return Ok(same.clone());
    }
    let Some(kept) = &owned.value else {
        return Err(LostValue::NotKept);
    };
    let mut node = kept.node();
    if let Some(standing) = standing.filter(|_| !kept.is_whole()) {
        fill(&mut node, standing);
    }
    if digest(&node) == owned.digest {
        Ok(node)
    } else {
        Err(LostValue::Withheld(kept.withheld.clone()))
    }
}

/// Puts what stands in the output directory where something is withheld. Whether that makes the recorded value is seen by its digest.
fn fill(node: &mut Node, standing: &Node) {
    match (&mut node.value, &standing.value) {
        (Value::String(text), found) if text.contains(REDACTED) => node.value = found.clone(),
        (Value::List(items), Value::List(found)) => {
            for (item, found) in items.iter_mut().zip(found) {
                fill(item, found);
            }
        }
        (Value::Map(entries), Value::Map(found)) => {
            for (name, entry) in entries {
                if let Some(found) = found.get(name) {
                    fill(&mut entry.node, &found.node);
                }
            }
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_),
            _,
        ) => {}
    }
}

/// What one source writes.
#[derive(Debug, Default)]
struct Trees {
    functions: Map,
    defaults: Map,
    routes: Vec<Node>,
    resources: BTreeMap<&'static str, Vec<Node>>,
}

impl Trees {
    /// Puts a value where its key says. The reverse of `Slot::key`; an item of a list says its own key.
    fn put(&mut self, key: &Key, node: Node) {
        let (list, name) = key.0.split_once('/').unwrap_or((&key.0, ""));
        match list {
            "functions" => insert(&mut self.functions, name, node),
            "defaults" => match name.split_once('/') {
                Some((section, name)) if Section::of(section).is_some() => {
                    let section = self.defaults.entry(section.to_owned()).or_default();
                    insert(mapping(&mut section.node), name, node);
                }
                Some(_) | None => insert(&mut self.defaults, &unescaped(name), node),
            },
            "routes" => self.routes.push(node),
            _ => {
                let list = ResourceList::ALL.into_iter().find(|one| one.name() == list);
                if let Some(list) = list {
                    self.resources.entry(list.name()).or_default().push(node);
                }
            }
        }
    }

    fn entry(self, source: &SourceKey, name: &str) -> EntryConfig {
        let text = |file: ConfigFile, sections: Vec<(&str, Value)>| ConfigText {
            name: format!("{name}/{}", file.file_name()),
            text: String::new(),
            tree: Arc::new(Node::from(Value::Map(map(sections)))),
        };
        let mut functions = vec![("functions", Value::Map(self.functions))];
        if !self.defaults.is_empty() {
            functions.push(("defaults", Value::Map(self.defaults)));
        }
        let lists = self.resources.into_iter();
        let lists: Vec<_> = lists
            .map(|(list, items)| (list, Value::List(items)))
            .collect();
        EntryConfig {
            source: source.clone(),
            functions: text(ConfigFile::Functions, functions),
            routing: text(
                ConfigFile::Routing,
                vec![("routes", Value::List(self.routes))],
            ),
            resources: (!lists.is_empty()).then(|| {
                let sections = vec![("resources", Value::Map(map(lists)))];
                text(ConfigFile::Resources, sections)
            }),
        }
    }
}

fn map(sections: Vec<(&str, Value)>) -> Map {
    let mut map = Map::new();
    for (name, value) in sections {
        insert(&mut map, name, value.into());
    }
    map
}

fn insert(map: &mut Map, name: &str, node: Node) {
    let entry = Entry {
        node,
        ..Entry::default()
    };
    map.insert(name.to_owned(), entry);
}

fn mapping(node: &mut Node) -> &mut Map {
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Map::new());
    }
    let Value::Map(map) = &mut node.value else {
        unreachable!("the value was made a mapping above")
    };
    map
}

/// The key of a default whose separators were escaped.
fn unescaped(text: &str) -> String {
    text.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests;
