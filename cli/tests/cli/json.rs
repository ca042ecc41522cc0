//! JSON output: one object a line, each with its version and its type.

use rstest::rstest;
use serde_json::Value;

use crate::support::{Machine, frozen};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    for line in lines {
        assert_eq!(line["version"], 1, "{line}");
    }
    lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect()
}

#[rstest]
#[case::history(&["history"], 0, &["deploy"])]
#[case::status(&["status"], 0, &["status"])]
#[case::verify(&["verify"], 0, &["verified"])]
#[case::show(&["show"], 0, &["event", "event", "event", "event"])]
#[case::assert(&["assert", "latest", "Requested _*"], 0, &["assertion"])]
#[case::assert_differs(&["assert", "latest", "Requested"], 10, &["assertion", "error"])]
#[case::diff(&["diff", "latest", "latest"], 0, &["diff"])]
#[case::stacks(&["stacks"], 0, &["stack"])]
#[case::unknown_deploy(&["show", "ffffffff"], 5, &["error"])]
#[case::abandon(&["abandon"], 0, &["abandoned"])]
#[case::resume(&["resume"], 3, &["error"])]
#[case::validate(&["manifest", "validate", "--artifact", "artifact/artifact.yml"], 0, &["valid"])]
#[case::sync(&["manifest", "sync-ids", "--artifact", "artifact/artifact.yml"], 0, &["synced"])]
#[case::plan(&["plan", "--artifact", "artifact/artifact.yml", "--out", "out"], 9, &["error"])]
#[case::deploy(
    &["deploy", "--artifact", "artifact/artifact.yml", "--out", "out", "--supersede"],
    9,
    &["event", "event", "event", "failed", "error"]
)]
fn every_line_is_an_object_with_its_version_and_type(
    #[case] args: &[&str],
    #[case] code: i32,
    #[case] expected: &[&str],
) {
    let machine = Machine::with_journal("deploy-incompatible.jsonl");
    machine.artifact();
    let ran = machine.run(&[args, &["--format", "json"]].concat());
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    let lines = lines(&ran.stdout);
    assert_eq!(types(&lines), expected);
    if code != 0 {
        let error = lines.last().unwrap();
        assert_eq!(error["exit_code"], code);
        assert!(error["message"].is_string() && error["kind"].is_string());
    }
}

#[test]
fn an_import_says_what_it_imported() {
    let machine = Machine::fresh();
    let export = frozen("deploy-applied.jsonl");
    let ran = machine.run(&["import", &export, "--format", "json"]);
    let lines = lines(&ran.stdout);
    assert_eq!(types(&lines), ["imported"]);
    assert_eq!(lines[0]["events"], 9);
}

#[test]
fn one_line_of_history_says_who_applied_what_when_where_and_against_which_versions() {
    let machine = Machine::with_journal("deploy-failed-resumed.jsonl");
    let ran = machine.run(&["history", "--format", "json"]);
    let lines = lines(&ran.stdout);
    assert_eq!(types(&lines), ["deploy"]);
    let deploy = &lines[0];
    assert_eq!(
        deploy["actors"],
        serde_json::json!(["mori@build-7", "sato@laptop"])
    );
    assert_eq!(deploy["status"], "applied");
    assert_eq!(
        deploy["entries"],
        serde_json::json!(["orders-f2d1205f", "stock-33745b03"])
    );
    assert!(deploy["artifact"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(deploy["requested_at"], "2026-02-20T09:00:00.5Z");
    assert_eq!(deploy["target"], "esb-dev/dev");
    assert_eq!(
        deploy["stack"],
        serde_json::json!([
            {"service": "agent", "version": "1.4.0"},
            {"service": "gateway", "version": "1.4.2"},
        ])
    );
}
