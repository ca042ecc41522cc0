//! Routes that call functions which nobody has.

use rstest::rstest;

use super::{Out, entry, functions, warnings};
use crate::merge::ConfigFile::{Functions, Routing};
use crate::merge::{unresolved_in_artifact, unresolved_routes};

#[rstest]
#[case::right("POST", "echo", None)]
#[case::of_another_entry("POST", "other", None)]
#[case::of_somebody_else("POST", "seed", None)]
#[case::misspelt(
    "POST",
    "ehco",
    Some("route POST /e calls `ehco`, but no function has this name; did you mean `echo`?")
)]
#[case::nothing_alike(
    "''",
    "q",
    Some("route GET /e calls `q`, but no function has this name")
)]
fn a_route_to_a_function_that_nobody_has_is_a_violation(
    #[case] method: &str,
    #[case] function: &str,
    #[case] expected: Option<&str>,
) {
    let mut out = Out::with(Functions, "functions: {seed: {}}\n");
    let routing = format!("routes:\n  - {{path: /e, method: {method}, function: {function}}}\n");
    let entries = [
        entry("a", "functions: {echo: {}}", &routing, ""),
        functions("b", "functions: {other: {}}"),
    ];
    let outcome = out.deploy(&entries);
    let found = unresolved_routes(&entries, &outcome);
    let said: Vec<_> = found
        .iter()
        .map(|violation| violation.message.as_str())
        .collect();
    assert_eq!(said, Vec::from_iter(expected));
    for violation in &found {
        let place = &violation.place;
        assert_eq!(
            (place.file.as_str(), place.line),
            ("a/config/routing.yml", 2)
        );
        assert_eq!(violation.rule, "unknown-function");
    }
}

#[test]
fn an_artifact_alone_does_not_know_the_functions_of_others() {
    let entries = [entry(
        "a",
        "functions: {echo: {}}",
        "routes: [{path: /, function: seed}]",
        "",
    )];
    let found = unresolved_in_artifact(&entries);
    assert_eq!(found[0].function, "seed");
    assert_eq!(found[0].nearest, None);
}

#[test]
fn a_route_of_others_to_a_function_that_goes_is_warned_of() {
    let mut out = Out::with(Routing, "routes:\n  - {path: /theirs, function: f}\n");
    out.deploy(&[functions("a", "functions: {f: {}, g: {}}")]);
    let outcome = out.deploy(&[functions("a", "functions: {g: {}}")]);
    assert_eq!(
        warnings(&outcome),
        [
            "out/routing.yml:2:31 unknown-function route GET /theirs calls `f`, which this deploy removes"
        ]
    );
}
