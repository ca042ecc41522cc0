//! The binary from outside, without an engine: words, results, exit codes. Journals are imported from frozen exports.
//!
//! `SNAPSHOTS=overwrite cargo test -p artifactctl` writes the snapshots anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod artifacts;
mod assertions;
mod check;
mod doctor;
mod elsewhere;
mod esb;
mod exit_codes;
mod first_hour;
mod formats;
mod help;
mod hints;
mod journals;
mod json;
mod keeping;
mod locks;
mod manifest;
mod mistakes;
mod odd_code;
mod outputs;
mod pipes;
mod project;
mod prune;
mod questions;
mod replay;
mod sam_build;
mod schema;
mod schemas;
mod several;
mod sim;
mod simulated;
mod support;
mod template_mistakes;
mod terminal;
mod versions;
mod widths;
