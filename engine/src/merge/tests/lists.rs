//! `routing.yml` and `resources.yml`: lists that are merged item by item.

use rstest::rstest;

use super::{Out, names, owned, resources, routing, warnings};
use crate::merge::ConfigFile::{Resources, Routing};

#[test]
fn a_route_is_replaced_in_place_and_a_new_one_is_appended_in_source_order() {
    let mut out = Out::with(
        Routing,
        "routes:\n  - {path: /a, method: GET, function: seed}\n  - {path: /b, method: POST, function: seed}\n  - {path: /c, function: seed}\n",
    );
    let outcome = out.deploy(&[
        routing("a", "routes: [{path: /z, function: a}, {path: /c, method: GET, function: a}, {path: /y, function: a}]"),
        routing("b", "routes: [{path: /x, function: b}, {path: /z, method: '', function: b}, {path: /b, method: post, function: b}]"),
    ]);
    let lines: Vec<_> = out
        .text(Routing)
        .lines()
        .filter(|l| l.contains("function"))
        .collect();
    assert_eq!(
        lines,
        [
            "  - function: seed",
            "  - function: seed",
            "  - function: a",
            "  - function: b",
            "  - function: a",
            "  - function: b",
            "  - function: b",
        ]
    );
    assert_eq!(owned(&outcome, "a"), ["routes/GET /c", "routes/GET /y"]);
    assert_eq!(
        owned(&outcome, "b"),
        ["routes/GET /x", "routes/GET /z", "routes/post /b"]
    );
    assert_eq!(names(&outcome.changes.taken), ["routes/GET /c"]);
}

#[rstest]
#[case("{path: /a}", "{path: /a, method: GET}")]
#[case("{path: /a, method: }", "{path: /a, method: GET}")]
#[case("{path: /a, method: ''}", "{path: /a, method: GET}")]
fn a_route_without_a_method_is_a_get(#[case] seed: &str, #[case] ours: &str) {
    let mut out = Out::with(Routing, &format!("routes: [{seed}]\n"));
    let outcome = out.deploy(&[routing("a", &format!("routes: [{ours}]"))]);
    assert_eq!(
        out.text(Routing),
        "routes:\n  - method: GET\n    path: /a\n"
    );
    assert_eq!(names(&outcome.changes.changed), ["routes/GET /a"]);
}

#[rstest]
#[case::case_of_the_method("{path: /a, method: get}")]
#[case::trailing_slash("{path: /a/, method: GET}")]
#[case::case_of_the_path("{path: /A, method: GET}")]
fn path_and_method_are_compared_as_written(#[case] ours: &str) {
    let mut out = Out::with(Routing, "routes: [{path: /a, method: GET}]\n");
    let outcome = out.deploy(&[routing("a", &format!("routes: [{ours}]"))]);
    assert_eq!(outcome.changes.added.len(), 1);
    assert!(outcome.changes.changed.is_empty());
}

#[test]
fn a_method_that_holds_a_space_is_not_taken_for_a_part_of_the_path() {
    let mut out = Out::default();
    let routes =
        "routes: [{path: 'B /c', method: A}, {path: /c, method: A B}, {path: /c, method: A%20B}]";
    let outcome = out.deploy(&[routing("a", routes)]);
    assert_eq!(
        owned(&outcome, "a"),
        ["routes/A B /c", "routes/A%20B /c", "routes/A%2520B /c"]
    );
}

#[test]
fn what_a_list_cannot_place_is_dropped_with_a_warning() {
    let mut out = Out::default();
    let entry = super::entry(
        "a",
        "",
        "routes:\n  - method: GET\n  - path: ''\n  - path: /ok\nextra: 1\n",
        "resources:\n  dynamodb:\n    - Name: x\n  queues: [1]\nother: 1\n",
    );
    let outcome = out.deploy(&[entry]);
    assert_eq!(
        warnings(&outcome),
        [
            "a/config/routing.yml:5:1 unknown-key `extra` is unknown and is dropped",
            "a/config/routing.yml:2:5 route-without-path `routes[0]` has no `path` and is dropped",
            "a/config/routing.yml:3:5 route-without-path `routes[1]` has no `path` and is dropped",
            "a/config/resources.yml:5:1 unknown-key `other` is unknown and is dropped",
            "a/config/resources.yml:4:3 unknown-key `resources.queues` is unknown and is dropped",
            "a/config/resources.yml:3:7 item-without-key `resources.dynamodb[0]` has no `TableName` and is dropped",
        ]
    );
    assert_eq!(outcome.warnings[1].place.excerpt, "  - method: GET");
    assert_eq!(out.text(Routing), "routes:\n  - path: /ok\n");
    assert_eq!(out.text(Resources), "");
}

#[test]
fn what_the_output_cannot_place_stays() {
    let mut out = Out::with(
        Routing,
        "extra: 1\nroutes:\n  - {method: GET}\n  - {path: [x]}\n",
    );
    out.texts.insert(
        Resources,
        "resources: {queues: [1], s3: [{Name: x}]}\nother: 1\n".to_owned(),
    );
    out.deploy(&[super::entry(
        "a",
        "",
        "routes: [{path: /a}]",
        "resources: {s3: [{BucketName: b}]}",
    )]);
    assert_eq!(
        out.text(Routing),
        "extra: 1\nroutes:\n  - method: GET\n  - path:\n      - x\n  - path: /a\n"
    );
    assert_eq!(
        out.text(Resources),
        "other: 1\nresources:\n  queues:\n    - 1\n  s3:\n    - Name: x\n    - BucketName: b\n"
    );
}

#[test]
fn resources_are_merged_by_their_names() {
    let mut out = Out::with(
        Resources,
        "resources:\n  dynamodb: [{TableName: t, x: seed}]\n  s3: [{BucketName: b}]\n",
    );
    let outcome = out.deploy(&[
        resources("a", "resources: {dynamodb: [{TableName: u}, {TableName: t, x: 1}], layers: [{Name: l, v: 1}]}"),
        resources("b", "resources: {layers: [{Name: l, v: 2}, {Name: 7}]}"),
    ]);
    assert_eq!(
        out.text(Resources),
        "resources:\n  dynamodb:\n    - TableName: t\n      x: 1\n    - TableName: u\n  layers:\n    - Name: l\n      v: 2\n    - Name: 7\n  s3:\n    - BucketName: b\n"
    );
    assert_eq!(owned(&outcome, "a"), ["dynamodb/t", "dynamodb/u"]);
    assert_eq!(owned(&outcome, "b"), ["layers/7", "layers/l"]);
}

#[rstest]
#[case::new_from_wrapped(
    "",
    "resources: {s3: [{BucketName: b}]}",
    "resources:\n  s3:\n    - BucketName: b\n"
)]
#[case::new_from_flat(
    "",
    "s3: [{BucketName: b}]",
    "resources:\n  s3:\n    - BucketName: b\n"
)]
#[case::wrapped_stays(
    "resources: {}\n",
    "s3: [{BucketName: b}]",
    "resources:\n  s3:\n    - BucketName: b\n"
)]
#[case::of_others_at_the_top_stays(
    "s3: [{BucketName: theirs}]\nlayers: []\n",
    "resources: {s3: [{BucketName: b}]}",
    "layers: []\nresources:\n  s3:\n    - BucketName: b\ns3:\n  - BucketName: theirs\n"
)]
#[case::of_others_that_is_written_moves(
    "s3: [{BucketName: b, v: theirs}]\n",
    "s3: [{BucketName: b}]",
    "resources:\n  s3:\n    - BucketName: b\n"
)]
#[case::a_key_in_both_forms_stands_once(
    "resources: {s3: [{BucketName: b, v: 1}]}\ns3: [{BucketName: b, v: 2}, {BucketName: c}]\n",
    "s3: [{BucketName: b}]",
    "resources:\n  s3:\n    - BucketName: b\ns3:\n  - BucketName: c\n"
)]
fn what_is_written_stands_below_resources(
    #[case] seed: &str,
    #[case] source: &str,
    #[case] expected: &str,
) {
    let mut out = Out::default();
    if !seed.is_empty() {
        out.texts.insert(Resources, seed.to_owned());
    }
    out.deploy(&[resources("a", source)]);
    assert_eq!(out.text(Resources), expected);
    let again = out.merge(&[resources("a", source)]);
    assert!(again.changes.is_empty(), "{:?}", again.changes);
}

#[test]
fn resources_yml_is_made_only_when_there_is_something_to_write() {
    let mut out = Out::default();
    out.deploy(&[resources("a", "resources: {s3: [], dynamodb: }")]);
    assert!(!out.texts.contains_key(&Resources));
    let mut out = Out::with(Resources, "# nothing yet\n");
    out.deploy(&[resources("a", "resources: {s3: []}")]);
    assert_eq!(out.text(Resources), "# nothing yet\n");
}

#[rstest]
#[case("routes: {}", "1:9 `routes` is a mapping and should be a list")]
#[case("routes: [1]", "1:10 `routes[0]` is a number and should be a mapping")]
#[case("routes: [~]", "1:10 `routes[0]` is null and should be a mapping")]
fn a_route_of_a_wrong_kind_is_a_violation(#[case] text: &str, #[case] expected: &str) {
    let in_source = Out::default().try_merge(&[routing("a", text)]);
    let in_output = Out::with(Routing, text).try_merge(&[]);
    for result in [in_source, in_output] {
        let violations = result.expect_err("the kind is wrong");
        let place = &violations[0].place;
        let said = format!("{}:{} {}", place.line, place.column, violations[0].message);
        assert_eq!(said, expected);
        assert_eq!(place.excerpt, text);
    }
}

#[rstest]
#[case(
    "routes: [{path: [a]}]",
    "`routes[0].path` is a list and should be text"
)]
#[case(
    "routes: [{path: /, method: {}}]",
    "`routes[0].method` is a mapping and should be text"
)]
fn a_key_that_is_no_text_is_a_violation_of_the_source(#[case] text: &str, #[case] expected: &str) {
    let violations = Out::default()
        .try_merge(&[routing("a", text)])
        .expect_err("the kind is wrong");
    assert_eq!(violations[0].message, expected);
}

#[test]
fn the_last_of_two_items_with_one_key_counts() {
    let mut out = Out::with(
        Routing,
        "routes: [{path: /a, v: s1}, {path: /b}, {path: /a, v: s2}, {path: /c}, {path: /c}]\n",
    );
    let outcome = out.deploy(&[routing(
        "a",
        "routes:\n  - {path: /a, v: 1}\n  - {path: /a, method: GET, v: 2}\n",
    )]);
    assert_eq!(
        out.text(Routing),
        "routes:\n  - method: GET\n    path: /a\n    v: 2\n  - path: /b\n  - path: /c\n  - path: /c\n"
    );
    assert_eq!(
        warnings(&outcome),
        [
            "a/config/routing.yml:2:5 duplicate-item `routes/GET /a` is written again further down, and is dropped here",
            "out/routing.yml:1:41 duplicate-item `routes/GET /a` stands here a second time, and is dropped",
        ]
    );
}
