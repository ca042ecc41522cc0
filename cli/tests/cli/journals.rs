//! Reading journals, and what needs no engine of changing them.

use std::fs;

use rstest::rstest;

use crate::support::{Machine, TARGET, frozen, snapshot};

const PATTERN: &str = "Requested Observed CompatChecked Merged ImageBuilt+ Applied";

#[rstest]
#[case::history("history")]
#[case::status("status")]
fn a_fresh_machine_has_nothing_to_say_and_that_is_no_failure(#[case] command: &str) {
    Machine::fresh().snapshot(&format!("fresh-{command}"), &[command]);
}

#[rstest]
#[case::history("history", &["history"])]
#[case::history_json("history-json", &["history", "--format", "json"])]
#[case::show("show", &["show"])]
#[case::show_by_suffix("show-suffix", &["show", "08fce", "--target", TARGET])]
#[case::status("status", &["status"])]
#[case::verify("verify", &["verify"])]
#[case::assert_fits("assert-fits", &["assert", "latest", PATTERN])]
#[case::assert_differs("assert-differs", &["assert", "latest", "Requested Observed CompatChecked Applied"])]
#[case::assert_too_short("assert-too-short", &["assert", "latest", "Requested _* Applied Failed"])]
#[case::assert_unknown("assert-unknown-kind", &["assert", "latest", "Requested Aplied"])]
#[case::unknown_deploy("show-unknown", &["show", "019c7a47-0000-7000-8000-000000000000"])]
#[case::unknown_suffix("show-unknown-suffix", &["show", "ffffffff"])]
#[case::no_deploy("show-no-deploy", &["show", "yesterday"])]
#[case::no_target("target-malformed", &["status", "esb-dev"])]
#[case::other_target("target-unknown", &["status", "esb-dev/prod"])]
#[case::nothing_to_resume("resume-nothing", &["resume"])]
#[case::nothing_to_abandon("abandon-nothing", &["abandon", TARGET])]
#[case::beyond_the_end("at-beyond", &["history", "--at", "10"])]
fn an_applied_deploy(#[case] name: &str, #[case] args: &[&str]) {
    Machine::with_journal("deploy-applied.jsonl").snapshot(name, args);
}

#[rstest]
#[case::history("resumed-history", &["history"])]
#[case::show("resumed-show", &["show"])]
#[case::status_then("resumed-status-at-6", &["status", "--at", "6"])]
#[case::show_then("resumed-show-at-6", &["show", "--at", "6"])]
#[case::history_then("resumed-history-at-6", &["history", "--at", "6"])]
fn a_resumed_deploy(#[case] name: &str, #[case] args: &[&str]) {
    Machine::with_journal("deploy-failed-resumed.jsonl").snapshot(name, args);
}

#[rstest]
#[case::history("superseded-history", &["history"])]
#[case::limit("superseded-history-1", &["history", "-n", "1"])]
#[case::ambiguous("superseded-show-ambiguous", &["show", "019c7a47"])]
#[case::first("superseded-show-prefix", &["show", "019c7a47-02"])]
fn a_superseded_deploy(#[case] name: &str, #[case] args: &[&str]) {
    Machine::with_journal("deploy-superseded.jsonl").snapshot(name, args);
}

#[rstest]
#[case::status("incompatible-status", &["status", "--exit-code"])]
#[case::show("incompatible-show", &["show"])]
#[case::artifact_missing("resume-artifact-missing", &["resume"])]
fn an_incompatible_stack(#[case] name: &str, #[case] args: &[&str]) {
    Machine::with_journal("deploy-incompatible.jsonl").snapshot(name, args);
}

#[test]
fn a_killed_deploy_waits_to_be_resumed_or_abandoned() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    machine.snapshot("killed-status", &["status", "--exit-code"]);
    let abandoned = machine.run(&["abandon", "-m", "not needed", "--actor", "sato@laptop"]);
    assert_eq!(abandoned.code, 0, "{}", abandoned.stderr);
    assert!(
        abandoned
            .stdout
            .starts_with("esb-dev/dev: abandoned deploy 8fce")
    );
    let shown = machine.run(&["show"]);
    assert!(
        shown.stdout.contains("abandoned: given up: not needed"),
        "{}",
        shown.stdout
    );
    for who in ["attempt 1 by mori@build-7, ", "attempt 1 by sato@laptop, "] {
        assert!(shown.stdout.contains(who), "{}", shown.stdout);
    }
    assert_eq!(machine.run(&["verify"]).code, 0);
    assert_eq!(machine.run(&["abandon"]).code, 5);
}

/// What it names is on the machine that it was asked for on: nothing of it is opened here.
#[test]
fn an_imported_deploy_can_only_be_abandoned() {
    let machine = Machine::with_import("deploy-killed.jsonl");
    let before = machine.run(&["export"]).stdout;
    let resumed = machine.run(&["resume"]);
    assert_eq!(resumed.code, 5, "{}", resumed.stderr);
    assert!(
        resumed
            .stderr
            .contains("was imported, and can only be abandoned")
            && resumed
                .stderr
                .contains("hint: give it up with `artifactctl abandon`"),
        "{}",
        resumed.stderr
    );
    assert_eq!(machine.run(&["export"]).stdout, before);
    let status = machine.run(&["status", "--format", "json"]).stdout;
    assert!(status.contains(r#""imported":true"#), "{status}");
    let status = machine.run(&["status"]).stdout;
    assert!(status.contains("it was imported"), "{status}");
    assert!(!status.contains("artifactctl resume"), "{status}");
    assert_eq!(machine.run(&["abandon"]).code, 0);
    assert_eq!(machine.run(&["resume"]).code, 5);
}

#[test]
fn an_export_is_the_file_that_was_imported() {
    let machine = Machine::with_journal("deploy-superseded.jsonl");
    let exported = machine.run(&["export"]);
    let original = fs::read_to_string(frozen("deploy-superseded.jsonl")).unwrap();
    assert_eq!(exported.stdout, original);
    assert_eq!(exported.stderr, "");

    let again = frozen("deploy-applied.jsonl");
    let refused = machine.run(&["import", &again]);
    snapshot(
        "import-not-empty",
        &["import", "deploy-applied.jsonl"],
        &refused,
    );
    fs::write(machine.work().join("copy.jsonl"), original).unwrap();
    machine.snapshot(
        "import-elsewhere",
        &["import", "copy.jsonl", "--journal", "other"],
    );
}

/// The journal loses its last events; the backup is of before.
#[test]
fn an_export_of_a_journal_that_lost_events_leaves_an_earlier_one_as_it_was() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let backup = machine.work().join("backup.jsonl");
    let export = ["export", "--output", "backup.jsonl"];
    assert_eq!(machine.run(&export).code, 0);
    let whole = fs::read_to_string(&backup).unwrap();
    assert_eq!(whole, machine.run(&["export"]).stdout);
    let names = || fs::read_dir(machine.work()).unwrap().count();
    let before = names();
    fs::remove_dir_all(machine.journal().join("store/sled")).unwrap();
    for command in [
        &["export"][..],
        &export,
        &["status"],
        &["history"],
        &["show"],
    ] {
        let refused = machine.run(command);
        assert_eq!(refused.code, 8, "{command:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{command:?}");
    }
    assert_eq!(fs::read_to_string(&backup).unwrap(), whole);
    assert_eq!(names(), before, "nothing is left beside it");
    assert!(!machine.journal().join("store/sled").exists());
}

#[test]
fn an_export_is_verified_where_it_is() {
    let machine = Machine::fresh();
    fs::copy(
        frozen("deploy-applied.jsonl"),
        machine.work().join("export.jsonl"),
    )
    .unwrap();
    machine.snapshot("verify-export", &["verify", "--export", "export.jsonl"]);
    let text = fs::read_to_string(frozen("deploy-applied.jsonl")).unwrap();
    let spaced = text.replacen("\"actor\":", "\"actor\": ", 3);
    let lines: Vec<&str> = text.lines().take(2).chain(spaced.lines().skip(2)).collect();
    fs::write(machine.work().join("spaced.jsonl"), lines.join("\n") + "\n").unwrap();
    machine.snapshot(
        "verify-export-damaged",
        &["verify", "--export", "spaced.jsonl"],
    );
    assert!(!machine.root().exists(), "nothing is made");
}

#[test]
fn an_export_that_was_changed_is_refused_and_leaves_no_journal() {
    let machine = Machine::fresh();
    let original = fs::read_to_string(frozen("deploy-applied.jsonl")).unwrap();
    let changed = original.replacen("\"actor\":\"mori", "\"actor\":\"sato", 1);
    fs::write(machine.work().join("changed.jsonl"), changed).unwrap();
    machine.snapshot("import-changed", &["import", "changed.jsonl"]);
    assert!(!machine.journal().exists());
}

#[test]
fn a_journal_is_held_against_the_head_that_a_run_printed() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let head = |end: &str| {
        format!("9:a1c8ced724c6ea3543159cee241f9af187f1326b5d1d88d2857afd0ada5c4db{end}")
    };
    assert_eq!(machine.run(&["verify", "--head", &head("e")]).code, 0);
    machine.snapshot("verify-other-head", &["verify", "--head", &head("f")]);
    machine.snapshot("verify-no-head", &["verify", "--head", "9"]);
}

#[test]
fn a_target_that_is_held_says_by_whom() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let artifact = machine.artifact();
    let (project, env) = TARGET.split_once('/').unwrap();
    let holder = journal::Holder {
        actor: "ada@ci".to_owned(),
        pid: 4711,
        host: "ci-1".to_owned(),
        boot_id: String::new(),
        since: "2026-02-20T09:00:00Z".parse().unwrap(),
        deploy: Some("019c7a47-0280-7fab-8e54-a60934808fce".parse().unwrap()),
    };
    let owned = journal::Journal::own(
        &machine.root(),
        &journal::StreamId::new(project, env).unwrap(),
        holder,
    )
    .unwrap();
    machine.snapshot("held-status", &["status"]);
    machine.snapshot(
        "held-deploy",
        &["deploy", "--artifact", artifact, "--out", "out"],
    );
    drop(owned);
    let status = machine.run(&["status"]).stdout;
    assert!(!status.contains("held"), "{status}");
}

/// A mistyped target is neither waited for nor made, and the nearest name is offered.
#[rstest]
#[case::watch(&["watch", "esb-dev/deb"])]
#[case::resume(&["resume", "esb-dev/deb"])]
#[case::abandon(&["abandon", "esb-dev/deb"])]
#[case::hold(&["lock", "hold", "esb-dev/deb", "-m", "mine"])]
#[case::release(&["lock", "release", "esb-dev/deb"])]
#[case::history(&["history", "esb-dev/deb"])]
#[case::show(&["show", "--target", "esb-dev/deb"])]
#[case::export(&["export", "esb-dev/deb"])]
#[case::verify(&["verify", "esb-dev/deb"])]
fn a_mistyped_target_is_refused_at_once_with_the_nearest_name(#[case] args: &[&str]) {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let ran = machine.run(args);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("did you mean `esb-dev/dev`?"),
        "{}",
        ran.stderr
    );
    assert!(!machine.root().join("esb-dev/deb").exists());
}

/// The engine is one that takes a connection and never answers: then the deploy has been asked for.
#[test]
fn a_deploy_that_runs_is_named_by_its_holder() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    let (engine, address) = machine.silent_engine();
    let mut deploy = machine
        .command(&[
            "deploy",
            "--artifact",
            artifact,
            "--out",
            "out",
            "--actor",
            "ada@ci",
        ])
        .env("DOCKER_HOST", address)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (connection, _) = engine.accept().unwrap();
    let status = machine.run(&["status", "--format", "json"]).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["holder"]["actor"], "ada@ci");
    assert_eq!(status["holder"]["deploy"], status["deploy"]);
    assert_eq!(status["status"], "unfinished");
    assert!(status["deploy"].is_string());
    drop((connection, engine));
    assert_eq!(deploy.wait().unwrap().code(), Some(9));
    let status = machine.run(&["status"]).stdout;
    assert!(
        status.contains(": failed") && !status.contains("held"),
        "{status}"
    );
}

#[test]
fn an_export_can_be_piped_into_an_import() {
    let (from, to) = (
        Machine::with_journal("deploy-applied.jsonl"),
        Machine::fresh(),
    );
    let mut export = from
        .command(&["export"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let imported = to
        .command(&["import", "-"])
        .stdin(export.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(export.wait().unwrap().success() && imported.success());
    assert_eq!(to.run(&["export"]).stdout, from.run(&["export"]).stdout);
}

/// No engine answers, so that the deploy is asked for, fails at its first step and can be resumed.
#[test]
fn a_resume_of_an_artifact_that_has_changed_is_refused() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    let deployed = machine.run(&["deploy", "--artifact", artifact, "--out", "out"]);
    assert_eq!(deployed.code, 9, "{}", deployed.stderr);
    assert!(
        deployed.stderr.contains("`artifactctl resume esb-dev/dev`"),
        "{}",
        deployed.stderr
    );
    assert_eq!(machine.run(&["resume"]).code, 9);
    assert_eq!(
        machine
            .run(&["assert", "latest", "Requested Failed Resumed Failed"])
            .code,
        0
    );

    let functions = machine.work().join("artifact/svc-a/config/functions.yml");
    let text = fs::read_to_string(&functions).unwrap();
    fs::write(
        &functions,
        text.replace("LOG_LEVEL: info", "LOG_LEVEL: warn"),
    )
    .unwrap();
    machine.snapshot("resume-artifact-changed", &["resume"]);
    fs::remove_dir_all(machine.work().join("artifact")).unwrap();
    machine.snapshot("resume-artifact-gone", &["resume"]);
}
