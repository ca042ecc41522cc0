//! `esb`: artifacts from templates, and their deploy.
//!
//! Every apply is the applier's: same flags, same orchestration, same journal, same exit codes.

pub(crate) mod args;

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
        Command::Artifact(Artifact::Apply(deploy)) => apply(&args.global, deploy, output),
    }
}
