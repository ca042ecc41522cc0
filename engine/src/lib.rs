//! What a deploy is.
//!
//! Knowledge flows one way, room by room: `redact <- yaml <- contract <- compat <- merge <- image <- machine <- views`
//! are pure (no clock, file system, environment, randomness, async or log; time and ids arrive as values);
//! `failpoint` is where tests kill it; `load` and `publish` touch files; `run` is the loop; `docker` is the adapter to a real engine.

pub mod compat;
pub mod contract;
pub mod image;
pub mod load;
pub mod machine;
pub mod merge;
pub mod publish;
pub mod redact;
pub mod run;
pub mod views;
pub mod yaml;

mod failpoint;

#[cfg(feature = "docker")]
pub mod docker;
