//! The runtime stack contract: can the stack that runs now take this artifact?
//!
//! Pure: a requirement from the manifest, an observation from the engine, findings out. Nothing of the request is
//! ever used as if it had been observed.

mod finding;
mod observation;

pub use finding::{Finding, Grade, Policy, Verdict};
pub use observation::{Container, Engine, ModeSource, Observation, Observed, VersionSource};
