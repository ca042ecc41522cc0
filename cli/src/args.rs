//! Flags that every command of every program takes.

use std::path::PathBuf;

use clap::{ArgAction, ValueEnum};

/// What help calls the flags of every command.
const GLOBAL: &str = "Global options";

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Directory of the journal [default: artifactctl/journal in the state directory]
    #[arg(
        long,
        global = true,
        env = "ARTIFACTCTL_JOURNAL",
        hide_env_values = true,
        value_name = "DIR",
        help_heading = GLOBAL
    )]
    pub(crate) journal: Option<PathBuf>,
    /// How results are written to standard output: for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = GLOBAL)]
    pub(crate) format: Format,
    /// Log more to standard error; repeat for still more
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people.
    Text,
    // One object a line.
    Json,
}
