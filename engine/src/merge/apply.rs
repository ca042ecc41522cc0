//! From a plan to the new trees.

use std::collections::BTreeMap;

use super::order::{self, Position};
use super::plan::Plan;
use super::read::Current;
use super::slot::{Keyed, KeyedList, ResourceList, Slot};
use super::{ConfigFile, ConfigTrees};
use crate::yaml::{Entry, Map, Node, Value};

/// The trees after the plan. Sections that a removal leaves empty stay, empty; `functions.yml` and `routing.yml` are
/// always there, `resources.yml` when it was there or when something is written into it.
pub(super) fn apply(
    current: &ConfigTrees,
    standing: &Current<'_>,
    plan: &Plan<'_>,
) -> BTreeMap<ConfigFile, Node> {
    let mut trees = BTreeMap::new();
    for file in ConfigFile::ALL {
        let tree = current.files.get(&file).map(|text| Node::clone(&text.tree));
        let written = plan.order.iter().chain(&plan.removes).chain(&plan.moves);
        let mut touched = written.chain(plan.kept.iter().filter(|slot| is_placed(slot)));
        let is_touched = touched.any(|slot| slot.file() == file);
        let tree = match (file, tree) {
            (ConfigFile::Resources, None) if !is_touched => continue,
            (ConfigFile::Functions | ConfigFile::Routing | ConfigFile::Resources, Some(tree))
                if !is_touched =>
            {
                tree
            }
            (ConfigFile::Functions, tree) => functions(tree, plan),
            (ConfigFile::Routing, tree) => routing(tree.unwrap_or_default(), plan),
            (ConfigFile::Resources, tree) => resources(tree.unwrap_or_default(), standing, plan),
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
    let routes = child(root, KeyedList::Routes.name());
    let merged = merge_list(take_list(routes), KeyedList::Routes, plan);
    routes.value = Value::List(in_order(merged, plan));
    tree
}

/// Whether a slot of ours may have to move although nothing is written: the order of routes has a meaning.
fn is_placed(slot: &Slot) -> bool {
    slot.file() == ConfigFile::Routing
}

/// The routes in the order in which the gateway must find them.
fn in_order(routes: Vec<Node>, plan: &Plan<'_>) -> Vec<Node> {
    let slots: Vec<_> = routes
        .iter()
        .map(|route| slot_of(KeyedList::Routes, route))
        .collect();
    let positions: Vec<_> = slots
        .iter()
        .map(|slot| Position {
            route: match slot {
                Some(Slot::Route { path, method }) => Some((method, path)),
                Some(
                    Slot::Function(_)
                    | Slot::Default(_)
                    | Slot::SectionDefault(..)
                    | Slot::Resource(..),
                )
                | None => None,
            },
            ours: slot.as_ref().is_some_and(|slot| plan.is_ours(slot)),
        })
        .collect();
    let mut routes: Vec<_> = routes.into_iter().map(Some).collect();
    let order = order::order(&positions).into_iter();
    order.filter_map(|at| routes[at].take()).collect()
}

/// What is written or ours goes below `resources`, where the provisioner reads it. Items of others stay where they are.
fn resources(mut tree: Node, standing: &Current<'_>, plan: &Plan<'_>) -> Node {
    let root = mapping(&mut tree);
    for list in ResourceList::ALL {
        let keyed = KeyedList::Resources(list);
        let moved = take_old_form(root, keyed, plan);
        let is_of_list = |slot: &&Slot| matches!(slot, Slot::Resource(of, _) if *of == list);
        let removed = plan.removes.difference(&standing.old_form);
        let mut touched = plan.order.iter().chain(&plan.moves).chain(removed);
        if touched.any(|slot| is_of_list(&slot)) {
            let section = mapping(child(root, "resources"));
            let node = child(section, list.name());
            let mut items = take_list(node);
            items.extend(moved);
            node.value = Value::List(merge_list(items, keyed, plan));
        }
    }
    tree
}

/// Takes what is ours out of a list at the top of the file. A list that this leaves empty goes too.
fn take_old_form(root: &mut Map, list: KeyedList, plan: &Plan<'_>) -> Vec<Node> {
    let Some(Value::List(items)) = root.get_mut(list.name()).map(|entry| &mut entry.node.value)
    else {
        return Vec::new();
    };
    let mut moved: BTreeMap<Slot, Node> = BTreeMap::new();
    let mut order = Vec::new();
    let before = items.len();
    items.retain(|item| match slot_of(list, item) {
        Some(slot) if plan.writes.contains_key(&slot) || plan.moves.contains(&slot) => {
            moved.entry(slot).or_insert_with_key(|slot| {
                order.push(slot.clone());
                item.clone()
            });
            false
        }
        Some(slot) => !plan.removes.contains(&slot),
        None => true,
    });
    if items.is_empty() && before > 0 {
        root.remove(list.name());
    }
    order.iter().filter_map(|slot| moved.remove(slot)).collect()
}

/// The items of a list; none when it is no list. Reading has refused everything else but nothing at all.
fn take_list(node: &mut Node) -> Vec<Node> {
    match &mut node.value {
        Value::List(items) => std::mem::take(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_) => {
            Vec::new()
        }
    }
}

/// Replaces in place, leaves out what is removed and what fills a written slot again, appends what is added.
fn merge_list(standing: Vec<Node>, list: KeyedList, plan: &Plan<'_>) -> Vec<Node> {
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
    merged
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
