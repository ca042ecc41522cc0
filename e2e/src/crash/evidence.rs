//! What a deploy has left in the world, as texts by name, so that two deploys can be compared.

use std::collections::BTreeMap;
use std::io::Result;
use std::path::{Path, PathBuf};

/// What was found, by what it is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Evidence {
    found: BTreeMap<String, String>,
}

impl Evidence {
    /// Notes one thing.
    pub(super) fn note(&mut self, what: String, found: String) {
        self.found.insert(what, found);
    }

    /// Says whether all that was found here was found there too.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        let mut found = self.found.iter();
        found.all(|(name, text)| whole.found.get(name) == Some(text))
    }

    /// The same, with a name that no other deploy has replaced everywhere.
    pub(super) fn without(mut self, name: &str) -> Self {
        for text in self.found.values_mut() {
            *text = text.replace(name, "…");
        }
        self
    }

    /// Compares with what should be; the error names each difference.
    pub(super) fn expect(&self, expected: &Self) -> std::result::Result<(), String> {
        let names = self.found.keys().chain(expected.found.keys());
        let mut differing: Vec<_> = names
            .filter(|name| self.found.get(*name) != expected.found.get(*name))
            .collect();
        differing.sort();
        differing.dedup();
        if differing.is_empty() {
            return Ok(());
        }
        let show =
            |found: Option<&String>| found.map_or("nothing".to_owned(), |text| format!("{text:?}"));
        let lines = differing.into_iter().map(|name| {
            let (found, expected) = (self.found.get(name), expected.found.get(name));
            format!("{name}: {}, expected {}", show(found), show(expected))
        });
        Err(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// What lies below a folder and is no folder, sockets too, by its path below it.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            let below = files(&entry.path())?.into_iter();
            found.extend(below.map(|(below, path)| (format!("{name}/{below}"), path)));
        } else {
            found.insert(name, entry.path());
        }
    }
    Ok(found)
}
