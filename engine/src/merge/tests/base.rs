//! Ownership: pruning, drift, and a base that may have been published in part.

use rstest::rstest;

use super::{Out, entry, functions, names, owned, resources, routing};
use crate::contract::Digest;
use crate::merge::ConfigFile::{self, Functions, Resources, Routing};
use crate::merge::{BaseOwnership, Key, Ownership, SourceKey};
use crate::yaml::emit;

const EVERYTHING: [&str; 3] = [
    "functions: {f: {image: i}, g: {}}\ndefaults: {environment: {A: x}, scaling: {max: 1}, timeout: 3}\n",
    "routes: [{path: /f, function: f}, {path: /g, method: POST}]\n",
    "resources: {dynamodb: [{TableName: t}], s3: [{BucketName: b}], layers: [{Name: l}]}\n",
];

fn everything(source: &str) -> super::EntryConfig {
    entry(source, EVERYTHING[0], EVERYTHING[1], EVERYTHING[2])
}

#[test]
fn what_a_source_no_longer_writes_goes_away() {
    let mut out = Out::default();
    let first = out.deploy(&[everything("a")]);
    assert_eq!(owned(&first, "a").len(), 10);
    let outcome = out.deploy(&[entry("a", "functions: {f: {image: i}}", "", "")]);
    assert_eq!(
        names(&outcome.changes.removed),
        [
            "defaults/environment/A",
            "defaults/scaling/max",
            "defaults/timeout",
            "dynamodb/t",
            "functions/g",
            "layers/l",
            "routes/GET /f",
            "routes/POST /g",
            "s3/b",
        ]
    );
    assert_eq!(owned(&outcome, "a"), ["functions/f"]);
    assert_eq!(
        out.text(Functions),
        "defaults:\n  environment: {}\n  scaling: {}\nfunctions:\n  f:\n    image: i\n"
    );
    assert_eq!(out.text(Routing), "routes: []\n");
    assert_eq!(
        out.text(Resources),
        "resources:\n  dynamodb: []\n  layers: []\n  s3: []\n"
    );
}

#[test]
fn seeds_and_the_keys_of_absent_sources_stay() {
    let mut out = Out::with(Functions, "functions: {seed: {}}\n");
    out.deploy(&[everything("a"), functions("b", "functions: {h: {}}")]);
    let outcome = out.deploy(&[functions("b", "")]);
    assert_eq!(names(&outcome.changes.removed), ["functions/h"]);
    assert_eq!(owned(&outcome, "a").len(), 10);
    assert!(owned(&outcome, "b").is_empty());
    assert!(out.text(Functions).contains("seed: {}"));
}

#[test]
fn a_key_that_another_source_writes_now_changes_hands() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "functions: {f: {v: a}}")]);
    let outcome = out.deploy(&[functions("a", ""), functions("b", "functions: {f: {v: b}}")]);
    assert!(outcome.changes.removed.is_empty());
    assert!(outcome.changes.taken.is_empty());
    assert_eq!(owned(&outcome, "b"), ["functions/f"]);
    assert!(owned(&outcome, "a").is_empty());

    let outcome = out.deploy(&[functions("a", "")]);
    assert!(outcome.changes.is_empty());
    assert_eq!(owned(&outcome, "b"), ["functions/f"]);
}

#[test]
fn a_later_source_takes_a_function_from_one_that_is_not_deployed() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "functions: {f: {v: a}, g: {}}")]);
    let outcome = out.deploy(&[functions("b", "functions: {f: {v: b}}")]);
    assert_eq!(owned(&outcome, "a"), ["functions/g"]);
    assert_eq!(owned(&outcome, "b"), ["functions/f"]);
    assert!(outcome.drift.is_empty());
}

#[test]
fn without_pruning_stale_keys_stay_and_stay_ours() {
    let mut out = Out::default();
    out.deploy(&[everything("a")]);
    let before = out.texts.clone();
    out.options.prune = false;
    let outcome = out.deploy(&[entry("a", "", "", "")]);
    assert!(outcome.changes.is_empty());
    assert_eq!(out.texts, before);
    assert_eq!(owned(&outcome, "a").len(), 10);
    out.options.prune = true;
    let outcome = out.deploy(&[entry("a", "", "", "")]);
    assert_eq!(outcome.changes.removed.len(), 10);
}

#[test]
fn what_is_pruned_can_be_written_again() {
    let mut out = Out::default();
    out.deploy(&[everything("a")]);
    let before = out.texts.clone();
    out.deploy(&[entry("a", "", "", "")]);
    let outcome = out.deploy(&[everything("a")]);
    assert_eq!(outcome.changes.added.len(), 10);
    assert_eq!(out.texts, before);
    assert!(outcome.drift.is_empty());
}

#[test]
fn a_key_of_ours_that_was_changed_by_hand_is_drift_and_is_overwritten() {
    let mut out = Out::default();
    out.deploy(&[functions(
        "a",
        "functions: {f: {v: 1}, g: {v: 1}, h: {v: 1}, i: {v: 1}}",
    )]);
    out.texts.insert(
        Functions,
        "functions: {f: {v: hand}, h: {v: hand}, i: {v: 1}}\n".to_owned(),
    );
    let outcome = out.deploy(&[functions(
        "a",
        "functions: {f: {v: 1}, g: {v: 1}, i: {v: 2}}",
    )]);
    let drift: Vec<_> = outcome
        .drift
        .iter()
        .map(|drift| (drift.key.0.as_str(), drift.found.is_some()))
        .collect();
    assert_eq!(
        drift,
        [
            ("functions/f", true),
            ("functions/g", false),
            ("functions/h", true)
        ]
    );
    assert_eq!(
        out.text(Functions),
        "functions:\n  f:\n    v: 1\n  g:\n    v: 1\n  i:\n    v: 2\n"
    );
    let written = super::text("f", "v: 1").tree;
    assert_eq!(outcome.drift[0].written, Digest::of(emit(&written)));
}

#[test]
fn drift_of_a_source_that_is_not_deployed_is_left_for_its_next_deploy() {
    let mut out = Out::default();
    out.deploy(&[functions("a", "functions: {f: {v: 1}}")]);
    out.texts
        .insert(Functions, "functions: {f: {v: hand}}\n".to_owned());
    let outcome = out.deploy(&[functions("b", "functions: {g: {}}")]);
    assert!(outcome.drift.is_empty());
    assert!(out.text(Functions).contains("v: hand"));
    let outcome = out.deploy(&[functions("a", "functions: {f: {v: 1}}")]);
    assert_eq!(outcome.drift.len(), 1);
}

#[test]
fn another_way_to_write_the_same_value_is_no_drift() {
    let mut out = Out::default();
    out.deploy(&[routing("a", "routes: [{path: /a, method: GET}]")]);
    let by_hand = "# tidied up\nroutes:\n- method:   'GET'\n  path: \"/a\"\n";
    out.texts.insert(Routing, by_hand.to_owned());
    let outcome = out.deploy(&[routing("a", "routes: [{path: /a, method: GET}]")]);
    assert!(outcome.drift.is_empty());
    assert!(outcome.changes.is_empty());
    assert_eq!(out.text(Routing), by_hand);
}

/// Deploy 1 is applied; deploy 2 gives up `old`, changes `both`, adds `new` and takes `seed` over, and is killed while
/// publishing. Deploy 3 of the same source writes nothing: what deploys 1 and 2 wrote goes, the seed stays.
#[rstest]
#[case::nothing_was_published(&[], "functions:\n  seed:\n    v: 0\n")]
#[case::functions_were_published(&[Functions], "functions: {}\n")]
fn a_deploy_after_a_publish_of_unknown_end_removes_what_is_ours_only(
    #[case] published: &[ConfigFile],
    #[case] expected: &str,
) {
    let mut out = Out::with(Functions, "functions: {seed: {v: 0}}\n");
    out.deploy(&[functions("a", "functions: {old: {v: 1}, both: {v: 1}}")]);
    let second = [functions(
        "a",
        "functions: {both: {v: 2}, new: {v: 2}, seed: {v: 2}}",
    )];
    out.deploy_in_part(&second, published);
    let outcome = out.deploy(&[functions("a", "")]);
    assert_eq!(out.text(Functions), expected);
    assert!(outcome.drift.is_empty(), "{:?}", outcome.drift);
    assert!(owned(&outcome, "a").is_empty());
}

#[test]
fn a_deploy_after_two_publishes_of_unknown_end_still_knows_the_seed() {
    let mut out = Out::with(Functions, "functions: {seed: {v: 0}}\n");
    let second = [functions("a", "functions: {seed: {v: 2}}")];
    out.deploy_in_part(&second, &[]);
    out.deploy_in_part(&second, &[]);
    out.deploy(&[functions("a", "")]);
    assert_eq!(out.text(Functions), "functions: {seed: {v: 0}}\n");
}

#[test]
fn an_unrelated_deploy_after_a_publish_of_unknown_end_completes_a_removal_and_keeps_the_rest() {
    let mut out = Out::default();
    out.deploy(&[functions(
        "a",
        "functions: {old: {}, both: {v: 1}}\ndefaults: {timeout: 1}",
    )]);
    out.deploy_in_part(&[functions("a", "functions: {both: {v: 2}}")], &[]);
    let outcome = out.deploy(&[functions("b", "defaults: {timeout: 9}")]);
    assert_eq!(
        out.text(Functions),
        "defaults:\n  timeout: 9\nfunctions:\n  both:\n    v: 1\n"
    );
    assert_eq!(owned(&outcome, "a"), ["functions/both"]);
    assert_eq!(owned(&outcome, "b"), ["defaults/timeout"]);
    let outcome = out.deploy(&[functions("a", "functions: {both: {v: 1}}")]);
    assert!(outcome.drift.is_empty());
}

#[test]
fn a_repeated_deploy_after_a_publish_of_unknown_end_ends_as_if_it_had_not_been_killed() {
    let start = || {
        let mut out = Out::with(
            Functions,
            "functions: {seed: {v: 0}}\ndefaults: {timeout: 1}\n",
        );
        out.deploy(&[everything("a")]);
        out
    };
    let next = [
        entry(
            "a",
            "functions: {f: {v: 2}, seed: {v: 2}}\ndefaults: {net: 1}",
            EVERYTHING[1],
            "",
        ),
        everything("b"),
    ];
    let mut whole = start();
    let expected = whole.deploy(&next);
    for published in [
        &[][..],
        &[Resources],
        &[Resources, Functions],
        &ConfigFile::ALL,
    ] {
        let mut out = start();
        out.deploy_in_part(&next, published);
        let outcome = out.deploy(&next);
        assert_eq!(outcome.texts, expected.texts, "{published:?}");
        assert_eq!(outcome.ownership, expected.ownership, "{published:?}");
    }
}

#[test]
fn a_base_that_claims_one_key_for_two_sources_does_not_confuse_the_merge() {
    let digest = Digest::of("x");
    let keys = || {
        [
            (Key("functions/f".to_owned()), digest.clone()),
            (Key("nonsense".to_owned()), digest.clone()),
        ]
        .into()
    };
    let mut out = Out::with(Functions, "functions: {f: {}}\n");
    out.base = BaseOwnership {
        ownership: Ownership {
            sources: [
                (SourceKey("a".to_owned()), keys()),
                (SourceKey("b".to_owned()), keys()),
            ]
            .into(),
        },
        ..BaseOwnership::default()
    };
    let outcome = out.deploy(&[functions("b", "")]);
    assert!(outcome.changes.is_empty());
    assert_eq!(owned(&outcome, "a"), ["functions/f", "nonsense"]);
    assert!(owned(&outcome, "b").is_empty());
}

#[test]
fn two_entries_of_one_source_own_together() {
    let mut out = Out::default();
    let both = [
        resources("a", "s3: [{BucketName: x}]"),
        resources("a", "s3: [{BucketName: y}]"),
    ];
    let outcome = out.deploy(&both);
    assert_eq!(owned(&outcome, "a"), ["s3/x", "s3/y"]);
    let outcome = out.deploy(&both);
    assert!(outcome.changes.is_empty());
}
