//! Values of flags, and the flags of Compose.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use engine::compat::Policy;
use engine::contract::Digest;
use engine::docker::BuilderChoice;
use serde::{Deserialize, Serialize};

/// A digest as a plan prints it.
pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text)
        .ok_or_else(|| "a digest is `sha256:` and 64 lowercase hexadecimal digits".to_owned())
}

/// A number of builds at a time.
pub(super) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>();
    number.map_err(|_| "must be a whole number, at least 1".to_owned())
}

/// How Compose is called for the provisioner.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Compose {
    /// Compose file of the stack; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) compose_file: Vec<PathBuf>,
    /// Compose's environment file
    #[arg(long, value_name = "PATH")]
    pub(crate) env_file: Option<PathBuf>,
    /// Compose's project directory
    #[arg(long, value_name = "DIR")]
    pub(crate) project_dir: Option<PathBuf>,
    /// Let Compose start what the provisioner depends on
    #[arg(long)]
    pub(crate) with_deps: bool,
}

/// How unknowns are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    // They fail.
    Strict,
    // They warn.
    Lenient,
}

impl From<Compat> for Policy {
    fn from(compat: Compat) -> Self {
        match compat {
            Compat::Strict => Self::Strict,
            Compat::Lenient => Self::Lenient,
        }
    }
}

/// What makes images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Builder {
    // Comments and no documentation: help with a paragraph for each value makes all of it long.
    // Assembled where that is possible, else built by the engine.
    Auto,
    // Assembled; a Dockerfile that needs a builder ends the deploy.
    Assemble,
    // Built by the engine.
    Engine,
}

impl From<Builder> for BuilderChoice {
    fn from(builder: Builder) -> Self {
        match builder {
            Builder::Auto => Self::Auto,
            Builder::Assemble => Self::Assemble,
            Builder::Engine => Self::Engine,
        }
    }
}
