//! The words of `journal prune`.

use std::num::NonZeroU64;

use jiff::Timestamp;

use super::questions::moment;
use super::{TargetFlag, Who};

#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_flag: TargetFlag,
    /// Keep the deploys since then: `90d`, `12w`, a date
    #[arg(long, value_name = "AGE", value_parser = moment, required_unless_present_any = ["keep_deploys", "images"])]
    pub(crate) keep: Option<Timestamp>,
    /// Keep the last N deploys; with --keep, whatever either of them keeps
    #[arg(long, value_name = "N")]
    pub(crate) keep_deploys: Option<NonZeroU64>,
    /// Delete the images that earlier prunes left without a name from the registry, and prune nothing
    #[arg(long, conflicts_with_all = ["keep", "keep_deploys", "message"])]
    pub(crate) images: bool,
    /// Why, for the journal
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Show what would go, touching nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Agree; needed where nobody can be asked
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) who: Who,
}
