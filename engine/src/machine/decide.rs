//! May we, and what becomes true.

use uuid::Uuid;

use super::event::Event;
use super::evolve::{Illegal, evolve};
use super::payload::{
    AbandonReason, Abandoned, Applied, CompatChecked, DriftFound, Failed, FailureKind, Held,
    ImageBuilt, ImagesKept, LostHolder, Merged, ObservedStack, Released, Requested, Resumed, Step,
    TakenOver,
};
use super::pruned::Pruned;
use super::state::{Deploy, Hold, RecordedEvent, Stage, State};
use crate::compat::{self, Finding, Grade, Observation};

/// What somebody, or the loop, wants to become true.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful live at a time; a box would only hide the shape"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin a deploy.
    Request(Requested),
    /// Go on with the unfinished deploy, as a new attempt.
    Resume,
    /// Give up the unfinished deploy.
    Abandon {
        /// Why.
        reason: AbandonReason,
        /// What the person said.
        note: Option<String>,
    },
    /// The stack has been looked at.
    Observe(Observation),
    /// Check the artifact against what was observed.
    Check,
    /// The check said no: end the attempt with its findings.
    Reject,
    /// The configuration has been merged.
    Merge(Merged),
    /// Images are in the registry as an earlier deploy recorded them.
    Keep(ImagesKept),
    /// An image is in the registry.
    Image(ImageBuilt),
    /// The configuration is published.
    Apply(Applied),
    /// The attempt ends here.
    Fail(Failed),
    /// What is there is not what was applied.
    FindDrift(DriftFound),
    /// The first events of the journal go.
    Prune(Pruned),
    /// The owner before this one ended without letting go.
    TakeOver(LostHolder),
    /// Hold the target.
    Hold {
        /// Why.
        message: String,
    },
    /// Let go of the target.
    Release {
        /// What the person said.
        note: Option<String>,
    },
}

/// Why a command is not allowed. Data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A deploy is asked for while another is unfinished.
    #[error("deploy `{deploy}` of this target is unfinished ({stage})")]
    Unfinished {
        /// The unfinished one.
        deploy: Uuid,
        /// Its stage.
        stage: &'static str,
    },
    /// There is nothing to resume or to abandon.
    #[error("no deploy of this target is unfinished")]
    NothingUnfinished,
    /// The unfinished deploy is another one than the one that is meant.
    #[error("deploy `{expected}` is not unfinished any more; `{found}` is")]
    Another {
        /// The one that is meant.
        expected: Uuid,
        /// The unfinished one.
        found: Uuid,
    },
    /// The unfinished deploy was asked for on another machine.
    #[error("deploy `{deploy}` was imported, and can only be abandoned")]
    Imported {
        /// The unfinished one.
        deploy: Uuid,
    },
    /// A person holds the target.
    #[error("the target is on hold: {}", .0.message)]
    OnHold(Hold),
    /// There is no hold to release.
    #[error("the target is not on hold")]
    NotHeld,
    /// The command does not fit the state.
    #[error("{0}")]
    Illegal(#[from] Illegal),
}

/// Says whether a command is allowed, which event it makes, and the state after it. `id` is that of what it begins, if it begins something.
///
/// The transition table is the only judge: what [`evolve`] refuses is refused here.
pub fn decide(
    state: State,
    command: Command,
    sequence: u64,
    id: impl FnOnce() -> Uuid,
) -> Result<(RecordedEvent, State), Refusal> {
    let event = event(&state, command)?.without_credentials();
    let deploy = state.id_for(&event).unwrap_or_else(id);
    let event = RecordedEvent {
        sequence,
        deploy,
        event,
    };
    let state = evolve(state, &event)?;
    Ok((event, state))
}

fn event(state: &State, command: Command) -> Result<Event, Refusal> {
    let free = || match &state.hold {
        Some(hold) => Err(Refusal::OnHold(hold.clone())),
        None => Ok(()),
    };
    Ok(match command {
        Command::Request(requested) => {
            free()?;
            between_deploys(state)?;
            Event::Requested(requested)
        }
        Command::Resume => {
            free()?;
            Event::Resumed(resumed(
                state.unfinished().ok_or(Refusal::NothingUnfinished)?,
            ))
        }
        Command::Abandon { reason, note } => {
            free()?;
            state.unfinished().ok_or(Refusal::NothingUnfinished)?;
            Event::Abandoned(Abandoned { reason, note })
        }
        Command::Observe(observation) => Event::Observed(ObservedStack { observation }),
        Command::Check => Event::CompatChecked(checked(state)?),
        Command::Reject => Event::Failed(rejected(state)?),
        Command::Merge(merged) => Event::Merged(merged),
        Command::Keep(kept) => Event::ImagesKept(kept),
        Command::Image(built) => Event::ImageBuilt(built),
        Command::Apply(applied) => Event::Applied(applied),
        Command::Fail(failed) => Event::Failed(failed),
        Command::FindDrift(found) => {
            free()?;
            let latest = between_deploys(state)?;
            Event::DriftFound(DriftFound { latest, ..found })
        }
        Command::Prune(pruned) => {
            free()?;
            let latest = between_deploys(state)?;
            Event::Pruned(Pruned { latest, ..pruned })
        }
        Command::TakeOver(holder) => Event::TakenOver(TakenOver { holder }),
        Command::Hold { message } => {
            free()?;
            Event::Held(Held {
                message,
                latest: state.deploy.as_ref().map(|deploy| deploy.first),
            })
        }
        Command::Release { note } => {
            state.hold.as_ref().ok_or(Refusal::NotHeld)?;
            Event::Released(Released { note })
        }
    })
}

/// No deploy is unfinished. Returns the first event of the latest one, or 0.
fn between_deploys(state: &State) -> Result<u64, Refusal> {
    match state.unfinished() {
        Some(deploy) => Err(Refusal::Unfinished {
            deploy: deploy.id,
            stage: deploy.stage.name(),
        }),
        None => Ok(state.deploy.as_ref().map_or(0, |deploy| deploy.first)),
    }
}

fn resumed(deploy: &Deploy) -> Resumed {
    Resumed {
        attempt: deploy.attempt + 1,
        last_failure: deploy.stage.failed().map(|failed| failed.kind),
    }
}

fn checked(state: &State) -> Result<CompatChecked, Refusal> {
    let wrong = || Illegal {
        kind: "CompatChecked",
        stage: state.stage_name(),
    };
    let deploy = state.deploy.as_ref().ok_or_else(wrong)?;
    let (Stage::Observed, Some(observed)) = (&deploy.stage, &deploy.observed) else {
        return Err(wrong().into());
    };
    let options = &deploy.request.options;
    let check = compat::check(
        &deploy.request.manifest,
        &observed.observation,
        options.compat,
        options.strict_warnings,
    );
    Ok(CompatChecked {
        verdict: check.verdict,
        policy: options.compat,
        strict_warnings: options.strict_warnings,
        findings: check.findings,
    })
}

fn rejected(state: &State) -> Result<Failed, Refusal> {
    let wrong = || Illegal {
        kind: "Failed",
        stage: state.stage_name(),
    };
    let deploy = state.deploy.as_ref().ok_or_else(wrong)?;
    let Stage::Checked(checked) = &deploy.stage else {
        return Err(wrong().into());
    };
    let failing: Vec<&Finding> = checked
        .findings
        .iter()
        .filter(|finding| finding.grade == Grade::Fail)
        .collect();
    let mut hints: Vec<String> = Vec::new();
    for hint in failing.iter().filter_map(|finding| finding.hint.as_ref()) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    let message = format!(
        "the stack `{}` cannot take this artifact: {} of {} checks failed",
        deploy.request.project,
        failing.len(),
        checked.findings.len()
    );
    Ok(Failed {
        step: Step::Check,
        function: None,
        kind: FailureKind::Incompatible,
        message,
        causes: failing.iter().map(|finding| finding.comparison()).collect(),
        hints,
        output: Vec::new(),
        retryable: true,
    })
}
