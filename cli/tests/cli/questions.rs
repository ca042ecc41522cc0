//! Questions about the past: names of deploys, moments, differences, who changed what, filters.

use rstest::rstest;
use serde_json::Value;

use crate::outputs::a_week;
use crate::simulated::Stack;
use crate::support::{Machine, TARGET};

/// The deploy that a command shows, by the last digits of its id.
fn shown(machine: &Machine, args: &[&str]) -> String {
    let ran = machine.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    let words: Vec<&str> = ran.stdout.split(' ').collect();
    words[1].to_owned()
}

fn refused(machine: &Machine, args: &[&str], code: i32, words: &[&str]) {
    let ran = machine.run(args);
    assert_eq!(ran.code, code, "{args:?}: {}{}", ran.stdout, ran.stderr);
    for words in words {
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
}

/// The ids of the deploys that a history lists, newest first.
fn listed(machine: &Machine, args: &[&str]) -> Vec<String> {
    let ran = machine.run(&[&["history", "--format", "json"], args].concat());
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    let lines = ran.stdout.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["deploy"].as_str().or(line["hold"].as_str()).unwrap();
        id.to_owned()
    });
    lines.collect()
}

#[test]
fn a_deploy_is_named_from_either_end() {
    let machine = Machine::fresh();
    a_week(&machine);
    let ids = listed(&machine, &[]);
    let short: Vec<&str> = ids.iter().map(|id| &id[id.len() - 4..]).collect();
    assert_eq!(ids.len(), 6);
    for (name, expected) in [
        ("latest", 0),
        ("latest~", 1),
        ("latest~0", 0),
        ("latest~5", 5),
        ("last-good", 0),
        ("last-good~2", 2),
        (&*format!("{}~1", short[1]), 2),
        (&*format!("{}~1", ids[1]), 2),
        ("@{2026-02-20T10:20Z}", 1),
        ("@{2026-02-20 10:20}~1", 2),
        ("@{now}", 0),
        ("@{yesterday}", 0),
    ] {
        assert_eq!(shown(&machine, &["show", name]), short[expected], "{name}");
    }
    assert_eq!(shown(&machine, &["show", "--at", "latest~1"]), short[1]);
    assert_eq!(
        shown(&machine, &["show", "latest~1", "--at", short[1]]),
        short[2]
    );
}

#[test]
fn the_target_of_a_difference_may_stand_before_or_behind_its_deploys() {
    let machine = Machine::fresh();
    a_week(&machine);
    let wanted = machine.run(&["diff", "latest~2", "latest"]);
    assert!(wanted.code == 0 && wanted.stdout.contains("configuration:"));
    for args in [
        &["diff", TARGET, "latest~2", "latest"][..],
        &["diff", "latest~2", "latest", TARGET],
        &["diff", "latest~2", TARGET, "latest"],
        &["diff", "latest~2", "latest", "--target", TARGET],
    ] {
        let ran = machine.run(args);
        assert_eq!((ran.code, &ran.stdout), (0, &wanted.stdout), "{args:?}");
    }
    refused(
        &machine,
        &["diff", "latest~2", "latest", "other/dev"],
        5,
        &["other/dev"],
    );
}

#[test]
fn a_name_of_nothing_is_refused_with_what_is_there() {
    let machine = Machine::fresh();
    a_week(&machine);
    let ids = listed(&machine, &[]);
    let first = format!(
        "there are 5 deploys before it; the first one is `{}`",
        &ids[5][32..]
    );
    refused(
        &machine,
        &["show", "latest~6"],
        5,
        &["has no deploy `latest~6`"],
    );
    refused(&machine, &["show", "latest~6"], 5, &[&first]);
    refused(
        &machine,
        &["show", "last-good~6"],
        5,
        &["5 applied deploys before it"],
    );
    let near = format!("did you mean `{}`?", &ids[0][32..]);
    refused(
        &machine,
        &["show", &format!("{}f", &ids[0][32..])],
        5,
        &[&near],
    );
    refused(
        &machine,
        &["show", "@{soon}"],
        2,
        &["`soon` is no time", "`2h`"],
    );
    refused(
        &machine,
        &["show", "@{2026-02-19}"],
        5,
        &["nothing was applied to `esb-dev/dev` by 2026-02-19 00:00:00Z"],
    );
    refused(
        &machine,
        &["show", "lastgood"],
        2,
        &["`lastgood` is no deploy", "`last-good`"],
    );
}

#[test]
fn a_deploy_that_was_not_applied_is_no_good_one() {
    let machine = Machine::with_journal("deploy-superseded.jsonl");
    let ids = listed(&machine, &[]);
    assert_eq!(ids.len(), 2);
    assert_eq!(shown(&machine, &["show", "latest~1"]), ids[1][32..]);
    refused(
        &machine,
        &["show", "last-good~1"],
        5,
        &["0 applied deploys before it"],
    );
    let killed = Machine::with_journal("deploy-killed.jsonl");
    refused(
        &killed,
        &["show", "last-good"],
        5,
        &["has no deploy `last-good`"],
    );
}

/// A hold that stands by itself is an entry of the history, and no deploy.
#[test]
fn a_hold_is_not_counted_among_deploys() {
    let machine = Machine::fresh();
    let manifest = machine.artifact();
    let mut stack = Stack::of(&machine);
    stack.deploy(manifest, "ada", None);
    for args in [&["lock", "hold", "-m", "mine"][..], &["lock", "release"]] {
        assert_eq!(machine.run(args).code, 0);
    }
    stack.deploy(manifest, "ada", None);
    let entries = listed(&machine, &[]);
    assert_eq!(entries.len(), 3);
    assert_eq!(shown(&machine, &["show", "latest~1"]), entries[2][32..]);
    refused(
        &machine,
        &["show", "latest~2"],
        5,
        &["there is 1 deploy before it"],
    );
    refused(
        &machine,
        &["diff", &entries[1]],
        5,
        &["is a hold, and no deploy"],
    );
}

#[rstest]
#[case::time("2026-02-20T10:10Z", 5)]
#[case::short_time("2026-02-20 10:10", 5)]
#[case::now("now", 6)]
#[case::age("1h", 6)]
#[case::deploy("latest~2", 4)]
#[case::event("6", 1)]
#[case::before_all("2026-02-19", 0)]
fn a_journal_is_read_as_it_was(#[case] at: &str, #[case] deploys: usize) {
    let machine = Machine::fresh();
    a_week(&machine);
    assert_eq!(listed(&machine, &["--at", at]).len(), deploys);
    let status = machine.run(&["status", "--at", at]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    assert_eq!(status.stdout.is_empty(), deploys == 0, "{}", status.stdout);
}

#[test]
fn what_is_no_moment_is_refused() {
    let machine = Machine::fresh();
    a_week(&machine);
    for at in ["soon", "@{soon}", "ffff-ffff"] {
        let ran = machine.run(&["history", "--at", at]);
        assert_ne!(ran.code, 0, "{at}");
    }
    refused(
        &machine,
        &["history", "--at", "soon"],
        2,
        &["`soon` is no time, deploy or event", "`yesterday`"],
    );
}

#[rstest]
#[case::with_now("week-diff", &["diff"])]
#[case::two("week-diff-two", &["diff", "latest~2", "latest"])]
#[case::all_of_it("week-diff-v", &["diff", "latest~5", "latest", "-v"])]
#[case::json("week-diff-json", &["diff", "latest~2", "latest", "--format", "json"])]
#[case::same("week-diff-same", &["diff", "latest", "latest", "--exit-code"])]
#[case::then("week-diff-at", &["diff", "latest~1", "--at", "latest~1"])]
#[case::function("week-blame", &["blame", "orders-place"])]
#[case::route("week-blame-route", &["blame", "/orders"])]
#[case::json("week-blame-json", &["blame", "dynamodb/orders", "--format", "json"])]
#[case::misspelt("week-blame-misspelt", &["blame", "order-place"])]
#[case::stacks("week-stacks", &["stacks"])]
#[case::stacks_json("week-stacks-json", &["stacks", "--format", "json"])]
#[case::filtered("week-history-filtered", &["history", "--function", "orders-place", "-n", "2"])]
#[case::show_first("week-show-change", &["show", "latest~1"])]
fn a_week_answers(#[case] name: &str, #[case] args: &[&str]) {
    let machine = Machine::fresh();
    a_week(&machine);
    machine.snapshot(name, args);
}

/// Somebody edits what was published.
#[test]
fn a_difference_to_the_present_has_values_and_an_exit_code() {
    let machine = Machine::fresh();
    a_week(&machine);
    assert_eq!(machine.run(&["diff", "--exit-code"]).code, 0);
    let functions = machine.work().join("out/functions.yml");
    let text = std::fs::read_to_string(&functions).unwrap();
    let edited = text.replace("LEVEL: error", "LEVEL: loud");
    assert_ne!(text, edited);
    std::fs::write(&functions, edited).unwrap();
    let ran = machine.run(&["diff", "--exit-code"]);
    assert_eq!(ran.code, 11, "{}{}", ran.stdout, ran.stderr);
    for line in ["LEVEL: error", "LEVEL: loud"] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    refused(
        &machine,
        &["diff", "latest", "now", "--at", "latest~1"],
        2,
        &["`now` is the present"],
    );
}

/// Journals of schema 1 kept no values: what is known is said, and no more.
#[rstest]
#[case::diff("old-diff", &["diff", "latest~1", "latest"])]
#[case::blame("old-blame", &["blame", "orders-place"])]
#[case::stacks("old-stacks", &["stacks"])]
fn a_journal_without_values_says_so(#[case] name: &str, #[case] args: &[&str]) {
    Machine::with_journal("deploy-superseded.jsonl").snapshot(name, args);
}

#[rstest]
#[case::actor(&["--actor", "sato"], &[0, 1])]
#[case::nobody(&["--actor", "nobody"], &[])]
#[case::function(&["--function", "orders-place"], &[0, 1, 5])]
#[case::other_function(&["--function", "orders-list"], &[5])]
#[case::route(&["--route", "GET /orders"], &[5])]
#[case::path(&["--route", "/orders"], &[5])]
#[case::entry(&["--entry", "orders"], &[0, 1, 2, 3, 4, 5])]
#[case::stack(&["--stack", "gateway<1.5", "--stack", "agent"], &[0, 1, 2, 3, 4, 5])]
#[case::other_stack(&["--stack", "gateway>=1.5"], &[])]
#[case::kind(&["--kind", "ImageBuilt"], &[5])]
#[case::status(&["--status", "applied"], &[0, 1, 2, 3, 4, 5])]
#[case::verdict(&["--verdict", "incompatible"], &[])]
#[case::failed(&["--failed"], &[])]
#[case::since(&["--since", "2026-02-20T10:00Z"], &[0, 1])]
#[case::until(&["--until", "2026-02-20T10:10Z"], &[1, 2, 3, 4, 5])]
#[case::both(&["--since", "2026-02-20T10:00Z", "--until", "2026-02-20T10:10Z"], &[1])]
#[case::some(&["--function", "orders-place", "-n", "2"], &[0, 1])]
#[case::after(&["--after", "latest~3"], &[4, 5])]
#[case::after_some(&["--after", "latest~1", "--function", "orders-place"], &[5])]
#[case::page(&["--after", "latest~1", "-n", "2"], &[2, 3])]
fn a_history_lists_what_is_asked_for(#[case] args: &[&str], #[case] expected: &[usize]) {
    let machine = Machine::fresh();
    a_week(&machine);
    let all = listed(&machine, &[]);
    let found = listed(&machine, args);
    let expected: Vec<&String> = expected.iter().map(|at| &all[*at]).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn deploys_are_found_by_the_digests_that_they_recorded() {
    let machine = Machine::fresh();
    a_week(&machine);
    let all = listed(&machine, &[]);
    let json = machine
        .run(&["history", "-n", "1", "--format", "json"])
        .stdout;
    let latest: Value = serde_json::from_str(&json).unwrap();
    let artifact = latest["artifact"].as_str().unwrap();
    assert_eq!(listed(&machine, &["--artifact", artifact]), all[..1]);
    let events = machine
        .run(&["show", "latest~5", "--format", "json"])
        .stdout;
    let built = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["kind"] == "ImageBuilt")
        .unwrap();
    let digest = built["payload"]["digest"].as_str().unwrap();
    assert_eq!(listed(&machine, &["--image", &digest[..20]]), all[5..]);
}

#[rstest]
#[case::kind(&["--kind", "Aplied"], "did you mean `Applied`?")]
#[case::time(&["--since", "soon"], "a time is")]
#[case::stack(&["--stack", "gateway<<1"], "`gateway<1.5`")]
fn a_filter_that_does_not_read_says_what_would(#[case] args: &[&str], #[case] said: &str) {
    let machine = Machine::fresh();
    let ran = machine.run(&[&["history"], args].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn what_answers_questions_fits_eighty_columns() {
    let machine = Machine::fresh();
    a_week(&machine);
    for args in [
        &["blame", "orders-place"][..],
        &["diff", "latest~2", "latest"],
        &["stacks"],
        &["history", "--failed"],
        &["history", TARGET, "--actor", "sato"],
    ] {
        let shown = machine.run(args).stdout;
        // Digests and paths of artifacts are as long as they are.
        for line in shown.lines().filter(|line| !line.contains("artifact")) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
    }
}
