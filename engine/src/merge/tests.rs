//! The rules of the merge, on texts.

use std::collections::BTreeMap;

use super::{
    BaseOwnership, ConfigFile, ConfigText, ConfigTrees, EntryConfig, Key, MergeOptions,
    MergeOutcome, SourceKey, merge,
};
use crate::contract::Violation;
use crate::yaml::ParseLimits;

mod base;
mod functions;
mod lists;
mod model;
mod old_forms;
mod order;
mod references;
mod whole;

fn text(name: &str, text: &str) -> ConfigText {
    ConfigText::parse(name, text.to_owned(), &ParseLimits::default())
        .expect("the test's YAML is valid")
}

/// An entry of source `a`, `b`, … with its three files; an empty `resources` is no file.
fn entry(source: &str, functions: &str, routing: &str, resources: &str) -> EntryConfig {
    let file = |name: &str| format!("{source}/config/{name}.yml");
    EntryConfig {
        source: SourceKey(source.to_owned()),
        functions: text(&file("functions"), functions),
        routing: text(&file("routing"), routing),
        resources: (!resources.is_empty()).then(|| text(&file("resources"), resources)),
    }
}

fn functions(source: &str, functions: &str) -> EntryConfig {
    entry(source, functions, "", "")
}

fn routing(source: &str, routing: &str) -> EntryConfig {
    entry(source, "", routing, "")
}

fn resources(source: &str, resources: &str) -> EntryConfig {
    entry(source, "", "", resources)
}

/// An output directory that deploys are made onto, one after the other.
#[derive(Default)]
struct Out {
    texts: BTreeMap<ConfigFile, String>,
    base: BaseOwnership,
    options: MergeOptions,
}

impl Out {
    fn with(file: ConfigFile, text: &str) -> Self {
        Self {
            texts: [(file, text.to_owned())].into(),
            ..Self::default()
        }
    }

    fn trees(&self) -> ConfigTrees {
        ConfigTrees::parse("out", self.texts.clone(), &ParseLimits::default())
            .expect("the output directory holds valid YAML")
    }

    fn try_merge(&self, entries: &[EntryConfig]) -> Result<MergeOutcome, Vec<Violation>> {
        merge(&self.trees(), entries, &self.base, &self.options)
    }

    fn merge(&self, entries: &[EntryConfig]) -> MergeOutcome {
        self.try_merge(entries)
            .expect("no value is of a wrong kind")
    }

    /// Merges and publishes everything.
    fn deploy(&mut self, entries: &[EntryConfig]) -> MergeOutcome {
        let outcome = self.merge(entries);
        self.texts.clone_from(&outcome.texts);
        self.base = base_of(&outcome, true);
        outcome
    }

    /// Merges, and publishes only some files before it is killed.
    fn deploy_in_part(
        &mut self,
        entries: &[EntryConfig],
        published: &[ConfigFile],
    ) -> MergeOutcome {
        let outcome = self.merge(entries);
        for file in published {
            if let Some(text) = outcome.texts.get(file) {
                self.texts.insert(*file, text.clone());
            }
        }
        self.base = base_of(&outcome, false);
        outcome
    }

    fn text(&self, file: ConfigFile) -> &str {
        self.texts.get(&file).map_or("", String::as_str)
    }
}

fn base_of(outcome: &MergeOutcome, applied: bool) -> BaseOwnership {
    BaseOwnership {
        ownership: outcome.ownership.clone(),
        removed: outcome.changes.removed.clone(),
        taken: outcome.changes.taken.clone(),
        applied,
    }
}

fn names(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(|key| key.0.as_str()).collect()
}

/// The keys a source owns.
fn owned<'a>(outcome: &'a MergeOutcome, source: &str) -> Vec<&'a str> {
    let keys = outcome.ownership.sources.get(&SourceKey(source.to_owned()));
    keys.into_iter()
        .flat_map(|keys| keys.keys().map(|key| key.0.as_str()))
        .collect()
}

/// Warnings as `file:line:column rule message`.
fn warnings(outcome: &MergeOutcome) -> Vec<String> {
    let warnings = outcome.warnings.iter().map(|w| {
        let place = &w.place;
        format!(
            "{}:{}:{} {} {}",
            place.file, place.line, place.column, w.rule, w.message
        )
    });
    warnings.collect()
}
