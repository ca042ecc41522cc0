//! What was seen of a target's world: who asked for what when, and what others did to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::keys;
use crate::compat::Observation;
use crate::contract::Digest;
use crate::machine::Step;
use crate::merge::ConfigFile;
use crate::run::ConfigTexts;
use crate::run::simulated::{Act, Change, Seen, Truth};

/// What was seen, in the order of the journal. It says nothing of why.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// What stood in the output directory before the first deploy.
    pub(super) seeds: ConfigTexts,
    /// What processes asked for.
    pub(super) asked: Vec<Asked>,
    /// What others did.
    pub(super) outside: Vec<Outside>,
    /// What the last look at the stack showed.
    pub(super) stack: Option<Arc<Observation>>,
    /// The last look at each reference.
    pub(super) looked: BTreeMap<String, Look>,
    /// The last event when two processes had been at work at once.
    pub(super) rivalled: u64,
}

/// A process asked for something that changes the world.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The last event that it knew of.
    pub(super) after: u64,
    /// It had been refused an append.
    pub(super) refused: bool,
    pub(super) act: Act,
    /// The image was in the registry already, or the tag named it.
    pub(super) there: bool,
    /// The image that was there under the key that is built.
    pub(super) found: Option<Digest>,
    /// What the last look at the stack showed.
    pub(super) stack: Option<Arc<Observation>>,
    /// It is a tag that the functions which stood in the output directory named.
    pub(super) live: bool,
}

/// A process asked which image a reference names.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// The last event that it knew of.
    pub(super) after: u64,
    /// What was asked for before.
    pub(super) asked: usize,
    /// The images that were there by then, by their keys.
    pub(super) there: BTreeMap<Digest, Digest>,
    /// The registry lost the image later.
    pub(super) lost_since: bool,
    /// Somebody moved the tag later.
    pub(super) moved_since: bool,
}

/// Somebody else changed the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outside {
    /// The last event that is known to have been on disk.
    pub(super) after: u64,
    pub(super) change: Change,
    /// The output directory after it.
    pub(super) config: ConfigTexts,
}

impl Trace {
    pub(super) fn new(truth: &Truth) -> Self {
        Self {
            seeds: truth.config.clone(),
            ..Self::default()
        }
    }

    pub(super) fn saw(&mut self, after: u64, refused: bool, seen: Seen<'_>, truth: &Truth) {
        match seen {
            Seen::Asked(act) => self.asked.push(Asked {
                after,
                refused,
                act: act.clone(),
                there: is_there(act, truth),
                found: found(act, truth),
                stack: self.stack.clone(),
                live: is_live(act, truth),
            }),
            Seen::Called(call) => {
                if call.step == Step::Observe {
                    self.stack = Some(Arc::new(truth.observation.clone()));
                }
            }
            Seen::Looked(reference) => {
                // Of two processes at once, the one that was overtaken knows less.
                let last = self.looked.get(reference);
                if last.is_none_or(|last| last.after <= after) {
                    let beside = truth.keyed.iter();
                    let beside = beside.filter(|((beside, _), _)| beside == reference);
                    let look = Look {
                        after,
                        asked: self.asked.len(),
                        there: beside
                            .map(|((_, key), digest)| (key.clone(), digest.clone()))
                            .collect(),
                        lost_since: false,
                        moved_since: false,
                    };
                    self.looked.insert(reference.to_owned(), look);
                }
            }
            Seen::Changed(change) => {
                if let Change::ImageLost(reference)
                | Change::ImageReplaced(reference)
                | Change::TagMoved(reference) = change
                    && let Some(look) = self.looked.get_mut(reference)
                {
                    look.moved_since = true;
                    look.lost_since |= !matches!(change, Change::TagMoved(_));
                }
                self.outside.push(Outside {
                    after,
                    change,
                    config: truth.config.clone(),
                });
            }
        }
    }
}

fn is_there(act: &Act, truth: &Truth) -> bool {
    match act {
        Act::Build { reference, key, .. } => {
            truth.keyed.contains_key(&(reference.clone(), key.clone()))
        }
        Act::Tag { reference, digest } => truth.registry.get(reference) == Some(digest),
        Act::Publish(_) | Act::Provision => false,
    }
}

fn found(act: &Act, truth: &Truth) -> Option<Digest> {
    match act {
        Act::Build { reference, key, .. } => {
            let keyed = (reference.clone(), key.clone());
            truth.keyed.get(&keyed).cloned()
        }
        Act::Tag { .. } | Act::Publish(_) | Act::Provision => None,
    }
}

fn is_live(act: &Act, truth: &Truth) -> bool {
    let Act::Tag { reference, .. } = act else {
        return false;
    };
    keys(&truth.config)
        .values()
        .any(|value| value["image"].as_str() == Some(reference))
}

/// The digests of some files.
pub(super) fn digests(config: &ConfigTexts) -> BTreeMap<ConfigFile, Digest> {
    let digests = config.iter().map(|(file, text)| (*file, Digest::of(text)));
    digests.collect()
}
