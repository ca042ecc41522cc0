//! The tables of `docs/guide/cli.md`, made from the declarations. `SNAPSHOTS=overwrite` writes them anew.

use std::fmt::Write as _;

use clap::{Arg, CommandFactory};
use producer::testing::check_page;

use crate::applier;
use crate::esb;
use crate::output::Type;
use crate::project::{self, Kind};

fn check(name: &str, made: &str) {
    check_page("docs/guide/cli.md", "cli/src/documented.rs", name, made);
}

/// Every command with its words, subcommands in their parent's place.
fn commands(parent: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    for command in parent.get_subcommands() {
        let words = format!("{words} {}", command.get_name());
        if command.has_subcommands() {
            commands(command, &words, found);
        } else {
            found.push((words, command.clone()));
        }
    }
}

/// One argument as a row: how it is written, and what it is.
fn row(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .and_then(<[_]>::first)
        .map(|name| format!(" <{name}>"))
        .unwrap_or_default();
    let takes_value = arg.get_action().takes_values();
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let written = if takes_value {
        // A value that must stand right behind the name can be left out.
        if arg.is_require_equals_set() {
            format!("{name}[={}]", value.trim())
        } else {
            format!("{name}{value}").trim().to_owned()
        }
    } else {
        name
    };
    let mut help = arg
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|");
    if takes_value && !arg.is_hide_possible_values_set() {
        let possible: Vec<String> = arg
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !possible.is_empty() {
            write!(help, ": {}", possible.join(", ")).unwrap();
        }
        for default in arg.get_default_values() {
            write!(help, " [default: {}]", default.to_string_lossy()).unwrap();
        }
    }
    let needed = if arg.is_required_set() { "yes" } else { "" };
    format!("| `{written}` | {needed} | {help} |\n")
}

/// The commands of a program, each with its arguments.
fn sections(program: &clap::Command) -> String {
    let mut found = Vec::new();
    commands(program, program.get_name(), &mut found);
    let mut made = String::new();
    for (words, command) in found {
        let about = command.get_about().map(ToString::to_string);
        write!(made, "\n### `{words}`\n\n{}.\n", about.unwrap_or_default()).unwrap();
        let args: Vec<&Arg> = command.get_arguments().collect();
        if !args.is_empty() {
            made.push_str("\n| argument | needed | what it is |\n|---|---|---|\n");
        }
        for arg in args {
            made.push_str(&row(arg));
        }
    }
    made.push('\n');
    made
}

#[test]
fn the_documented_commands_are_those_of_the_declarations() {
    let tool = applier::args::Args::command();
    let mut made = String::from(
        "\nFlags of every command:\n\n| flag | needed | what it is |\n|---|---|---|\n",
    );
    for arg in tool.get_arguments().filter(|arg| arg.is_global_set()) {
        made.push_str(&row(arg));
    }
    made.push_str(&sections(&tool));
    check("commands", &made);
    check("esb", &sections(&esb::args::Args::command()));
}

#[test]
fn the_documented_types_of_json_lines_are_those_of_the_code() {
    let mut made = String::from("| type | written by | says |\n|---|---|---|\n");
    for kind in Type::ALL {
        let name = serde_json::to_value(kind).unwrap();
        let (by, says) = kind.documented();
        writeln!(made, "| `{}` | {by} | {says} |", name.as_str().unwrap()).unwrap();
    }
    check("types", &made);
}

/// What a value looks like in the project file.
fn written(kind: Kind) -> &'static str {
    match kind {
        Kind::Switch => "`true` or `false`",
        Kind::One => "a text",
        Kind::Many => "a text, or a list",
        Kind::Pairs => "a table",
    }
}

#[test]
fn the_documented_settings_are_the_flags_of_the_declarations() {
    let mut made = String::from("| key | value | of | what it is |\n|---|---|---|---|\n");
    for (key, setting) in project::settings() {
        let (value, help) = (written(setting.kind), setting.help.replace('|', "\\|"));
        let programs: Vec<String> = setting
            .programs
            .iter()
            .map(|program| format!("`{program}`"))
            .collect();
        writeln!(
            made,
            "| `{key}` | {value} | {} | {help} |",
            programs.join(", ")
        )
        .unwrap();
    }
    check("settings", &made);
}
