//! `artifactctl`: deploys artifacts onto a running stack, and reads the journal of what was deployed.

mod args;
mod at;
mod command;
mod deploys;
#[cfg(test)]
mod documented;
mod failure;
mod identity;
mod output;
mod prepare;
mod report;
mod signals;
mod target;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are asked for and succeed; anything else is a usage error, which clap words well.
            let code = if error.use_stderr() {
                failure::Kind::Usage.code()
            } else {
                0
            };
            // A reader that closed the pipe has read enough.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    report::log(args.global.verbose);
    let mut output = Output::new(args.global.format);
    match command::run(&args, &mut output) {
        Ok(code) => code,
        Err(failure) => output.failed(&failure),
    }
}

/// What every command returns: the exit code of success, or a failure.
type Ended = Result<ExitCode, Failure>;
