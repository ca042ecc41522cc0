//! `artifactctl`: deploys artifacts onto a running stack, and reads the journal of what was deployed.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::artifactctl()
}
