//! Replays a recorded history: what this build would decide at each place, against what was recorded there.
//!
//! Pure. What the world answered (an observation, a merge, an image) is taken from the record. What follows from it (verdicts, what comes
//! next, numbers of attempts, predecessors) is decided again.

use journal::StoredEvent;
use serde::Serialize;
use uuid::Uuid;

use super::deploy_journal::DeployJournalError;
use super::stream_fold::KnownState;
use crate::compat::Finding;
use crate::machine::{
    Command, CompatChecked, Effect, Event, Failed, Next, RecordedEvent, Refusal, State, decide,
    next,
};

/// The first place at which a history is not what this build would have made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Divergence {
    /// The event's sequence.
    pub sequence: u64,
    /// Its deploy.
    pub deploy: Uuid,
    /// What was recorded, in a few words.
    pub recorded: String,
    /// What this build would have recorded, or why it would not have recorded this.
    pub decided: String,
}

/// A history that is being replayed, oldest event first.
#[derive(Debug, Default)]
pub struct Replay {
    known: KnownState,
    events: u64,
    deploys: u64,
}

impl Replay {
    /// Replays one more event. A divergence is the first of its history: nothing behind it is to be replayed.
    pub fn add(&mut self, stored: &StoredEvent) -> Result<Option<Divergence>, DeployJournalError> {
        let Some((recorded, knows_before)) = self.known.read(stored)? else {
            return Ok(None);
        };
        self.events += 1;
        self.deploys += u64::from(recorded.event.as_requested().is_some());
        let divergence = diverges(&self.known.state, &recorded, knows_before);
        if let Some((recorded_words, decided)) = divergence {
            return Ok(Some(Divergence {
                sequence: recorded.sequence,
                deploy: recorded.deploy,
                recorded: recorded_words,
                decided,
            }));
        }
        self.known.evolve(&recorded)?;
        Ok(None)
    }

    /// How many events were replayed.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many deploys began among them.
    pub fn deploys(&self) -> u64 {
        self.deploys
    }

    /// Deploys with events of a newer tool, which could not be replayed.
    pub fn unread(&self) -> u64 {
        self.known.unread()
    }
}

/// What was recorded and what this build decides instead, where these differ.
fn diverges(
    state: &State,
    recorded: &RecordedEvent,
    knows_before: bool,
) -> Option<(String, String)> {
    let event = &recorded.event;
    let kind = event.kind();
    if let Some(expected) = unexpected(state, event) {
        return Some((kind.to_owned(), expected));
    }
    if let Some(requested) = event.as_requested()
        && knows_before
        && requested.base != state.base()
    {
        let base = |base: Option<Uuid>| base.map_or("no deploy".to_owned(), |id| id.to_string());
        let found = base(requested.base.as_ref().map(|base| base.deploy));
        let wanted = base(state.base().map(|base| base.deploy));
        return Some((
            format!("{kind} onto {found}"),
            format!("{kind} onto {wanted}, as it was left"),
        ));
    }
    let command = command(state, event);
    let decided = decide(state.clone(), command, recorded.sequence, || {
        recorded.deploy
    });
    match decided {
        Err(refusal) => Some((kind.to_owned(), refused(&refusal))),
        Ok((decided, _)) if decided.deploy != recorded.deploy => Some((
            format!("{kind} of deploy {}", recorded.deploy),
            format!("{kind} of deploy {}", decided.deploy),
        )),
        Ok((decided, _)) => {
            let (found, wanted) = (decision(event), decision(&decided.event));
            (found != wanted).then_some((found, wanted))
        }
    }
}

/// What should come next, where the machine would not do what was recorded. Failures and what people do may come at any time; whether
/// they may is decided like everything else.
fn unexpected(state: &State, event: &Event) -> Option<String> {
    let kind = event.kind();
    let expected: &[&str] = match next(state) {
        Next::Record(Command::Check) => &["CompatChecked"],
        Next::Record(_) => &["Failed"],
        Next::Perform(Effect::Observe { .. }) => &["Observed"],
        Next::Perform(Effect::Merge) => &["Merged"],
        Next::Perform(Effect::Images { .. }) => &["ImagesKept", "ImageBuilt"],
        // The stack is looked at again right before.
        Next::Perform(Effect::Publish { .. }) => &["Applied", "Observed"],
        Next::Rest => return None,
    };
    let at_any_time = matches!(
        event,
        Event::Requested(_)
            | Event::Failed(_)
            | Event::Resumed(_)
            | Event::Abandoned(_)
            | Event::TakenOver(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::DriftFound(_)
            | Event::Pruned(_)
    );
    (!at_any_time && !expected.contains(&kind)).then(|| expected.join(" or "))
}

/// The command that an event stands for: with what the world or a person said, and without what follows from it.
fn command(state: &State, event: &Event) -> Command {
    match event.clone() {
        Event::Requested(requested) => Command::Request(requested),
        Event::Observed(observed) => Command::Observe(observed.observation),
        Event::CompatChecked(_) => Command::Check,
        Event::Merged(merged) => Command::Merge(merged),
        Event::ImagesKept(kept) => Command::Keep(kept),
        Event::ImageBuilt(built) => Command::Image(built),
        Event::Applied(applied) => Command::Apply(applied),
        Event::Failed(failed) => match next(state) {
            Next::Record(Command::Reject) if is_rejection(&failed) => Command::Reject,
            Next::Record(_) | Next::Perform(_) | Next::Rest => Command::Fail(failed),
        },
        Event::Resumed(_) => Command::Resume,
        Event::Abandoned(abandoned) => Command::Abandon {
            reason: abandoned.reason,
            note: abandoned.note,
        },
        Event::TakenOver(taken_over) => Command::TakeOver(taken_over.holder),
        Event::Held(held) => Command::Hold {
            message: held.message,
        },
        Event::Released(released) => Command::Release {
            note: released.note,
        },
        Event::DriftFound(found) => Command::FindDrift(found),
        Event::Pruned(pruned) => Command::Prune(pruned),
    }
}

fn is_rejection(failed: &Failed) -> bool {
    use crate::machine::{FailureKind, Step};
    failed.step == Step::Check && failed.kind == FailureKind::Incompatible
}

fn refused(refusal: &Refusal) -> String {
    format!("refused: {refusal}")
}

/// What an event decides, in words that are equal when the decisions are. Wording of messages and hints is no decision, and differs from
/// build to build.
fn decision(event: &Event) -> String {
    let kind = event.kind();
    match event {
        Event::CompatChecked(checked) => format!("{kind}: {}", verdict(checked)),
        Event::Failed(failed) => {
            format!("{kind}: {:?} in {:?}", failed.kind, failed.step).to_lowercase()
        }
        Event::Resumed(resumed) => format!(
            "{kind}: attempt {} after {:?}",
            resumed.attempt, resumed.last_failure
        ),
        Event::Held(held) => format!("{kind}: behind {:?}", held.latest),
        Event::DriftFound(found) => format!("{kind}: behind {}", found.latest),
        Event::Pruned(pruned) => format!("{kind}: behind {}", pruned.latest),
        Event::Requested(_)
        | Event::Observed(_)
        | Event::Merged(_)
        | Event::ImagesKept(_)
        | Event::ImageBuilt(_)
        | Event::Applied(_)
        | Event::Abandoned(_)
        | Event::TakenOver(_)
        | Event::Released(_) => kind.to_owned(),
    }
}

fn verdict(checked: &CompatChecked) -> String {
    let finding = |finding: &Finding| {
        let container = finding.container.as_deref().unwrap_or("the stack");
        let grade = format!("{:?}", finding.grade).to_lowercase();
        format!("{} of {container} {grade}", finding.component)
    };
    let findings: Vec<String> = checked.findings.iter().map(finding).collect();
    let verdict = format!("{:?}", checked.verdict).to_lowercase();
    format!("{verdict}, with {}", findings.join(", "))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;
    use std::path::PathBuf;

    use journal::transfer::{self, Whole};
    use rstest::rstest;

    use super::*;
    use crate::compat::Verdict;
    use crate::machine::{self, FailureKind};
    use crate::run::deploy_journal::typed;

    fn replayed(path: &PathBuf, change: &dyn Fn(&mut Event)) -> (Replay, Option<Divergence>) {
        let mut replay = Replay::default();
        let mut first = None;
        transfer::check_each(BufReader::new(File::open(path).unwrap()), |whole| {
            let Whole::Event(stored) = whole else { return };
            if first.is_some() {
                return;
            }
            let mut stored = stored.clone();
            let mut event = typed(&stored).unwrap().event;
            change(&mut event);
            stored.payload = machine::encode(&event);
            stored.header.schema = machine::SCHEMA;
            event.kind().clone_into(&mut stored.header.kind);
            first = replay.add(&stored).unwrap();
        })
        .unwrap();
        (replay, first)
    }

    fn golden(name: &str) -> PathBuf {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        root.join("../fixtures/journals/v2").join(name)
    }

    #[rstest]
    fn this_build_decides_as_every_frozen_journal_of_every_schema_says(
        #[files("../fixtures/journals/v*/deploy-*.jsonl")]
        #[files("../fixtures/journals/v*/target-*.jsonl")]
        path: PathBuf,
    ) {
        let (replay, first) = replayed(&path, &|_| {});
        assert_eq!(first, None);
        assert!(replay.events() > 3 && replay.unread() == 0);
    }

    #[test]
    fn another_verdict_is_named_with_its_place_and_both_decisions() {
        let (_, first) = replayed(&golden("deploy-incompatible.jsonl"), &|event| {
            if let Event::CompatChecked(checked) = event {
                checked.verdict = Verdict::Compatible;
            }
        });
        let first = first.unwrap();
        assert_eq!(first.sequence, 3);
        assert!(first.recorded.starts_with("CompatChecked: compatible"));
        assert!(first.decided.starts_with("CompatChecked: incompatible"));
    }

    #[test]
    fn another_grade_of_one_finding_diverges_and_another_wording_does_not() {
        let path = golden("deploy-applied.jsonl");
        let (_, first) = replayed(&path, &|event| {
            if let Event::CompatChecked(checked) = event {
                checked.findings[0].required = "said in other words".to_owned();
            }
        });
        assert_eq!(first, None);
        let (_, first) = replayed(&path, &|event| {
            if let Event::CompatChecked(checked) = event {
                checked.findings[0].grade = crate::compat::Grade::Warn;
            }
        });
        assert_eq!(first.map(|first| first.sequence), Some(3));
    }

    #[test]
    fn another_number_of_an_attempt_diverges() {
        let (_, first) = replayed(&golden("deploy-failed-resumed.jsonl"), &|event| {
            if let Event::Resumed(resumed) = event {
                resumed.last_failure = Some(FailureKind::Internal);
            }
        });
        let first = first.unwrap();
        assert!(first.recorded.contains("Internal"), "{first:?}");
        assert!(!first.decided.contains("Internal"), "{first:?}");
    }

    #[test]
    fn what_should_not_come_next_diverges() {
        let observed = std::cell::RefCell::new(None);
        let (_, first) = replayed(&golden("deploy-applied.jsonl"), &|event| {
            if event.as_observed().is_some() {
                observed.replace(Some(event.clone()));
            }
            if event.as_compat_checked().is_some() {
                *event = observed.borrow().clone().unwrap();
            }
        });
        let first = first.unwrap();
        assert_eq!((first.sequence, first.recorded.as_str()), (3, "Observed"));
        assert_eq!(first.decided, "CompatChecked");
    }

    #[test]
    fn another_predecessor_diverges() {
        let (_, first) = replayed(&golden("deploy-unchanged.jsonl"), &|event| {
            if let Event::Requested(requested) = event {
                requested.base = None;
            }
        });
        assert_eq!(first.map(|first| first.sequence), Some(10));
    }
}
