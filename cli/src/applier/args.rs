//! The words of `artifactctl`. Every flag of it is declared here or in [`crate::args`], and nowhere else.

mod target_forms;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use engine::compat::Policy;

use crate::args::{Global, RegistryArgs};

pub(crate) use target_forms::{TargetArgument, TargetFlag};

/// The latest deploy of a target.
const LATEST: &str = "latest";

/// Deploys artifacts onto a running stack; every deploy is a journal of events that can be resumed and read.
#[derive(Debug, Parser)]
#[command(
    name = "artifactctl",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        artifactctl init\n  \
        artifactctl plan\n  \
        artifactctl deploy --artifact build/artifact.yml --out /srv/stack/config\n  \
        artifactctl status\n\n\
        Documentation: docs/cli.md, or `artifactctl man`"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deploy an artifact onto the running stack, or go on with its unfinished deploy
    #[command(aliases = ["apply", "up"], after_help = "Examples:\n  \
        artifactctl deploy --artifact build/artifact.yml --out /srv/stack/config\n  \
        artifactctl deploy --artifact build/artifact.yml --out /srv/stack/config --dry-run")]
    Deploy(Deploy),
    /// Show what a deploy would do, touching nothing
    #[command(aliases = ["diff", "preview"], after_help = "Examples:\n  \
        artifactctl plan --artifact build/artifact.yml --out /srv/stack/config\n  \
        artifactctl plan --exit-code")]
    Plan(Plan),
    /// Go on with the unfinished deploy of a target
    #[command(
        alias = "continue",
        after_help = "Examples:\n  \
        artifactctl resume\n  \
        artifactctl resume nc-shop/dev --explain"
    )]
    Resume(Resume),
    /// Give up the unfinished deploy of a target; nothing is undone
    #[command(
        alias = "cancel",
        after_help = "Example:\n  \
        artifactctl abandon nc-shop/dev -m 'the artifact was wrong'"
    )]
    Abandon(Abandon),
    /// Show how each target stands
    #[command(aliases = ["ls", "list", "ps"], after_help = "Examples:\n  \
        artifactctl status\n  \
        artifactctl status nc-shop/dev --exit-code")]
    Status(Status),
    /// List deploys, newest first: who applied which artifact when, against which stack versions
    #[command(
        alias = "log",
        after_help = "Examples:\n  \
        artifactctl history\n  \
        artifactctl history nc-shop/dev -n 5"
    )]
    History(History),
    /// Show one deploy, event by event
    #[command(aliases = ["describe", "inspect"], after_help = "Examples:\n  \
        artifactctl show\n  \
        artifactctl show f51e --target nc-shop/dev")]
    Show(Show),
    /// Follow a target live: print events as they are recorded, whoever records them, until Ctrl-C
    #[command(aliases = ["tail", "follow"], after_help = "Examples:\n  \
        artifactctl watch esb-dev/dev\n  \
        artifactctl watch esb-dev/dev --exit-code --format json")]
    Watch(Watch),
    /// Keep a target from being deployed to, and see who does
    #[command(subcommand)]
    Lock(Lock),
    /// Check that a journal is whole: its hash chain, and that each event may follow the ones before it
    Verify(Verify),
    /// Compare the events of a deploy with a pattern; exits 10 when they differ
    #[command(
        after_help = "A pattern is event kinds in order, each with `?`, `+` or `*` after it as wanted; `_` is any kind.\n\n\
        Example:\n  artifactctl assert latest 'Requested Observed CompatChecked Merged ImageBuilt+ Applied'"
    )]
    Assert(Assert),
    /// Export a target's journal as JSON lines
    Export(Export),
    /// Import an exported journal into an empty target
    Import(Import),
    /// Check or complete a manifest
    #[command(subcommand)]
    Manifest(Manifest),
    /// Check an artifact against the payload contract; the same as `manifest validate`
    #[command(hide = true)]
    Validate {
        /// The manifest, artifact.yml
        #[arg(long, value_name = "PATH")]
        artifact: PathBuf,
        /// Keep keys and folders of the artifact that look like misspellings, with a warning
        #[arg(long)]
        allow_unknown: bool,
    },
    /// Run the stack's one-shot provisioner
    Provision(Provision),
    /// Write a project file from what lies here and what runs; a file that is there stays as it is
    Init,
    /// Show every setting, its value, and where the value comes from: a flag, the environment, the project file, a default
    Config,
    /// Print the manual, or write a page for each command into a directory
    #[command(after_help = "Examples:\n  \
        artifactctl man | man -l -\n  \
        artifactctl man --dir /usr/local/share/man/man1")]
    Man {
        /// The directory; it must exist
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a deploy and a plan have in common.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Request {
    /// The manifest, artifact.yml
    #[arg(long, value_name = "PATH")]
    pub(crate) artifact: PathBuf,
    /// Keep keys and folders of the artifact that look like misspellings, with a warning
    #[arg(long)]
    pub(crate) allow_unknown: bool,
    #[command(flatten)]
    pub(crate) applying: Applying,
}

/// Where an artifact is applied, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Applying {
    /// The stack's configuration directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// File of KEY=value lines that holds the secrets the artifact requires; only names are ever recorded
    #[arg(long, value_name = "PATH")]
    pub(crate) secret_env: Option<PathBuf>,
    /// Build images even when the registry has them
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Compose project of the stack [default: the manifest's project]
    #[arg(long, value_name = "NAME")]
    pub(crate) compose_project: Option<String>,
    /// Whether a requirement that cannot be observed fails the check, or warns
    #[arg(long, value_enum, default_value_t = Compat::Strict)]
    pub(crate) compat: Compat,
    /// Treat warnings of the compatibility check as failures
    #[arg(long)]
    pub(crate) strict_warnings: bool,
    /// Keep configuration that earlier deploys wrote and this artifact no longer has
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Platform to build images for, such as linux/arm64 [default: the engine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Run the provisioner after publishing
    #[arg(long)]
    pub(crate) provision: bool,
    #[command(flatten)]
    pub(crate) compose: Compose,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
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

/// Who acts.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Who {
    /// Who is recorded as the actor [default: the CI's actor, else user and host]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) actor: Option<String>,
}

/// Who acts, and how much at a time.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Acting {
    #[command(flatten)]
    pub(crate) who: Who,
    /// Image builds at a time [default: twice the processors, at most 8]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Say for every image why it is built, or that it is reused
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) acting: Acting,
    /// Why, for the journal
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Show what would be done, touching nothing (the same as `plan`)
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) request: Request,
    /// Exit 11 when a deploy would change something
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The target, PROJECT/ENV [default: the only one with an unfinished deploy]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    #[command(flatten)]
    pub(crate) acting: Acting,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Abandon {
    /// The target, PROJECT/ENV [default: the only one with an unfinished deploy]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Why, for the journal
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Exit 11 when the output directory is not what was applied, or a deploy is unfinished or failed
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Show at most this many deploys
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    pub(crate) limit: NonZeroUsize,
    #[command(flatten)]
    pub(crate) past: Past,
}

/// A moment of the past.
#[derive(Debug, clap::Args)]
pub(crate) struct Past {
    /// Read the journal of one target as it was when it ended with this event
    #[arg(long, value_name = "SEQUENCE")]
    pub(crate) at: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// A deploy: its id, the first or last digits of it, or `latest`
    #[arg(default_value = LATEST)]
    pub(crate) deploy: String,
    /// The target, PROJECT/ENV [default: the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The target, PROJECT/ENV [default: the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Begin with this event [default: the beginning of the deploy that runs, else what comes next]
    #[arg(long, value_name = "SEQUENCE")]
    pub(crate) from: Option<u64>,
    /// End with the deploy, with the exit code that it ends with
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Whose a target is.
#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Hold a target: nothing is deployed, resumed or abandoned until it is released; refused while a deploy runs
    Hold {
        /// The target, PROJECT/ENV [default: the only one]
        target: Option<String>,
        #[command(flatten)]
        target_flag: TargetFlag,
        /// Why, for whoever is refused and for the journal
        #[arg(long, short, value_name = "TEXT")]
        message: String,
        /// Hold a target that has no journal
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Release a target that is on hold, whoever holds it
    Release {
        /// The target, PROJECT/ENV [default: the only one]
        target: Option<String>,
        #[command(flatten)]
        target_flag: TargetFlag,
        /// Why, for the journal
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Show who holds each target: a person, a process, or nobody
    Status {
        /// The target, PROJECT/ENV [default: all]
        target: Option<String>,
        #[command(flatten)]
        target_flag: TargetFlag,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// The head the journal must reach, SEQUENCE:HASH, as a run printed it
    #[arg(long, value_name = "HEAD")]
    pub(crate) head: Option<String>,
    /// Verify an exported file instead, where it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub(crate) export: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Assert {
    /// A deploy: its id, the first or last digits of it, or `latest`
    pub(crate) deploy: String,
    /// Event kinds in order, as the deploy must have them
    pub(crate) pattern: String,
    /// The target, PROJECT/ENV [default: the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The target, PROJECT/ENV [default: the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Write to this file, which is replaced when the export is complete [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Export what is left of a journal that lost its last events
    #[arg(long)]
    pub(crate) damaged: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The exported file; `-` is standard input
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Manifest {
    /// Check an artifact against the payload contract
    Validate {
        /// The manifest, artifact.yml
        #[arg(long, value_name = "PATH")]
        artifact: PathBuf,
        /// Keep keys and folders of the artifact that look like misspellings, with a warning
        #[arg(long)]
        allow_unknown: bool,
    },
    /// Write the computed ids into a manifest
    SyncIds {
        /// The manifest, artifact.yml
        #[arg(long, value_name = "PATH")]
        artifact: PathBuf,
        /// Change nothing; exit 10 when an id is missing or wrong
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Provision {
    /// Compose project of the stack
    #[arg(long, value_name = "NAME")]
    pub(crate) compose_project: Option<String>,
    #[command(flatten)]
    pub(crate) compose: Compose,
}
