//! The tables of `docs/security.md` and the table of `docs/internals/hostile.md` are true: every test that they name is there.

use super::none;
use super::ownership::{cell, is_test, quoted, read, rows_of};

/// The tests of a column that are not there.
fn lost(rows: &[String], column: usize) -> Vec<String> {
    let tests = rows.iter().flat_map(|row| quoted(cell(row, column)));
    let tests = tests.filter(|text| text.contains(".rs::"));
    tests
        .filter(|test| {
            let (path, name) = test.split_once("::").expect("a file and a test");
            !is_test(&read(path), name)
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_line_of_the_threat_model_is_held_by_tests_that_are_there() {
    let rows = rows_of("docs/security.md", "threats");
    for who in [
        "author of an artifact",
        "author of a template",
        "registry",
        "engine",
        "other local users",
        "CI environment",
    ] {
        let is_named = |row: &String| cell(row, 0).trim() == who;
        assert!(rows.iter().any(is_named), "{who}");
    }
    for row in &rows {
        assert!(cell(row, 3).contains(".rs::"), "{row}");
    }
    none(&lost(&rows, 3), "a test of the threat model is gone");
}

#[test]
fn every_invariant_names_tests_that_are_there() {
    let rows = rows_of("docs/security.md", "invariants");
    assert_eq!(rows.len(), 10);
    for (at, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {}. ", at + 1)), "{row}");
        assert!(cell(row, 1).contains(".rs::"), "{row}");
    }
    none(&lost(&rows, 1), "a test of an invariant is gone");
}

#[test]
fn every_defect_that_was_found_by_hand_names_what_holds_it_now() {
    let rows = rows_of("docs/internals/hostile.md", "tried");
    assert_eq!(rows.len(), 27);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(cell(row, 0).trim(), (at + 1).to_string());
        let holds = cell(row, 2);
        assert!(holds.contains(".rs::") || holds.contains("open"), "{row}");
    }
    none(&lost(&rows, 2), "a test of a defect is gone");
}
