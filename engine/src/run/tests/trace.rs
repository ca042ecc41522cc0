//! What was seen of a target's world: who asked for what when, and what others did to it.

use std::collections::BTreeMap;

use crate::contract::Digest;
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
    /// The image was in the registry already.
    pub(super) there: bool,
}

/// A process asked which image a reference names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The last event that it knew of.
    pub(super) after: u64,
    /// The registry lost the image later.
    pub(super) lost_since: bool,
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
            }),
            Seen::Called(_) => {}
            Seen::Looked(reference) => {
                let look = Look {
                    after,
                    lost_since: false,
                };
                // Of two processes at once, the one that was overtaken knows less.
                let last = self.looked.entry(reference.to_owned()).or_insert(look);
                if last.after <= after {
                    *last = look;
                }
            }
            Seen::Changed(change) => {
                if let Change::ImageLost(reference) = change
                    && let Some(look) = self.looked.get_mut(reference)
                {
                    look.lost_since = true;
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
            let known = truth.registry.get(reference);
            known.is_some_and(|(known, _)| known == key)
        }
        Act::Publish(_) | Act::Provision => false,
    }
}

/// The digests of some files.
pub(super) fn digests(config: &ConfigTexts) -> BTreeMap<ConfigFile, Digest> {
    let digests = config.iter().map(|(file, text)| (*file, Digest::of(text)));
    digests.collect()
}
