//! A deploy that goes where nobody meant it to go, or gives up what somebody else began.

use std::fs;

use crate::support::{Machine, frozen};

const DEPLOY: [&str; 4] = ["deploy", "--artifact", "artifact/artifact.yml", "--out"];

fn run(machine: &Machine, out: &str, more: &[&str]) -> (i32, String) {
    let ran = machine.run(&[&DEPLOY[..], &[out], more].concat());
    (ran.code, ran.stderr)
}

/// A machine whose target was published into a directory of it.
fn published() -> Machine {
    let machine = Machine::fresh();
    machine.artifact();
    let journal = fs::read_to_string(frozen("deploy-applied.jsonl")).unwrap();
    fs::write(machine.work().join("journal.jsonl"), journal).unwrap();
    assert_eq!(machine.run(&["import", "journal.jsonl"]).code, 0);
    machine
}

#[test]
fn another_output_directory_than_the_last_one_is_refused_unless_it_is_meant() {
    let machine = published();
    for command in ["deploy", "plan"] {
        let args = [&[command], &DEPLOY[1..], &["out"]].concat();
        let refused = machine.run(&args);
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        for said in [
            "error: `esb-dev/dev` was last published into `/srv/stack/config`, and not into `[MACHINE]/here/out`",
            "hint: `--move-out` publishes into the new directory; the old one stays as it is",
        ] {
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
        // The engine is not there; nothing else is in the way.
        let moved = machine.run(&[&args[..], &["--move-out"]].concat());
        assert_eq!(moved.code, 9, "{}", moved.stderr);
    }
    assert_eq!(machine.run(&["verify"]).code, 0);
}

#[test]
fn the_output_directory_of_another_target_is_refused_unless_it_is_meant() {
    let machine = published();
    let manifest = machine.work().join("artifact/artifact.yml");
    let other = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, other.replace("env: dev", "env: qa")).unwrap();
    let (code, said) = run(&machine, "/srv/stack/config", &[]);
    assert_eq!(code, 5, "{said}");
    for words in [
        "error: `/srv/stack/config` is the output directory of `esb-dev/dev`",
        "hint: `--share-out` publishes into it too",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(
        !machine.root().join("esb-dev/qa/begun").exists(),
        "nothing was recorded"
    );
    let (code, said) = run(&machine, "/srv/stack/config", &["--share-out"]);
    assert_eq!(code, 9, "{said}");
}

#[test]
fn what_somebody_else_began_is_given_up_only_when_that_is_said() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    machine.artifact();
    let (code, said) = run(&machine, "out", &["--move-out"]);
    assert_eq!(code, 5, "{said}");
    for words in [
        "which mori@build-7 began 2026-02-20",
        "is unfinished, and nobody runs it; nothing was changed",
        "hint: `artifactctl resume esb-dev/dev` goes on with it",
        "hint: `--supersede` gives it up and deploys this instead",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let status = machine.run(&["status", "--format", "json"]).stdout;
    assert!(status.contains(r#""status":"unfinished""#), "{status}");

    let own = machine.run(
        &[
            &DEPLOY[..],
            &["out", "--move-out", "--actor", "mori@build-7"],
        ]
        .concat(),
    );
    assert_eq!(own.code, 9, "{}", own.stderr);
    assert!(
        own.stderr
            .contains("superseding deploy 8fce, which you began"),
        "{}",
        own.stderr
    );
}

#[test]
fn what_somebody_else_began_is_given_up_with_the_flag() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    machine.artifact();
    let (code, said) = run(&machine, "out", &["--move-out", "--supersede"]);
    assert_eq!(code, 9, "{said}");
    assert!(
        said.contains("superseding deploy") && said.contains("which mori@build-7 began"),
        "{said}"
    );
    let history = machine.run(&["history", "--format", "json"]).stdout;
    assert_eq!(history.lines().count(), 2, "{history}");
    assert!(history.contains(r#""status":"superseded""#), "{history}");
}

#[test]
fn a_file_without_its_flag_is_told_the_flag() {
    let machine = Machine::fresh();
    for (command, file, hint) in [
        (
            "deploy",
            "shop/artifact.yml",
            "`--artifact shop/artifact.yml`",
        ),
        ("validate", "artifact.yaml", "`--artifact artifact.yaml`"),
        (
            "plan",
            "template.yaml",
            "`esb deploy --template template.yaml`",
        ),
    ] {
        let ran = machine.run(&[command, file]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    }
}
