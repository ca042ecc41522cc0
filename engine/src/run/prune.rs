//! What a prune would take away, and what it must leave.
//!
//! A prefix of the journal goes. What is left begins with a deploy, so that it can be read from its first event on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use journal::{EventLog, Hash, Head, PAYLOAD_MAX, StoredEvent, scan};

use super::deploy_journal::{DeployJournalError, deploy_events, latest_state, typed};
use super::documents::{document, document_bytes};
use crate::contract::Digest;
use crate::machine::{Document, Event, Images, Pruned, PrunedImages, RecordedEvent};

/// Which deploys are kept. Where both are said, the larger rest is kept; where none is, only what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepRule {
    /// Deploys that recorded something since then, and all behind the first of them.
    pub since: Option<Timestamp>,
    /// The last so many deploys.
    pub deploys: Option<u64>,
}

/// What a prune takes away, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePlan {
    /// The journal ended with this head when it was looked at.
    pub head: Head,
    /// The last event that goes.
    pub checkpoint: Head,
    /// How many events go.
    pub events: u64,
    /// How many deploys go.
    pub deploys: u64,
    /// When the first event that goes was recorded.
    pub from: Timestamp,
    /// When the last one was.
    pub to: Timestamp,
    /// How many events stay.
    pub kept_events: u64,
    /// How many deploys stay.
    pub kept_deploys: u64,
    /// The bytes of the events and documents that stay.
    pub kept_bytes: u64,
    /// The documents that stay.
    pub documents: BTreeSet<Hash>,
    /// How many documents go.
    pub documents_gone: u64,
    /// The images of what goes that nothing which stays has built or has in effect. Some may be remembered as earlier ones.
    pub images: PrunedImages,
    /// How many of them nothing names or remembers any more.
    pub unnamed_images: u64,
}

impl PrunePlan {
    /// What the journal is to say of it. `images` is the digest of the document of the images.
    pub fn said(&self, images: Option<Digest>, message: Option<String>) -> Pruned {
        Pruned {
            latest: 0,
            checkpoint: self.checkpoint,
            events: self.events,
            deploys: self.deploys,
            from: self.from.to_string(),
            to: self.to.to_string(),
            images,
            message,
        }
    }

    /// The document of the images that go; none when there are none, or
    /// more than a document can hold.
    pub fn images_document(&self) -> Option<Vec<u8>> {
        let bytes = (self.images.count() > 0).then(|| self.images.to_bytes());
        bytes.filter(|bytes| bytes.len() <= PAYLOAD_MAX)
    }
}

/// How many deploys that build upon each other and were not applied are needed by the next; as many as a deploy reads.
const NEEDED_MAX: usize = 32;
/// How many groups of events are asked for at a time.
const PAGE: usize = 1024;

/// Decides what goes. None when nothing does.
///
/// The latest deploy stays, and those that it builds upon as long as they were not applied: ownership, images and the configuration of
/// the next deploy are read from them.
pub fn prune_plan(
    events: &(impl EventLog + ?Sized),
    keep: KeepRule,
) -> Result<Option<PrunePlan>, DeployJournalError> {
    let head = events.head()?;
    let state = latest_state(events)?;
    let Some(latest) = &state.deploy else {
        return Ok(None);
    };
    let needed = needed(events, latest.first)?;
    let first = kept_by_rule(events, keep, head)?.map_or(needed, |first| first.min(needed));
    let begin = events.checkpoint()?.sequence.saturating_add(1);
    if first <= begin {
        return Ok(None);
    }
    let (mut gone, mut kept) = (Part::default(), Part::default());
    for event in scan(events, begin) {
        let event = event?;
        let is_kept = event.header.sequence >= first;
        let part = if is_kept { &mut kept } else { &mut gone };
        part.add(&event)?;
        if event.header.sequence == head.sequence {
            break;
        }
    }
    let mut images = gone.images(events)?;
    images.retain_others(&kept.digests(events, false)?);
    let mut unnamed = images.clone();
    unnamed.retain_others(&kept.digests(events, true)?);
    let Some((begun, last)) = gone.span else {
        return Ok(None);
    };
    let documents: BTreeSet<Hash> = kept.documents.iter().map(hash_of).collect();
    let mut kept_bytes = kept.bytes;
    for digest in &kept.documents {
        let bytes = document_bytes(events, digest)?;
        kept_bytes += bytes.map_or(0, |bytes| bytes.len() as u64);
    }
    Ok(Some(PrunePlan {
        head,
        checkpoint: last.0,
        events: gone.events,
        deploys: gone.deploys,
        from: begun,
        to: last.1,
        kept_events: kept.events,
        kept_deploys: kept.deploys,
        kept_bytes,
        documents_gone: documents_beside(events, &documents)?,
        documents,
        images,
        unnamed_images: unnamed.count(),
    }))
}

/// The first event of the earliest deploy that the next one reads.
fn needed(events: &(impl EventLog + ?Sized), latest: u64) -> Result<u64, DeployJournalError> {
    let mut first = latest;
    for _ in 0..NEEDED_MAX {
        let deploy = deploy_events(events, first)?;
        let base = deploy.iter().find_map(|one| one.event.as_requested());
        let Some(base) = base.and_then(|requested| requested.base.clone()) else {
            break;
        };
        let applied = deploy.iter().rev().find_map(|one| one.event.as_applied());
        let tells_images = applied.is_some_and(|applied| applied.images.is_some());
        let before_tells = base.applied || base.images.is_some();
        if tells_images || (applied.is_some() && before_tells) {
            break;
        }
        // What is not there any more was not needed when it went.
        match events.deploy_start(base.deploy)? {
            Some(earlier) if earlier < first => first = earlier,
            Some(_) | None => break,
        }
    }
    Ok(first)
}

/// The first event of the earliest deploy that the rule keeps; none when it keeps none.
fn kept_by_rule(
    events: &(impl EventLog + ?Sized),
    keep: KeepRule,
    head: Head,
) -> Result<Option<u64>, DeployJournalError> {
    let (mut kept, mut count, mut last) = (None, 0_u64, head.sequence);
    let mut before = None;
    loop {
        let page = events.latest_deploys(before, PAGE)?;
        let Some((oldest, _)) = page.last() else {
            return Ok(kept);
        };
        before = Some(*oldest);
        for (first, _) in page {
            let group = (first, std::mem::replace(&mut last, first - 1));
            if !begins_deploy(events, first)? {
                continue;
            }
            count += 1;
            let is_young = match keep.since {
                Some(since) => recorded_at(events, group.1)?.is_some_and(|at| at >= since),
                None => false,
            };
            if is_young || keep.deploys.is_some_and(|deploys| count <= deploys) {
                kept = Some(first);
            }
        }
    }
}

fn begins_deploy(
    events: &(impl EventLog + ?Sized),
    sequence: u64,
) -> Result<bool, DeployJournalError> {
    let event = journal::event(events, sequence)?;
    Ok(event.is_some_and(|event| crate::views::begins_deploy(&event)))
}

fn recorded_at(
    events: &(impl EventLog + ?Sized),
    sequence: u64,
) -> Result<Option<Timestamp>, DeployJournalError> {
    let event = journal::event(events, sequence)?;
    Ok(event.map(|event| event.header.recorded_at))
}

/// The documents that are there and not among these.
fn documents_beside(
    events: &(impl EventLog + ?Sized),
    kept: &BTreeSet<Hash>,
) -> Result<u64, DeployJournalError> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = events.documents(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        count += page.iter().filter(|hash| !kept.contains(hash)).count() as u64;
        after = Some(*last);
    }
}

fn hash_of(digest: &Digest) -> Hash {
    digest
        .hex()
        .parse()
        .expect("a digest has the form of a hash")
}

/// One part of a journal: what goes, or what stays.
#[derive(Debug, Default)]
struct Part {
    events: u64,
    deploys: u64,
    bytes: u64,
    /// When its first event was recorded, and its last event with its time.
    span: Option<(Timestamp, (Head, Timestamp))>,
    /// The documents that its events name.
    documents: BTreeSet<Digest>,
    /// Those of them that say which images were in effect, and those that list images which were pruned earlier.
    of_images: BTreeSet<Digest>,
    of_pruned: BTreeSet<Digest>,
    /// The images that its events name.
    images: PrunedImages,
}

impl Part {
    fn add(&mut self, stored: &StoredEvent) -> Result<(), DeployJournalError> {
        let RecordedEvent { event, .. } = typed(stored)?;
        self.events += 1;
        self.deploys += u64::from(event.as_requested().is_some());
        self.bytes += stored.size();
        let (at, head) = (stored.header.recorded_at, stored.header.head());
        let begun = self.span.map_or(at, |(begun, _)| begun);
        self.span = Some((begun, (head, at)));
        self.documents
            .extend(event.documents().into_iter().cloned());
        match &event {
            Event::Requested(requested) => {
                let base = requested.base.as_ref();
                self.name_images(base.and_then(|base| base.images.as_ref()));
            }
            Event::Merged(merged) => self.name_images(merged.images.document()),
            Event::ImagesKept(kept) => self.name_images(Some(&kept.images)),
            Event::Applied(applied) => self.name_images(applied.images.as_ref()),
            Event::Pruned(pruned) => self.of_pruned.extend(pruned.images.clone()),
            Event::ImageBuilt(image) => {
                let repository = repository(&image.reference);
                self.images.name(repository, &image.digest, &image.key);
                if let Some(prefix) = &image.prefix {
                    self.images.name(repository, &prefix.digest, &prefix.key);
                }
            }
            Event::Observed(_)
            | Event::CompatChecked(_)
            | Event::Failed(_)
            | Event::Resumed(_)
            | Event::Abandoned(_)
            | Event::TakenOver(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::DriftFound(_) => {}
        }
        Ok(())
    }

    fn name_images(&mut self, digest: Option<&Digest>) {
        self.documents.extend(digest.cloned());
        self.of_images.extend(digest.cloned());
    }

    /// The images that its events name, and those that were pruned before it.
    fn images(
        &self,
        events: &(impl EventLog + ?Sized),
    ) -> Result<PrunedImages, DeployJournalError> {
        let mut all = self.images.clone();
        for digest in &self.of_images {
            for image in document::<Images>(events, digest)?.images.into_values() {
                all.name(repository(&image.reference), &image.digest, &image.key);
            }
        }
        for digest in &self.of_pruned {
            all.add(document(events, digest)?);
        }
        Ok(all)
    }

    /// The digests of every image that its events name, and where that is asked for of those that they remember.
    fn digests(
        &self,
        events: &(impl EventLog + ?Sized),
        remembered: bool,
    ) -> Result<BTreeSet<Digest>, DeployJournalError> {
        let images = self.images.repositories.values();
        let mut named: BTreeSet<Digest> = images.flat_map(|one| one.keys().cloned()).collect();
        for digest in &self.of_images {
            let images: Images = document(events, digest)?;
            if remembered {
                named.extend(images.digests());
            } else {
                named.extend(images.images.into_values().map(|image| image.digest));
            }
        }
        Ok(named)
    }
}

/// The repository of an image reference: without tag and digest.
fn repository(reference: &str) -> &str {
    let named = reference
        .split_once('@')
        .map_or(reference, |(named, _)| named);
    match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => named,
    }
}

/// The images that were pruned, and the digests of those that the journal names or remembers.
pub fn pruned_images(
    events: &(impl EventLog + ?Sized),
) -> Result<(PrunedImages, BTreeSet<Digest>), DeployJournalError> {
    let mut part = Part::default();
    for event in journal::scan_all(events) {
        part.add(&event?)?;
    }
    let mut pruned = PrunedImages::default();
    for digest in &part.of_pruned {
        pruned.add(document(events, digest)?);
    }
    Ok((pruned, part.digests(events, true)?))
}
