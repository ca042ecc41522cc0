//! What the configuration will be: entries in array order, merged into what is already there.
//!
//! Pure. Here: the rules of the three files, ownership and pruning. Not here: reading (`load`) and writing (`publish`).
//! The way through: `read` turns trees into slots, `claims` says which slots are ours, `plan` decides who writes what,
//! `apply` makes the new trees, `order` puts routes into the order in which the gateway reads them. The rules in words are in `docs/merge.md`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod apply;
mod claims;
mod input;
mod order;
mod outcome;
mod ownership;
mod plan;
mod read;
mod references;
mod schedule;
mod slot;
mod steps;

pub use input::{BaseOwnership, ConfigText, ConfigTrees, EntryConfig, MergeOptions};
pub use outcome::{MergeOutcome, merge};
pub use ownership::{Changes, ConfigFile, Drift, Key, Owned, Ownership, SourceKey};
pub use references::{UnresolvedRoute, unresolved_in_artifact, unresolved_routes};

pub use steps::steps;

#[cfg(test)]
mod tests;
