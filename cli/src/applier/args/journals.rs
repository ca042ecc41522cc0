//! The words of what is done about journals: holds, copies, removal.

use std::path::PathBuf;

use clap::Subcommand;

use super::prune::PruneArgs;
use super::{TargetFlag, Who};
use crate::applier::formats::EventFormat;

/// Whose a target is.
#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Hold a target until it is released: nobody deploys, resumes or abandons; refused during a deploy
    Hold {
        /// The target, PROJECT/ENV [default: that of this folder, or the only one]
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
        /// The target, PROJECT/ENV [default: that of this folder, or the only one]
        target: Option<String>,
        #[command(flatten)]
        target_flag: TargetFlag,
        /// Why, for the journal
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
        /// Agree to release what somebody else holds; needed where nobody can be asked
        #[arg(long)]
        yes: bool,
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
pub(crate) struct Export {
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Write to this file, which is replaced when the export is complete [default: standard output]
    #[arg(long, short, value_name = "FILE", conflicts_with = "post")]
    pub(crate) output: Option<PathBuf>,
    /// Export what is left of a journal that lost its last events
    #[arg(long)]
    pub(crate) damaged: bool,
    /// How events are written; `import` and `verify` read `jsonl` alone [default: jsonl, with --post cloudevents]
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) event_format: Option<EventFormat>,
    #[command(flatten)]
    pub(crate) receiving: Receiving,
}

/// Who else is told of events.
#[derive(Debug, clap::Args)]
pub(crate) struct Receiving {
    /// The URI of where the events happen, their `source` [default: artifactctl:PROJECT/ENV]
    #[arg(long, value_name = "URI")]
    pub(crate) source: Option<String>,
    /// Send the events that this receiver has not got yet, as CloudEvents over HTTP
    #[arg(long, value_name = "URL")]
    pub(crate) post: Option<String>,
    /// Where it is kept up to which event the receiver has got them [default: a file in the state directory]
    #[arg(long, value_name = "FILE", requires = "post")]
    pub(crate) position: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The exported file; `-` is standard input
    pub(crate) file: PathBuf,
}

/// What is done about a journal as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Remove the journal of a target, unless a hold, process, unfinished deploy or configuration needs it
    #[command(after_help = "Example:\n  \
        artifactctl export nc-shop/old -o old.jsonl && artifactctl journal remove nc-shop/old")]
    Remove(RemoveArgs),
    /// Remove the oldest deploys of a journal: the rest still verifies, and an event says what went
    #[command(after_help = "Examples:\n  \
        artifactctl journal prune nc-shop/dev --keep 90d --dry-run\n  \
        artifactctl journal prune nc-shop/dev --keep-deploys 100 -m 'we keep 100 deploys'\n  \
        artifactctl journal prune nc-shop/dev --images --dry-run")]
    Prune(PruneArgs),
    /// Show what each journal holds and takes: events, deploys, bytes, since when, unfinished deploys
    #[command(after_help = "Examples:\n  \
        artifactctl journal stats\n  \
        artifactctl journal stats nc-shop/dev --format json")]
    Stats(StatsArgs),
    /// Write one file with the journals of all targets, or of some; also while somebody deploys
    #[command(after_help = "Examples:\n  \
        artifactctl journal backup journals.backup\n  \
        artifactctl journal backup --force journals.backup nc-shop/dev\n  \
        artifactctl journal backup - | ssh elsewhere 'cat > journals.backup'")]
    Backup(BackupArgs),
    /// Restore the journals of a backup: all of them or some, each as a whole
    #[command(after_help = "Examples:\n  \
        artifactctl journal restore journals.backup --dry-run\n  \
        artifactctl journal restore journals.backup nc-shop/dev")]
    Restore(RestoreArgs),
    /// Say why a deploy cannot go on or a journal does not open, and what mends it; changes nothing
    #[command(after_help = "Examples:\n  \
        artifactctl journal doctor\n  \
        artifactctl journal doctor nc-shop/dev --format json")]
    Doctor(DoctorArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// The file; `-` is standard output
    pub(crate) file: PathBuf,
    /// The targets, PROJECT/ENV [default: all]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The backup; `-` is standard input
    pub(crate) file: PathBuf,
    /// The targets, PROJECT/ENV [default: all that the backup holds]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Verify the backup and show what would be restored, touching nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatsArgs {
    /// The target, PROJECT/ENV [default: all]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// The target, PROJECT/ENV
    pub(crate) target: String,
    /// Remove it although the configuration that it published stands; nothing owns that afterwards
    #[arg(long)]
    pub(crate) orphan: bool,
    /// Agree; needed where nobody can be asked
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// An exported journal; `-` is standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) file: Option<PathBuf>,
    /// Replay every target of the journal
    #[arg(long)]
    pub(crate) all: bool,
}
