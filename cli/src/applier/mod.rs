//! `artifactctl`: deploys artifacts, and reads the journal of what was deployed.
//!
//! What `esb` deploys goes through here as well. The other way is closed: nothing in this room knows of the producer.

pub(crate) mod args;
pub(crate) mod at;
pub(crate) mod command;
pub(crate) mod deploys;
mod drift;
pub(crate) mod events;
mod failing;
pub(crate) mod ids;
mod loading;
pub(crate) mod output_dir;
pub(crate) mod prepare;
mod saved_plan;
mod story;
mod superseding;
pub(crate) mod target;
mod values;
mod waiting;
mod whole_file;

use std::process::ExitCode;

use crate::applier::args::{Args, Command};
use crate::args::Global;
use crate::program::{self, Program};
use crate::project::ProjectFile;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    program::main(command::run)
}

impl Program for Args {
    fn global(&self) -> &Global {
        &self.global
    }

    fn settle(&mut self) {
        self.settle_target();
    }

    fn reads_project_file(&self) -> bool {
        !matches!(
            self.command,
            Command::Init | Command::Man { .. } | Command::Completions { .. }
        )
    }

    /// No flag of `artifactctl` is a table.
    fn take_tables(&mut self, _file: &ProjectFile) {}
}
