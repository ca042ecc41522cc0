//! What is made of the declarations of a program for other tools: completion scripts and pages of the manual.

use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::program::Ended;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell, program: &mut Command) -> Ended {
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(shell, program, name, &mut script);
    Output::text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of a program, or writes the page of each command into a directory.
pub(crate) fn man(program: Command, dir: Option<&Path>) -> Ended {
    let failed = |error: &std::io::Error| Failure::of(Kind::Publish, error);
    if let Some(dir) = dir {
        clap_mangen::generate_to(program, dir).map_err(|error| {
            let mut failure = failed(&error);
            failure.message = format!("cannot write into `{}`: {error}", dir.display());
            failure.hint("make the directory, or name another with `--dir`")
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    Man::new(program)
        .render(&mut page)
        .map_err(|error| failed(&error))?;
    Output::text(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}
