//! What configuration files refer to: images, and functions that nobody has.

use std::collections::BTreeSet;

use super::{ConfigFile, ConfigText, EntryConfig, MergeOutcome};
use crate::contract::{Place, Rule, Source, Violation, Warning, nearest, printable, quoted};
use crate::yaml::{Map, Node, Value};

/// A route of an artifact whose function is not among those that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnresolvedRoute {
    /// Where the function is named.
    pub place: Place,
    /// `METHOD PATH`.
    pub route: String,
    /// The function that is called.
    pub function: String,
    /// The most similar name of a function that is known.
    pub nearest: Option<String>,
}

impl UnresolvedRoute {
    /// What is wrong, with the name that may have been meant.
    pub fn message(&self) -> String {
        let question = self.nearest.as_ref();
        let question =
            question.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        format!(
            "route {} calls {}, but no function has this name{question}",
            printable(&self.route),
            quoted(&self.function)
        )
    }
}

/// The routes of an artifact that call none of its functions; a merge may find them in the output directory.
pub fn unresolved_in_artifact(entries: &[EntryConfig]) -> Vec<UnresolvedRoute> {
    let functions = entries
        .iter()
        .flat_map(|entry| names(&entry.functions.tree));
    unresolved(entries, &functions.collect())
}

/// The routes of an artifact that call no function of the merged configuration.
pub fn unresolved_routes(entries: &[EntryConfig], outcome: &MergeOutcome) -> Vec<Violation> {
    let functions = outcome.trees.get(&ConfigFile::Functions);
    let functions = functions.into_iter().flat_map(names).collect();
    let routes = unresolved(entries, &functions).into_iter();
    routes
        .map(|route| Violation::new(Rule::UnknownFunction, route.place.clone(), route.message()))
        .collect()
}

/// Warnings of routes that this merge leaves standing although it removes their function.
pub(super) fn orphaned(
    routing: Option<&ConfigText>,
    merged: &Node,
    removed: &BTreeSet<&str>,
) -> Vec<Warning> {
    let Some(standing) = routing.filter(|_| !removed.is_empty()) else {
        return Vec::new();
    };
    let source = Source::new(&standing.name, &standing.text);
    let routes = routes(merged).filter_map(|route| {
        let (function, node) = text(route, "function")?;
        removed.contains(function).then(|| {
            let message = format!(
                "route {} calls {}, which this deploy removes",
                printable(&route_name(route)),
                quoted(function)
            );
            let place = source.place(node.span);
            Warning::new(Rule::UnknownFunction, place, message)
        })
    });
    routes.collect()
}

fn unresolved(entries: &[EntryConfig], functions: &BTreeSet<&str>) -> Vec<UnresolvedRoute> {
    let mut found = Vec::new();
    for entry in entries {
        let source = Source::new(&entry.routing.name, &entry.routing.text);
        for route in routes(&entry.routing.tree) {
            let Some((function, node)) = text(route, "function") else {
                continue;
            };
            if !functions.contains(function) {
                found.push(UnresolvedRoute {
                    place: source.place(node.span),
                    route: route_name(route),
                    function: function.to_owned(),
                    nearest: nearest(function, functions.iter().copied()).map(str::to_owned),
                });
            }
        }
    }
    found
}

fn route_name(route: &Map) -> String {
    let part = |key| text(route, key).map_or("", |(text, _)| text);
    let method = match part("method") {
        "" => "GET",
        method => method,
    };
    format!("{method} {}", part("path"))
}

fn text<'n>(map: &'n Map, key: &str) -> Option<(&'n str, &'n Node)> {
    let node = &map.get(key)?.node;
    Some((node.value.text().filter(|text| !text.is_empty())?, node))
}

/// The functions that the routes of a `routing.yml` call.
pub(super) fn called(tree: &Node) -> impl Iterator<Item = &str> {
    routes(tree).filter_map(|route| Some(text(route, "function")?.0))
}

fn routes(tree: &Node) -> impl Iterator<Item = &Map> {
    let list = child(tree, "routes").map(|node| &node.value);
    let items = match list {
        Some(Value::List(items)) => items.as_slice(),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Map(_),
        )
        | None => &[],
    };
    items.iter().filter_map(map)
}

/// The functions of a `functions.yml`.
pub(super) fn names(tree: &Node) -> impl Iterator<Item = &str> {
    let functions = child(tree, "functions").and_then(map);
    functions
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
}

/// The references of images that the functions of a `functions.yml` name, as they are written.
pub fn named_images(tree: &Node) -> impl Iterator<Item = &str> {
    let functions = child(tree, "functions").and_then(map);
    functions
        .into_iter()
        .flat_map(|functions| functions.values())
        .filter_map(|function| Some(text(map(&function.node)?, "image")?.0))
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    Some(&map(node)?.get(key)?.node)
}

fn map(node: &Node) -> Option<&Map> {
    match &node.value {
        Value::Map(map) => Some(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => None,
    }
}
