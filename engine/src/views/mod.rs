//! Questions about the past, answered from events.
//!
//! Pure: events in, plain data out. Events of a newer tool are counted and named, never guessed at.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod pattern;
mod summary;
#[cfg(test)]
mod tests;

pub use pattern::{Mismatch, Pattern, PatternError};
pub use summary::{HoldSummary, ServiceVersion, Status, Summary, hold, summarise};
