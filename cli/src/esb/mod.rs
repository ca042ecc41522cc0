//! `esb`: artifacts from templates, and their deploy.
//!
//! Here: the commands and what they are told. Not here: what a template means and what an artifact holds (`producer`), applying
//! (`applier`): every apply is the applier's, with its flags, orchestration, journal and exit codes.

#[cfg(test)]
mod accepted;
pub(crate) mod args;
mod deploy;
pub(crate) mod diff;
mod findings;
mod flags;
pub(crate) mod generate;
mod images;
mod make;
mod new_artifact;
mod not_made;
mod parameter_file;
mod parameters;
mod prompt;
mod sam_build;
mod samconfig;
mod saved_answers;
mod template_file;
mod templates;
pub(crate) mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::applier::args::with_saved_plan;
use crate::applier::command::apply;
use crate::args::Global;
use crate::esb::args::{Args, Artifact, Command};
use crate::manual;
use crate::output::Output;
use crate::program::{self, Call, Ended, Program};
use crate::project::{self, ProjectFile};

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    program::main(run)
}

fn run(args: &Args, call: &Call, output: &mut Output) -> Ended {
    match &args.command {
        Command::Generate(generate) | Command::Artifact(Artifact::Generate(generate)) => {
            generate::run(&args.global, generate, call, output)
        }
        Command::Validate(args_of) => validate::run(&args.global, args_of, output),
        Command::Diff(args_of) => diff::run(&args.global, args_of, output),
        Command::Apply(deploy) | Command::Artifact(Artifact::Apply(deploy)) => {
            apply(&args.global, deploy, output)
        }
        Command::Deploy(deploy) => deploy::run(&args.global, deploy, output),
        Command::Init => project::init::run("esb", &args.global, output),
        Command::Config => project::config::run("esb", call, output),
        Command::Man { dir } => manual::man(Args::command(), dir.as_deref()),
        Command::Completions { shell } => manual::completions(*shell, &mut Args::command()),
    }
}

impl Program for Args {
    fn global(&self) -> &Global {
        &self.global
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
        matches!(&self.command, Command::Deploy(deploy) if deploy.dry_run)
    }

    fn take_tables(&mut self, file: &ProjectFile) {
        match &mut self.command {
            Command::Generate(generate) | Command::Artifact(Artifact::Generate(generate)) => {
                generate.making.take_tables(file);
            }
            Command::Deploy(deploy) => deploy.making.take_tables(file),
            Command::Validate(args) => args.making.take_tables(file),
            Command::Diff(args) => args.making.take_tables(file),
            Command::Apply(_)
            | Command::Artifact(Artifact::Apply(_))
            | Command::Init
            | Command::Config
            | Command::Man { .. }
            | Command::Completions { .. } => {}
        }
    }
}
