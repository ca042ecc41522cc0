//! The laws, checked after every process. Each error begins with the law that is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::AppendError;

use super::faulty_store::AppendMishap;
use super::inputs::DeployInput;
use super::keys::keys;
use super::model::{Model, owned};
use super::rig::{Disturbance, Ended, Ran, Target, applied};
use super::trace::{Asked, digests};
use crate::machine::{Event, Failed, FailureKind, RecordedEvent, Refusal, State, Step, evolve};
use crate::merge::Key;
use crate::run::ConfigTexts;
use crate::run::deploy_journal::DeployJournalError;
use crate::run::simulated::{Act, Call, Mishap};

/// What one process did, and what it left.
pub(super) struct ProcessResult<'a> {
    pub(super) target: &'a Target,
    pub(super) events: &'a [Arc<RecordedEvent>],
    pub(super) ran: &'a Ran,
    pub(super) disturbances: &'a [Disturbance],
}

impl ProcessResult<'_> {
    /// The laws that hold after every process, whatever happened to it.
    pub(super) fn check(&self) -> Result<(), String> {
        let model = Model(self.events);
        model.order()?;
        self.check_end(model)?;
        self.check_failure()?;
        self.check_fold(model)?;
        self.check_stop()?;
        self.check_asked(model)?;
        if self.ran.found.alone {
            self.check_locks(model)?;
            self.check_images(model)?;
        }
        self.check_files(model)
    }

    /// What it asked for.
    fn asked(&self) -> &[Asked] {
        &self.target.trace.asked[self.ran.found.asked..]
    }

    /// What it recorded, where it was alone.
    fn recorded(&self) -> &[Arc<RecordedEvent>] {
        let found = self.ran.found.head;
        &self.events[self.events.partition_point(|event| event.sequence <= found)..]
    }

    /// It neither asked for anything nor recorded anything.
    fn nothing_happened(&self) -> bool {
        self.asked().is_empty() && self.recorded().is_empty()
    }

    /// A process rests where the events say so, and breaks off only where its journal does.
    fn check_end(&self, model: Model<'_>) -> Result<(), String> {
        let refused = |one: &Disturbance| {
            matches!(
                one,
                Disturbance::Append(_, AppendMishap::Refused)
                    | Disturbance::Person(_, Some(AppendMishap::Refused))
            )
        };
        let alone = self.ran.found.alone;
        let held = model.until(self.ran.found.head).is_held();
        match &self.ran.ended {
            Ended::Killed => Ok(()),
            Ended::Left if !alone || self.recorded().len() <= 2 => Ok(()),
            Ended::Left => Err("a person records more than was meant".to_owned()),
            Ended::Unready if self.nothing_happened() && self.ran.calls.is_empty() => Ok(()),
            Ended::Unready => Err("law 8: what cannot be deployed began".to_owned()),
            Ended::Rested(..) if model.rests() => Ok(()),
            Ended::Rested(..) => Err("law 6: it rests although something is pending".to_owned()),
            Ended::Broken(DeployJournalError::Append(AppendError::Store(_)))
                if self.disturbances.iter().any(refused) =>
            {
                Ok(())
            }
            Ended::Broken(DeployJournalError::Append(AppendError::Conflict { .. })) if !alone => {
                Ok(())
            }
            Ended::Broken(DeployJournalError::Refused(Refusal::OnHold(_)))
                if !alone || held && self.nothing_happened() =>
            {
                Ok(())
            }
            Ended::Broken(error) => Err(format!("law 3: the machine refuses its own: {error:?}")),
        }
    }

    /// A failure that it was answered with is an event, a check that failed saw no effect, and what was asked for was done.
    fn check_failure(&self) -> Result<(), String> {
        let ran = self.ran;
        let (ended, asked) = (&ran.ended, self.asked());
        // Of two mishaps of one call, the last is met.
        let mishaps: BTreeMap<_, _> = self
            .disturbances
            .iter()
            .filter_map(|one| one.mishap())
            .collect();
        let failures = (mishaps.iter())
            .filter(|(_, mishap)| matches!(mishap, Mishap::Refused | Mishap::ReplyLost))
            .filter_map(|(at, _)| ran.calls.get(*at));
        let failed = match ended {
            Ended::Rested(_, outcome) => outcome.failed(),
            Ended::Killed | Ended::Left | Ended::Unready | Ended::Broken(_) => None,
        };
        for Call { step, .. } in failures {
            let named = failed.is_some_and(|failed| failed.step == *step);
            if applied(ended) || self.disturbances.len() == 1 && ran.found.alone && !named {
                return Err(format!("law 2: {step:?} failed, and no event says so"));
            }
        }
        let checked = |failed: &Failed| {
            matches!(
                failed.kind,
                FailureKind::Incompatible | FailureKind::Payload
            )
        };
        if failed.is_some_and(checked) && !asked.is_empty() {
            return Err(format!("law 8: {failed:?} after {asked:?}"));
        }
        let provisioned = self.target.truth.provisions > ran.found.provisions;
        if applied(ended) && Model(self.events).owes_a_provisioner() && !provisioned {
            return Err("law 1: it is applied, and no provisioner ran".to_owned());
        }
        Ok(())
    }

    /// Who was asked to stop begins no further step, and does not come to its end. Publishing and provisioning are one.
    fn check_stop(&self) -> Result<(), String> {
        let ran = self.ran;
        let Some(then) = ran.stopped else {
            return Ok(());
        };
        let at_hand = then.checked_sub(1).map(|last| ran.calls[last].step);
        let last_step = matches!(at_hand, Some(Step::Publish | Step::Provision));
        let aborted = |one: &Disturbance| {
            matches!(
                one,
                Disturbance::Stop(_, 2) | Disturbance::Append(_, AppendMishap::Stopped(2))
            )
        };
        let aborts = self.disturbances.len() == 1 && self.disturbances.iter().any(aborted);
        for Call { step, .. } in &ran.calls[then..] {
            if *step != Step::Provision || at_hand != Some(Step::Publish) || aborts {
                return Err(format!(
                    "law 5: asked to stop in {at_hand:?}, it went on with {step:?}"
                ));
            }
        }
        if applied(&ran.ended) && !last_step {
            return Err(format!(
                "law 5: asked to stop in {at_hand:?}, it was applied"
            ));
        }
        Ok(())
    }

    /// Each effect was permitted by what was on disk, and repeats nothing that matters.
    fn check_asked(&self, model: Model<'_>) -> Result<(), String> {
        let alone = self.ran.found.alone;
        let asked = self.asked();
        for (index, one) in asked.iter().enumerate() {
            let before = model.until(one.after);
            let say = |why| format!("law 5: {:?} after event {}: {why}", one.act, one.after);
            before.permits(&one.act).map_err(say)?;
            if one.refused {
                return Err(say("its append had been refused".to_owned()));
            }
            let published = index.checked_sub(1).map(|index| &asked[index].act);
            if one.act == Act::Provision && !matches!(published, Some(Act::Publish(_))) && alone {
                return Err(say("nothing was published before".to_owned()));
            }
            if one.there && alone && !before.may_build_again(&one.act) {
                return Err(say("it was there already".to_owned()));
            }
        }
        Ok(())
    }

    /// The last deploy folds; the ones before it did so when they were the last.
    fn check_fold(&self, model: Model<'_>) -> Result<(), String> {
        let begins = |event: &Arc<RecordedEvent>| matches!(event.event, Event::Requested(_));
        let first = self.events.iter().rposition(begins).unwrap_or(0);
        let folded = self.events[first..]
            .iter()
            .try_fold(State::default(), |state, event| evolve(state, event));
        let folded = folded.map_err(|error| format!("law 2: it does not fold: {error}"))?;
        if folded.hold.is_some() != model.is_held() {
            return Err(format!("law 2: the hold folds into {:?}", folded.hold));
        }
        match &self.ran.live {
            Some(live) if *live != folded => Err(format!("law 2: {live:?} folds into {folded:?}")),
            Some(_) | None => Ok(()),
        }
    }

    /// A take-over is an event: of the first append after an owner that did not let go, once, and with its name. Nobody else's is.
    fn check_locks(&self, model: Model<'_>) -> Result<(), String> {
        let recorded = self.recorded();
        let taken: Vec<_> = (recorded.iter().enumerate())
            .filter_map(|(index, event)| {
                let taken = event.event.as_taken_over()?;
                Some((index, &taken.holder))
            })
            .collect();
        let found = &self.ran.found;
        let interrupted = model.until(found.head).is_interrupted();
        let expected: Vec<_> = (found.lost.iter())
            .filter(|_| !recorded.is_empty())
            .map(|lost| (usize::from(!interrupted), lost))
            .collect();
        if taken != expected {
            return Err(format!(
                "law 2: {expected:?} was to be taken over, and {taken:?} is recorded"
            ));
        }
        Ok(())
    }

    /// What is recorded of an image is true: it was looked up in this attempt, and is there unless it was lost later.
    fn check_images(&self, model: Model<'_>) -> Result<(), String> {
        for image in model.images() {
            let reference = &image.reference;
            let look = self.target.trace.looked.get(reference);
            let Some(look) = look.filter(|look| model.attempt_knows(look.after)) else {
                return Err(format!(
                    "law 5: `{reference}` was recorded, and this attempt did not look"
                ));
            };
            let found = self.target.truth.registry.get(reference);
            if found != Some(&(image.key.clone(), image.digest.clone())) && !look.lost_since {
                let key = &image.key;
                return Err(format!(
                    "law 5: `{reference}` was recorded with {key}, and the registry has {found:?}"
                ));
            }
        }
        Ok(())
    }

    /// Every file is one that may stand there.
    fn check_files(&self, model: Model<'_>) -> Result<(), String> {
        let trace = &self.target.trace;
        let others: Vec<_> = trace
            .outside
            .iter()
            .map(|other| (other.after, digests(&other.config)))
            .collect();
        let stands = digests(&self.target.truth.config);
        for (file, may) in model.may_stand(&digests(&trace.seeds), &others, trace.rivalled) {
            let found = stands.get(&file).cloned();
            if !may.contains(&found) {
                return Err(format!(
                    "law 5: {file:?} is {found:?}; the events allow {may:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What holds once a run that nothing disturbed has applied its deploy, and the journal as a whole. `before` is the output
/// directory as that run found it.
pub(super) fn check_settled(
    target: &Target,
    events: &[Arc<RecordedEvent>],
    input: &DeployInput,
    before: &ConfigTexts,
) -> Result<(), String> {
    let report = journal::chain::verify(&target.store, None).unwrap();
    if let Some(damage) = report.damage {
        return Err(format!("law 7: {damage:?}"));
    }
    let model = Model(events);
    let merged = model.merged().filter(|_| model.is_applied());
    let merged = merged.ok_or("law 1: an undisturbed run is not applied")?;
    let truth = &target.truth;
    if digests(&truth.config) != merged.files {
        return Err("law 1: other files stand there than were merged".to_owned());
    }
    let images: BTreeMap<_, _> = model
        .images()
        .into_iter()
        .map(|image| (&image.function, image))
        .collect();
    for function in super::model::pending_of(merged) {
        let image = images
            .get(function)
            .ok_or("law 1: an image is not recorded")?;
        let found = truth.registry.get(&image.reference);
        if found != Some(&(image.key.clone(), image.digest.clone())) {
            return Err(format!("law 1: the image of `{function}` is {found:?}"));
        }
    }
    let owned: BTreeSet<Key> = owned(merged).cloned().collect();
    let writes = input.keys();
    if input.options.prune && owned != writes || !owned.is_superset(&writes) {
        return Err(format!(
            "law 1: {owned:?} are owned, and {writes:?} are written"
        ));
    }
    check_keys(target, model, before)
}

/// The keys that stand there are those that the last deploy owns, and those of others, as they left them. A key of others that
/// a deploy once claimed stays for as long as it is as they left it; once that deploy has published, it is gone.
fn check_keys(target: &Target, model: Model<'_>, before: &ConfigTexts) -> Result<(), String> {
    let (stand, stood) = (keys(&target.truth.config), keys(before));
    let claimed = model.ever_claimed();
    let of_others = match target.trace.outside.last() {
        Some(other) => keys(&other.config),
        None => keys(&target.trace.seeds),
    };
    let seeds = keys(&target.trace.seeds);
    let ours: BTreeSet<&Key> = model.merged().into_iter().flat_map(owned).collect();
    if let Some(key) = ours.iter().find(|key| !stand.contains_key(key)) {
        return Err(format!("law 1: `{}` is owned and is not there", key.0));
    }
    for (key, value) in &stand {
        let left = of_others.contains_key(key) && !claimed.contains(key);
        if !ours.contains(key) && !left && seeds.get(key) != Some(value) {
            return Err(format!("law 1: `{}` is there and nobody's", key.0));
        }
    }
    let mine = |key: &Key| ours.contains(key);
    let untouched = (seeds.iter()).filter(|(key, value)| stood.get(key) == Some(value));
    let of_others = of_others.iter().filter(|(key, _)| !claimed.contains(key));
    for (key, value) in of_others.chain(untouched).filter(|(key, _)| !mine(key)) {
        if stand.get(key) != Some(value) {
            let found = stand.get(key);
            return Err(format!(
                "law 1: `{}` of others was {value}, is {found:?}",
                key.0
            ));
        }
    }
    Ok(())
}
