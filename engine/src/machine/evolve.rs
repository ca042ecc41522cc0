//! The only transition table: used when an event is written and when a journal is read.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::event::Event;
use super::payload::{ImageBuilt, ImagesKept, ObservedStack, Requested, Resumed};
use super::state::{Deploy, Hold, Pending, RecordedEvent, Stage, State};
use crate::compat::Verdict;

/// An event that cannot follow the state it meets. In a journal this is damage, or a newer tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` cannot follow when the deploy is {stage}")]
pub struct Illegal {
    /// The event's kind.
    pub kind: &'static str,
    /// The stage it met.
    pub stage: &'static str,
}

/// Folds events, oldest first, from nothing.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> Result<State, Illegal> {
    events.into_iter().try_fold(State::default(), evolve)
}

/// The state after one more event.
pub fn evolve(state: State, event: &RecordedEvent) -> Result<State, Illegal> {
    let illegal = Illegal {
        kind: event.event.kind(),
        stage: state.standing(),
    };
    if let Some(state) = locked(&state, event) {
        return Ok(state);
    }
    if state.hold.is_some() {
        return Err(illegal);
    }
    if let Event::Requested(request) = &event.event {
        return if state.unfinished().is_some() {
            Err(illegal)
        } else {
            Ok(begun(event, request))
        };
    }
    match state.deploy {
        Some(deploy) if deploy.id == event.deploy => Ok(State {
            deploy: Some(of_deploy(deploy, event).ok_or(illegal)?),
            hold: None,
        }),
        Some(_) | None => Err(illegal),
    }
}

/// The deploy after one more event of it; none when that cannot follow.
fn of_deploy(deploy: Deploy, event: &RecordedEvent) -> Option<Deploy> {
    let after = match (&deploy.stage, &event.event) {
        (Stage::Requested, Event::Observed(observed)) => looked(deploy, observed),
        // The stack has changed since it was checked: everything that follows from it is found out again.
        (Stage::Merged { .. }, Event::Observed(observed)) if deploy.pending().is_empty() => {
            looked(over_again(deploy), observed)
        }
        (Stage::Observed, Event::CompatChecked(checked)) => {
            at(deploy, Stage::Checked(checked.clone()))
        }
        (Stage::Checked(checked), Event::Merged(merged))
            if checked.verdict == Verdict::Compatible =>
        {
            permitted(at(
                deploy,
                Stage::Merged {
                    sequence: event.sequence,
                    merged: merged.clone(),
                },
            ))
        }
        (Stage::Merged { .. }, Event::ImagesKept(kept)) if may_keep(&deploy, kept) => {
            permitted(Deploy {
                kept: Some(kept.clone()),
                ..deploy
            })
        }
        (Stage::Merged { .. }, Event::ImageBuilt(built))
            if deploy.pending().names(&built.function) =>
        {
            permitted(with_image(deploy, built))
        }
        (Stage::Merged { .. }, Event::Applied(applied)) if deploy.pending().is_empty() => {
            at(deploy, Stage::Applied(applied.clone()))
        }
        (stage, Event::Failed(failed)) if stage.is_running() => {
            at(deploy, Stage::Failed(failed.clone()))
        }
        (stage, Event::Resumed(resumed))
            if !stage.is_terminal() && resumed.attempt == deploy.attempt + 1 =>
        {
            next_attempt(deploy, resumed)
        }
        (stage, Event::Abandoned(abandoned)) if !stage.is_terminal() => {
            at(deploy, Stage::Abandoned(abandoned.clone()))
        }
        (
            Stage::Requested
            | Stage::Observed
            | Stage::Checked(_)
            | Stage::Merged { .. }
            | Stage::Applied(_)
            | Stage::Failed(_)
            | Stage::Abandoned(_),
            Event::Requested(_)
            | Event::Observed(_)
            | Event::CompatChecked(_)
            | Event::Merged(_)
            | Event::ImagesKept(_)
            | Event::ImageBuilt(_)
            | Event::Applied(_)
            | Event::Failed(_)
            | Event::Resumed(_)
            | Event::Abandoned(_)
            | Event::TakenOver(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::DriftFound(_)
            | Event::Pruned(_),
        ) => return None,
    };
    Some(after)
}

/// The state after an event about who may use the target, or about what was found between deploys: how far its deploy is stays as it
/// was. None when the event is another one, or not allowed.
fn locked(state: &State, event: &RecordedEvent) -> Option<State> {
    let (hold, fits) = match &event.event {
        // It belongs to what was interrupted, or to the deploy or hold that has just begun.
        Event::TakenOver(_) => (state.hold.clone(), state.open_id() == Some(event.deploy)),
        Event::Held(held) => (
            Some(Hold {
                id: event.deploy,
                sequence: event.sequence,
                message: held.message.clone(),
            }),
            state.hold.is_none() && may_carry_a_hold(state, event.deploy),
        ),
        Event::Released(_) => {
            let held = state.hold.as_ref().map(|hold| hold.id);
            (None, held == Some(event.deploy))
        }
        Event::DriftFound(found) => (None, stands_apart(state, event.deploy, found.latest)),
        Event::Pruned(pruned) => (None, stands_apart(state, event.deploy, pruned.latest)),
        Event::Requested(_)
        | Event::Observed(_)
        | Event::CompatChecked(_)
        | Event::Merged(_)
        | Event::ImagesKept(_)
        | Event::ImageBuilt(_)
        | Event::Applied(_)
        | Event::Failed(_)
        | Event::Resumed(_)
        | Event::Abandoned(_) => return None,
    };
    if !fits {
        return None;
    }
    Some(State {
        hold,
        ..state.clone()
    })
}

/// Between two deploys, in a group of its own, behind the deploy that it names.
fn stands_apart(state: &State, id: Uuid, latest: u64) -> bool {
    let ended = state.deploy.as_ref();
    let ended = ended.filter(|ended| ended.stage.is_terminal());
    state.hold.is_none() && ended.is_some_and(|ended| ended.id != id && ended.first == latest)
}

/// A hold of an unfinished deploy is one of its events. Any other stands by itself, for nothing follows a terminal event of a deploy.
fn may_carry_a_hold(state: &State, id: Uuid) -> bool {
    match (state.open_id(), &state.deploy) {
        (Some(open), _) => open == id,
        (None, Some(ended)) => ended.id != id,
        (None, None) => true,
    }
}

impl State {
    /// What keeps an event from following: the hold, else the stage.
    fn standing(&self) -> &'static str {
        match self.hold {
            Some(_) => "on hold",
            None => self.stage_name(),
        }
    }

    /// The stage of the latest deploy, as people read it.
    pub fn stage_name(&self) -> &'static str {
        self.deploy
            .as_ref()
            .map_or("not yet requested", |deploy| deploy.stage.name())
    }
}

fn begun(event: &RecordedEvent, request: &Requested) -> State {
    State {
        hold: None,
        deploy: Some(Deploy {
            id: event.deploy,
            first: event.sequence,
            request: request.clone(),
            attempt: 1,
            stage: Stage::Requested,
            observed: None,
            kept: None,
            images: BTreeMap::new(),
            earlier_images: BTreeMap::new(),
            published_under: None,
        }),
    }
}

fn at(deploy: Deploy, stage: Stage) -> Deploy {
    Deploy { stage, ..deploy }
}

fn with_image(mut deploy: Deploy, built: &ImageBuilt) -> Deploy {
    deploy.images.insert(built.function.clone(), built.clone());
    deploy
}

/// Publishing is permitted from the moment at which no image is outstanding; the state remembers under which merge.
fn permitted(mut deploy: Deploy) -> Deploy {
    if let Stage::Merged { sequence, .. } = deploy.stage
        && deploy.pending().is_empty()
    {
        deploy.published_under = Some(sequence);
    }
    deploy
}

fn looked(deploy: Deploy, observed: &ObservedStack) -> Deploy {
    let observed = Some(observed.clone());
    at(Deploy { observed, ..deploy }, Stage::Observed)
}

/// An attempt keeps images once, before it records any by itself, and says of each pending image whether it is kept or pending.
fn may_keep(deploy: &Deploy, kept: &ImagesKept) -> bool {
    let pending = deploy.pending();
    let fits = match &pending {
        Pending::Functions(pending) => kept
            .pending
            .iter()
            .all(|function| pending.contains(function)),
        Pending::Document(_) => deploy
            .stage
            .merged()
            .is_some_and(|merged| merged.images.document() == Some(&kept.images)),
    };
    deploy.kept.is_none()
        && deploy.images.is_empty()
        && fits
        && kept.count + kept.pending.len() as u64 == pending.count()
}

fn next_attempt(deploy: Deploy, resumed: &Resumed) -> Deploy {
    Deploy {
        attempt: resumed.attempt,
        stage: Stage::Requested,
        ..over_again(deploy)
    }
}

/// What was found out is to be found out again; images that were recorded are claims from here on.
fn over_again(mut deploy: Deploy) -> Deploy {
    deploy.earlier_images.append(&mut deploy.images);
    Deploy {
        observed: None,
        kept: None,
        ..deploy
    }
}
