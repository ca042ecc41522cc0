//! The values of parameters: files, flags, and a person at a terminal.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::esb::answers::Answers;
use crate::esb::args::Making;
use crate::esb::make::violated;
use crate::failure::{Failure, Kind};
use crate::producer::parameters::{
    Given, GivenValue, Question, assignment, questions, read_file, unknown,
};
use crate::producer::report::Finding;
use crate::producer::template::Template;

/// Values for these templates: of files in their order, then of flags, then of whoever sits at the terminal.
pub(super) fn given(making: &Making, templates: &[Template<'_>]) -> Result<Given, Failure> {
    let mut given = Given::new();
    for path in &making.parameters_file {
        given.extend(of_file(path, &making.samconfig_env)?);
    }
    for text in &making.parameter {
        let (name, value) = assignment(text)
            .map_err(|message| Failure::new(Kind::Usage, format!("`--parameter`: {message}")))?;
        given.insert(name, value);
    }
    let all: Vec<&Template<'_>> = templates.iter().collect();
    let strange = unknown(&all, &given);
    if !strange.is_empty() {
        let violations = strange.iter().map(Finding::violation).collect();
        return Err(violated(
            Kind::Usage,
            "a parameter is not known",
            violations,
        ));
    }
    let mut open: Vec<Question> = Vec::new();
    for question in templates.iter().flat_map(|one| questions(one, &given)) {
        if !open.iter().any(|known| known.name == question.name) {
            open.push(question);
        }
    }
    if open.is_empty() {
        return Ok(given);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(missing(&open));
    }
    let mut answers = Answers::of(&making.template);
    for question in &open {
        let value = ask(question, answers.get(&question.name))?;
        if !question.no_echo {
            answers.set(&question.name, &value);
        }
        given.insert(question.name.clone(), GivenValue::new(value));
    }
    if making.save_defaults {
        answers.save()?;
    }
    Ok(given)
}

fn of_file(path: &Path, section: &str) -> Result<Given, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        let mut failure = Failure::of(Kind::Usage, &error);
        failure.message = format!("cannot read `{}`: {}", path.display(), failure.message);
        failure
    })?;
    read_file(&path.display().to_string(), &text, section).map_err(|violations| {
        let what = format!("`{}` is no file of parameters", path.display());
        violated(Kind::Usage, &what, violations)
    })
}

/// Everything that is missing, at once.
fn missing(open: &[Question]) -> Failure {
    let lines: Vec<String> = open
        .iter()
        .map(|question| {
            let description = question.description.as_ref();
            let description = description.map(|text| format!(": {text}"));
            format!(
                "  {} ({}){}",
                question.name,
                question.type_name,
                description.unwrap_or_default()
            )
        })
        .collect();
    let first = &open[0].name;
    Failure::new(
        Kind::Usage,
        format!(
            "these parameters have no value and no default:\n{}",
            lines.join("\n")
        ),
    )
    .hint(format!(
        "give each with `--parameter {first}=VALUE`, or all with `--parameters-file PATH`"
    ))
}

/// Asks on standard error, and reads a line. A secret is not shown.
fn ask(question: &Question, suggested: Option<&str>) -> Result<String, Failure> {
    let mut words = question.name.clone();
    if let Some(description) = &question.description {
        words.push_str(&format!(" ({description})"));
    }
    if !question.allowed.is_empty() {
        words.push_str(&format!(" one of {}", question.allowed.join(", ")));
    }
    if let Some(suggested) = suggested {
        words.push_str(&format!(" [{suggested}]"));
    }
    let failed = |error: io::Error| Failure::of(Kind::Usage, &error);
    let mut talk = io::stderr().lock();
    write!(talk, "{words}: ")
        .and_then(|()| talk.flush())
        .map_err(failed)?;
    let line = if question.no_echo {
        let line = unseen(read_line);
        let _ = writeln!(talk);
        line
    } else {
        read_line()
    };
    let line = line.map_err(failed)?;
    match (line.is_empty(), suggested) {
        (true, Some(suggested)) => Ok(suggested.to_owned()),
        (true, None) | (false, _) => Ok(line),
    }
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the terminal was closed before every parameter had a value",
        ));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads while the terminal shows nothing.
fn unseen(read: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    let terminal = io::stdin();
    let shown = tcgetattr(&terminal)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let line = read();
    tcsetattr(&terminal, OptionalActions::Flush, &shown)?;
    line
}
