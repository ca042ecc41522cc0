//! What the configuration will be: entries in array order, merged into what is already there.
//!
//! Pure. Here: the rules of the three files, ownership and pruning. Not here: reading (`load`) and writing (`publish`).
//! The way through: `read` turns trees into slots, `claims` says which slots are ours, `plan` decides who writes what,
//! `apply` makes the new trees, `order` puts routes into the order in which the gateway reads them. The rules in words are in `docs/guide/merge.md`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod apply;
mod claims;
mod difference;
mod input;
mod kept;
mod order;
mod outcome;
mod ownership;
mod plan;
mod read;
mod references;
mod restore;
mod schedule;
mod slot;
mod steps;
mod values;
mod withheld;

pub use difference::{KeyChange, KeyDifference, OwnedConfiguration, OwnedValue, differences};
pub use input::{BaseOwnership, ConfigText, ConfigTrees, EntryConfig, MergeOptions};
pub use kept::{KeptBefore, KeptValue, KeptValues, kept_values, standing_values};
pub use outcome::{MergeOutcome, merge};
pub use ownership::{Changes, ConfigFile, Drift, Key, OwnedKeys, Ownership, SourceKey};
pub use references::{UnresolvedRoute, named_images, unresolved_in_artifact, unresolved_routes};
pub use restore::{LostValue, Unrestorable, restored};

pub use steps::steps;
pub use values::{FieldChange, field_changes};

#[cfg(test)]
mod tests;
