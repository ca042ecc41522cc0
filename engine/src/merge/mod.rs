//! What the configuration will be: entries in array order, merged into what is already there.
//!
//! Pure. Here: the rules of the three files, ownership and pruning. Not here: reading (`load`) and writing (`publish`).

mod ownership;

pub use ownership::{Changes, ConfigFile, Drift, Key, Owned, Ownership, SourceKey};
