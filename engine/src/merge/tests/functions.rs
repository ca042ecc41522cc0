//! `functions.yml`: functions are replaced as a whole, defaults belong to their first writer.

use rstest::rstest;

use super::{Out, functions, names, owned, warnings};
use crate::merge::ConfigFile::Functions;

const TWO_KINDS_OF_DEFAULTS: &str =
    "defaults:\n  environment:\n    A: '1'\n  scaling:\n    max: 3\n  timeout: 30\n";

#[test]
fn a_function_is_replaced_as_a_whole_by_the_later_writer() {
    let mut out = Out::with(
        Functions,
        "functions:\n  f:\n    image: seed\n    timeout: 3\n  g: {}\n",
    );
    let outcome = out.deploy(&[
        functions("a", "functions: {f: {image: a, memory: 1}, h: {image: a}}"),
        functions("b", "functions: {f: {image: b}}"),
    ]);
    assert_eq!(
        out.text(Functions),
        "functions:\n  f:\n    image: b\n  g: {}\n  h:\n    image: a\n"
    );
    assert_eq!(owned(&outcome, "a"), ["functions/h"]);
    assert_eq!(owned(&outcome, "b"), ["functions/f"]);
    assert_eq!(names(&outcome.changes.added), ["functions/h"]);
    assert_eq!(names(&outcome.changes.changed), ["functions/f"]);
    assert_eq!(names(&outcome.changes.taken), ["functions/f"]);
}

#[test]
fn the_first_writer_fills_a_default_key_by_key_in_environment_and_scaling() {
    let mut out = Out::default();
    let outcome = out.deploy(&[
        functions("a", TWO_KINDS_OF_DEFAULTS),
        functions("b", "defaults:\n  environment: {A: '2', B: '2'}\n  scaling: {max: 9, min: 1}\n  timeout: 60\n  net: {x: 1}\n"),
    ]);
    assert_eq!(
        out.text(Functions),
        "defaults:\n  environment:\n    A: \"1\"\n    B: \"2\"\n  net:\n    x: 1\n  scaling:\n    max: 3\n    min: 1\n  timeout: 30\nfunctions: {}\n"
    );
    assert_eq!(
        owned(&outcome, "a"),
        [
            "defaults/environment/A",
            "defaults/scaling/max",
            "defaults/timeout"
        ]
    );
    assert_eq!(
        owned(&outcome, "b"),
        [
            "defaults/environment/B",
            "defaults/net",
            "defaults/scaling/min"
        ]
    );
}

#[test]
fn a_default_that_was_seeded_stays_and_is_not_ours() {
    let seed = "defaults:\n  environment: {A: seed}\n  timeout: 1\n";
    let mut out = Out::with(Functions, seed);
    let outcome = out.deploy(&[functions("a", TWO_KINDS_OF_DEFAULTS)]);
    assert!(
        out.text(Functions).contains("A: seed"),
        "{}",
        out.text(Functions)
    );
    assert!(out.text(Functions).contains("timeout: 1\n"));
    assert_eq!(owned(&outcome, "a"), ["defaults/scaling/max"]);
    out.deploy(&[functions("a", "functions: {}")]);
    assert!(out.text(Functions).contains("A: seed"));
    assert!(!out.text(Functions).contains("max"));
}

#[test]
fn a_default_of_ours_changes_with_its_source() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "defaults: {timeout: 30}")]);
    let outcome = out.deploy(&[functions("a", "defaults: {timeout: 60}")]);
    assert!(out.text(Functions).contains("timeout: 60"));
    assert_eq!(names(&outcome.changes.changed), ["defaults/timeout"]);
    assert!(outcome.changes.taken.is_empty());
    assert!(outcome.drift.is_empty());
}

#[test]
fn the_first_writer_of_a_default_stays_its_owner_whatever_the_order_of_later_entries() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "defaults: {timeout: 30}")]);
    let outcome = out.deploy(&[
        functions("b", "defaults: {timeout: 99}"),
        functions("a", "defaults: {timeout: 60}"),
    ]);
    assert!(out.text(Functions).contains("timeout: 60"));
    assert_eq!(owned(&outcome, "a"), ["defaults/timeout"]);
    assert!(owned(&outcome, "b").is_empty());
}

#[test]
fn a_default_of_a_source_that_is_not_deployed_stays() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "defaults: {timeout: 30}")]);
    let outcome = out.deploy(&[functions("b", "defaults: {timeout: 99}")]);
    assert!(out.text(Functions).contains("timeout: 30"));
    assert_eq!(owned(&outcome, "a"), ["defaults/timeout"]);
    assert!(outcome.changes.changed.is_empty());
}

#[test]
fn a_default_its_owner_gives_up_passes_to_the_next_writer() {
    let mut out = Out::default();
    out.deploy(&[
        functions("a", "defaults: {timeout: 30}"),
        functions("b", "defaults: {timeout: 99}"),
    ]);
    let both = [
        functions("a", ""),
        functions("b", "defaults: {timeout: 99}"),
    ];
    out.options.prune = false;
    let kept = out.merge(&both);
    assert!(kept.texts[&Functions].contains("timeout: 30"));
    assert_eq!(owned(&kept, "a"), ["defaults/timeout"]);

    out.options.prune = true;
    let outcome = out.deploy(&both);
    assert!(out.text(Functions).contains("timeout: 99"));
    assert_eq!(owned(&outcome, "b"), ["defaults/timeout"]);
    assert_eq!(names(&outcome.changes.changed), ["defaults/timeout"]);
    assert!(outcome.changes.removed.is_empty());
}

#[test]
fn unknown_keys_of_a_source_are_dropped_and_those_of_the_output_stay() {
    let mut out = Out::with(Functions, "# ours\nnotes: [1]\nfunctions: {}\n");
    let outcome = out.deploy(&[functions("a", "version: 2\nfunctions: {f: {}}\n")]);
    assert_eq!(out.text(Functions), "functions:\n  f: {}\nnotes:\n  - 1\n");
    assert_eq!(
        warnings(&outcome),
        ["a/config/functions.yml:1:1 unknown-key `version` is unknown and is dropped"]
    );
}

#[rstest]
#[case("[]", "1:1 `document` is a list and should be a mapping")]
#[case(
    "functions: no",
    "1:12 `functions` is a string and should be a mapping"
)]
#[case(
    "functions:\n  f: 3",
    "2:6 `functions.f` is a number and should be a mapping"
)]
#[case(
    "functions:\n  f:",
    "2:4 `functions.f` is null and should be a mapping"
)]
#[case("defaults: [a]", "1:11 `defaults` is a list and should be a mapping")]
#[case(
    "defaults:\n  environment: [a]",
    "2:16 `defaults.environment` is a list and should be a mapping"
)]
#[case(
    "defaults:\n  scaling: true",
    "2:12 `defaults.scaling` is a boolean and should be a mapping"
)]
fn a_value_of_a_wrong_kind_is_a_violation_in_source_and_output(
    #[case] text: &str,
    #[case] expected: &str,
) {
    let in_source = Out::default().try_merge(&[functions("a", text)]);
    let in_output = Out::with(Functions, text).try_merge(&[]);
    for (file, result) in [
        ("a/config/functions.yml", in_source),
        ("out/functions.yml", in_output),
    ] {
        let violations = result.expect_err("the kind is wrong");
        let [violation] = &violations[..] else {
            panic!("{violations:?}")
        };
        let place = &violation.place;
        let said = format!("{}:{} {}", place.line, place.column, violation.message);
        assert_eq!((place.file.as_str(), said.as_str()), (file, expected));
        assert_eq!(violation.rule, "wrong-kind");
        assert_eq!(place.excerpt, "");
    }
}

#[test]
fn every_violation_of_every_file_is_reported_at_once() {
    let entries = [
        functions("a", "functions: 1\ndefaults: 2"),
        super::routing("b", "routes: 3"),
    ];
    let out = Out::with(Functions, "functions: x");
    let files: Vec<_> = out
        .try_merge(&entries)
        .expect_err("the kinds are wrong")
        .into_iter()
        .map(|violation| violation.place.file)
        .collect();
    assert_eq!(
        files,
        [
            "out/functions.yml",
            "a/config/functions.yml",
            "a/config/functions.yml",
            "b/config/routing.yml"
        ]
    );
}

#[test]
fn sections_without_anything_in_them_are_empty() {
    let mut out = Out::with(Functions, "functions:\ndefaults:\n");
    out.deploy(&[functions(
        "a",
        "functions:\ndefaults:\n  environment:\n  scaling:\n",
    )]);
    assert_eq!(out.text(Functions), "functions:\ndefaults:\n");
    out.deploy(&[functions("a", "defaults: {environment: {A: x}}")]);
    assert_eq!(
        out.text(Functions),
        "defaults:\n  environment:\n    A: x\nfunctions: null\n"
    );
}

#[test]
fn images_are_rewritten_in_the_functions_that_this_deploy_writes() {
    let mut out = Out::with(Functions, "functions: {seed: {image: 'reg:5000/f:1'}}\n");
    out.options.image_rewrites = [("reg:5000/f:1".to_owned(), "push:5000/f:1".to_owned())].into();
    let outcome = out.deploy(&[functions(
        "a",
        "functions: {f: {image: 'reg:5000/f:1', env: {image: 'reg:5000/f:1'}}, g: {image: other}, h: {}}\ndefaults: {image: 'reg:5000/f:1'}",
    )]);
    assert_eq!(
        out.text(Functions),
        "defaults:\n  image: reg:5000/f:1\nfunctions:\n  f:\n    env:\n      image: reg:5000/f:1\n    image: push:5000/f:1\n  g:\n    image: other\n  h: {}\n  seed:\n    image: reg:5000/f:1\n"
    );
    let again = out.merge(&[functions(
        "a",
        "functions: {f: {image: 'reg:5000/f:1', env: {image: 'reg:5000/f:1'}}, g: {image: other}, h: {}}\ndefaults: {image: 'reg:5000/f:1'}",
    )]);
    assert_eq!(again.ownership, outcome.ownership);
    assert!(again.drift.is_empty());
}

#[test]
fn a_default_whose_name_holds_a_slash_is_not_taken_for_a_section() {
    let mut out = Out::default();
    let outcome = out.deploy(&[functions(
        "a",
        "defaults:\n  environment/A: 1\n  environment%2FA: 2\n  environment: {A: 3}\n",
    )]);
    assert_eq!(
        owned(&outcome, "a"),
        [
            "defaults/environment%252FA",
            "defaults/environment%2FA",
            "defaults/environment/A"
        ]
    );
}
