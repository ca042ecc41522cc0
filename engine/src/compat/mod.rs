//! The runtime stack contract: can the stack that runs now take this artifact?
//!
//! Pure: a requirement from the manifest, an observation from the engine, findings out. Nothing of the request is
//! ever used as if it had been observed. `facts` derives an observation from labels and image references; `check`
//! compares it with what the artifact requires. The tables are in `docs/guide/compat.md`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod advice;
mod check;
pub mod facts;
mod finding;
mod observation;
mod release;
mod stack_version;
mod words;

pub(crate) use advice::nothing_runs;
pub use check::{Check, check};
pub use finding::{Finding, Grade, Policy, Verdict};
pub use observation::{
    Container, ModeSource, Observation, Observed, ObservedEngine, VersionSource,
};
pub use release::ReleaseRange;
pub use stack_version::stack_version;

#[cfg(test)]
mod tests;
