//! `completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Ended;
use crate::args::Args;

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Ended {
    let mut command = Args::command();
    clap_complete::generate(shell, &mut command, "artifactctl", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
