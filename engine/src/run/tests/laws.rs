//! The laws, checked after every process. Each error begins with the law that is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::AppendError;

use super::faulty_store::AppendMishap;
use super::image_laws::built_for;
use super::inputs::DeployInput;
use super::keys::keys;
use super::model::{Model, owned};
use super::read_event::ReadEvent;
use super::rig::{Disturbance, Ended, Ran, Target, applied};
use super::trace::{Asked, digests};
use crate::machine::{Event, Failed, FailureKind, Refusal, State, Step, evolve};
use crate::merge::Key;
use crate::run::ConfigTexts;
use crate::run::deploy_journal::DeployJournalError;
use crate::run::simulated::{Act, Call, Mishap};

/// What one process did, and what it left.
pub(super) struct ProcessResult<'a> {
    pub(super) target: &'a Target,
    pub(super) events: &'a [Arc<ReadEvent>],
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
        self.check_second_look(model)?;
        if self.ran.found.alone {
            self.check_locks(model)?;
            self.check_images(model)?;
            self.check_sources(model)?;
            self.check_kept(model)?;
            self.check_tags(model)?;
            self.check_resume(model)?;
        }
        self.check_files(model)
    }

    /// What it asked for.
    pub(super) fn asked(&self) -> &[Asked] {
        &self.target.trace.asked[self.ran.found.asked..]
    }

    /// What it recorded, where it was alone.
    pub(super) fn recorded(&self) -> &[Arc<ReadEvent>] {
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
            Ended::Broken(DeployJournalError::Refused(
                Refusal::NothingUnfinished | Refusal::Another { .. },
            )) if !alone
                || self.disturbances.contains(&Disturbance::Resumes) && self.nothing_happened() =>
            {
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
        let recorded = self.recorded().iter();
        let recorded = recorded.filter(|event| event.event.as_failed().is_some());
        let (recorded, expected) = (recorded.count(), usize::from(failed.is_some()));
        let may_have_died = matches!(ended, Ended::Killed | Ended::Broken(_));
        if ran.found.alone && recorded != expected && (!may_have_died || recorded > 1) {
            return Err(format!(
                "law 2: {recorded} failures are recorded, of {expected}"
            ));
        }
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
        // What was built for a stack that was replaced meanwhile changes nothing that is live.
        let seen = self.recorded().iter().rev();
        let seen = seen.filter(|event| event.event.as_observed().is_some());
        let seen = seen.map(|event| event.sequence).next().unwrap_or(0);
        let harms = |one: &Asked| one.after >= seen || !matches!(one.act, Act::Build { .. });
        if failed.is_some_and(checked) && asked.iter().any(harms) {
            return Err(format!("law 8: {failed:?} after {asked:?}"));
        }
        let provisioned = self.target.truth.provisions > ran.found.provisions;
        if applied(ended) && Model(self.events).owes_a_provisioner() && !provisioned {
            return Err("law 1: it is applied, and no provisioner ran".to_owned());
        }
        Ok(())
    }

    /// Who was asked to stop begins no further step, and does not come to its end. Publishing, live tags and the provisioner are one.
    fn check_stop(&self) -> Result<(), String> {
        let ran = self.ran;
        let Some(then) = ran.stopped else {
            return Ok(());
        };
        let at_hand = then.checked_sub(1).map(|last| ran.calls[last].step);
        let is_published = ran.calls[..then]
            .iter()
            .any(|call| call.step == Step::Publish);
        let last_step =
            is_published && matches!(at_hand, Some(Step::Publish | Step::Tag | Step::Provision));
        let aborted = |one: &Disturbance| {
            matches!(
                one,
                Disturbance::Stop(_, 2) | Disturbance::Append(_, AppendMishap::Stopped(2))
            )
        };
        let aborts = self.disturbances.len() == 1 && self.disturbances.iter().any(aborted);
        for Call { step, .. } in &ran.calls[then..] {
            // Live tags follow the files that they go with.
            let follows = match step {
                Step::Tag => last_step,
                Step::Provision => last_step && at_hand != Some(Step::Provision),
                Step::Observe | Step::Check | Step::Merge | Step::Image | Step::Publish => false,
            };
            if !follows || aborts {
                return Err(format!(
                    "law 5: asked to stop in {at_hand:?}, it went on with {step:?}"
                ));
            }
        }
        // A rollback proves at its end what it has published: looks that come after it.
        let proves = is_published && matches!(at_hand, Some(Step::Merge | Step::Image));
        if applied(&ran.ended) && !last_step && !proves {
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
            let is_published = asked[..index]
                .iter()
                .any(|one| matches!(one.act, Act::Publish(_)));
            if (one.act == Act::Provision || one.live) && !is_published && alone {
                return Err(say("nothing was published before".to_owned()));
            }
            let built = asked[..index]
                .iter()
                .any(|other| built_for(other, &one.act));
            let replaced = before.is_of_a_stranger(&one.act, one.found.as_ref());
            if one.there && alone && !built && !replaced && !before.may_build_again(&one.act) {
                return Err(say("it was there already".to_owned()));
            }
        }
        Ok(())
    }

    /// What takes its time is not published before the stack was looked at again, and what is published follows from the last look.
    fn check_second_look(&self, model: Model<'_>) -> Result<(), String> {
        let (mut built, mut looked) = (None, None);
        for (index, call) in self.ran.calls.iter().enumerate() {
            match call.step {
                Step::Image if call.changes => built = Some(index),
                Step::Observe => looked = Some(index),
                Step::Publish if built > looked => {
                    return Err("law 5: built and published without a look between".to_owned());
                }
                Step::Check
                | Step::Merge
                | Step::Image
                | Step::Publish
                | Step::Tag
                | Step::Provision => {}
            }
        }
        let publishes = |one: &&Asked| matches!(one.act, Act::Publish(_));
        for one in self.asked().iter().filter(publishes) {
            let seen = model.until(one.after).observed();
            if self.ran.found.alone && seen != one.stack.as_deref() {
                return Err(format!(
                    "law 5: published for {seen:?}, and the last look showed {:?}",
                    one.stack
                ));
            }
        }
        Ok(())
    }

    /// The last deploy folds; the ones before it did so when they were the last.
    fn check_fold(&self, model: Model<'_>) -> Result<(), String> {
        let begins = |event: &Arc<ReadEvent>| matches!(event.event, Event::Requested(_));
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

    /// Who resumes goes on with the deploy that it names, or changes nothing.
    fn check_resume(&self, model: Model<'_>) -> Result<(), String> {
        if !self.disturbances.contains(&Disturbance::Resumes) {
            return Ok(());
        }
        let named = model.until(self.ran.found.head).unfinished();
        let is_foreign = |event: &&Arc<ReadEvent>| Some(event.deploy) != named;
        match self.recorded().iter().find(is_foreign) {
            Some(event) => Err(format!(
                "law 2: {named:?} is resumed, and {event:?} is recorded"
            )),
            None if named.is_none() && !self.nothing_happened() => {
                Err("law 2: nothing is to be resumed, and something happened".to_owned())
            }
            None => Ok(()),
        }
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
    events: &[Arc<ReadEvent>],
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
        if found != Some(&image.digest) {
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
        let disowned = model.disowned().contains(key);
        if !ours.contains(key) && !left && !disowned && seeds.get(key) != Some(value) {
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
