//! The shape of the three configuration files of an entry, and the images that their functions name.
//!
//! Not here: merging them (`merge`), building the images (`image`).

use super::fields::Reader;
use super::manifest::FunctionName;
use super::rule::Rule;
use super::source::{Source, quoted};
use super::values::{MEMORY, TIMEOUT};
use super::violation::{Place, Violation, Warning};
use crate::yaml::{Map, Node, Span, Value};

/// A reference longer than this is none.
const MAX_IMAGE: usize = 512;

/// What a function of `functions.yml` may say. Other keys are left to the stack, but not misspellings of these.
const FUNCTION_KEYS: &[&str] = &[
    "image",
    "timeout",
    "memory_size",
    "ephemeral_storage",
    "environment",
    "secrets",
    "scaling",
    "events",
];
const DEFAULT_KEYS: &[&str] = &["environment", "scaling", "timeout", "memory_size"];
const ROUTE_KEYS: &[&str] = &["path", "method", "function"];

/// The lists of `resources.yml`, with the key that tells their items apart.
const RESOURCE_LISTS: [(&str, &str); 3] = [
    ("dynamodb", "TableName"),
    ("s3", "BucketName"),
    ("layers", "Name"),
];

/// A function with a non-blank image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionImage {
    /// The function.
    pub function: FunctionName,
    /// The image reference, as written.
    pub image: String,
    /// Where the reference stands in `functions.yml`.
    pub span: Span,
}

/// What the shape of one file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// The images of its functions, in the order of the text; only `functions.yml` has any.
    pub images: Vec<FunctionImage>,
    /// Its functions that name no image, with their places.
    pub without_image: Vec<(FunctionName, Span)>,
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// Checks the tree of a `functions.yml`.
pub fn check_functions(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    let mut found = Shape::default();
    if let Some(map) = reader.map(root, "the file") {
        reader.misspelt_keys(map, "the file", &["functions", "defaults"]);
        if let Some(functions) = outline(&mut reader, map, "functions") {
            for (name, entry) in functions {
                function(&mut reader, name, entry.key_span, &entry.node, &mut found);
            }
        }
        if let Some(defaults) = outline(&mut reader, map, "defaults") {
            reader.misspelt_keys(defaults, "`defaults`", DEFAULT_KEYS);
            if let Some(environment) = outline(&mut reader, defaults, "environment") {
                reader.environment(environment, "`defaults`");
            }
            if let Some(scaling) = outline(&mut reader, defaults, "scaling") {
                reader.scaling(scaling, "`defaults`");
            }
            for key in [TIMEOUT.key, MEMORY.key] {
                if let Some(entry) = defaults.get(key) {
                    let message = format!(
                        "the gateway ignores `defaults.{key}`; write it into each function"
                    );
                    reader.warning(Rule::IgnoredValue, entry.key_span, message);
                }
            }
        }
    }
    found.images.sort_by_key(|image| image.span);
    found.without_image.sort_by_key(|(_, span)| *span);
    shape(reader, found)
}

/// Checks the tree of a `routing.yml`.
pub fn check_routing(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    if let Some(map) = reader.map(root, "the file") {
        reader.misspelt_keys(map, "the file", &["routes"]);
        for (index, item) in items(&mut reader, map, "routes").iter().enumerate() {
            let what = format!("`routes[{index}]`");
            let Some(route) = reader.map(item, &what) else {
                continue;
            };
            route_fields(&mut reader, route, item, &what);
        }
    }
    shape(reader, Shape::default())
}

/// The fields of a route. One without a path is dropped by the merge, so that nothing else of it counts.
fn route_fields(reader: &mut Reader<'_>, route: &Map, item: &Node, what: &str) {
    let before = reader.violations.len();
    reader.misspelt_keys(route, what, ROUTE_KEYS);
    let has_slip = reader.violations.len() > before;
    let path = Reader::optional(route, "path");
    match path.map(|node| (node, &node.value)) {
        Some((node, Value::String(text))) if !text.is_empty() => {
            reader.route_path(node, text, what);
        }
        Some((node, value)) if !matches!(value, Value::String(_)) => {
            reader.wrong_kind(node, "`path`", "text");
        }
        Some(_) | None => {
            let message = format!("{what} has no path; it is dropped");
            reader.warning(Rule::RouteWithoutPath, item.span, message);
            return;
        }
    }
    reader.method(Reader::optional(route, "method"), what, item);
    if let Some(function) = Reader::optional(route, "function") {
        reader.scalar(function, "`function`");
    } else if !has_slip {
        reader.required(route, (what, item.span), "function");
    }
}

/// Checks the tree of a `resources.yml`: lists below `resources`, or in the old form at the top.
pub fn check_resources(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    let [(tables, _), (buckets, _), (layers, _)] = RESOURCE_LISTS;
    if let Some(map) = reader.map(root, "the file") {
        reader.misspelt_keys(map, "the file", &["resources", tables, buckets, layers]);
        let lists = if map.contains_key("resources") {
            let lists = outline(&mut reader, map, "resources");
            if let Some(lists) = lists {
                reader.misspelt_keys(lists, "`resources`", &[tables, buckets, layers]);
            }
            lists
        } else {
            Some(map)
        };
        for (list, key) in RESOURCE_LISTS {
            let items = lists.map(|lists| items(&mut reader, lists, list));
            for (index, item) in items.unwrap_or_default().iter().enumerate() {
                let what = format!("`{list}[{index}]`");
                let item = reader.map(item, &what);
                if let Some(item) = item.filter(|item| !item.contains_key(key)) {
                    reader.misspelt_keys(item, &what, &[key]);
                }
            }
        }
    }
    shape(reader, Shape::default())
}

/// The violation of two functions that share an image reference although their build inputs differ.
pub fn image_conflict(
    image: &str,
    first: &FunctionName,
    second: (&FunctionName, Place),
) -> Violation {
    let (second, place) = second;
    Violation::new(
        Rule::ImageConflict,
        place,
        format!(
            "the functions `{first}` and `{second}` share the image {}, but their build inputs differ",
            quoted(image)
        ),
    )
    .with_hint("give each function an image reference of its own")
}

fn shape(reader: Reader<'_>, found: Shape) -> Shape {
    Shape {
        violations: reader.violations,
        warnings: reader.warnings,
        ..found
    }
}

/// Says that a key has no value, which removes what an earlier deploy wrote below it. The gateway refuses such `functions` and
/// `routes`; the other sections are none to those that read them.
fn without_value(reader: &mut Reader<'_>, map: &Map, key: &str, none: &str) {
    let Some(entry) = map.get(key).filter(|entry| entry.node.value == Value::Null) else {
        return;
    };
    let message = format!("`{key}` has no value");
    if matches!(key, "functions" | "routes") {
        let place = reader.source.place(entry.key_span);
        let violation = Violation::new(Rule::NoValue, place, message);
        reader.push(violation.with_hint(format!("write `{key}: {none}` if there are none")));
    } else {
        let message = format!("{message} and counts as empty; `{key}: {none}` says so");
        reader.warning(Rule::IgnoredValue, entry.key_span, message);
    }
}

/// A mapping under a key of a file's outline.
fn outline<'n>(reader: &mut Reader<'_>, map: &'n Map, key: &str) -> Option<&'n Map> {
    without_value(reader, map, key, "{}");
    section(reader, map, key)
}

/// A mapping under a key; absent and null are empty.
fn section<'n>(reader: &mut Reader<'_>, map: &'n Map, key: &str) -> Option<&'n Map> {
    let node = Reader::optional(map, key)?;
    reader.map(node, &format!("`{key}`"))
}

/// A list under a key; absent and null are empty.
fn items<'n>(reader: &mut Reader<'_>, map: &'n Map, key: &str) -> &'n [Node] {
    without_value(reader, map, key, "[]");
    Reader::optional(map, key)
        .and_then(|node| reader.list(node, &format!("`{key}`")))
        .unwrap_or_default()
}

fn function(reader: &mut Reader<'_>, name: &str, key_span: Span, node: &Node, found: &mut Shape) {
    let function = FunctionName::parse(name);
    if function.is_none() {
        reader.violation(
            Rule::BadFunctionName,
            key_span,
            format!(
                "a function's name must be 1 to 128 letters, digits, `.`, `_` or `-`, beginning with a letter or a digit, \
                 not {}",
                quoted(name)
            ),
        );
    }
    let what = format!("the function {}", quoted(name));
    let Some(map) = reader.map(node, &what) else {
        return;
    };
    reader.misspelt_keys(map, &what, FUNCTION_KEYS);
    function_values(reader, map, &what);
    let Some(image) = Reader::optional(map, "image") else {
        found
            .without_image
            .extend(function.map(|name| (name, key_span)));
        return;
    };
    let Value::String(text) = &image.value else {
        reader.wrong_kind(image, "`image`", "a string");
        return;
    };
    if text.trim().is_empty() {
        found
            .without_image
            .extend(function.map(|name| (name, key_span)));
        return;
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if text.len() > MAX_IMAGE || text.starts_with('-') || text.chars().any(odd) {
        reader.violation(
            Rule::BadImage,
            image.span,
            format!("`image` is no image reference: {}", quoted(text)),
        );
        return;
    }
    found.images.extend(function.map(|function| FunctionImage {
        function,
        image: text.clone(),
        span: image.span,
    }));
}

/// What the gateway reads of a function besides its image.
fn function_values(reader: &mut Reader<'_>, map: &Map, what: &str) {
    reader.number(map, what, TIMEOUT);
    reader.number(map, what, MEMORY);
    if let Some(environment) = section(reader, map, "environment") {
        reader.environment(environment, what);
    }
    if let Some(scaling) = section(reader, map, "scaling") {
        reader.scaling(scaling, what);
    }
    if let Some(node) = Reader::optional(map, "events")
        && let Some(events) = reader.list(node, &format!("`events` of {what}"))
    {
        reader.events(events, what);
    }
}

#[cfg(test)]
mod tests;
