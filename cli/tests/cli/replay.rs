//! Recorded deploys, decided again.

use std::fs;

use rstest::rstest;

use crate::support::{Machine, workspace};

#[rstest]
fn every_frozen_export_of_every_schema_is_decided_as_recorded(#[values("v1", "v2")] schema: &str) {
    let folder = workspace().join("fixtures/journals").join(schema);
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("deploy-") && !name.starts_with("target-") {
            continue;
        }
        let ran = Machine::fresh().run(&["replay", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.ends_with(": decided as recorded\n"),
            "{name}: {}",
            ran.stdout
        );
        replayed += 1;
    }
    assert!(replayed >= 7, "{replayed}");
}

#[test]
fn all_targets_of_a_journal_are_replayed() {
    let machine = Machine::with_journal("deploy-superseded.jsonl");
    machine.snapshot("replay-all", &["replay", "--all"]);
    let ran = machine.run(&["replay", "--all", "--format", "json"]);
    assert!(
        ran.stdout.contains("\"type\":\"replayed\""),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("\"divergence\":null"), "{}", ran.stdout);
}

#[rstest]
#[case::nothing(&["replay"], 2)]
#[case::absent(&["replay", "nowhere.jsonl"], 2)]
#[case::both(&["replay", "x.jsonl", "--all"], 2)]
fn what_cannot_be_replayed_is_refused(#[case] args: &[&str], #[case] code: i32) {
    assert_eq!(Machine::fresh().run(args).code, code);
}
