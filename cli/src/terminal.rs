//! The terminal that a person sits at: whether somebody is there, questions with their answers, and what typed keys show.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use engine::contract::printable_lines;
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

use crate::failure::{Failure, Kind};

/// What Ctrl-C sends.
pub(crate) const CTRL_C: u8 = 3;

/// Whether somebody can be asked: questions go to standard error, answers come from standard input.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks once, and reads a line without its end. `closed` says what is missing when the terminal is closed before the answer.
pub(crate) fn line(words: &str, closed: &str) -> io::Result<String> {
    let mut talk = io::stderr().lock();
    talk.write_all(printable_lines(words).as_bytes())?;
    talk.flush()?;
    let mut line = Vec::new();
    for byte in io::stdin().lock().bytes() {
        let byte = byte?;
        line.push(byte);
        // A line that Ctrl-C ends has no line break.
        if matches!(byte, b'\n' | CTRL_C) {
            let line = String::from_utf8(line)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "an answer is UTF-8"))?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed))
}

/// Asks for a yes. Anything else is a no.
pub(crate) fn is_agreed(question: &str) -> Result<bool, Failure> {
    let answer = line(
        &format!("{question} [y/N]: "),
        "the terminal was closed before there was an answer",
    )
    .map_err(|error| Failure::of(Kind::Usage, &error))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// While it lives, a Ctrl-C shows no `^C`: that would begin a line of its own, and of the lines that are drawn over one would stay.
pub(crate) struct SilentKeys {
    /// The terminal showed it before.
    shown: bool,
}

impl SilentKeys {
    /// Begins at the terminal of standard input, if this process has it in front.
    pub(crate) fn begin() -> Self {
        let shown = is_in_front() && show_control_keys(io::stdin(), false).unwrap_or(false);
        Self { shown }
    }
}

impl Drop for SilentKeys {
    fn drop(&mut self) {
        if self.shown && is_in_front() {
            // A terminal that is gone needs no settings.
            show_control_keys(io::stdin(), true).ok();
        }
    }
}

/// A process in the background is stopped when it changes a terminal.
fn is_in_front() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Sets whether the terminal shows `^C` and its like when they are typed. Gives what it did before.
fn show_control_keys(terminal: impl AsFd, shown: bool) -> rustix::io::Result<bool> {
    let mut settings = tcgetattr(&terminal)?;
    let before = settings.local_modes.contains(LocalModes::ECHOCTL);
    settings.local_modes.set(LocalModes::ECHOCTL, shown);
    tcsetattr(&terminal, OptionalActions::Now, &settings)?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, openpt};

    use super::*;

    #[test]
    fn what_control_keys_show_is_set_and_known_before() {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let initial = show_control_keys(&terminal, false).unwrap();
        assert!(!show_control_keys(&terminal, true).unwrap());
        assert!(show_control_keys(&terminal, initial).unwrap());
    }
}
