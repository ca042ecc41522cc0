//! Asking whoever sits at the terminal.

use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use crate::failure::{Failure, Kind};
use crate::terminal::{self, CTRL_C};
use producer::parameters::Question;

/// How often one question is asked before it is given up.
const MAX_TRIES: usize = 5;

/// Asks until an answer fits. A secret is not shown.
pub(super) fn ask(
    question: &Question,
    limits: Option<&str>,
    suggested: Option<&str>,
    fits: impl Fn(&str) -> Result<(), String>,
) -> Result<String, Failure> {
    let words = words(question, limits, suggested);
    for _ in 0..MAX_TRIES {
        let line = if question.no_echo {
            let line = unseen(|| line(&words));
            let _ = writeln!(io::stderr());
            line
        } else {
            line(&words)
        };
        let line = line.map_err(|error| Failure::of(Kind::Usage, &error))?;
        if line.as_bytes().contains(&CTRL_C) {
            return Err(Failure::new(Kind::Interrupted, "interrupted"));
        }
        let answer = match suggested {
            Some(suggested) if line.is_empty() => suggested.to_owned(),
            Some(_) | None => line,
        };
        match fits(&answer) {
            Ok(()) => return Ok(answer),
            // Messages of parameters never repeat a secret.
            Err(message) => {
                let _ = writeln!(io::stderr(), "  {message}");
            }
        }
    }
    let name = &question.name;
    let message = format!("no answer for `{name}` fits after {MAX_TRIES} tries");
    Err(Failure::new(Kind::Usage, message).hint("look at the declaration in the template"))
}

/// `Stage (String; which stage) one of dev, prod [dev]: `.
fn words(question: &Question, limits: Option<&str>, suggested: Option<&str>) -> String {
    let about = std::iter::once(question.type_name.as_str())
        .chain(limits)
        .chain(question.description.as_deref())
        .collect::<Vec<_>>();
    let mut words = format!("{} ({})", question.name, about.join("; "));
    if !question.allowed.is_empty() {
        words.push_str(&format!(" one of {}", question.allowed.join(", ")));
    }
    if let Some(suggested) = suggested {
        words.push_str(&format!(" [{suggested}]"));
    }
    words + ": "
}

/// Asks once, and reads a line.
fn line(words: &str) -> io::Result<String> {
    terminal::line(
        words,
        "the terminal was closed before every parameter had a value",
    )
}

/// Asks and reads while the terminal shows nothing. Ctrl-C ends the line instead of the process, which would leave the terminal
/// without its echo.
fn unseen(ask: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    let terminal = io::stdin();
    let shown = tcgetattr(&terminal)?;
    let mut hidden = shown.clone();
    hidden
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let line = ask();
    tcsetattr(&terminal, OptionalActions::Flush, &shown)?;
    line
}
