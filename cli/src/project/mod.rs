//! The project file `artifactctl.toml`: the settings of one folder, read by both programs.
//!
//! Every key is the name of a flag without its dashes, so that each flag has its place as soon as it is declared. A flag is
//! stronger than its environment variable, the variable is stronger than the file, the file is stronger than the default.
//! Here: which keys exist (`settings`), reading the file (`read`), handing its values to the command line (`defaults`), showing
//! where each value comes from (`config`), writing a new file (`init`).
//! Not here: what a setting means.

pub(crate) mod config;
mod defaults;
pub(crate) mod init;
mod read;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use engine::contract::Place;

pub(crate) use defaults::with_values;
pub(crate) use settings::{Kind, Setting, settings};

use crate::failure::Failure;

/// The name of the project file in the current folder.
pub(crate) const FILE: &str = "artifactctl.toml";

/// The variable that names another project file.
pub(crate) const VARIABLE: &str = "ARTIFACTCTL_PROJECT_FILE";

/// The flag that names another project file, see [`crate::args::Global`].
pub(crate) const FLAG: &str = "--project-file";

/// A project file that was read. Paths in it are relative to its folder, and are joined with that folder here.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectFile {
    /// The file, as it was named.
    pub(crate) path: PathBuf,
    values: BTreeMap<String, Entry>,
}

/// One value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    /// Line of its key, from 1.
    pub(crate) line: u32,
}

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A switch that is on or off.
    Switch(bool),
    /// One or more texts; a setting that takes one has one.
    Texts(Vec<String>),
    /// Texts by name.
    Pairs(Vec<Pair>),
}

/// One line of a table: `NAME = "value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where it stands, without its text.
    pub(crate) place: Place,
}

impl ProjectFile {
    /// The file that this run reads: the one that the command line or the environment names, else the one in the current folder.
    /// Folders above are not searched.
    pub(crate) fn find(words: &[OsString]) -> Result<Option<Self>, Failure> {
        let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        match named(words).or_else(variable) {
            Some(path) => read::file(Path::new(&path)).map(Some),
            None if Path::new(FILE).exists() => read::file(Path::new(FILE)).map(Some),
            None => Ok(None),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.values.get(key)
    }

    /// The texts of a key; empty when the key is not there.
    pub(crate) fn texts(&self, key: &str) -> &[String] {
        match self.get(key).map(|entry| &entry.value) {
            Some(Value::Texts(texts)) => texts,
            Some(Value::Switch(_) | Value::Pairs(_)) | None => &[],
        }
    }

    /// The lines of a table; empty when the table is not there.
    pub(crate) fn pairs(&self, key: &str) -> &[Pair] {
        match self.get(key).map(|entry| &entry.value) {
            Some(Value::Pairs(pairs)) => pairs,
            Some(Value::Switch(_) | Value::Texts(_)) | None => &[],
        }
    }

    /// Adds the lines of a table to flags of the form `NAME=VALUE`. A flag of the same name is stronger.
    pub(crate) fn add_pairs(&self, key: &str, flags: &mut Vec<String>) {
        let added: Vec<String> = self
            .pairs(key)
            .iter()
            .filter(|pair| !flags.iter().any(|flag| name_of(flag) == pair.name))
            .map(|pair| format!("{}={}", pair.name, pair.value))
            .collect();
        flags.splice(0..0, added);
    }

    /// A path as the file means it: relative to the file's folder.
    fn relative(path: &Path, text: &str) -> String {
        let folder = path.parent().unwrap_or(Path::new(""));
        folder.join(text).display().to_string()
    }
}

/// The folder of a project file, as the system can open it.
fn folder(path: &Path) -> PathBuf {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// The name of a flag's value `NAME=VALUE`.
pub(crate) fn name_of(flag: &str) -> &str {
    flag.split_once('=').map_or(flag, |(name, _)| name)
}

/// The file that the command line names. The words are read before there is a parser, since the parser needs the file.
fn named(words: &[OsString]) -> Option<OsString> {
    let mut words = words.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == FLAG {
            return words.next().cloned();
        }
        let joined = word
            .to_str()
            .and_then(|word| word.strip_prefix(FLAG)?.strip_prefix('='));
        if let Some(path) = joined {
            return Some(path.into());
        }
    }
    None
}
