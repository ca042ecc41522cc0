//! How a person speaks to it: two programs over one engine.
//!
//! [`artifactctl`] applies artifacts (room `applier`), [`esb`] also makes them. What both say is in one place: flags of every
//! command, output, failures with their exit codes, talk, signals, who acts. The applier never reaches what makes artifacts, which is a crate
//! of its own (`producer`).

mod applier;
mod args;
mod changes;
#[cfg(test)]
mod documented;
mod esb;
mod failure;
mod identity;
mod images_phase;
mod log;
mod manual;
mod output;
mod page;
mod process_limits;
mod program;
mod project;
mod report;
mod schemas;
mod signals;
mod terminal;
mod when;
mod words;

use std::process::ExitCode;

/// Runs `artifactctl` with the arguments of this process.
pub fn artifactctl() -> ExitCode {
    applier::main()
}

/// Runs `esb` with the arguments of this process.
pub fn esb() -> ExitCode {
    esb::main()
}
