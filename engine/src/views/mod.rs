//! Questions about the past, answered from events.
//!
//! Pure: events in, plain data out. Events of a newer tool are counted and named, never guessed at.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod filter;
mod pattern;
mod stacks;
mod summary;

pub use filter::{DeployFilter, StackFilter};
pub use pattern::{
    Mismatch, NamedPattern, Pattern, PatternDifference, PatternError, TimedEvent, parse_assertions,
};
pub use stacks::{SeenStack, SeenStacks};
pub use summary::{
    DriftSummary, HoldSummary, PruneSummary, ServiceVersion, Status, Summary, begins_deploy, drift,
    hold, prune, summarise, versions,
};
