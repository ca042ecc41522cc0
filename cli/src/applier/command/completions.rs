//! `completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::applier::args::Args;
use crate::output::Output;
use crate::program::Ended;

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "artifactctl", &mut script);
    Output::text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
