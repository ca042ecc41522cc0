//! The laws, checked after every process. Each error begins with the law that is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use journal::AppendError;

use super::keys::keys;
use super::model::{Model, owned};
use super::rig::{AppendMishap, Disturbance, Ended, Target, applied};
use super::tape::{Asked, digests};
use crate::machine::{Event, Recorded, State, evolve};
use crate::run::ledger::LedgerError;
use crate::run::simulated::{Act, Change};

/// What one process did, and what it left.
pub(super) struct Deed<'a> {
    pub(super) target: &'a Target,
    pub(super) facts: &'a [Arc<Recorded>],
    /// What it asked for.
    pub(super) asked: &'a [Asked],
    pub(super) ended: &'a Ended,
    pub(super) disturbances: &'a [Disturbance],
    /// It was asked to stop when it had made so many calls, and made so many in all.
    pub(super) stopped: Option<(usize, usize)>,
    /// The state that it had in the end, where it came to rest.
    pub(super) live: Option<&'a State>,
    /// The world did, meanwhile, what somebody else had asked for: a dead process, or one beside it.
    pub(super) alone: bool,
}

impl Deed<'_> {
    /// The laws that hold after every process, whatever happened to it.
    pub(super) fn check(&self) -> Result<(), String> {
        let model = Model(self.facts);
        model.order()?;
        self.check_end(model)?;
        self.check_fold()?;
        self.check_stop()?;
        for (index, asked) in self.asked.iter().enumerate() {
            let before = model.until(asked.after);
            let say = |why| format!("law 5: {:?} after fact {}: {why}", asked.act, asked.after);
            before.permits(&asked.act).map_err(say)?;
            if asked.refused {
                return Err(say("its append had been refused".to_owned()));
            }
            let published = index.checked_sub(1).map(|index| &self.asked[index].act);
            if asked.act == Act::Provision
                && !matches!(published, Some(Act::Publish(_)))
                && self.alone
            {
                return Err(say("nothing was published before".to_owned()));
            }
            if asked.there && self.alone && !before.may_build_again(&asked.act) {
                return Err(say("it was there already".to_owned()));
            }
        }
        if self.alone {
            self.check_images(model)?;
        }
        self.check_files(model)
    }

    /// A process rests where the facts say so, and breaks off only where its journal does.
    fn check_end(&self, model: Model<'_>) -> Result<(), String> {
        let refused =
            |one: &Disturbance| matches!(one, Disturbance::Append(_, AppendMishap::Refused));
        match self.ended {
            Ended::Killed | Ended::Left => Ok(()),
            Ended::Rested(..) if model.rests() => Ok(()),
            Ended::Rested(..) => Err("law 6: it rests although something is owed".to_owned()),
            Ended::Broken(LedgerError::Append(AppendError::Store(_)))
                if self.disturbances.iter().any(refused) =>
            {
                Ok(())
            }
            Ended::Broken(LedgerError::Append(AppendError::Conflict { .. })) if !self.alone => {
                Ok(())
            }
            Ended::Broken(error) => Err(format!("law 3: the machine refuses its own: {error:?}")),
        }
    }

    /// Who was asked to stop begins no further step. Publishing and provisioning are one.
    fn check_stop(&self) -> Result<(), String> {
        match self.stopped {
            Some((then, calls)) if applied(self.ended) && then + 1 < calls => Err(format!(
                "it was asked to stop after {then} calls, and was applied after {calls}"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The last deploy folds; the ones before it did so when they were the last.
    fn check_fold(&self) -> Result<(), String> {
        let begins = |fact: &Arc<Recorded>| matches!(fact.event, Event::Requested(_));
        let first = self.facts.iter().rposition(begins).unwrap_or(0);
        let folded = self.facts[first..]
            .iter()
            .try_fold(State::default(), |state, fact| evolve(state, fact));
        let folded = folded.map_err(|error| format!("law 2: it does not fold: {error}"))?;
        match self.live {
            Some(live) if *live != folded => Err(format!("law 2: {live:?} folds into {folded:?}")),
            Some(_) | None => Ok(()),
        }
    }

    /// What is recorded of an image is true.
    fn check_images(&self, model: Model<'_>) -> Result<(), String> {
        for image in model.images() {
            let lost = |change| matches!(change, Change::ImageLost(reference) if reference == image.reference);
            if self
                .target
                .tape
                .outside
                .iter()
                .any(|other| lost(other.change))
            {
                continue;
            }
            let found = self.target.truth.registry.get(&image.reference);
            if found != Some(&(image.key.clone(), image.digest.clone())) {
                let (reference, key) = (&image.reference, &image.key);
                return Err(format!(
                    "law 5: `{reference}` was recorded with {key}, and the registry has {found:?}"
                ));
            }
        }
        Ok(())
    }

    /// Every file is one that may stand there.
    fn check_files(&self, model: Model<'_>) -> Result<(), String> {
        let tape = &self.target.tape;
        let others: Vec<_> = tape
            .outside
            .iter()
            .map(|other| (other.after, digests(&other.config)))
            .collect();
        let stands = digests(&self.target.truth.config);
        for (file, may) in model.may_stand(&digests(&tape.seeds), &others, tape.rivalled) {
            let found = stands.get(&file).cloned();
            if !may.contains(&found) {
                return Err(format!(
                    "law 5: {file:?} is {found:?}; the facts allow {may:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What holds once a run that nothing disturbed has applied its deploy, and the journal as a whole.
pub(super) fn check_settled(target: &Target, facts: &[Arc<Recorded>]) -> Result<(), String> {
    let report = journal::chain::verify(&target.store, None).unwrap();
    if let Some(damage) = report.damage {
        return Err(format!("law 7: {damage:?}"));
    }
    let model = Model(facts);
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
    for function in &merged.images {
        let image = images
            .get(function)
            .ok_or("law 1: an image is not recorded")?;
        let found = truth.registry.get(&image.reference);
        if found != Some(&(image.key.clone(), image.digest.clone())) {
            return Err(format!("law 1: the image of `{function}` is {found:?}"));
        }
    }
    check_keys(target, model)
}

/// The keys that stand there are those that the last deploy owns, and those of others, as they left them. A key of others that
/// a deploy once claimed may be as it was, when that deploy never got as far, or gone.
fn check_keys(target: &Target, model: Model<'_>) -> Result<(), String> {
    let stand = keys(&target.truth.config);
    let seeds = keys(&target.tape.seeds);
    let claimed = model.ever_claimed();
    let mut of_others = match target.tape.outside.last() {
        Some(other) => keys(&other.config),
        None => seeds.clone(),
    };
    of_others.retain(|key, _| !claimed.contains(key));
    let ours: Vec<_> = model.merged().into_iter().flat_map(owned).collect();
    for key in &ours {
        if !stand.contains_key(key) {
            return Err(format!("law 1: `{}` is owned and is not there", key.0));
        }
    }
    for (key, value) in &stand {
        let left = of_others.contains_key(key) || seeds.get(key) == Some(value);
        if !ours.contains(&key) && !left {
            return Err(format!("law 1: `{}` is there and nobody's", key.0));
        }
    }
    for (key, value) in &of_others {
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
