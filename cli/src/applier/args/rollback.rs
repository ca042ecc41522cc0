//! The words of a rollback.

use super::{Acting, Builder, BuildingArgs, Compat, SupersedeArgs, TargetArgument, WaitArgs, Who};
use crate::args::RegistryArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// The deploy to go back to, as `show` names it [default: the one before the last that was applied; `last-good` when a later one was not]
    pub(crate) deploy: Option<String>,
    /// The target, PROJECT/ENV [default: that of this folder, or the only one]
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) target_argument: TargetArgument,
    /// Show what would be done, touching nothing
    #[arg(long, visible_alias = "dry-run")]
    pub(crate) plan: bool,
    /// Why, for the journal
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Whether a requirement that cannot be observed fails the check, or warns [default: as that deploy]
    #[arg(long, value_enum)]
    pub(crate) compat: Option<Compat>,
    /// End before anything changes when configuration of ours was changed by hand, instead of overwriting it
    #[arg(long)]
    pub(crate) fail_on_drift: bool,
    #[command(flatten)]
    pub(crate) supersede: SupersedeArgs,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Say for every image that it is reused
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
}

impl RollbackArgs {
    /// Who acts. Nothing is built.
    pub(crate) fn acting(&self) -> Acting {
        Acting {
            who: self.who.clone(),
            jobs: None,
            building: BuildingArgs {
                builder: Builder::Engine,
            },
            explain: self.explain,
            wait: self.wait,
        }
    }
}
