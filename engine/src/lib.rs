//! What a deploy is.
//!
//! Knowledge flows one way, room by room: `yaml <- contract <- compat <- merge <- image <- machine <- views`
//! are pure (no clock, file system, environment, randomness, async or log; time and ids arrive as values);

pub mod compat;
pub mod contract;
pub mod image;
pub mod load;
pub mod machine;
pub mod merge;
pub mod publish;
pub mod run;
pub mod views;
pub mod yaml;
