//! `esb`: artifacts from templates, and their deploy.
//!
//! Here: the commands and what they are told. Not here: what a template means and what an artifact holds (`producer`), applying
//! (`applier`): every apply is the applier's, with its flags, orchestration, journal and exit codes.

#[cfg(test)]
mod accepted;
mod answers;
pub(crate) mod args;
mod deploy;
mod generate;
mod images;
mod loaded;
mod made;
mod make;
mod parameters;
mod prompt;
mod settings;
mod several;

use std::process::ExitCode;

use crate::applier::command::apply;
use crate::esb::args::{Args, Artifact, Command};
use crate::output::Output;
use crate::program::{self, Ended};

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    program::main(|args: &Args| &args.global, run)
}

fn run(args: &Args, output: &mut Output) -> Ended {
    match &args.command {
        Command::Artifact(Artifact::Generate(generate)) => generate::run(generate, output),
        Command::Artifact(Artifact::Apply(deploy)) => apply(&args.global, deploy, output),
        Command::Deploy(deploy) => deploy::run(&args.global, deploy, output),
    }
}
