//! A command that is named, in a message or in the documentation, is one that exists, with the flags it is named with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Machine, snapshots, workspace};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Everything in backticks, in one line, that calls the tool.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter_map(|quoted| quoted.strip_prefix("artifactctl "))
}

/// The help of the command that a call names; none when there is no such command.
fn help(machine: &Machine, words: &[&str]) -> Option<String> {
    let has_subcommands = |word: &&str| ["journal", "lock", "manifest"].contains(word);
    let named = if words.first().is_some_and(has_subcommands) {
        2
    } else {
        1
    };
    let args = [words.get(..named)?, &["--help"]].concat();
    let ran = machine.run(&args);
    (ran.code == 0).then_some(ran.stdout)
}

#[test]
fn every_command_that_is_named_exists() {
    let mut sources = vec![workspace().join("README.md")];
    for folder in ["docs", "cli/src", "engine/src", "journal/src"] {
        files(&workspace().join(folder), &mut sources);
    }
    files(&snapshots(), &mut sources);
    let machine = Machine::fresh();
    let mut helps: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut named = 0;
    for source in sources {
        let Ok(text) = fs::read_to_string(&source) else {
            continue;
        };
        for call in calls(&text) {
            // In a source a value stands for itself in braces.
            let words: Vec<&str> = call
                .split_whitespace()
                .map(|word| word.split('{').next().unwrap_or_default())
                .collect();
            let key = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            let help = helps.entry(key).or_insert_with(|| help(&machine, &words));
            let place = format!("{}: `artifactctl {call}`", source.display());
            let help = help
                .as_ref()
                .unwrap_or_else(|| panic!("{place} is no command"));
            for word in words.iter().filter(|word| word.starts_with("--")) {
                let flag = word.trim_matches(|c: char| !c.is_ascii_lowercase() && c != '-');
                assert!(help.contains(flag), "{place} names a flag it has not");
            }
            named += 1;
        }
    }
    assert!(named > 20, "the search finds what is there: {named}");
}
