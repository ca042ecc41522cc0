//! What a merge is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ConfigFile, Key, Ownership, SourceKey};
use crate::contract::{Source, Violation};
use crate::yaml::{Node, ParseLimits, parse_all};

/// One file of the configuration, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigText {
    /// Its name for messages, as the user would name it.
    pub name: String,
    /// Its whole text.
    pub text: String,
    /// The tree of that text.
    pub tree: Arc<Node>,
}

impl ConfigText {
    /// Reads a text; the error is everything that is wrong with it as YAML.
    pub fn parse(name: &str, text: String, limits: &ParseLimits) -> Result<Self, Vec<Violation>> {
        match parse_all(&text, limits) {
            Ok(tree) => Ok(Self {
                name: name.to_owned(),
                text,
                tree: Arc::new(tree),
            }),
            Err(errors) => Err(Source::new(name, &text).refused(&errors)),
        }
    }
}

/// What stands in the output directory. A missing file has no entry, and is as good as an empty one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigTrees {
    /// The files that are there.
    pub files: BTreeMap<ConfigFile, ConfigText>,
}

impl ConfigTrees {
    /// The names of the functions that stand there.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        let functions = self.files.get(&ConfigFile::Functions);
        functions
            .into_iter()
            .flat_map(|text| super::references::names(&text.tree))
    }

    /// Reads the texts of an output directory; the error is everything that is wrong with them as YAML.
    pub fn parse(
        directory: &str,
        texts: BTreeMap<ConfigFile, String>,
        limits: &ParseLimits,
    ) -> Result<Self, Vec<Violation>> {
        let mut trees = Self::default();
        let mut violations = Vec::new();
        for (file, text) in texts {
            let name = format!("{}/{}", directory.trim_end_matches('/'), file.file_name());
            match ConfigText::parse(&name, text, limits) {
                Ok(text) => {
                    trees.files.insert(file, text);
                }
                Err(mut errors) => violations.append(&mut errors),
            }
        }
        if violations.is_empty() {
            return Ok(trees);
        }
        Err(violations)
    }
}

/// The configuration of one entry of the artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryConfig {
    /// The source of the entry.
    pub source: SourceKey,
    /// Its `functions.yml`.
    pub functions: ConfigText,
    /// Its `routing.yml`.
    pub routing: ConfigText,
    /// Its `resources.yml`, when it has one.
    pub resources: Option<ConfigText>,
}

impl EntryConfig {
    /// The files the entry has.
    pub(super) fn files(&self) -> impl Iterator<Item = (ConfigFile, &ConfigText)> {
        [
            (ConfigFile::Functions, &self.functions),
            (ConfigFile::Routing, &self.routing),
        ]
        .into_iter()
        .chain(self.resources.iter().map(|r| (ConfigFile::Resources, r)))
    }
}

/// What the last deploy that may have published left behind. The default is that of a first deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseOwnership {
    /// Who owned what once it was published.
    pub ownership: Ownership,
    /// The keys it removed (`Changes::removed`).
    pub removed: Vec<Key>,
    /// The keys it took over from nobody (`Changes::taken`).
    pub taken: Vec<Key>,
    /// It is known to have published everything. When it is not, each key may stand in its old or in its new form.
    pub applied: bool,
}

impl Default for BaseOwnership {
    fn default() -> Self {
        Self {
            ownership: Ownership::default(),
            removed: Vec::new(),
            taken: Vec::new(),
            applied: true,
        }
    }
}

/// What was asked for besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOptions {
    /// Stale keys of ours are removed.
    pub prune: bool,
    /// What the `image` of a function is replaced with, in the functions that this deploy writes.
    pub image_rewrites: BTreeMap<String, String>,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            prune: true,
            image_rewrites: BTreeMap::new(),
        }
    }
}
