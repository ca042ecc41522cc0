//! Running programs and keeping what they said.
//!
//! Here: run to the end, with input, output captured and shown when it fails. Not here: which programs.

use std::io::Write;
use std::process::{Command, Output, Stdio};

const SHOWN_LINES: usize = 30;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot run `{program}`")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` ended with {status}:\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of both of its outputs.
        output: String,
    },
}

/// Runs a command to its end and gives its stdout.
pub fn run(command: &mut Command) -> Result<String, CommandError> {
    run_with_input(command, &[])
}

/// Runs a command to its end with bytes on its stdin, and gives its stdout.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Result<String, CommandError> {
    let output = output_with_input(command, input)?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let all = stdout + &String::from_utf8_lossy(&output.stderr);
    Err(CommandError::Failed {
        command: describe(command),
        status: output.status,
        output: last_lines(&all, SHOWN_LINES),
    })
}

/// Runs a command to its end, whatever that is.
pub fn output(command: &mut Command) -> Result<Output, CommandError> {
    output_with_input(command, &[])
}

fn output_with_input(command: &mut Command, input: &[u8]) -> Result<Output, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| CommandError::Start {
        program: program.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends early closes its stdin; its exit code tells why, so the broken pipe does not.
            stdin
                .map_or(Ok(()), |mut stdin| stdin.write_all(input))
                .ok();
        });
        child.wait_with_output()
    })
    .map_err(failed)
}

/// The last lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(std::ffi::OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Finds a program on the path, or in the folders of a system's administrator that a plain user's path leaves out.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
