//! Deploys that are killed: at every boundary that the program names, and at random moments.
//!
//! What is checked after each kill, and after the deploy that goes on from it, is in `e2e::crash`.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::artifactctl;
use e2e::crash::{self, Bench};
use e2e::engine::{TestEngine, describe};
use rstest::rstest;

/// Kills of the normal test run; `cargo run --bin e2e -- crash` does many more.
const KILLS: usize = 20;

/// One stack for all of these tests; whoever has it, has it alone.
fn bench() -> MutexGuard<'static, Bench<'static>> {
    static BENCH: OnceLock<Mutex<Bench<'static>>> = OnceLock::new();
    let bench = BENCH.get_or_init(|| Mutex::new(told(Bench::up(TestEngine::shared(), "engine"))));
    bench.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn told<T>(done: Result<T, crash::CrashError>) -> T {
    done.unwrap_or_else(|error| panic!("{}", describe(&error)))
}

/// What every deploy must have a boundary before and after.
const AROUND: [&str; 18] = [
    "append Requested",
    "observe",
    "append Observed CompatChecked",
    "config",
    "document values of functions.yml",
    "document values of resources.yml",
    "document values of routing.yml",
    "document owners",
    "append Merged",
    "inspect orders-place",
    "image orders-place",
    "append ImageBuilt orders-place",
    "observe again",
    "document images",
    "tag orders-place",
    "publish",
    "append Applied",
    "provision",
];

/// Other boundaries that it must have.
const WITHIN: [&str; 5] = [
    "built orders-place",
    "pushed orders-place",
    "made temporary resources.yml",
    "filled temporary resources.yml",
    "replaced resources.yml",
];

#[test]
fn a_deploy_killed_at_any_boundary_ends_as_one_that_was_not() {
    let bench = bench();
    let boundaries = told(bench.boundaries(true));
    let names: BTreeSet<&str> = boundaries.iter().map(String::as_str).collect();
    assert_eq!(
        names.len(),
        boundaries.len(),
        "each has a name of its own: {boundaries:?}"
    );
    for name in AROUND {
        for side in ["before", "after"] {
            let boundary = format!("{side} {name}");
            assert!(names.contains(boundary.as_str()), "`{boundary}`: {names:?}");
        }
    }
    for name in WITHIN {
        assert!(names.contains(name), "`{name}`: {names:?}");
    }
    for name in names {
        // Compose takes seconds, so that the provisioner has a part only where it is near.
        let provision = name.ends_with("provision") || name == "before append Applied";
        told(bench.kill_at(&[name], provision));
    }
}

#[rstest]
#[case::at_the_same_place(&["after append Merged", "after append Merged"])]
#[case::before_and_after_resuming(&["before append Requested", "after append Requested", "before append Resumed", "after append Resumed"])]
#[case::an_image_each(&["pushed orders-list", "built orders-place", "pushed orders-place"])]
#[case::a_file_each(&["replaced resources.yml", "replaced functions.yml", "replaced routing.yml"])]
#[case::while_looking_again(&["before append Applied", "after observe", "after inspect orders-list"])]
fn a_deploy_killed_again_and_again_ends_as_one_that_was_not(#[case] kills: &[&str]) {
    told(bench().kill_at(kills, false));
}

#[test]
fn a_deploy_killed_at_random_moments_ends_as_one_that_was_not() {
    let seed = crash::seed();
    let survived = bench().kill_at_random(KILLS, seed, |_| ());
    survived.unwrap_or_else(|error| panic!("seed {seed}: {}", describe(&error)));
}

/// Images that are assembled are mounted and uploaded part by part.
#[test]
fn an_upload_killed_at_any_boundary_ends_as_one_that_was_not() {
    let bench = told(Bench::up(TestEngine::shared(), "assemble"));
    let boundaries = told(bench.boundaries(false));
    let parts = ["mounted", "uploaded", "written"];
    let within = |name: &&String| parts.iter().any(|part| name.starts_with(part));
    let within: Vec<&str> = boundaries
        .iter()
        .filter(within)
        .map(String::as_str)
        .collect();
    for part in parts {
        let of = format!("{part} orders-place");
        let is_there = within.iter().any(|name| name.starts_with(&of));
        assert!(is_there, "`{of}`: {within:?}");
    }
    for name in &within {
        told(bench.kill_at(&[name], false));
    }
    told(bench.kill_at(&within, false));
}

#[test]
fn only_the_program_that_is_built_to_be_killed_can_be_told_to_kill_itself() {
    let names = [
        "ARTIFACTCTL_FAILPOINTS",
        "ARTIFACTCTL_KILL_AT",
        "before append",
    ];
    let has = |program: &std::path::Path, name: &str| {
        let bytes = std::fs::read(program).unwrap();
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    let (plain, armed) = (
        artifactctl::build().unwrap(),
        artifactctl::build_with_failpoints().unwrap(),
    );
    for name in names {
        assert!(!has(&plain, name), "`{name}`");
        assert!(has(&armed, name), "`{name}`");
    }
}
