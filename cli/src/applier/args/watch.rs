//! The words of `watch`.

use super::{Receiving, TargetFlag};
use crate::applier::formats::EventFormat;

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Begin with this event [default: the beginning of the deploy that runs, else what comes next]
    #[arg(long, value_name = "SEQUENCE")]
    pub(crate) from: Option<u64>,
    /// Wait for a target that has no journal: its first deploy makes it
    #[arg(long)]
    pub(crate) new: bool,
    /// End with the deploy, with the exit code that it ends with
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// How events are written [default: text, or what --format says; with --post cloudevents]
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) event_format: Option<EventFormat>,
    #[command(flatten)]
    pub(crate) receiving: Receiving,
}
