//! From a plan to the new trees.

use std::collections::BTreeMap;

use super::plan::Plan;
use super::read::has_wrapper;
use super::slot::{Keyed, KeyedList, ResourceList, Slot};
use super::{ConfigFile, ConfigTrees, EntryConfig};
use crate::yaml::{Entry, Map, Node, Value};

/// The trees after the plan. Sections that a removal leaves empty stay, empty; `functions.yml` and `routing.yml` are
/// always there, `resources.yml` when it was there or when something is written into it.
pub(super) fn apply(
    current: &ConfigTrees,
    entries: &[EntryConfig],
    plan: &Plan<'_>,
) -> BTreeMap<ConfigFile, Node> {
    let mut trees = BTreeMap::new();
    for file in ConfigFile::ALL {
        let standing = current.files.get(&file).map(|text| Node::clone(&text.tree));
        let touched = plan.order.iter().any(|slot| slot.file() == file);
        let removes = plan.removes.iter().any(|slot| slot.file() == file);
        let tree = match (file, standing) {
            (ConfigFile::Resources, None) if !touched => continue,
            (ConfigFile::Functions | ConfigFile::Routing | ConfigFile::Resources, Some(tree))
                if !touched && !removes =>
            {
                tree
            }
            (ConfigFile::Functions, standing) => functions(standing, plan),
            (ConfigFile::Routing, standing) => routing(standing.unwrap_or_default(), plan),
            (ConfigFile::Resources, standing) => {
                resources(standing.unwrap_or_default(), entries, plan)
            }
        };
        trees.insert(file, tree);
    }
    trees
}

fn functions(standing: Option<Node>, plan: &Plan<'_>) -> Node {
    let is_new = standing.is_none();
    let mut tree = standing.unwrap_or_default();
    let root = mapping(&mut tree);
    if is_new {
        mapping(child(root, "functions"));
    }
    for slot in &plan.removes {
        if let Some((parent, key)) = parent(root, slot) {
            parent.remove(key);
        }
    }
    for (slot, write) in &plan.writes {
        if let Some((parent, key)) = parent(root, slot) {
            let entry = Entry {
                node: write.node.clone(),
                ..Entry::default()
            };
            parent.insert(key.to_owned(), entry);
        }
    }
    tree
}

/// The mapping a slot of `functions.yml` is in, and its key there; none for slots of other files.
fn parent<'a, 's>(root: &'a mut Map, slot: &'s Slot) -> Option<(&'a mut Map, &'s str)> {
    match slot {
        Slot::Function(name) => Some((mapping(child(root, "functions")), name)),
        Slot::Default(key) => Some((mapping(child(root, "defaults")), key)),
        Slot::SectionDefault(section, key) => {
            let defaults = mapping(child(root, "defaults"));
            Some((mapping(child(defaults, section.name())), key))
        }
        Slot::Route { .. } | Slot::Resource(..) => None,
    }
}

fn routing(mut tree: Node, plan: &Plan<'_>) -> Node {
    let root = mapping(&mut tree);
    merge_list(child(root, "routes"), KeyedList::Routes, plan);
    tree
}

fn resources(mut tree: Node, entries: &[EntryConfig], plan: &Plan<'_>) -> Node {
    let root = mapping(&mut tree);
    let wrapped = has_wrapper(root) || (root.is_empty() && new_file_is_wrapped(entries));
    let lists = if wrapped {
        mapping(child(root, "resources"))
    } else {
        root
    };
    for list in ResourceList::ALL {
        let written = plan.order.iter().chain(&plan.removes);
        let mut slots = written.filter(|slot| matches!(slot, Slot::Resource(of, _) if *of == list));
        if slots.next().is_some() {
            merge_list(child(lists, list.name()), KeyedList::Resources(list), plan);
        }
    }
    tree
}

/// A file that is made here has the form of the first entry that has one.
fn new_file_is_wrapped(entries: &[EntryConfig]) -> bool {
    let first = entries.iter().find_map(|entry| {
        let tree = &entry.resources.as_ref()?.tree;
        match &tree.value {
            Value::Map(root) if !root.is_empty() => Some(has_wrapper(root)),
            Value::Map(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_) => None,
        }
    });
    first.unwrap_or(true)
}

/// Replaces in place, leaves out what is removed and what fills a written slot again, appends what is added.
fn merge_list(node: &mut Node, list: KeyedList, plan: &Plan<'_>) {
    let standing = match &mut node.value {
        Value::List(items) => std::mem::take(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
            Vec::new()
        }
    };
    let mut fresh: BTreeMap<&Slot, &Node> = BTreeMap::new();
    for (slot, write) in &plan.writes {
        let of_this_list = match slot {
            Slot::Route { .. } => list == KeyedList::Routes,
            Slot::Resource(of, _) => list == KeyedList::Resources(*of),
            Slot::Function(_) | Slot::Default(_) | Slot::SectionDefault(..) => false,
        };
        if of_this_list {
            fresh.insert(slot, write.node);
        }
    }
    let mut merged = Vec::with_capacity(standing.len() + fresh.len());
    for item in standing {
        let Some(slot) = slot_of(list, &item) else {
            merged.push(item);
            continue;
        };
        if plan.removes.contains(&slot) {
            continue;
        }
        match fresh.remove(&slot) {
            Some(node) => merged.push(node.clone()),
            None if plan.writes.contains_key(&slot) => {}
            None => merged.push(item),
        }
    }
    for slot in &plan.order {
        merged.extend(fresh.remove(slot).cloned());
    }
    node.value = Value::List(merged);
}

fn slot_of(list: KeyedList, item: &Node) -> Option<Slot> {
    let Value::Map(map) = &item.value else {
        return None;
    };
    match list.slot(map) {
        Keyed::Slot(slot) => Some(slot),
        Keyed::Missing(_) | Keyed::NotText(..) => None,
    }
}

/// The value under a key; null when it is made here.
fn child<'a>(map: &'a mut Map, key: &str) -> &'a mut Node {
    &mut map.entry(key.to_owned()).or_default().node
}

/// The mapping a node is. Reading has refused everything but mappings and null, which becomes one.
fn mapping(node: &mut Node) -> &mut Map {
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Map::new());
    }
    let Value::Map(map) = &mut node.value else {
        unreachable!("the value was made a mapping above")
    };
    map
}
