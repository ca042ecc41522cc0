//! The tables of `docs/internals/events.md` that say what an event carries and what comes next.

use std::collections::BTreeSet;

use super::*;

/// The rows of a table between a marker and the end, a list of cells each, without the two rows of its head.
fn rows(marker: &str) -> Vec<Vec<String>> {
    documented(marker, "<!-- end -->")
        .lines()
        .skip(2)
        .map(|line| {
            let cells = line.trim().trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The names in backticks in a cell.
fn names(cell: &str) -> BTreeSet<String> {
    let between = cell.split('`').skip(1).step_by(2);
    between.map(str::to_owned).collect()
}

#[test]
fn the_documented_events_are_those_of_the_code_with_all_they_carry() {
    let documented: Vec<(String, BTreeSet<String>)> =
        rows("<!-- events: compared with the code by machine/tests/tables.rs -->")
            .into_iter()
            .map(|cells| (cells[0].trim_matches('`').to_owned(), names(&cells[2])))
            .collect();
    let known: Vec<(String, BTreeSet<String>)> = events(2)
        .into_iter()
        .map(|event| {
            let payload: serde_json::Value = serde_json::from_slice(&encode(&event)).unwrap();
            let fields = payload.as_object().unwrap().keys().cloned().collect();
            (event.kind().to_owned(), fields)
        })
        .collect();
    assert_eq!(documented, known);
}

fn words(next: &Next) -> &'static str {
    match next {
        Next::Rest => "rest",
        Next::Record(Command::Check) => "record: check",
        Next::Record(Command::Reject) => "record: failed",
        Next::Record(other) => panic!("the machine never asks for {other:?} by itself"),
        Next::Perform(Effect::Observe { .. }) => "perform: observe the stack",
        Next::Perform(Effect::Merge) => "perform: merge",
        Next::Perform(Effect::Images { .. }) => "perform: prove or build them",
        Next::Perform(Effect::Publish { .. }) => "perform: publish, and provision when asked",
    }
}

#[test]
fn what_is_documented_to_come_next_is_what_the_machine_says() {
    let documented: Vec<(String, String)> =
        rows("<!-- next: compared with the code by machine/tests/tables.rs -->")
            .into_iter()
            .map(|cells| (cells[0].clone(), cells[1].clone()))
            .collect();
    let known: Vec<(String, String)> = stages()
        .into_iter()
        .map(|(name, state)| (name.to_owned(), words(&next(&state)).to_owned()))
        .collect();
    assert_eq!(documented, known);
}
