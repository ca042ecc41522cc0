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
pub(crate) mod formats;
mod hold;
pub(crate) mod ids;
mod loading;
pub(crate) mod output_dir;
pub(crate) mod posting;
pub(crate) mod prepare;
pub(crate) mod saved_plan;
mod story;
mod superseding;
pub(crate) mod target;
mod values;
mod waiting;
mod whole_file;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::applier::args::{Args, Command, with_saved_plan};
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

    fn command_for(words: &[OsString]) -> clap::Command {
        with_saved_plan(<Self as CommandFactory>::command(), words)
    }

    fn reads_project_file(&self) -> bool {
        !matches!(
            self.command,
            Command::Init | Command::Man { .. } | Command::Completions { .. }
        )
    }

    fn shows_plan(&self) -> bool {
        let command = &self.command;
        matches!(command, Command::Plan(_))
            || matches!(command, Command::Deploy(deploy) if deploy.dry_run)
            || matches!(command, Command::Rollback(rollback) if rollback.plan)
    }

    /// No flag of `artifactctl` is a table.
    fn take_tables(&mut self, _file: &ProjectFile) {}
}
