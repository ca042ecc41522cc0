//! In which order the files are replaced, so that a reader who takes them one by one never finds a route without its
//! function.

use std::collections::{BTreeMap, BTreeSet};

use super::ConfigFile;
use super::references::{called, names};
use crate::yaml::{Node, ParseLimits, Value, emit, parse};

/// The writes that lead from what stands to what is wanted, in their order. A file that does not change has none.
///
/// Resources come first. Functions come before routes that need them, and go after routes that called them. When one
/// deploy does both, `functions.yml` is written twice: in between it also holds the old functions that old routes call.
pub fn steps(
    standing: &BTreeMap<ConfigFile, String>,
    wanted: &BTreeMap<ConfigFile, String>,
) -> Vec<(ConfigFile, String)> {
    let changed = |file: ConfigFile| {
        let text = wanted.get(&file)?;
        (standing.get(&file) != Some(text)).then(|| (file, text.clone()))
    };
    let mut steps = Vec::from_iter(changed(ConfigFile::Resources));
    let functions = changed(ConfigFile::Functions);
    let routing = changed(ConfigFile::Routing);
    let (Some(functions), Some(routing)) = (&functions, &routing) else {
        steps.extend(functions.into_iter().chain(routing));
        return steps;
    };
    let tree = |texts: &BTreeMap<ConfigFile, String>, file| {
        let text = texts.get(&file)?;
        parse(text, &ParseLimits::default()).ok()
    };
    let old = tree(standing, ConfigFile::Functions).unwrap_or_default();
    let new = tree(wanted, ConfigFile::Functions).unwrap_or_default();
    let old_routes = tree(standing, ConfigFile::Routing).unwrap_or_default();
    let new_routes = tree(wanted, ConfigFile::Routing).unwrap_or_default();
    let (old_names, new_names): (BTreeSet<_>, BTreeSet<_>) =
        (names(&old).collect(), names(&new).collect());
    // A call that leads nowhere on its own side is nothing that the order could mend.
    let goes =
        called(&old_routes).any(|name| old_names.contains(name) && !new_names.contains(name));
    let comes =
        called(&new_routes).any(|name| new_names.contains(name) && !old_names.contains(name));
    let (functions, routing) = (functions.clone(), routing.clone());
    match (goes, comes) {
        (false, true | false) => steps.extend([functions, routing]),
        (true, false) => steps.extend([routing, functions]),
        (true, true) => {
            let still_called = called(&old_routes).filter(|name| !new_names.contains(name));
            let between = with_functions(&new, &old, still_called);
            steps.extend([(ConfigFile::Functions, between), routing, functions]);
        }
    }
    steps
}

/// The text of a `functions.yml` with some functions of another one.
fn with_functions<'n>(new: &Node, old: &Node, names: impl Iterator<Item = &'n str>) -> String {
    let mut tree = new.clone();
    let section = |node: &Node| match &node.value {
        Value::Map(root) => root.get("functions").map(|entry| entry.node.value.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => None,
    };
    if let Some(Value::Map(old)) = section(old)
        && let Value::Map(root) = &mut tree.value
        && let Some(Value::Map(functions)) =
            root.get_mut("functions").map(|entry| &mut entry.node.value)
    {
        for name in names {
            if let Some(entry) = old.get(name) {
                functions.insert(name.to_owned(), entry.clone());
            }
        }
    }
    emit(&tree)
}
