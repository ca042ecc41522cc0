//! `esb`: turns templates into artifacts, and deploys them.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::esb()
}
