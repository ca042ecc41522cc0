//! The reference model: what a list of events allows and promises, computed the naive way.
//!
//! It reads the whole list from its first event each time, knows no state and no stage, and shares no rule with the machine. What it
//! says is compared with the simulated world's truth. Event kinds that it does not name mean nothing to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::read_event::ReadEvent;
use crate::compat::{Observation, Verdict};
use crate::contract::{Digest, FunctionName};
use crate::machine::{Event, ImageBuilt, Merged, OwedImages, Owners, RecordedEvent, Requested};
use crate::merge::{ConfigFile, Key};
use crate::run::simulated::Act;

/// A list of events, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Model<'a>(pub(super) &'a [Arc<ReadEvent>]);

impl<'a> Model<'a> {
    /// The list as it was when an event was the last one.
    pub(super) fn until(self, sequence: u64) -> Self {
        let end = self.0.partition_point(|event| event.sequence <= sequence);
        Self(&self.0[..end])
    }

    /// The events of the last attempt: from the last `Requested` or `Resumed` on.
    fn attempt(self) -> &'a [Arc<ReadEvent>] {
        let begins =
            |event: &Arc<ReadEvent>| matches!(event.event, Event::Requested(_) | Event::Resumed(_));
        let begin = self.0.iter().rposition(begins).unwrap_or(0);
        &self.0[begin..]
    }

    /// The events of the last attempt from its last look at the stack on.
    fn round(self) -> &'a [Arc<ReadEvent>] {
        let attempt = self.attempt();
        let looked = |event: &Arc<ReadEvent>| matches!(event.event, Event::Observed(_));
        &attempt[attempt.iter().rposition(looked).unwrap_or(0)..]
    }

    /// What the last attempt saw of the stack at last.
    pub(super) fn observed(self) -> Option<&'a Observation> {
        let seen = self.round().first()?.event.as_observed()?;
        Some(&seen.observation)
    }

    /// The events of the last deploy.
    fn deploy(self) -> &'a [Arc<ReadEvent>] {
        let begins = |event: &Arc<ReadEvent>| matches!(event.event, Event::Requested(_));
        let begin = self.0.iter().rposition(begins).unwrap_or(0);
        &self.0[begin..]
    }

    /// What the last deploy was asked for with.
    fn request(self) -> Option<&'a Requested> {
        self.0
            .iter()
            .rev()
            .find_map(|event| event.event.as_requested())
    }

    /// The merge of the last attempt that follows from its last look at the stack.
    pub(super) fn merged(self) -> Option<&'a Merged> {
        self.round()
            .iter()
            .rev()
            .find_map(|event| event.merged.as_ref())
    }

    /// The images that the last attempt says are in the registry, since its last look at the stack.
    pub(super) fn images(self) -> Vec<&'a ImageBuilt> {
        images(self.round())
    }

    /// The last event that is about how far a deploy is, and not about who may use the target.
    fn last_of_deploy(self) -> Option<&'a Event> {
        let events = self.0.iter().rev().map(|event| &event.event);
        events
            .into_iter()
            .find(|event| !Event::LOCK_KINDS.contains(&event.kind()))
    }

    /// Nothing is pending: the last deploy or attempt has ended, or a person holds the target.
    pub(super) fn rests(self) -> bool {
        self.is_held() || self.last_of_deploy().is_none_or(is_end)
    }

    /// The last deploy is applied.
    pub(super) fn is_applied(self) -> bool {
        matches!(self.last_of_deploy(), Some(Event::Applied(_)))
    }

    /// A person holds the target: it was held, and nobody let go since.
    pub(super) fn is_held(self) -> bool {
        let locks = self.0.iter().rev().map(|event| &event.event);
        let mut locks = locks.filter(|event| matches!(event, Event::Held(_) | Event::Released(_)));
        matches!(locks.next(), Some(Event::Held(_)))
    }

    /// An owner that ends now interrupts something: a hold, or a deploy that has neither been applied nor given up.
    pub(super) fn is_interrupted(self) -> bool {
        let unfinished = self
            .last_of_deploy()
            .is_some_and(|event| !matches!(event, Event::Applied(_) | Event::Abandoned(_)));
        self.is_held() || unfinished
    }

    /// The deploy that a resume goes on with: the last one, when it has neither been applied nor given up.
    pub(super) fn unfinished(self) -> Option<Uuid> {
        let deploys = self.0.iter().rev();
        let mut deploys = deploys.filter(|event| !Event::LOCK_KINDS.contains(&event.event.kind()));
        let last = deploys.next()?;
        let is_over = matches!(last.event, Event::Applied(_) | Event::Abandoned(_));
        (!is_over).then_some(last.deploy)
    }

    /// The last deploy asked for the provisioner.
    pub(super) fn owes_a_provisioner(self) -> bool {
        self.request()
            .is_some_and(|request| request.options.provision.is_some())
    }

    /// Who knew of this event and of none later knew what this attempt merged.
    pub(super) fn attempt_knows(self, sequence: u64) -> bool {
        let merged = self.attempt().iter().rev();
        let mut merged = merged.filter(|event| matches!(event.event, Event::Merged(_)));
        merged
            .next()
            .is_some_and(|event| event.sequence <= sequence)
    }

    /// The events are in an order in which they can be: gapless, a deploy or a hold in one piece, nothing after its end, attempts
    /// counted, and nothing but a take-over between a hold and its end.
    pub(super) fn order(self) -> Result<(), String> {
        let mut order = Order::default();
        for event in self.0 {
            let here = format!("{} as event {}", event.event.kind(), event.sequence);
            order
                .follows(event)
                .map_err(|why| format!("{here} {why}"))?;
        }
        Ok(())
    }

    /// The last event permits a call: this attempt saw the stack, found it compatible, knows the configuration, and still owes this.
    pub(super) fn permits(self, act: &Act) -> Result<(), String> {
        if self.is_held() {
            return Err("a person holds the target".to_owned());
        }
        let round = self.round();
        let place =
            |wanted: fn(&Event) -> bool| round.iter().position(|event| wanted(&event.event));
        if round.iter().any(|event| is_end(&event.event)) {
            return Err("the attempt has ended".to_owned());
        }
        let observed = place(|event| matches!(event, Event::Observed(_)));
        let checked = place(
            |event| matches!(event, Event::CompatChecked(checked) if checked.verdict == Verdict::Compatible),
        );
        let merged = place(|event| matches!(event, Event::Merged(_)));
        if observed.is_none() || observed >= checked || checked >= merged {
            return Err("the attempt has not observed, checked and merged".to_owned());
        }
        let owes = self.merged().expect("it was found");
        let built: BTreeSet<&FunctionName> =
            self.images().iter().map(|image| &image.function).collect();
        match act {
            Act::Build { function, .. } if built.contains(function) => {
                Err(format!("the image of `{function}` was there already"))
            }
            Act::Build { function, .. } if !pending_of(owes).contains(function) => {
                Err(format!("no image of `{function}` is pending"))
            }
            Act::Build { .. } => Ok(()),
            Act::Publish(_) | Act::Tag { .. } | Act::Provision
                if (built.len() as u64) < owes.images.count() =>
            {
                Err(format!("of {:?} only {built:?} are there", owes.images))
            }
            Act::Publish(publication) => {
                let texts = publication.files.iter();
                let files: BTreeMap<_, _> = texts
                    .map(|(file, text)| (*file, Digest::of(text)))
                    .collect();
                if files == owes.files {
                    Ok(())
                } else {
                    Err("the files are not those that were merged".to_owned())
                }
            }
            Act::Tag { reference, digest } => {
                let images = self.images();
                let is_recorded =
                    |image: &&&ImageBuilt| image.reference == *reference && image.digest == *digest;
                match images.iter().find(is_recorded) {
                    Some(_) => Ok(()),
                    None => Err("no such image is recorded".to_owned()),
                }
            }
            Act::Provision if self.owes_a_provisioner() => Ok(()),
            Act::Provision => Err("no provisioner was asked for".to_owned()),
        }
    }

    /// The digest that was recorded last for an image under a key, by any deploy.
    pub(super) fn recorded(self, reference: &str, key: &Digest) -> Option<&'a Digest> {
        let mut images = self.0.iter().rev().flat_map(|event| &event.images);
        let of_key = images.find(|image| image.reference == *reference && image.key == *key);
        of_key.map(|image| &image.digest)
    }

    /// The image that is there under the key that is built is not the one that was recorded under it.
    pub(super) fn is_of_a_stranger(self, act: &Act, there: Option<&Digest>) -> bool {
        let Act::Build { reference, key, .. } = act else {
            return false;
        };
        let recorded = self.recorded(reference, key);
        recorded.is_some() && there.is_some() && recorded != there
    }

    /// A build is no repetition: `--no-cache` asks for it, and no attempt of this deploy has recorded it.
    pub(super) fn may_build_again(self, act: &Act) -> bool {
        let Act::Build { function, key, .. } = act else {
            return !matches!(act, Act::Tag { .. });
        };
        let no_cache = self
            .request()
            .is_some_and(|request| request.options.no_cache);
        no_cache
            && !images(self.deploy())
                .iter()
                .any(|image| image.function == *function && image.key == *key)
    }

    /// Every digest that each file may have, given what stood there first and what others put there after which event. Up to the
    /// event `rivalled` two processes were at work, and one that was overtaken may have finished the publish it was at.
    pub(super) fn may_stand(
        self,
        seeds: &BTreeMap<ConfigFile, Digest>,
        others: &[(u64, BTreeMap<ConfigFile, Digest>)],
        rivalled: u64,
    ) -> BTreeMap<ConfigFile, BTreeSet<Option<Digest>>> {
        let mut may: BTreeMap<ConfigFile, BTreeSet<Option<Digest>>> = ConfigFile::ALL
            .into_iter()
            .map(|file| (file, BTreeSet::from([seeds.get(&file).cloned()])))
            .collect();
        let mut pending = others.iter().peekable();
        for index in 0..=self.0.len() {
            let upto = Self(&self.0[..index]);
            let last = upto.0.last();
            let sequence = last.map_or(0, |event| event.sequence);
            if let Some(merged) = last.and(upto.publishable()) {
                // From here on this may be published; once it was, it and nothing else stands there.
                for (file, digest) in &merged.files {
                    let stands = may.entry(*file).or_default();
                    let applies =
                        last.is_some_and(|event| matches!(event.event, Event::Applied(_)));
                    if applies && sequence > rivalled {
                        stands.clear();
                        // What others did since it was permitted, they may have done since it was published.
                        let since = others
                            .iter()
                            .filter(|(after, _)| (sequence - 1..sequence).contains(after));
                        stands.extend(since.map(|(_, files)| files.get(file).cloned()));
                    }
                    stands.insert(Some(digest.clone()));
                }
            }
            while let Some((_, files)) = pending.next_if(|(after, _)| *after <= sequence) {
                for (file, digest) in files {
                    may.entry(*file).or_default().insert(Some(digest.clone()));
                }
            }
        }
        may
    }

    /// What may be published by now: what is merged, once all its images are there.
    fn publishable(self) -> Option<&'a Merged> {
        let merged = self.merged()?;
        (self.images().len() as u64 == merged.images.count()).then_some(merged)
    }

    /// Keys that an unfinished deploy may have been about to remove, once somebody deployed without pruning: they are nobody's.
    pub(super) fn disowned(self) -> BTreeSet<&'a Key> {
        let mut requests = self.0.iter().filter_map(|event| event.event.as_requested());
        if requests.all(|request| request.options.prune) {
            return BTreeSet::new();
        }
        (0..=self.0.len())
            .filter_map(|index| Self(&self.0[..index]).publishable())
            .flat_map(|merged| &merged.changes.removed)
            .collect()
    }

    /// Every key that a deploy claimed as its own and may have published as such.
    pub(super) fn ever_claimed(self) -> BTreeSet<&'a Key> {
        (0..=self.0.len())
            .filter_map(|index| Self(&self.0[..index]).publishable())
            .flat_map(owned)
            .collect()
    }
}

/// What is known of a list of events, one event after the other.
#[derive(Default)]
struct Order {
    last: Option<(u64, Uuid)>,
    /// What the last event belongs to has not ended.
    open: bool,
    /// It is a hold that stands by itself.
    by_itself: bool,
    held: bool,
    /// The attempt has failed.
    failed: bool,
    attempts: u32,
    seen: BTreeSet<Uuid>,
}

impl Order {
    fn follows(&mut self, event: &RecordedEvent) -> Result<(), String> {
        if self.last.map_or(0, |(sequence, _)| sequence) + 1 != event.sequence {
            return Err("leaves a gap".to_owned());
        }
        if self.last.is_none_or(|(_, deploy)| deploy != event.deploy) {
            self.begins(event)?;
        } else if !self.open {
            return Err("law 4: follows the end of its deploy".to_owned());
        } else if matches!(event.event, Event::Requested(_)) {
            return Err("law 4: begins what has begun".to_owned());
        }
        self.last = Some((event.sequence, event.deploy));
        let releases = matches!(event.event, Event::Released(_));
        let takes_over = matches!(event.event, Event::TakenOver(_));
        if self.held && !releases && !takes_over || releases && !self.held {
            return Err("law 6: follows a hold, or ends none".to_owned());
        }
        self.held = matches!(event.event, Event::Held(_)) || self.held && !releases;
        let goes_on = matches!(event.event, Event::Resumed(_) | Event::Abandoned(_));
        if self.failed && !goes_on && !Event::LOCK_KINDS.contains(&event.event.kind()) {
            return Err("law 4: follows the end of its attempt".to_owned());
        }
        self.failed = matches!(event.event, Event::Failed(_)) || self.failed && !goes_on;
        if let Event::Resumed(resumed) = &event.event {
            self.attempts += 1;
            if resumed.attempt != self.attempts {
                let (counted, attempts) = (resumed.attempt, self.attempts);
                return Err(format!("counts {counted}, not {attempts}"));
            }
        }
        let ends = matches!(event.event, Event::Applied(_) | Event::Abandoned(_));
        self.open = !(ends || releases && self.by_itself);
        Ok(())
    }

    fn begins(&mut self, event: &RecordedEvent) -> Result<(), String> {
        if self.open {
            return Err("law 4: belongs to another deploy than the unfinished one".to_owned());
        }
        if !self.seen.insert(event.deploy) {
            return Err("law 4: follows the end of its deploy".to_owned());
        }
        self.by_itself = matches!(event.event, Event::Held(_));
        if !self.by_itself && !matches!(event.event, Event::Requested(_)) {
            return Err("law 4: begins nothing".to_owned());
        }
        self.open = true;
        self.attempts = 1;
        Ok(())
    }
}

/// The keys that a merge gives to its sources.
pub(super) fn owned(merged: &Merged) -> impl Iterator<Item = &Key> {
    let Owners::Stated(ownership) = &merged.ownership else {
        panic!("a small deploy says who owns what");
    };
    ownership.sources.values().flat_map(BTreeMap::keys)
}

/// The functions whose images a merge owes.
pub(super) fn pending_of(merged: &Merged) -> &[FunctionName] {
    let OwedImages::Stated(functions) = &merged.images else {
        panic!("a small deploy says which images it owes");
    };
    functions
}

fn images(events: &[Arc<ReadEvent>]) -> Vec<&ImageBuilt> {
    events.iter().flat_map(|event| &event.images).collect()
}

fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Applied(_) | Event::Failed(_) | Event::Abandoned(_)
    )
}
