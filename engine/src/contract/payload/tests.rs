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
#[case(
    check_routing,
    "routes: [{path: [a], function: f}]\n",
    "wrong-kind",
    1,
    17
)]
#[case(
    check_routing,
    "routes: [{path: /, method: [a], function: f}]\n",
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
#[case(check_functions, "functions: {}\ndefaults: {}\n")]
#[case(check_functions, "{}")]
#[case(
    check_functions,
    "functions: {}\ndefaults: {environment: {}, scaling: {}}\n"
)]
#[case(check_routing, "routes: []\n")]
#[case(
    check_routing,
    "routes: [{path: /a, method: GET, function: f}, {path: '/{a}/.b', method: purge, function: 1}]\n"
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

/// Rules, each with the column at which it was broken.
type Broken = Vec<(String, u32)>;

/// The violations and the warnings of a function with these fields.
fn of_function(fields: &str) -> (Broken, Broken) {
    let shape = check(
        check_functions,
        &format!("functions: {{f: {{image: x, {fields}}}}}"),
    );
    let violations = shape.violations.into_iter();
    let warnings = shape.warnings.into_iter();
    (
        violations.map(|v| (v.rule, v.place.column)).collect(),
        warnings.map(|w| (w.rule, w.place.column)).collect(),
    )
}

#[rstest]
#[case::text("timeout: ten", "wrong-kind", 36)]
#[case::unit("timeout: 10s", "wrong-kind", 36)]
#[case::quoted("timeout: '10'", "wrong-kind", 36)]
#[case::fraction("timeout: 1.5", "wrong-kind", 36)]
#[case::octal("timeout: 010", "wrong-kind", 36)]
#[case::negative("timeout: -1", "out-of-range", 36)]
#[case::zero("timeout: 0", "out-of-range", 36)]
#[case::list("timeout: [3]", "wrong-kind", 36)]
#[case::memory("memory_size: lots", "wrong-kind", 40)]
#[case::negative_memory("memory_size: -5", "out-of-range", 40)]
#[case::capacity("scaling: {max_capacity: many}", "wrong-kind", 51)]
#[case::exponent("scaling: {acquire_timeout: 1e3}", "wrong-kind", 54)]
#[case::misspelt_scaling("scaling: {max_capcity: 3}", "misspelt-key", 37)]
#[case::number("environment: {A: 5}", "wrong-kind", 44)]
#[case::boolean("environment: {A: true}", "wrong-kind", 44)]
#[case::nothing("environment: {A: }", "wrong-kind", 42)]
#[case::mapping("environment: {A: {B: c}}", "wrong-kind", 44)]
#[case::events("events: {schedule: x}", "wrong-kind", 35)]
#[case::event("events: [rate(1 hour)]", "wrong-kind", 36)]
#[case::misspelt_schedule("events: [{shedule: {rate: rate(1 hour)}}]", "misspelt-key", 37)]
#[case::misspelt_rate(
    "events: [{schedule: {rat: rate(1 hour), rate: rate(1 day)}}]",
    "misspelt-key",
    48
)]
#[case::no_rate("events: [{schedule: {input: x}}]", "missing-field", 36)]
#[case::bare_schedule("events: [{schedule: rate(1 hour)}]", "wrong-kind", 47)]
#[case::bad_rate("events: [{schedule: {rate: rate(1 hor)}}]", "bad-schedule", 54)]
#[case::old_form("events: [{type: schedule, expression: at(1)}]", "bad-schedule", 65)]
fn a_value_that_the_stack_cannot_use_is_refused(
    #[case] fields: &str,
    #[case] rule: &str,
    #[case] column: u32,
) {
    assert_eq!(
        of_function(fields),
        (vec![(rule.to_owned(), column)], vec![]),
        "{fields}"
    );
}

#[rstest]
#[case("timeout: 900, memory_size: 0x80")]
#[case("timeout: , memory_size: , environment: , scaling: , events: ")]
#[case("scaling: {min_capacity: 0, max_capacity: 0, idle_timeout: 7, acquire_timeout: 30.0}")]
#[case("scaling: {acquire_timeout: 3, other: x}")]
#[case("environment: {A: yes, B: on, C: '5', D: '', E: '${F}', G: 1:30}")]
#[case("timeout: '${TIMEOUT}', memory_size: $MEMORY, scaling: {max_capacity: '${MOST}'}")]
#[case("events: [{schedule: {rate: '${RATE}'}}, {schedule: {rate: rate($N minutes)}}]")]
#[case("events: [{schedule: {rate: rate(1 hour), input: {a: 1}}}]")]
#[case("events: [{schedule: {rate: '', expression: 'cron(0 3 * * ? *)'}}]")]
#[case("events: [{type: schedule, expression: rate(1 hour)}]")]
#[case("events: [{type: schedule, enabled: false, expression: at(1)}]")]
fn a_value_that_the_stack_reads_is_accepted(#[case] fields: &str) {
    assert_eq!(of_function(fields), (vec![], vec![]), "{fields}");
}

#[test]
fn a_variable_that_may_be_a_secret_is_not_shown() {
    let text = "functions:\n  f:\n    image: x\n    environment:\n      GREETING: 5\n      DB_PASSWORD: 4711\n";
    let found = check(check_functions, text).violations;
    let shown: Vec<_> = found
        .iter()
        .map(|v| (v.place.line, &*v.place.excerpt, v.hint.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (
                5,
                "      GREETING: 5",
                Some("write it between quotes: `GREETING: \"5\"`")
            ),
            (6, "", Some("write its value between quotes")),
        ]
    );
    assert!(!format!("{found:?}").contains("4711"));
}

#[rstest]
#[case::number("{path: 1, method: GET, function: f}", "wrong-kind", 17)]
#[case::no_slash("{path: hello, method: GET, function: f}", "bad-route-path", 17)]
#[case::parameter("{path: '{a}/b', method: GET, function: f}", "bad-route-path", 17)]
#[case::open("{path: '/(', method: GET, function: f}", "bad-route-path", 17)]
#[case::slip("{path: /, method: GTE, function: f}", "bad-method", 28)]
#[case::two("{path: /, method: 'GET, POST', function: f}", "bad-method", 28)]
#[case::nobody("{path: /, method: GET}", "missing-field", 10)]
#[case::functions("{path: /, method: GET, function: [f]}", "wrong-kind", 43)]
fn a_route_that_matches_no_call_is_refused(
    #[case] route: &str,
    #[case] rule: &str,
    #[case] column: u32,
) {
    let shape = check(check_routing, &format!("routes: [{route}]"));
    let found: Vec<_> = shape
        .violations
        .iter()
        .map(|v| (&*v.rule, v.place.column))
        .collect();
    assert_eq!(found, [(rule, column)], "{route}");
    assert_eq!(shape.warnings, []);
}

#[rstest]
#[case::any("{path: /, method: ANY, function: f}", true)]
#[case::unknown("{path: /, method: FETCH, function: f}", true)]
#[case::none("{path: /, function: f}", true)]
#[case::greedy("{path: '/{proxy+}', method: GET, function: f}", true)]
#[case::lower("{path: /a, method: get, function: f}", false)]
#[case::expression("{path: '.*', method: GET, function: f}", false)]
#[case::group("{path: '(/a|/b)', method: GET, function: f}", false)]
#[case::pythons("{path: '/a(?!b)', method: GET, function: f}", false)]
fn a_route_that_is_odd_is_warned_of(#[case] route: &str, #[case] is_odd: bool) {
    let shape = check(check_routing, &format!("routes: [{route}]"));
    assert_eq!(shape.violations, []);
    let found: Vec<_> = shape.warnings.iter().map(|w| &*w.rule).collect();
    assert_eq!(
        found,
        if is_odd {
            vec!["ignored-value"]
        } else {
            vec![]
        }
    );
}

#[test]
fn defaults_that_the_gateway_ignores_are_warned_of() {
    let shape = check(check_functions, "defaults: {timeout: 5}\nfunctions: {}\n");
    assert_eq!(shape.violations, []);
    assert_eq!(shape.warnings[0].rule, "ignored-value");
}

#[rstest]
#[case(check_functions, "functions:\n", "`functions: {}`")]
#[case(check_functions, "functions: ~\n", "`functions: {}`")]
#[case(check_routing, "routes:\n", "`routes: []`")]
fn what_would_remove_everything_is_refused(
    #[case] rules: Check,
    #[case] text: &str,
    #[case] none: &str,
) {
    let found = check(rules, text).violations;
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].rule, found[0].place.line), ("no-value", 1));
    assert!(found[0].hint.as_ref().unwrap().contains(none));
}

#[rstest]
#[case(check_functions, "defaults:\n")]
#[case(check_functions, "defaults: {environment: }\n")]
#[case(check_resources, "resources:\n")]
#[case(check_resources, "resources: {dynamodb: }\n")]
fn another_section_without_a_value_is_warned_of(#[case] rules: Check, #[case] text: &str) {
    let shape = check(rules, text);
    assert_eq!(shape.violations, []);
    assert_eq!(shape.warnings[0].rule, "ignored-value");
}
