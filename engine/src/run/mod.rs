//! The loop: read the journal, fold, ask what is next, do it, record it.
//!
//! Async, but of no particular runtime. Here: the ports `World` and `Stamp`, the loop, the plan. Not here: rules (`machine`) and Docker (`docker`).

mod claims;
mod content;
mod deploy_journal;
mod documents;
mod drive;
#[cfg(test)]
mod golden;
mod image_plan;
mod images;
mod interrupt;
mod moved;
mod plan;
mod preparation;
mod prune;
mod record;
mod replay;
mod restore;
mod round;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
mod stream_fold;
#[cfg(test)]
mod tests;
mod values;
mod world;

pub use deploy_journal::{
    Author, DeployJournal, DeployJournalError, Stamp, deploy_events, fold, latest_deploy,
    latest_state, must_be_appendable, typed,
};
pub use documents::{document, document_bytes, healed_tags, images_in_effect};
pub use drive::{
    BeginOutcome, Outcome, Run, begin_or_resume, fail_attempt, resume, run_to_completion,
};
pub use image_plan::{Cause, PlannedImage, PlannedPrefix};
pub use interrupt::Interrupts;
pub use plan::{Plan, PlanBasis, PlanError, plan};
pub use preparation::{configuration, image_orders};
pub use prune::{KeepRule, PrunePlan, prune_plan, pruned_images};
pub use record::{DeployRecord, base_merged, deploy_record};
pub use replay::{Divergence, Replay};
pub use stream_fold::StreamFold;
pub use values::configuration_of;
pub use world::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, ImageTags, PrefixStatus, Publication,
    Published, Rekeyed, World,
};

use crate::contract::FunctionName;
use crate::machine::RecordedEvent;

/// What a run tells whoever watches it, as it happens. A replay of the journal tells the `RecordedEvent` ones again.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// An event is durable.
    RecordedEvent(&'a RecordedEvent),
    /// Every image has been looked up: which are in the registry, which have to be built and why.
    ImagesPlanned(&'a [PlannedImage]),
    /// A build has begun.
    BuildStarted(&'a FunctionName),
    /// A build, a push or a provisioner said something.
    Line {
        /// The function; none for the provisioner.
        function: Option<&'a FunctionName>,
        /// One line, without its end.
        text: &'a str,
    },
    /// A build has ended, well or not.
    BuildEnded(&'a FunctionName),
    /// A request to stop was heard; these builds are being finished first.
    Stopping {
        /// How many builds are in flight.
        in_flight: usize,
    },
}
