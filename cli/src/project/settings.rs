//! Which keys a project file has: the flags of everything that generates or deploys, of both programs.

use std::collections::BTreeMap;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};

use crate::{applier, esb};

/// Flags that decide about one run and have no place in a file: what is asked, said once or agreed to.
const OF_ONE_RUN: [&str; 22] = [
    "accept-digest",
    "allow-unknown",
    "check",
    "dry-run",
    "exit-code",
    "force",
    "format",
    "help",
    "long",
    "message",
    "move-out",
    "new",
    "plan",
    "project-file",
    "quiet",
    "save",
    "share-out",
    "show",
    "supersede",
    "verbose",
    "version",
    "wait",
];

/// The commands whose flags are settings, by program.
const ARTIFACTCTL: [&[&str]; 3] = [&["deploy"], &["plan"], &["provision"]];
const ESB: [&[&str]; 2] = [&["artifact", "generate"], &["deploy"]];

/// A setting: a flag that may stand in the project file.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The flag without its dashes.
    pub(crate) key: String,
    /// How the parser calls it.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// The environment variable that gives it a value too.
    pub(crate) variable: Option<String>,
    /// What it is, in the words of the flag's help.
    pub(crate) help: String,
    /// How its value is called.
    pub(crate) value_name: String,
    /// What checks a value.
    pub(crate) parser: ValueParser,
    /// Whether its values are paths.
    pub(crate) is_path: bool,
    /// The programs that have the flag.
    pub(crate) programs: Vec<&'static str>,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Switch,
    /// One text or number.
    One,
    /// A text, or a list of texts.
    Many,
    /// A table of texts by name.
    Pairs,
}

/// Every setting, by its key.
pub(crate) fn settings() -> BTreeMap<String, Setting> {
    let mut found = BTreeMap::new();
    let programs = [
        (applier::args::Args::command(), &ARTIFACTCTL[..]),
        (esb::args::Args::command(), &ESB[..]),
    ];
    for (program, commands) in &programs {
        let name = if program.get_name() == "esb" {
            "esb"
        } else {
            "artifactctl"
        };
        add(&mut found, program, name);
        for words in *commands {
            if let Some(command) = below(program, words) {
                add(&mut found, command, name);
            }
        }
    }
    found.insert("target".to_owned(), target());
    found
}

/// The target is written as an argument more often than as a flag, and no command of the list above has it.
fn target() -> Setting {
    Setting {
        key: "target".to_owned(),
        id: "target".to_owned(),
        kind: Kind::One,
        variable: None,
        help: "The target, PROJECT/ENV, of commands that need one".to_owned(),
        value_name: "TARGET".to_owned(),
        parser: ValueParser::string(),
        is_path: false,
        programs: vec!["artifactctl"],
    }
}

fn below<'c>(program: &'c Command, words: &[&str]) -> Option<&'c Command> {
    words
        .iter()
        .try_fold(program, |command, word| command.find_subcommand(word))
}

fn add(found: &mut BTreeMap<String, Setting>, command: &Command, program: &'static str) {
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let Some(key) = arg.get_long().filter(|key| !OF_ONE_RUN.contains(key)) else {
            continue;
        };
        let setting = found
            .entry(key.to_owned())
            .or_insert_with(|| setting(key, arg));
        if !setting.programs.contains(&program) {
            setting.programs.push(program);
        }
    }
}

fn setting(key: &str, arg: &Arg) -> Setting {
    let value_name = arg
        .get_value_names()
        .and_then(<[_]>::first)
        .map(ToString::to_string)
        .unwrap_or_default();
    let is_repeatable = matches!(arg.get_action(), ArgAction::Append);
    let kind = if !arg.get_action().takes_values() {
        Kind::Switch
    } else if !is_repeatable {
        Kind::One
    } else if value_name.contains('=') {
        Kind::Pairs
    } else {
        Kind::Many
    };
    Setting {
        key: key.to_owned(),
        id: arg.get_id().to_string(),
        kind,
        variable: arg
            .get_env()
            .map(|name| name.to_string_lossy().into_owned()),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        parser: arg.get_value_parser().clone(),
        is_path: arg.get_value_hint() == ValueHint::AnyPath || value_name.contains("=PATH"),
        value_name,
        programs: Vec::new(),
    }
}

/// The settings of one program, by key.
pub(super) fn of_program(program: &str) -> Vec<Setting> {
    let settings = settings().into_values();
    settings
        .filter(|setting| setting.programs.contains(&program))
        .collect()
}

/// The arguments of `config`: every setting of the program, none of them needed.
pub(super) fn config_args(program: &Command) -> Vec<Arg> {
    let commands: &[&[&str]] = if program.get_name() == "esb" {
        &ESB
    } else {
        &ARTIFACTCTL
    };
    let mut found: Vec<Arg> = Vec::new();
    let commands = commands.iter().filter_map(|words| below(program, words));
    for arg in commands.flat_map(Command::get_arguments) {
        let is_setting = arg.get_long().is_some_and(|key| !OF_ONE_RUN.contains(&key));
        if is_setting && !found.iter().any(|known| known.get_id() == arg.get_id()) {
            found.push(arg.clone().required(false));
        }
    }
    if program.get_name() != "esb" {
        let target = target();
        found.push(
            Arg::new(target.id)
                .long(target.key)
                .value_name(target.value_name)
                .help(target.help),
        );
    }
    found
}

impl Setting {
    /// The default in words, as the help has it at its end: `[default: the manifest's project]`.
    pub(super) fn default_words(&self) -> Option<String> {
        let words = self.help.rsplit_once("[default: ")?.1;
        Some(words.trim_end_matches(']').to_owned())
    }

    /// Why a text is no value of this setting.
    pub(crate) fn refuses(&self, text: &str) -> Option<String> {
        let arg = Arg::new("value")
            .long(self.key.clone())
            .value_name(self.value_name.clone())
            .value_parser(self.parser.clone());
        let error = Command::new("project file")
            .no_binary_name(true)
            .arg(arg)
            .try_get_matches_from([format!("--{}={text}", self.key)])
            .err()?
            .to_string();
        let lines = error.lines().take_while(|line| !line.is_empty());
        let words: Vec<&str> = lines.map(str::trim).collect();
        Some(words.join(" ").trim_start_matches("error: ").to_owned())
    }
}
