//! How a person speaks to it: two programs over one engine.
//!
//! [`artifactctl`] applies artifacts (room `applier`), [`esb`] also makes them. What both say is in one place: flags of every
//! command, output, failures with their exit codes, talk, signals, who acts. The applier never reaches what makes artifacts.

mod applier;
mod args;
#[cfg(test)]
mod documented;
mod esb;
mod failure;
mod identity;
mod output;
mod producer;
mod program;
mod report;
mod signals;

use std::process::ExitCode;

/// Runs `artifactctl` with the arguments of this process.
pub fn artifactctl() -> ExitCode {
    applier::main()
}

/// Runs `esb` with the arguments of this process.
pub fn esb() -> ExitCode {
    esb::main()
}

/// Reads bytes as a template and a file of its parameters, and resolves it with made-up values. For fuzzing: whatever the bytes are,
/// this ends soon, and panics only when a rule of the producer is broken.
#[doc(hidden)]
pub fn fuzz_template(bytes: &[u8]) {
    producer::read_template(bytes);
}
