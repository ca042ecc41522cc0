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
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// Checks the tree of a `functions.yml`.
pub fn check_functions(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    let mut images = Vec::new();
    if let Some(map) = reader.map(root, "the file") {
        if let Some(functions) = section(&mut reader, map, "functions") {
            for (name, entry) in functions {
                images.extend(function(&mut reader, name, entry.key_span, &entry.node));
            }
        }
        if let Some(defaults) = section(&mut reader, map, "defaults") {
            section(&mut reader, defaults, "environment");
            section(&mut reader, defaults, "scaling");
        }
    }
    images.sort_by_key(|image| image.span);
    shape(reader, images)
}

/// Checks the tree of a `routing.yml`.
pub fn check_routing(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    if let Some(map) = reader.map(root, "the file") {
        for (index, item) in items(&mut reader, map, "routes").iter().enumerate() {
            let what = format!("`routes[{index}]`");
            let Some(route) = reader.map(item, &what) else {
                continue;
            };
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
    shape(reader, Vec::new())
}

/// Checks the tree of a `resources.yml`.
pub fn check_resources(source: &Source<'_>, root: &Node) -> Shape {
    let mut reader = Reader::new(source);
    if let Some(map) = reader.map(root, "the file") {
        for list in ["dynamodb", "s3", "layers"] {
            for (index, item) in items(&mut reader, map, list).iter().enumerate() {
                reader.map(item, &format!("`{list}[{index}]`"));
            }
        }
    }
    shape(reader, Vec::new())
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

fn shape(reader: Reader<'_>, images: Vec<FunctionImage>) -> Shape {
    Shape {
        images,
        violations: reader.violations,
        warnings: reader.warnings,
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

fn function(
    reader: &mut Reader<'_>,
    name: &str,
    key_span: Span,
    node: &Node,
) -> Option<FunctionImage> {
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
    let map = reader.map(node, &format!("the function {}", quoted(name)))?;
    let image = Reader::optional(map, "image")?;
    let Value::String(text) = &image.value else {
        reader.wrong_kind(image, "`image`", "a string");
        return None;
    };
    if text.trim().is_empty() {
        return None;
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if text.len() > MAX_IMAGE || text.starts_with('-') || text.chars().any(odd) {
        reader.violation(
            Rule::BadImage,
            image.span,
            format!("`image` is no image reference: {}", quoted(text)),
        );
        return None;
    }
    Some(FunctionImage {
        function: function?,
        image: text.clone(),
        span: image.span,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::yaml::{Limits, parse};

    type Check = fn(&Source<'_>, &Node) -> Shape;

    fn check(check: Check, text: &str) -> Shape {
        check(
            &Source::new("f.yml", text),
            &parse(text, &Limits::default()).unwrap(),
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
        "functions: {f: {image: }, g: {image: ' '}}\ndefaults: {environment: , timeout: 3}\n"
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
