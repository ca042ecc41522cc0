//! What is true of a target, folded from the events of its latest deploy.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::event::{
    Abandoned, Applied, Attempt, Base, CompatChecked, Event, Failed, ImageBuilt, Merged,
    ObservedStack, Requested,
};
use crate::contract::FunctionName;

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its sequence in the stream of the target.
    pub sequence: u64,
    /// The deploy it belongs to.
    pub deploy: Uuid,
    /// The event.
    pub event: Event,
}

/// The state of one target. Its history before the latest deploy is summed up in that deploy's `base`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The latest deploy; none when nothing was ever asked for.
    pub deploy: Option<Deploy>,
    /// The hold that a person has on the target.
    pub hold: Option<Hold>,
}

/// A person's hold on a target. While it is there nothing of a deploy can be recorded, so that nobody and nothing takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The id that its events carry: that of the unfinished deploy that is held, else one of its own.
    pub id: Uuid,
    /// The sequence of its event, whose envelope says who and since when.
    pub sequence: u64,
    /// Why.
    pub message: String,
}

/// The latest deploy of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// Its id.
    pub id: Uuid,
    /// The sequence of its first event.
    pub first: u64,
    /// What was asked for.
    pub request: Requested,
    /// Number of the current attempt.
    pub attempt: Attempt,
    /// How far the current attempt is.
    pub stage: Stage,
    /// What the current attempt observed.
    pub observed: Option<ObservedStack>,
    /// Images that the current attempt put, or found, in the registry.
    pub images: BTreeMap<FunctionName, ImageBuilt>,
    /// Images of earlier attempts of this deploy. Claims, to be proved before they are relied on.
    pub earlier_images: BTreeMap<FunctionName, ImageBuilt>,
    /// Sequence of the newest `Merged` event under which publishing was permitted, so that it may have begun.
    pub published_under: Option<u64>,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Asked for, or resumed.
    Requested,
    /// The stack has been looked at.
    Observed,
    /// The artifact has been checked against it.
    Checked(CompatChecked),
    /// The configuration is known; images may be outstanding.
    Merged {
        /// Sequence of the event.
        sequence: u64,
        /// The event.
        merged: Merged,
    },
    /// Done. Terminal.
    Applied(Applied),
    /// The attempt ended; a resume goes on, an abandon ends it.
    Failed(Failed),
    /// Given up. Terminal.
    Abandoned(Abandoned),
}

impl State {
    /// The latest deploy, when it is neither applied nor abandoned.
    pub fn unfinished(&self) -> Option<&Deploy> {
        self.deploy
            .as_ref()
            .filter(|deploy| !deploy.stage.is_terminal())
    }

    /// The id that the next event carries when it goes on with what is there: that of the hold, or of the unfinished deploy.
    pub(crate) fn open_id(&self) -> Option<Uuid> {
        let hold = self.hold.as_ref().map(|hold| hold.id);
        hold.or_else(|| self.unfinished().map(|deploy| deploy.id))
    }

    /// The id that an event carries; none when it begins something and needs one of its own.
    pub(crate) fn id_for(&self, event: &Event) -> Option<Uuid> {
        match event {
            Event::Requested(_) => None,
            Event::Held(_) => self.open_id(),
            Event::Observed(_)
            | Event::CompatChecked(_)
            | Event::Merged(_)
            | Event::ImageBuilt(_)
            | Event::Applied(_)
            | Event::Failed(_)
            | Event::Resumed(_)
            | Event::Abandoned(_)
            | Event::TakenOver(_)
            | Event::Released(_) => self
                .open_id()
                .or_else(|| self.deploy.as_ref().map(|deploy| deploy.id)),
        }
    }

    /// The deploy whose keys may stand in the output directory when the next deploy begins.
    pub fn base(&self) -> Option<Base> {
        let deploy = self.deploy.as_ref()?;
        let applied = matches!(deploy.stage, Stage::Applied(_));
        match deploy.published_under {
            Some(merged) => Some(Base {
                deploy: deploy.id,
                merged,
                applied,
            }),
            None => deploy.request.base.clone(),
        }
    }
}

impl Deploy {
    /// The functions whose images the current attempt still owes to the registry.
    pub fn pending(&self) -> BTreeSet<&FunctionName> {
        match &self.stage {
            Stage::Merged { merged, .. } => merged
                .images
                .iter()
                .filter(|function| !self.images.contains_key(*function))
                .collect(),
            Stage::Requested
            | Stage::Observed
            | Stage::Checked(_)
            | Stage::Applied(_)
            | Stage::Failed(_)
            | Stage::Abandoned(_) => BTreeSet::new(),
        }
    }
}

impl Stage {
    /// Nothing may follow.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Applied(_) | Self::Abandoned(_) => true,
            Self::Requested
            | Self::Observed
            | Self::Checked(_)
            | Self::Merged { .. }
            | Self::Failed(_) => false,
        }
    }

    /// The stage's name, as people read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Observed => "observed",
            Self::Checked(_) => "checked",
            Self::Merged { .. } => "merged",
            Self::Applied(_) => "applied",
            Self::Failed(_) => "failed",
            Self::Abandoned(_) => "abandoned",
        }
    }
}
