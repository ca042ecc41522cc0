//! What every program does around its commands: read the command line, set up talk, end with an exit code.

use std::process::ExitCode;

use clap::Parser;

use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::report;

/// What every command returns: the exit code of success, or a failure.
pub(crate) type Ended = Result<ExitCode, Failure>;

/// Reads the command line of this process and runs the command that it asks for.
pub(crate) fn main<Args: Parser>(
    global: impl Fn(&Args) -> &Global,
    run: impl FnOnce(&Args, &mut Output) -> Ended,
) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are asked for and succeed; anything else is a usage error, which clap words well.
            let code = if error.use_stderr() {
                Kind::Usage.code()
            } else {
                0
            };
            // A reader that closed the pipe has read enough.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let Global {
        format, verbose, ..
    } = *global(&args);
    report::log(verbose);
    pass_over_caught_panics();
    let mut output = Output::new(format);
    match run(&args, &mut output) {
        Ok(code) => code,
        Err(failure) => output.failed(&failure),
    }
}

/// A panic that the journal catches, on damaged files, is reported as the damage it is, and not as a panic as well.
fn pass_over_caught_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !journal::panics_are_caught() {
            usual(panic);
        }
    }));
}
