//! How long a call to the outside may take.

use std::time::Duration;

/// The longest any call may take. Every call to an engine or a registry is bounded by one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One question to the engine or a registry, answer included.
    pub query: Duration,
    /// One whole build, from the first byte of its context to its last line.
    pub build: Duration,
    /// A push or a pull that says nothing for this long is stuck. Large layers take their time, so the whole has no limit.
    pub silence: Duration,
    /// One whole run of the provisioner, and one of its prebuild.
    pub provision: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query: Duration::from_secs(10),
            build: Duration::from_secs(30 * 60),
            silence: Duration::from_secs(10 * 60),
            provision: Duration::from_secs(30 * 60),
        }
    }
}
