//! Values of the project file become the defaults of their flags, before the command line is parsed. The parser then knows the
//! precedence: flag, environment variable, default.

use std::path::Path;

use clap::{Arg, ArgAction, Command};

use super::settings::config_args;
use super::{ProjectFile, Value};

/// Folder and name of the manifest where nothing else is said.
const OUTPUT: &str = "artifact";
const MANIFEST: &str = "artifact.yml";

/// Files of parameters are weaker than the parameters of the project file when the project file names them, and stronger when a
/// flag does. They are merged by whoever reads parameters.
pub(super) const MERGED: &str = "parameters-file";

/// Commands that mean every target when none is named.
const OF_ALL_TARGETS: [&str; 3] = ["status", "history", "verify"];

/// The command whose flags are filters: they share names with settings, and mean what is looked for.
const OF_FILTERS: &str = "history";

/// The command with the values of the file. A blank environment variable counts as unset.
pub(crate) fn with_values(program: Command, file: Option<&ProjectFile>) -> Command {
    let args = config_args(&program);
    below(
        program.mut_subcommand("config", |config| config.args(args)),
        file,
    )
}

fn below(command: Command, file: Option<&ProjectFile>) -> Command {
    let of_all = OF_ALL_TARGETS.contains(&command.get_name());
    let filters = command.get_name() == OF_FILTERS;
    command
        .mut_args(|arg| {
            let arg = without_blank(arg);
            match file {
                Some(file) if !(filters || of_all && is_target(&arg)) => with_value(arg, file),
                Some(_) | None => arg,
            }
        })
        .mut_subcommands(|command| below(command, file))
}

fn without_blank(arg: Arg) -> Arg {
    let is_blank = arg
        .get_env()
        .and_then(std::env::var_os)
        .is_some_and(|value| value.to_string_lossy().trim().is_empty());
    if is_blank {
        arg.env(None::<&'static str>)
    } else {
        arg
    }
}

fn is_target(arg: &Arg) -> bool {
    arg.get_long().is_none() && arg.get_id() == "target"
}

/// The key of an argument: its flag, or `target`.
pub(super) fn key(arg: &Arg) -> Option<&str> {
    arg.get_long()
        .or_else(|| is_target(arg).then_some("target"))
}

fn with_value(arg: Arg, file: &ProjectFile) -> Arg {
    // A hidden argument is another way to write one that has the value.
    let Some(key) = key(&arg).filter(|_| !arg.is_hide_set()).map(str::to_owned) else {
        return arg;
    };
    match file.get(&key).map(|entry| &entry.value) {
        Some(Value::Texts(texts)) if key != MERGED => arg
            .required(false)
            .default_values(texts.clone())
            .hide_default_value(true),
        Some(Value::Switch(on)) if matches!(arg.get_action(), ArgAction::SetTrue) => {
            switch(arg, *on)
        }
        None if key == "artifact" && arg.get_long().is_some() => arg
            .required(false)
            .default_value(manifest(file))
            .hide_default_value(true),
        Some(Value::Texts(_) | Value::Switch(_) | Value::Pairs(_)) | None => arg,
    }
}

/// A switch that the file turns on is turned off by `--switch=false`.
fn switch(arg: Arg, on: bool) -> Arg {
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("true|false")
        .value_parser(clap::value_parser!(bool))
        .default_missing_value("true")
        .default_value(if on { "true" } else { "false" })
        .hide_default_value(true)
        .hide_possible_values(true)
}

/// The manifest that is deployed where the file does not name one: the one that `esb` writes.
fn manifest(file: &ProjectFile) -> String {
    let first = |key| file.texts(key).first().cloned();
    first("manifest").unwrap_or_else(|| {
        let output = first("output").unwrap_or_else(|| OUTPUT.to_owned());
        Path::new(&output).join(MANIFEST).display().to_string()
    })
}
