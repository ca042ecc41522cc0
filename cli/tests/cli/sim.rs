//! Deploys onto a simulated stack: their events, and how they end.

use rstest::rstest;
use serde_json::Value;

use crate::support::Machine;

fn sim(more: &[&str]) -> (i32, String, String) {
    let machine = Machine::fresh();
    let manifest = machine.artifact();
    let ran = machine.run(&[&["sim", "--artifact", manifest], more].concat());
    assert_eq!(
        std::fs::read_dir(machine.root()).map_or(0, Iterator::count),
        0
    );
    (ran.code, ran.stdout, ran.stderr)
}

#[test]
fn events_are_printed_and_nothing_is_recorded() {
    let (code, shown, said) = sim(&["--format", "json"]);
    assert_eq!(code, 0, "{said}");
    let lines = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"Requested"));
    assert_eq!(kinds.last(), Some(&"Applied"));
    assert!(lines.iter().all(|line| line["type"] == "event"));
    // The same artifact has the same events every time.
    assert_eq!(sim(&["--format", "json"]).1, shown);
}

#[rstest]
#[case::too_new(&["--stack", "gateway=2.0.0"], 4, "gateway")]
#[case::expected(&["--stack", "gateway=2.0.0", "--expect", "Requested Observed CompatChecked Failed"], 0, "")]
#[case::otherwise(&["--expect", "Requested Applied"], 10, "event 2 is `Observed`, expected Applied")]
#[case::resumed(&["--fault", "publish:killed-after", "--expect", "... Resumed ... Applied"], 0, "")]
#[case::no_fault(&["--fault", "publish:broken"], 2, "killed-after")]
#[case::no_call(&["--fault", "provision:refused"], 2, "no call in its step `provision`")]
#[case::no_pattern(&["--expect", "Requested ("], 2, "the pattern does not read")]
#[case::no_service(&["--stack", "gateway"], 2, "SERVICE=VERSION")]
fn it_ends_as_the_deploy_or_the_pattern_says(
    #[case] more: &[&str],
    #[case] code: i32,
    #[case] words: &str,
) {
    let (ended, _, said) = sim(more);
    assert_eq!(ended, code, "{said}");
    assert!(said.contains(words), "{said}");
}
