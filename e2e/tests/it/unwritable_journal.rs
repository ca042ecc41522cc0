//! A journal that nobody can write to, on a read-only mount or a full disk, is read all the same.

use std::fs;
use std::process::Command;

use rstest::rstest;

use crate::disk::fill;
use crate::refusal::{Bench, Mount, Said, contents, run, shared_stack};

/// Every command that reads a journal, and looks at nothing else that changes by itself.
const READERS: [&[&str]; 7] = [
    &["status", "--format", "json"],
    &["history", "--format", "json"],
    &["history"],
    &["show", "latest", "--format", "json"],
    &["verify", "--format", "json"],
    &["verify"],
    &["export"],
];

/// What each reader says.
fn read(bench: &Bench) -> Vec<(&'static [&'static str], Said)> {
    let said = READERS
        .into_iter()
        .map(|words| (words, run(&mut bench.command(words))));
    said.collect()
}

/// A plan reads the journal, the stack and the output directory.
fn plan(bench: &Bench) -> Said {
    let words = [
        "plan",
        "--artifact",
        "artifact/artifact.yml",
        "--out",
        "out",
    ];
    let stack = shared_stack();
    let mut plan: Command = bench.command(&words);
    plan.args(["--compose-project", stack.project()])
        .envs(stack.deploy_env());
    run(&mut plan)
}

#[rstest]
#[case::read_only_mount(false)]
#[case::full_disk(true)]
fn a_journal_that_cannot_be_written_can_be_read(#[case] is_full: bool) {
    let bench = Bench::with_images_of("unwritable");
    fs::create_dir(bench.journal()).unwrap();
    let _disk = is_full.then(|| Mount::memory(&bench.journal(), 4096));
    let mut deploy = bench.deploy_onto(shared_stack());
    let deployed = run(&mut deploy);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    let known = read(&bench);
    let planned = plan(&bench);
    assert_eq!(planned.code, Some(0), "{planned:?}");

    let _mount = if is_full {
        fill(&bench.journal().join("filler"));
        None
    } else {
        Some(Mount::read_only(&bench.journal()))
    };
    let before = contents(&bench.journal());
    for ((words, now), (_, then)) in read(&bench).into_iter().zip(&known) {
        assert_eq!(now.code, Some(0), "{words:?}: {now:?}");
        assert_eq!(now.stdout, then.stdout, "{words:?}");
    }
    let again = plan(&bench);
    assert_eq!(
        (again.code, again.stdout),
        (Some(0), planned.stdout),
        "{}",
        again.stderr
    );
    assert!(contents(&bench.journal()) == before, "a reader wrote");
}
