//! What is true of a target, folded from the events of its latest deploy.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::event::Event;
use super::payload::{
    Abandoned, Applied, Attempt, Base, CompatChecked, Failed, ImageBuilt, ImagesKept, Merged,
    ObservedStack, OwedImages, Requested,
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
    /// Images that are kept as an earlier deploy recorded them, once the current attempt has looked.
    pub kept: Option<ImagesKept>,
    /// Images that the current attempt put, or found, in the registry.
    pub images: BTreeMap<FunctionName, ImageBuilt>,
    /// Images of earlier attempts of this deploy, and of this one before the stack changed. Claims, to be proved before they are relied on.
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
            Event::Requested(_) | Event::DriftFound(_) | Event::Pruned(_) => None,
            Event::Held(_) => self.open_id(),
            Event::Observed(_)
            | Event::CompatChecked(_)
            | Event::Merged(_)
            | Event::ImagesKept(_)
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
        let applied = deploy.stage.applied();
        match deploy.published_under {
            Some(merged) => Some(Base {
                deploy: deploy.id,
                merged,
                applied: applied.is_some(),
                images: applied.and_then(|applied| applied.images.clone()),
            }),
            None => deploy.request.base.clone(),
        }
    }
}

/// The images that an attempt still owes to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending<'a> {
    /// Those of these functions.
    Functions(BTreeSet<&'a FunctionName>),
    /// Those of this many functions, as a document names them. None of them has been looked up.
    Document(u64),
}

impl Pending<'_> {
    /// Nothing is pending.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Functions(functions) => functions.is_empty(),
            Self::Document(count) => *count == 0,
        }
    }

    /// How many images are pending.
    pub fn count(&self) -> u64 {
        match self {
            Self::Functions(functions) => functions.len() as u64,
            Self::Document(count) => *count,
        }
    }

    /// The image of this function is pending, and known by name.
    pub fn names(&self, function: &FunctionName) -> bool {
        match self {
            Self::Functions(functions) => functions.contains(function),
            Self::Document(_) => false,
        }
    }
}

impl Deploy {
    /// It was asked for on another machine, and came with an import whose last event has this sequence (0: there was none). The paths,
    /// files and programs that it names are not those of this machine: it can be abandoned, and never resumed.
    pub fn is_imported(&self, until: u64) -> bool {
        self.first <= until
    }

    /// The images that the current attempt still owes to the registry.
    pub fn pending(&self) -> Pending<'_> {
        let Some(merged) = self.stage.merged() else {
            return Pending::Functions(BTreeSet::new());
        };
        let pending = match (&self.kept, &merged.images) {
            (Some(kept), _) => &kept.pending,
            (None, OwedImages::Stated(functions)) => functions,
            (None, OwedImages::Document { count, .. }) => return Pending::Document(*count),
        };
        let missing = |function: &&FunctionName| !self.images.contains_key(*function);
        Pending::Functions(pending.iter().filter(missing).collect())
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

    /// An attempt goes on: it can fail.
    pub fn is_running(&self) -> bool {
        match self {
            Self::Requested | Self::Observed | Self::Checked(_) | Self::Merged { .. } => true,
            Self::Applied(_) | Self::Failed(_) | Self::Abandoned(_) => false,
        }
    }

    /// What was merged, while that is the stage.
    pub fn merged(&self) -> Option<&Merged> {
        if let Self::Merged { merged, .. } = self {
            Some(merged)
        } else {
            None
        }
    }

    /// What was published, once that is the stage.
    pub fn applied(&self) -> Option<&Applied> {
        if let Self::Applied(applied) = self {
            Some(applied)
        } else {
            None
        }
    }

    /// Why the attempt failed, once that is the stage.
    pub fn failed(&self) -> Option<&Failed> {
        if let Self::Failed(failed) = self {
            Some(failed)
        } else {
            None
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
