//! The merge as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::apply;
use super::claims::Claims;
use super::plan::{Plan, Situation, Writer};
use super::read::{Current, Item, Reading, read_entry, read_output};
use super::slot::Slot;
use super::{
    BaseOwnership, Changes, ConfigFile, ConfigTrees, Drift, EntryConfig, MergeOptions, Ownership,
};
use super::{references, schedule};
use crate::contract::{Digest, Violation, Warning, quoted};
use crate::yaml::{Node, Value, emit};

/// What the configuration will be.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeOutcome {
    /// The tree of each file that will stand in the output directory.
    pub trees: BTreeMap<ConfigFile, Node>,
    /// Its text. A file whose tree does not change keeps its text to the byte, comments included.
    pub texts: BTreeMap<ConfigFile, String>,
    /// The digest of its text.
    pub digests: BTreeMap<ConfigFile, Digest>,
    /// Who owns what once this is published.
    pub ownership: Ownership,
    /// What differs from the output directory as it is.
    pub changes: Changes,
    /// Keys of ours that are not as we wrote them; they are overwritten or removed.
    pub drift: Vec<Drift>,
    /// What was dropped.
    pub warnings: Vec<Warning>,
}

/// Merges entries, in their order, into what stands in the output directory.
///
/// The error is every value of a wrong kind, in the output directory and in the entries.
pub fn merge(
    current: &ConfigTrees,
    entries: &[EntryConfig],
    base: &BaseOwnership,
    options: &MergeOptions,
) -> Result<MergeOutcome, Vec<Violation>> {
    let (standing, mut violations) = read_output(current);
    let mut readings: Vec<Reading<'_>> = entries.iter().map(read_entry).collect();
    let mut warnings = Vec::new();
    for reading in &mut readings {
        violations.append(&mut reading.violations);
        warnings.append(&mut reading.warnings);
        warnings.extend(repeated(&reading.items));
        rewrite_images(&mut reading.items, &options.image_rewrites);
        renew_schedules(&mut reading.items);
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let writers: Vec<Writer<'_>> = entries
        .iter()
        .zip(&readings)
        .map(|(entry, reading)| Writer {
            source: &entry.source,
            items: &reading.items,
        })
        .collect();
    let situation = Situation {
        current: &standing,
        claims: &Claims::settle(base, &standing),
        writers: &writers,
        here: entries.iter().map(|entry| &entry.source).collect(),
        prune: options.prune,
    };
    let plan = situation.plan();
    warnings.extend(dropped_duplicates(&standing, &plan));
    let trees = apply(current, &standing, &plan);
    let removed = plan.removes.iter().filter_map(|slot| match slot {
        Slot::Function(name) => Some(name.as_str()),
        Slot::Default(_) | Slot::SectionDefault(..) | Slot::Route { .. } | Slot::Resource(..) => {
            None
        }
    });
    warnings.extend(references::orphaned(
        current.files.get(&ConfigFile::Routing),
        &trees[&ConfigFile::Routing],
        &removed.collect(),
    ));
    let texts = texts(&trees, current);
    let digests = texts.iter().map(|(file, text)| (*file, Digest::of(text)));
    Ok(MergeOutcome {
        digests: digests.collect(),
        texts,
        ownership: situation.ownership(&plan),
        changes: situation.changes(&plan),
        drift: situation.drift(&plan),
        warnings,
        trees,
    })
}

fn texts(
    trees: &BTreeMap<ConfigFile, Node>,
    current: &ConfigTrees,
) -> BTreeMap<ConfigFile, String> {
    let texts = trees.iter().map(|(file, tree)| {
        let text = match current.files.get(file) {
            Some(standing) if *standing.tree == *tree => standing.text.clone(),
            Some(_) | None => emit(tree),
        };
        (*file, text)
    });
    texts.collect()
}

/// Items of one entry whose slot a later item of the same entry fills again.
fn repeated(items: &[Item<'_>]) -> Vec<Warning> {
    let mut seen = BTreeSet::new();
    let mut warnings: Vec<_> = items
        .iter()
        .rev()
        .filter(|item| !seen.insert(&item.slot))
        .map(|item| {
            let key = quoted(&item.slot.key().0);
            duplicate(
                item,
                format!("{key} is written again further down, and is dropped here"),
            )
        })
        .collect();
    warnings.reverse();
    warnings
}

/// Items of the output directory that repeat a slot which is written or removed.
fn dropped_duplicates(standing: &Current<'_>, plan: &Plan<'_>) -> Vec<Warning> {
    let dropped = standing.duplicates.iter().filter(|item| {
        let slot = &item.slot;
        plan.writes.contains_key(slot) || plan.removes.contains(slot) || plan.moves.contains(slot)
    });
    dropped
        .map(|item| {
            let key = quoted(&item.slot.key().0);
            duplicate(
                item,
                format!("{key} stands here a second time, and is dropped"),
            )
        })
        .collect()
}

fn duplicate(item: &Item<'_>, message: String) -> Warning {
    Warning {
        place: item.place.clone(),
        rule: "duplicate-item".to_owned(),
        message,
    }
}

/// Puts the references that the stack pulls into the functions.
fn rewrite_images(items: &mut [Item<'_>], rewrites: &BTreeMap<String, String>) {
    for item in items {
        let Some(image) = function_image(&item.slot, &item.node) else {
            continue;
        };
        let reference = image.text().and_then(|text| rewrites.get(text));
        let Some(reference) = reference.map(|text| Value::String(text.clone())) else {
            continue;
        };
        if *image == reference {
            continue;
        }
        if let Value::Map(function) = &mut item.node.to_mut().value
            && let Some(image) = function.get_mut("image")
        {
            image.node.value = reference;
        }
    }
}

/// Puts schedules into the form that the stack's scheduler reads.
fn renew_schedules(items: &mut [Item<'_>]) {
    for item in items {
        if matches!(item.slot, Slot::Function(_)) && schedule::is_old(&item.node) {
            schedule::renew(item.node.to_mut());
        }
    }
}

/// The `image` of a function.
fn function_image<'n>(slot: &Slot, node: &'n Node) -> Option<&'n Value> {
    let (Slot::Function(_), Value::Map(function)) = (slot, &node.value) else {
        return None;
    };
    Some(&function.get("image")?.node.value)
}
