//! The words of `artifactctl`. Every flag of it is declared here or in [`crate::args`], and nowhere else.

mod assert;
mod journals;
mod prune;
mod questions;
mod rollback;
mod saved;
mod sim;
mod target_forms;
mod values;
mod watch;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use engine::contract::Digest;
use serde::{Deserialize, Serialize};

use crate::applier::waiting::duration;
use crate::args::{Global, RegistryArgs};
use crate::schemas;

pub(crate) use assert::{Annotations, Assert};
pub(crate) use journals::{
    BackupArgs, DoctorArgs, Export, Import, JournalCommand, Lock, Receiving, RemoveArgs, Replay,
    RestoreArgs, StatsArgs,
};
pub(crate) use prune::PruneArgs;
pub(crate) use questions::{BlameArgs, DiffArgs, History, Past, Show, StacksArgs};
pub(crate) use rollback::RollbackArgs;
pub(crate) use saved::with_saved_plan;
pub(crate) use sim::SimArgs;
pub(crate) use target_forms::{TargetArgument, TargetFlag};
pub(crate) use values::{Builder, Compat, Compose};
pub(crate) use watch::Watch;

use values::{at_least_one, digest};

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
        Documentation: docs/guide/cli.md, or `artifactctl man`"
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
    #[command(
        alias = "preview",
        after_help = "Examples:\n  \
        artifactctl plan --artifact build/artifact.yml --out /srv/stack/config\n  \
        artifactctl plan --exit-code"
    )]
    Plan(Plan),
    /// Go on with the unfinished deploy of a target
    #[command(
        alias = "continue",
        after_help = "Examples:\n  \
        artifactctl resume\n  \
        artifactctl resume nc-shop/dev --explain"
    )]
    Resume(Resume),
    /// Deploy the recorded state of an earlier deploy again, without its artifact
    #[command(
        aliases = ["undo", "revert"],
        after_help = "Examples:\n  \
        artifactctl rollback --plan\n  \
        artifactctl rollback -m 'the new prices are wrong'\n  \
        artifactctl rollback f51e --target nc-shop/dev"
    )]
    Rollback(RollbackArgs),
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
        artifactctl history nc-shop/dev -n 5\n  \
        artifactctl history --function orders-place --since 2w --failed"
    )]
    History(History),
    /// Show one deploy, event by event
    #[command(aliases = ["describe", "inspect"], after_help = "Examples:\n  \
        artifactctl show\n  \
        artifactctl show f51e --target nc-shop/dev\n  \
        artifactctl show last-good~1")]
    Show(Show),
    /// Show what differs between two deploys, or between a deploy and what stands in its output directory
    #[command(after_help = "Examples:\n  \
        artifactctl diff\n  \
        artifactctl diff latest~1 latest\n  \
        artifactctl diff @{yesterday} latest --target nc-shop/dev")]
    Diff(DiffArgs),
    /// Show which deploy changed each field of a function, route or resource last, and who asked for it
    #[command(after_help = "Examples:\n  \
        artifactctl blame orders-place\n  \
        artifactctl blame 'GET /orders' --target nc-shop/dev")]
    Blame(BlameArgs),
    /// Show which versions of the stack were seen from when to when, and which deploys met them
    Stacks(StacksArgs),
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
    /// Compare the events of a deploy with patterns; exits 10 when they differ
    #[command(
        override_usage = "artifactctl assert [OPTIONS] [DEPLOY] <PATTERN>...\n       \
            artifactctl assert [OPTIONS] [DEPLOY] --file <FILE>",
        after_help = "A pattern is event kinds in order, each with `?`, `+`, `*` or `{2,4}` after it as wanted. `_` is any event, `...` any events, `!` negates, `|` and `( )` choose and group, `[ ]` asks for fields, and `within 30s` limits the time: docs/guide/assertions.md.\n\n\
        Examples:\n  artifactctl assert 'Requested Observed CompatChecked Merged ImagesKept? ImageBuilt* Applied'\n  \
        artifactctl assert latest '... Merged[changes.added>0] ImageBuilt{2,}[reused=false] Applied within 30s'\n  \
        artifactctl assert --file deploys.assert --junit report.xml"
    )]
    Assert(Assert),
    /// Decide recorded deploys again with this program; exits 10 where it would have decided otherwise
    #[command(after_help = "Examples:\n  \
        artifactctl replay shop.jsonl\n  \
        artifactctl replay --all --format json")]
    Replay(Replay),
    /// Deploy an artifact onto a simulated stack, without Docker, and print the events
    #[command(after_help = "Examples:\n  \
        artifactctl sim --artifact build/artifact.yml\n  \
        artifactctl sim --stack gateway=2.0.0 --expect 'Requested Observed CompatChecked Failed'\n  \
        artifactctl sim --fault publish:killed-after")]
    Sim(SimArgs),
    /// Export a target's journal as JSON lines
    Export(Export),
    /// Import an exported journal into an empty target
    Import(Import),
    /// Take care of journals
    #[command(subcommand)]
    Journal(JournalCommand),
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
    /// Show every setting, its value, and where it comes from: flag, environment, project file or default
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
    /// Print the JSON Schema of a type of JSON lines, or list the types
    #[command(after_help = "Examples:\n  \
        artifactctl schema\n  \
        artifactctl schema applied")]
    Schema {
        /// The type, as a line has it in `type`; or `export_line`, `saved_plan`
        #[arg(value_name = "TYPE", hide_possible_values = true, value_parser = PossibleValuesParser::new(schemas::NAMES))]
        name: Option<String>,
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
    /// Take the image with this digest although the journal recorded another under its content key; repeatable
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub(crate) accept_digest: Vec<Digest>,
    /// Compose project of the stack [default: the manifest's project]
    #[arg(long, value_name = "NAME")]
    pub(crate) compose_project: Option<String>,
    /// Whether a requirement that cannot be observed fails the check, or warns
    #[arg(long, value_enum, default_value_t = Compat::Strict)]
    pub(crate) compat: Compat,
    /// Treat warnings of the compatibility check, and of `esb deploy` about templates, as failures
    #[arg(long)]
    pub(crate) strict_warnings: bool,
    /// Keep configuration that earlier deploys wrote and this artifact no longer has
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// End before anything changes when configuration of ours was changed by hand, instead of overwriting it
    #[arg(long)]
    pub(crate) fail_on_drift: bool,
    /// Platform to build images for, such as linux/arm64 [default: the engine's]
    #[arg(long, value_name = "OS/ARCH", value_parser = engine::image::platform)]
    pub(crate) platform: Option<String>,
    /// Run the provisioner after publishing
    #[arg(long)]
    pub(crate) provision: bool,
    #[command(flatten)]
    pub(crate) out_args: OutArgs,
    #[command(flatten)]
    pub(crate) compose: Compose,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
}

/// What is agreed to about the output directory.
#[derive(Debug, Clone, Copy, Default, clap::Args, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OutArgs {
    /// Publish into another directory than the target's last deploy did; the old one stays as it is
    #[arg(long)]
    pub(crate) move_out: bool,
    /// Publish into the output directory of another target
    #[arg(long)]
    pub(crate) share_out: bool,
}

/// Who acts.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Who {
    /// Who is recorded as the actor [default: the CI's actor, else user and host]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) actor: Option<String>,
}

/// How images come into being. It changes no content key, so that it is no part of what is asked for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct BuildingArgs {
    /// Assemble images without an engine's builder, or have the engine build them
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Builder::Auto)]
    pub(crate) builder: Builder,
}

/// Who acts, and how much at a time.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Acting {
    #[command(flatten)]
    pub(crate) who: Who,
    /// Image builds at a time [default: twice the processors, at most 8]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) building: BuildingArgs,
    /// Say for every image why it is built, or that it is reused
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// How long a target is waited for that somebody else has.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct WaitArgs {
    /// Wait while somebody else holds the target, at most this long [10m when no time is given]
    #[arg(
        long = "wait",
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10m",
        value_parser = duration
    )]
    pub(crate) limit: Option<Duration>,
}

/// What follows a run that failed.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct OnFailureArgs {
    /// Deploy again what was in effect before, when publishing or provisioning fails
    #[arg(long)]
    pub(crate) rollback_on_failure: bool,
}

/// What becomes of an unfinished deploy of another request.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct SupersedeArgs {
    /// Give up an unfinished deploy that somebody else began, and deploy this instead
    #[arg(long)]
    pub(crate) supersede: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) acting: Acting,
    #[command(flatten)]
    pub(crate) supersede: SupersedeArgs,
    #[command(flatten)]
    pub(crate) on_failure: OnFailureArgs,
    /// Why, for the journal
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Show what would be done, touching nothing (the same as `plan`)
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do what a plan that was saved shows, or nothing
    #[arg(long = "plan", value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) plan_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) building: BuildingArgs,
    /// Say for every image why it is built, or that it is reused
    #[arg(long)]
    pub(crate) explain: bool,
    /// Exit 11 when a deploy would change something
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Save the plan, to be approved and deployed by `deploy --plan FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Show a plan that was saved
    #[arg(
        long = "show",
        value_name = "FILE",
        conflicts_with_all = ["exit_code", "save"]
    )]
    pub(crate) plan_file: Option<PathBuf>,
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
    pub(crate) on_failure: OnFailureArgs,
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
    /// Exit 11 when something is not what was applied, or a deploy is unfinished or failed; 9 when that cannot be known
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Record what is not as it was applied in the journal
    #[arg(long, conflicts_with = "at")]
    pub(crate) record: bool,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Show ids in full
    #[arg(long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// The head the journal must reach, SEQUENCE:HASH, as `deploy -v` and `status -v` print it
    #[arg(long, value_name = "HEAD")]
    pub(crate) head: Option<String>,
    /// Verify an exported file instead, where it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub(crate) export: Option<PathBuf>,
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
