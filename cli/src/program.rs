//! What every program does around its commands: read the command line, set up talk, end with an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Parser};

use crate::args::{Format, Global};
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::project::{self, ProjectFile};
use crate::{log, process_limits, words};

/// What every command returns: the exit code of success, or a failure.
pub(crate) type Ended = Result<ExitCode, Failure>;

/// The command line of a program.
pub(crate) trait Program: Parser {
    /// Flags of every command.
    fn global(&self) -> &Global;

    /// Whether the command uses the project file, so that a broken file stops it.
    fn reads_project_file(&self) -> bool;

    /// Whether the command shows a plan, which can be Markdown.
    fn shows_plan(&self) -> bool;

    /// The command as it is for these words: what some of them say need not be said by others.
    fn command_for(words: &[OsString]) -> clap::Command;

    /// Puts values that can be written in several ways in their one place.
    fn settle(&mut self) {}

    /// Takes what the parser cannot take: tables, which are merged with flags by name.
    fn take_tables(&mut self, file: &ProjectFile);
}

/// How the command line was read.
pub(crate) struct Call {
    /// Where each value comes from.
    pub(crate) matches: ArgMatches,
    /// The project file, where there is one.
    pub(crate) file: Option<ProjectFile>,
}

/// Reads the command line of this process and runs the command that it asks for.
pub(crate) fn main<P: Program>(run: impl FnOnce(&P, &Call, &mut Output) -> Ended) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    process_limits::keep_memory_private();
    if let Err(failure) = process_limits::check() {
        return Output::new(format_in(&words)).failed(&failure);
    }
    let (file, broken) = match ProjectFile::find(&words) {
        Ok(file) => (file, None),
        Err(failure) => (None, Some(failure)),
    };
    let (mut args, call) = match parse::<P>(&words, file) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&error, P::command(), &words, broken.as_ref()),
    };
    if let Some(failure) = broken.filter(|_| args.reads_project_file()) {
        return Output::new(args.global().format).failed(&failure);
    }
    args.settle();
    if let Some(file) = &call.file {
        args.take_tables(file);
    }
    let Global {
        format,
        verbose,
        quiet,
        ..
    } = *args.global();
    if format == Format::Markdown && !args.shows_plan() {
        let message = "`--format markdown` is for plans alone";
        let failure = Failure::new(Kind::Usage, message);
        return Output::new(Format::Text).failed(&failure.hint("use `--format text` or `json`"));
    }
    log::begin(verbose);
    pass_over_caught_panics();
    let mut output = Output::new(format).quiet(quiet);
    match run(&args, &call, &mut output) {
        Ok(code) => code,
        Err(failure) => output.failed(&failure),
    }
}

/// Reads the words, with the values of the file in the place of defaults.
fn parse<P: Program>(
    words: &[OsString],
    file: Option<ProjectFile>,
) -> Result<(P, Call), clap::Error> {
    let mut command = project::with_values(P::command_for(words), file.as_ref());
    let matches = command.try_get_matches_from_mut(words)?;
    let args = P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((args, Call { matches, file }))
}

/// Help and version are asked for and succeed; anything else is a usage error, which clap words well. Words that only a broken
/// project file could have completed are not to blame: the file is.
fn refused(
    error: &clap::Error,
    mut command: clap::Command,
    words: &[OsString],
    broken: Option<&Failure>,
) -> ExitCode {
    if !error.use_stderr() {
        // A reader that closed the pipe has read enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let program = command.get_name().to_owned();
    let instead = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => {
            words::instead(&program, word).map(|advice| (word, advice))
        }
        Some(_) | None => None,
    };
    if let Some((word, advice)) = instead {
        let message = format!("`{program} {word}` is not a command");
        return Output::new(Format::Text).failed(&Failure::new(Kind::Usage, message).hint(advice));
    }
    if let Some(failure) = broken {
        return Output::new(format_in(words)).failed(failure);
    }
    if error.kind() == ErrorKind::MissingSubcommand
        && let Some(help) = help(&mut command, words)
    {
        let _ = write!(std::io::stderr(), "{help}");
        return ExitCode::from(Kind::Usage.code());
    }
    let _ = error.print();
    if let Some(hint) = hint(error, &program, words) {
        let _ = writeln!(std::io::stderr(), "\nhint: {hint}");
    }
    ExitCode::from(Kind::Usage.code())
}

/// What mends a command line, where clap cannot know.
fn hint(error: &clap::Error, program: &str, words: &[OsString]) -> Option<String> {
    let word = match error.get(ContextKind::InvalidArg) {
        // Only flags can stand in the file.
        Some(ContextValue::Strings(missing)) if missing.iter().any(|one| one.starts_with("--")) => {
            return Some(format!(
                "a project file, `{}`, can hold such values; `artifactctl init` writes one",
                project::FILE
            ));
        }
        Some(ContextValue::String(word)) => word,
        Some(_) | None => return None,
    };
    if word == "--json" {
        return Some("`--format json` writes one JSON object a line".to_owned());
    }
    let follows_wait = |two: &[OsString]| two[0] == "--wait" && two[1] == **word;
    if words.windows(2).any(follows_wait) {
        return Some(format!("a time stands right behind it: `--wait={word}`"));
    }
    let file = Path::new(word);
    let extension = file.extension()?.to_str()?;
    if error.kind() != ErrorKind::UnknownArgument || !["yml", "yaml"].contains(&extension) {
        return None;
    }
    let stem = file.file_stem()?;
    Some(if program == "esb" && stem != "artifact" {
        format!("a template is named with its flag: `--template {word}`")
    } else if stem == "template" {
        format!("a template is for `esb`: `esb deploy --template {word}`")
    } else {
        format!("an artifact is named with its flag: `--artifact {word}`")
    })
}

/// The help of the command that the words lead to, which has commands below it.
fn help(command: &mut clap::Command, words: &[OsString]) -> Option<String> {
    let asked = words.iter().cloned().chain(["--help".into()]);
    let shown = command.try_get_matches_from_mut(asked).err()?;
    (shown.kind() == ErrorKind::DisplayHelp).then(|| shown.render().to_string())
}

/// The format that a command line asks for, when it cannot be read as a whole.
fn format_in(words: &[OsString]) -> Format {
    let mut pairs = words.windows(2);
    let is_json = pairs.any(|two| two[0] == "--format" && two[1] == "json")
        || words.iter().any(|word| word == "--format=json");
    if is_json { Format::Json } else { Format::Text }
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
