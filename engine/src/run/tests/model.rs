//! The reference model: what a list of facts allows and promises, computed the naive way.
//!
//! It reads the whole list from its first fact each time, knows no state and no stage, and shares no rule with the machine. What it
//! says is compared with the simulated world's truth. Event kinds that it does not name mean nothing to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compat::Verdict;
use crate::contract::{Digest, FunctionName};
use crate::machine::{Event, ImageBuilt, Merged, Recorded, Requested};
use crate::merge::{ConfigFile, Key};
use crate::run::simulated::Act;

/// A list of facts, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Model<'a>(pub(super) &'a [Arc<Recorded>]);

impl<'a> Model<'a> {
    /// The list as it was when a fact was the last one.
    pub(super) fn until(self, sequence: u64) -> Self {
        let end = self.0.partition_point(|fact| fact.sequence <= sequence);
        Self(&self.0[..end])
    }

    /// The facts of the last attempt: from the last `Requested` or `Resumed` on.
    fn attempt(self) -> &'a [Arc<Recorded>] {
        let begins =
            |fact: &Arc<Recorded>| matches!(fact.event, Event::Requested(_) | Event::Resumed(_));
        let begin = self.0.iter().rposition(begins).unwrap_or(0);
        &self.0[begin..]
    }

    /// The facts of the last deploy.
    fn deploy(self) -> &'a [Arc<Recorded>] {
        let begins = |fact: &Arc<Recorded>| matches!(fact.event, Event::Requested(_));
        let begin = self.0.iter().rposition(begins).unwrap_or(0);
        &self.0[begin..]
    }

    /// What the last deploy was asked for with.
    fn request(self) -> Option<&'a Requested> {
        self.0
            .iter()
            .rev()
            .find_map(|fact| match_request(&fact.event))
    }

    /// The merge of the last attempt.
    pub(super) fn merged(self) -> Option<&'a Merged> {
        self.attempt()
            .iter()
            .rev()
            .find_map(|fact| match_merged(&fact.event))
    }

    /// The images that the last attempt says are in the registry.
    pub(super) fn images(self) -> Vec<&'a ImageBuilt> {
        images(self.attempt())
    }

    /// Nothing is owed: the last fact ends a deploy or an attempt.
    pub(super) fn rests(self) -> bool {
        self.0.last().is_none_or(|fact| is_end(&fact.event))
    }

    /// The last deploy is applied.
    pub(super) fn is_applied(self) -> bool {
        let last = self.0.last();
        last.is_some_and(|fact| matches!(fact.event, Event::Applied(_)))
    }

    /// The facts are in an order in which they can be: gapless, a deploy in one piece, nothing after its end, attempts counted.
    pub(super) fn order(self) -> Result<(), String> {
        let mut ended = BTreeSet::new();
        let mut attempts = 0;
        for (index, fact) in self.0.iter().enumerate() {
            let here = format!("{} as fact {}", fact.event.kind(), fact.sequence);
            let before = index.checked_sub(1).map(|index| &self.0[index]);
            if before.map_or(0, |before| before.sequence) + 1 != fact.sequence {
                return Err(format!("{here} leaves a gap"));
            }
            if ended.contains(&fact.deploy) {
                return Err(format!("law 4: {here} follows the end of its deploy"));
            }
            let begins = matches!(fact.event, Event::Requested(_));
            let goes_on = before.is_some_and(|before| before.deploy == fact.deploy);
            if begins == goes_on {
                return Err(format!(
                    "law 4: {here} does not belong to the deploy before it"
                ));
            }
            if begins && before.is_some_and(|before| !ended.contains(&before.deploy)) {
                return Err(format!("law 4: {here} while a deploy is unfinished"));
            }
            if begins {
                attempts = 1;
            }
            if let Event::Resumed(resumed) = &fact.event {
                attempts += 1;
                if resumed.attempt != attempts {
                    return Err(format!("{here} counts {}, not {attempts}", resumed.attempt));
                }
            }
            if matches!(fact.event, Event::Applied(_) | Event::Abandoned(_)) {
                ended.insert(fact.deploy);
            }
        }
        Ok(())
    }

    /// The last fact permits a call: this attempt saw the stack, found it compatible, knows the configuration, and still owes this.
    pub(super) fn permits(self, act: &Act) -> Result<(), String> {
        let attempt = self.attempt();
        let place =
            |wanted: fn(&Event) -> bool| attempt.iter().position(|fact| wanted(&fact.event));
        if attempt.iter().any(|fact| is_end(&fact.event)) {
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
            Act::Build { function, .. } if !owes.images.contains(function) => {
                Err(format!("no image of `{function}` is owed"))
            }
            Act::Build { .. } => Ok(()),
            Act::Publish(_) | Act::Provision if built.len() < owes.images.len() => {
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
            Act::Provision => match self.request() {
                Some(request) if request.options.provision.is_some() => Ok(()),
                Some(_) | None => Err("no provisioner was asked for".to_owned()),
            },
        }
    }

    /// A build is no repetition: `--no-cache` asks for it, and no attempt of this deploy has recorded it.
    pub(super) fn may_build_again(self, act: &Act) -> bool {
        let Act::Build { function, key, .. } = act else {
            return true;
        };
        let no_cache = self
            .request()
            .is_some_and(|request| request.options.no_cache);
        no_cache
            && !images(self.deploy())
                .iter()
                .any(|image| image.function == *function && image.key == *key)
    }

    /// Every digest that each file may have, given what stood there first and what others put there after which fact. Up to the
    /// fact `rivalled` two processes were at work, and one that was overtaken may have finished the publish it was at.
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
            let sequence = last.map_or(0, |fact| fact.sequence);
            if let Some(merged) = last.and(upto.merged())
                && upto.images().len() == merged.images.len()
            {
                // From here on this may be published; once it was, it and nothing else stands there.
                for (file, digest) in &merged.files {
                    let stands = may.entry(*file).or_default();
                    if upto.is_applied() && sequence > rivalled {
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

    /// Every key that a deploy which may have begun to publish claimed as its own.
    pub(super) fn ever_claimed(self) -> BTreeSet<&'a Key> {
        self.0
            .iter()
            .filter_map(|fact| match_merged(&fact.event))
            .flat_map(owned)
            .collect()
    }
}

/// The keys that a merge gives to its sources.
pub(super) fn owned(merged: &Merged) -> impl Iterator<Item = &Key> {
    merged.ownership.sources.values().flat_map(BTreeMap::keys)
}

fn images(facts: &[Arc<Recorded>]) -> Vec<&ImageBuilt> {
    let images = facts.iter().filter_map(|fact| {
        if let Event::ImageBuilt(image) = &fact.event {
            Some(image)
        } else {
            None
        }
    });
    images.collect()
}

fn match_merged(event: &Event) -> Option<&Merged> {
    if let Event::Merged(merged) = event {
        Some(merged)
    } else {
        None
    }
}

fn match_request(event: &Event) -> Option<&Requested> {
    if let Event::Requested(request) = event {
        Some(request)
    } else {
        None
    }
}

fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Applied(_) | Event::Failed(_) | Event::Abandoned(_)
    )
}
