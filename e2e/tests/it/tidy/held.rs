//! `docs/guide/producer.md` says which fixture holds each feature of a template: the fixture is there, what is written stands in it, and
//! no feature that the page calls read or refused is without one.

use std::collections::BTreeSet;
use std::path::Path;

use e2e::workspace;

use super::none;
use super::ownership::{cell, is_test, quoted, read, rows_of};

const PAGE: &str = "docs/guide/producer.md";

/// Names and texts of the files that a fixture is made from.
fn text_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        text += &name;
        text += "\n";
        if path.is_dir() {
            text += &text_below(&path);
        } else if !["artifact.txt", "model.json", "report.txt"].contains(&name.as_str()) {
            text += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
        }
    }
    text
}

/// What stands in a fixture or in the file of a test. None when it is not there, or compares nothing.
fn text_of(holder: &str) -> Option<String> {
    if let Some((path, name)) = holder.split_once(".rs::") {
        let text = read(&format!("{path}.rs"));
        return is_test(&text, name).then_some(text);
    }
    let folder = workspace::fixture(holder);
    let refused = || {
        let report = std::fs::read_to_string(folder.join("report.txt"));
        report.is_ok_and(|report| report.contains(" error["))
    };
    (folder.join("artifact.txt").is_file() || refused()).then(|| text_below(&folder))
}

/// Whether a word stands in a template. A function has a short form too.
fn stands(word: &str, text: &str) -> bool {
    let short = word.strip_prefix("Fn::").map(|name| format!("!{name}"));
    let short = short.is_some_and(|short| text.split_whitespace().any(|word| word == short));
    text.contains(word) || short
}

#[test]
fn what_is_written_stands_in_the_fixtures_that_hold_it() {
    let rows = rows_of(PAGE, "held");
    assert!(rows.len() > 50, "{}", rows.len());
    let mut lost = Vec::new();
    for row in &rows {
        let mut texts = String::new();
        let holders: Vec<&str> = quoted(cell(row, 1)).collect();
        assert!(!holders.is_empty(), "{row}");
        for holder in holders {
            match text_of(holder) {
                Some(text) => texts += &text,
                None => lost.push(format!("`{holder}` is not there")),
            }
        }
        let missing = quoted(cell(row, 0)).filter(|word| !stands(word, &texts));
        lost.extend(missing.map(|word| format!("`{word}` does not stand in {}", cell(row, 1))));
    }
    none(&lost, "the table of what holds each feature is not true");
}

/// The names that the other tables of the page call read or refused.
fn documented() -> BTreeSet<String> {
    let functions = rows_of(PAGE, "functions");
    let functions = functions.iter();
    let types = rows_of(PAGE, "types");
    // The functions of the first column; types, events and sections that are read.
    let read = types
        .iter()
        .filter(|row| cell(row, 1).trim().starts_with("read"));
    let read = read.filter(|row| !row.contains("`Properties`") && !row.contains("`Type`"));
    let names = functions.chain(read).flat_map(|row| quoted(cell(row, 0)));
    names.map(str::to_owned).collect()
}

#[test]
fn every_feature_that_is_read_or_refused_is_held() {
    let rows = rows_of(PAGE, "held");
    let held: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| quoted(cell(row, 0)))
        .map(str::to_owned)
        .collect();
    let documented = documented();
    assert!(documented.len() > 40, "{documented:?}");
    let open: Vec<String> = documented.difference(&held).cloned().collect();
    none(&open, "no fixture is named for a feature");
}

#[test]
fn every_fixture_compares_something() {
    let mut idle = Vec::new();
    for kind in ["templates", "packages"] {
        for entry in std::fs::read_dir(workspace::fixture(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let holder = format!("{kind}/{name}");
            if text_of(&holder).is_none() {
                idle.push(holder);
            }
        }
    }
    none(&idle, "a fixture compares nothing");
}
