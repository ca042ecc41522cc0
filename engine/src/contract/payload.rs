//! The shape of the three configuration files of an entry, and the images that their functions name.
//!
//! Not here: merging them (`merge`), building the images (`image`).

use super::fields::Reader;
use super::manifest::FunctionName;
use super::rule::Rule;
use super::source::{Source, quoted};
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
        if let Some(functions) = section(&mut reader, map, "functions") {
            for (name, entry) in functions {
                function(&mut reader, name, entry.key_span, &entry.node, &mut found);
            }
        }
        if let Some(defaults) = section(&mut reader, map, "defaults") {
            reader.misspelt_keys(defaults, "`defaults`", DEFAULT_KEYS);
            section(&mut reader, defaults, "environment");
            section(&mut reader, defaults, "scaling");
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
            reader.misspelt_keys(route, &what, ROUTE_KEYS);
            if let Some(method) = Reader::optional(route, "method") {
                reader.scalar(method, "`method`");
            }
            let path = Reader::optional(route, "path");
            let blank = match path.map(|node| (node, node.value.text())) {
                Some((_, Some(text))) => text.is_empty(),
                Some((node, None)) => {
                    reader.wrong_kind(node, "`path`", "a scalar");
                    false
                }
                None => true,
            };
            if blank {
                reader.warning(
                    Rule::RouteWithoutPath,
                    item.span,
                    format!("{what} has no path; it is dropped"),
                );
            }
        }
    }
    shape(reader, Shape::default())
}

/// Checks the tree of a `resources.yml`: lists below `resources`, or in the old form at the top.
pub fn check_resources(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    let [(tables, _), (buckets, _), (layers, _)] = RESOURCE_LISTS;
    if let Some(map) = reader.map(root, "the file") {
        reader.misspelt_keys(map, "the file", &["resources", tables, buckets, layers]);
        let lists = if map.contains_key("resources") {
            let lists = section(&mut reader, map, "resources");
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

/// A mapping under a key. Absent and null mean that there is nothing: generators write a bare `functions:` when they have
/// none. A file that is empty as a whole is refused above, since it is more likely cut off than meant.
fn section<'n>(reader: &mut Reader<'_>, map: &'n Map, key: &str) -> Option<&'n Map> {
    let node = Reader::optional(map, key)?;
    reader.map(node, &format!("`{key}`"))
}

/// A list under a key; absent and null are empty.
fn items<'n>(reader: &mut Reader<'_>, map: &'n Map, key: &str) -> &'n [Node] {
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::yaml::{ParseLimits, parse};

    type Check = fn(&Source<'_>, &Node) -> Shape;

    fn check(check: Check, text: &str) -> Shape {
        check(
            &Source::new("f.yml", text),
            &parse(text, &ParseLimits::default()).unwrap(),
        )
    }

    #[rstest]
    #[case(check_functions, "", "wrong-kind", 1, 1)]
    #[case(check_functions, "[]", "wrong-kind", 1, 1)]
    #[case(check_functions, "functions: []", "wrong-kind", 1, 12)]
    #[case(check_functions, "functions:\n  f:\n", "wrong-kind", 2, 4)]
    #[case(check_functions, "functions:\n  f: [x]\n", "wrong-kind", 2, 6)]
    #[case(check_functions, "functions:\n  ../x: {}\n", "bad-function-name", 2, 3)]
    #[case(check_functions, "functions:\n  '': {}\n", "bad-function-name", 2, 3)]
    #[case(check_functions, "functions:\n  -rf: {}\n", "bad-function-name", 2, 3)]
    #[case(check_functions, "functions:\n  a/b: {}\n", "bad-function-name", 2, 3)]
    #[case(check_functions, "functions:\n  f: {image: 12}\n", "wrong-kind", 2, 14)]
    #[case(
        check_functions,
        "functions:\n  f: {image: [a]}\n",
        "wrong-kind",
        2,
        14
    )]
    #[case(check_functions, "functions:\n  f: {image: a b}\n", "bad-image", 2, 14)]
    #[case(check_functions, "functions:\n  f: {image: -x}\n", "bad-image", 2, 14)]
    #[case(
        check_functions,
        "functions:\n  f: {image: \"a\\0\"}\n",
        "bad-image",
        2,
        14
    )]
    #[case(check_functions, "defaults: 1\n", "wrong-kind", 1, 11)]
    #[case(check_functions, "defaults: {environment: []}\n", "wrong-kind", 1, 25)]
    #[case(check_functions, "defaults: {scaling: x}\n", "wrong-kind", 1, 21)]
    #[case(check_routing, "# nothing\n", "wrong-kind", 1, 1)]
    #[case(check_routing, "routes: {}\n", "wrong-kind", 1, 9)]
    #[case(check_routing, "routes: [x]\n", "wrong-kind", 1, 10)]
    #[case(check_routing, "routes: [{path: [a]}]\n", "wrong-kind", 1, 17)]
    #[case(
        check_routing,
        "routes: [{path: /, method: [a]}]\n",
        "wrong-kind",
        1,
        28
    )]
    #[case(check_resources, "x", "wrong-kind", 1, 1)]
    #[case(check_resources, "dynamodb: x\n", "wrong-kind", 1, 11)]
    #[case(check_resources, "s3: [x]\n", "wrong-kind", 1, 6)]
    #[case(check_resources, "layers: {}\n", "wrong-kind", 1, 9)]
    #[case(check_resources, "resources: {s3: [x]}\n", "wrong-kind", 1, 18)]
    #[case(check_resources, "resources: []\n", "wrong-kind", 1, 12)]
    #[case(check_resources, "resource: {}\n", "misspelt-key", 1, 1)]
    #[case(check_resources, "resources: {dynamdb: []}\n", "misspelt-key", 1, 13)]
    #[case(check_resources, "dynamodb: [{Tablename: t}]\n", "misspelt-key", 1, 13)]
    #[case(check_resources, "s3: [{bucket_name: t}]\n", "misspelt-key", 1, 7)]
    #[case(check_functions, "function: {}\n", "misspelt-key", 1, 1)]
    #[case(check_functions, "functions: {f: {imgae: x}}\n", "misspelt-key", 1, 17)]
    #[case(
        check_functions,
        "functions: {f: {image: x, memorySize: 1}}\n",
        "misspelt-key",
        1,
        27
    )]
    #[case(check_functions, "defaults: {enviroment: {}}\n", "misspelt-key", 1, 12)]
    #[case(
        check_routing,
        "routes: [{path: /a, fuction: f}]\n",
        "misspelt-key",
        1,
        21
    )]
    fn a_breach_names_its_rule_and_place(
        #[case] rules: Check,
        #[case] text: &str,
        #[case] rule: &str,
        #[case] line: u32,
        #[case] column: u32,
    ) {
        let found: Vec<_> = check(rules, text)
            .violations
            .iter()
            .map(|v| (v.rule.clone(), v.place.line, v.place.column))
            .collect();

        assert_eq!(found, [(rule.to_owned(), line, column)]);
    }

    #[rstest]
    #[case(check_functions, "functions:\ndefaults:\n")]
    #[case(check_functions, "{}")]
    #[case(
        check_functions,
        "functions: \ndefaults: {environment: , timeout: 3}\n"
    )]
    #[case(check_routing, "routes:\n")]
    #[case(
        check_routing,
        "routes: [{path: /a, method: GET, function: f}, {path: 1}]\n"
    )]
    #[case(check_resources, "dynamodb: [{TableName: t}]\nother: 7\n")]
    fn what_the_contract_allows_is_accepted(#[case] rules: Check, #[case] text: &str) {
        assert_eq!(check(rules, text), Shape::default());
    }

    #[test]
    fn functions_without_an_image_are_listed() {
        let text = "functions: {f: {image: }, g: {image: ' '}, h: {timeout: 3}, i: {image: x}}";
        let shape = check(check_functions, text);
        let names: Vec<_> = shape
            .without_image
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["f", "g", "h"]);
        assert_eq!(shape.violations, []);
    }

    #[test]
    fn images_are_listed_with_their_places() {
        let shape = check(
            check_functions,
            "functions:\n  b:\n    image: reg/b:1\n  a:\n    image: \"reg/a\"\n  c: {timeout: 3}\n",
        );

        let found: Vec<_> = shape
            .images
            .iter()
            .map(|i| {
                (
                    i.function.as_str(),
                    i.image.as_str(),
                    i.span.line,
                    i.span.column,
                )
            })
            .collect();
        assert_eq!(found, [("b", "reg/b:1", 3, 12), ("a", "reg/a", 5, 12)]);
    }

    #[test]
    fn all_breaches_of_a_file_come_at_once() {
        let shape = check(
            check_functions,
            "functions:\n  ../x: {image: 1}\n  y: 2\ndefaults: 3\n",
        );

        assert_eq!(shape.violations.len(), 4);
    }

    #[rstest]
    #[case("routes: [{method: GET}]", 1, 10)]
    #[case("routes:\n  - path: ''\n", 2, 5)]
    fn a_route_without_path_is_odd(#[case] text: &str, #[case] line: u32, #[case] column: u32) {
        let shape = check(check_routing, text);

        assert_eq!(shape.violations, []);
        assert_eq!(shape.warnings[0].rule, "route-without-path");
        assert_eq!(
            (shape.warnings[0].place.line, shape.warnings[0].place.column),
            (line, column)
        );
    }
}
