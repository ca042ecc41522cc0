//! Assertions from outside: files of them, and the reports for pipelines.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::support::{Machine, workspace};

const ASSERTIONS: &str = "# of every deploy
applied: ... Applied
never: (!Applied)*
old gateway:
    Requested Observed[gateway.version<1.0] ...
";

/// A machine with a file of assertions, two of which do not hold.
fn machine() -> Machine {
    let machine = Machine::with_journal("../v2/deploy-applied.jsonl");
    fs::write(machine.work().join("shop.assert"), ASSERTIONS).unwrap();
    machine
}

#[rstest]
#[case::several("assert-file", &["assert", "--file", "shop.assert", "--annotations", "github"])]
#[case::fields("assert-fields", &["assert", "latest", "Requested Observed CompatChecked Merged[changes.added=0] ... Applied"])]
#[case::caret("assert-caret", &["assert", "Requested ... Merged[changes.aded>0]"])]
#[case::nothing("assert-nothing", &["assert", "latest"])]
fn what_an_assertion_says(#[case] name: &str, #[case] args: &[&str]) {
    machine().snapshot(name, args);
}

#[test]
fn the_documented_file_holds_of_a_frozen_deploy() {
    let page = fs::read_to_string(workspace().join("docs/guide/assertions.md")).unwrap();
    let (_, block) = page.split_once("```assert\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let machine = machine();
    fs::write(machine.work().join("documented.assert"), block).unwrap();
    let ran = machine.run(&["assert", "--file", "documented.assert"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 5, "{}", ran.stdout);
}

/// Each `artifactctl assert` of the page reads: it ends with 0 or 10, or does not know the deploy or the target.
#[test]
fn the_documented_commands_read() {
    let page = fs::read_to_string(workspace().join("docs/guide/assertions.md")).unwrap();
    let machine = machine();
    let mut tried = 0;
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("artifactctl assert ") else {
            continue;
        };
        let Some((_, pattern)) = rest.split_once('\'') else {
            continue;
        };
        let pattern = pattern.trim_end_matches('\'');
        let ran = machine.run(&["assert", pattern]);
        assert!([0, 10].contains(&ran.code), "{line}: {}", ran.stderr);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[test]
fn the_documented_difference_is_what_is_shown() {
    let page = fs::read_to_string(workspace().join("docs/guide/assertions.md")).unwrap();
    let pattern = "Requested Observed CompatChecked Merged[changes.added=0] ... Applied";
    let ran = machine().run(&["assert", pattern]);
    let error = ran.stderr.lines().next().unwrap();
    let shown = format!("```text\n{}{error}\n```", ran.stdout);
    assert!(page.contains(&shown), "{shown}");
}

#[test]
fn junit_has_a_test_case_for_each_assertion() {
    let machine = machine();
    let ran = machine.run(&["assert", "--file", "shop.assert", "--junit", "report.xml"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    let report = fs::read_to_string(machine.work().join("report.xml")).unwrap();
    for wanted in [
        "<testsuites tests=\"3\" failures=\"2\">",
        "<testcase name=\"applied\" classname=\"esb-dev/dev\" file=\"shop.assert\" line=\"2\"/>",
        "<testcase name=\"never\" classname=\"esb-dev/dev\" file=\"shop.assert\" line=\"3\">",
        "`gateway.version` is `1.4.2`",
        "pattern: Requested Observed[gateway.version&lt;1.0] ...",
    ] {
        assert!(report.contains(wanted), "{wanted}: {report}");
    }
    let holds = machine.run(&["assert", "... Applied", "--junit", "report.xml"]);
    assert_eq!(holds.code, 0, "{}", holds.stderr);
    let report = fs::read_to_string(machine.work().join("report.xml")).unwrap();
    assert!(
        report.contains("<testcase name=\"... Applied\""),
        "{report}"
    );
}

#[test]
fn gitlab_reads_a_report_of_code_quality() {
    let machine = machine();
    let report = machine.work().join("gl-code-quality-report.json");
    let args = ["assert", "--file", "shop.assert", "--annotations", "gitlab"];
    assert_eq!(machine.run(&args).code, 10);
    let issues: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(issues.as_array().unwrap().len(), 2);
    assert_eq!(issues[1]["location"]["path"], "shop.assert");
    assert_eq!(issues[1]["location"]["lines"]["begin"], 4);
    assert_eq!(issues[1]["fingerprint"].as_str().unwrap().len(), 64);
    let holds = ["assert", "... Applied", "--annotations", "gitlab"];
    assert_eq!(machine.run(&holds).code, 0);
    assert_eq!(fs::read_to_string(&report).unwrap(), "[]");
}

#[test]
fn a_deploy_may_be_left_out_and_a_target_may_stand_behind() {
    let machine = machine();
    for args in [
        &["assert", "Requested", "...", "Applied"][..],
        &["assert", "latest", "Requested ...", "esb-dev/dev"],
        &["assert", "--target", "esb-dev/dev", "Requested", "..."],
        &["assert", "019c7a47", "(!Failed)*"],
    ] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    }
}

#[rstest]
#[case::absent(&["assert", "--file", "nowhere.assert"], 2, "cannot read the assertions `nowhere.assert`")]
#[case::folder(&["assert", "--file", "."], 2, "cannot read the assertions `.`")]
#[case::both(&["assert", "--file", "shop.assert", "Applied"], 2, "`Applied` is a pattern, and `--file` names a file of them")]
#[case::unwritable(&["assert", "... Applied", "--junit", "no/such/folder.xml"], 9, "cannot write the report `no/such/folder.xml`")]
#[case::costly(&["assert", "((ImageBuilt{100000}){100000})"], 2, "more than 200000 parts")]
fn what_cannot_be_asserted_is_named(#[case] args: &[&str], #[case] code: i32, #[case] says: &str) {
    let ran = machine().run(args);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
}
