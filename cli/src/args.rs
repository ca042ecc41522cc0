//! Flags that commands of both programs take.

use std::path::PathBuf;

use clap::{ArgAction, ValueEnum};
use engine::image::Registries;

use crate::failure::{Failure, Kind};

/// What help calls the flags of every command.
const GLOBAL: &str = "Global options";

/// What help calls the names of the registry.
const REGISTRY: &str = "The stack's registry, each as HOST[:PORT]";

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
    /// The project file, which holds values of flags [default: artifactctl.toml in the current folder, where there is one]
    #[arg(
        long,
        global = true,
        env = crate::project::VARIABLE,
        hide_env_values = true,
        value_name = "PATH",
        help_heading = GLOBAL
    )]
    pub(crate) project_file: Option<PathBuf>,
    /// How results are written to standard output: for people, one JSON object a line, or of `plan` as Markdown
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = GLOBAL)]
    pub(crate) format: Format,
    /// Log more to standard error; repeat for still more
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
    /// Say nothing of what is being done: warnings, errors and the result stay
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people.
    Text,
    // One object a line.
    Json,
    // For a comment on a change that is proposed.
    Markdown,
}

/// The stack's registry under its names.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RegistryArgs {
    /// The stack's registry as its containers know it
    #[arg(
        long,
        env = "CONTAINER_REGISTRY",
        hide_env_values = true,
        value_name = "HOST",
        help_heading = REGISTRY
    )]
    pub(crate) container_registry: Option<String>,
    /// The same registry as this host knows it: builds pull from it and push to it
    #[arg(
        long,
        env = "HOST_REGISTRY_ADDR",
        hide_env_values = true,
        value_name = "HOST",
        help_heading = REGISTRY
    )]
    pub(crate) host_registry: Option<String>,
    /// Stands in for whichever of the two names is not given
    #[arg(
        long,
        env = "REGISTRY",
        hide_env_values = true,
        value_name = "HOST",
        help_heading = REGISTRY
    )]
    pub(crate) fallback_registry: Option<String>,
}

impl RegistryArgs {
    /// The names, read.
    pub(crate) fn registries(&self) -> Result<Registries, Failure> {
        Registries::new(
            self.container_registry.as_deref(),
            self.host_registry.as_deref(),
            self.fallback_registry.as_deref(),
        )
        .map_err(|error| Failure::of(Kind::Usage, &error))
    }
}
