//! The words of `esb`. What it has in common with `artifactctl` is declared there, once.

use clap::{Parser, Subcommand};

use crate::applier::args::Deploy;
use crate::args::Global;

/// Turns templates into artifacts, and deploys them onto a running stack.
#[derive(Debug, Parser)]
#[command(name = "esb", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Work with artifacts
    #[command(subcommand)]
    Artifact(Artifact),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    /// Deploy an artifact that is there; the same as `artifactctl deploy`
    #[command(after_help = "Example:\n  \
        esb artifact apply --artifact build/artifact.yml --out /srv/stack/config")]
    Apply(Deploy),
}
