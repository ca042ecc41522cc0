//! Verification: is the chain of a stream whole, from its first event to its head?
//!
//! Here: what can be wrong, and the walk that finds it. Each store checks a record against its own hashes while reading; the walk checks
//! how records hang together, the index of deploys, and the end.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Head, Header, StoredEvent};
use crate::hash::Hash;
use crate::store::{EventLog, StoreError, StoredHead, scan_all};
use crate::stream::StreamId;

/// The first event that is not as it was appended, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("the journal is damaged {}: {what}", place(*.sequence))]
pub struct Damage {
    /// The first bad sequence; 0 when the store as a whole cannot be read.
    pub sequence: u64,
    /// What is wrong.
    pub what: DamageKind,
}

/// Where, in words.
fn place(sequence: u64) -> String {
    match sequence {
        0 => "as a whole".to_owned(),
        sequence => format!("at event {sequence}"),
    }
}

impl Damage {
    pub(crate) fn at(sequence: u64, what: DamageKind) -> Self {
        Self { sequence, what }
    }
}

/// What can be wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// Nothing is stored under its sequence, though later events are.
    #[error("it is missing")]
    Missing,
    /// Its record does not follow the layout.
    #[error("its record cannot be read ({0})")]
    Unreadable(String),
    /// Another event of the stream is stored in its place.
    #[error("event {0} is stored in its place")]
    OtherEvent(u64),
    /// An event of another stream is stored in its place.
    #[error("an event of `{0}` is stored in its place")]
    OtherStream(StreamId),
    /// Its header was changed after it was appended.
    #[error("its header does not have the hash that is stored with it")]
    Changed,
    /// Its payload was changed after it was appended.
    #[error("its payload does not have the length and hash that its header says")]
    PayloadChanged,
    /// Its payload is kept apart, and is not there.
    #[error("its payload, which is kept in a file of its own, is missing")]
    PayloadMissing,
    /// It was made to follow another event than the one before it.
    #[error("it does not follow the event before it")]
    Unlinked,
    /// Its deploy had ended before: events of another deploy lie between.
    #[error("its deploy began with event {0}, and other deploys lie between")]
    Reopened(u64),
    /// The index of deploys does not say what the events say.
    #[error("the index of deploys does not lead to it")]
    Index,
    /// The stream ends before it, though it was appended.
    #[error("it is missing with all that followed, the journal ended with event {0}")]
    LostTail(u64),
    /// The chain ends, or passes, with another hash than the one that was noted.
    #[error("it does not have the hash that was noted for it")]
    OtherHead,
    /// There are no events, and a mark outside of the store says that some were recorded.
    #[error("its events are gone, though some were recorded")]
    Gone,
    /// The head that is kept apart is not there.
    #[error("it is the last one, and the head that is kept apart is missing")]
    KeptHeadMissing,
    /// The head that is kept apart was changed.
    #[error("it is the last one, and the head that is kept apart is damaged")]
    KeptHeadDamaged,
    /// Its line of an export is not the line that was exported.
    #[error("its line of the export is not what was exported: {0}")]
    Line(String),
    /// A document that is kept beside the events was changed.
    #[error("document `{0}` is not what was kept: it does not have its hash")]
    Document(Hash),
    /// The record of where it begins since it was pruned was changed.
    #[error("the record of where it begins since it was pruned is damaged")]
    Checkpoint,
    /// The storage below found its own files damaged.
    #[error("the storage is damaged ({0})")]
    Storage(String),
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyReport {
    /// The stream.
    pub stream: StreamId,
    /// Where it ends.
    pub head: Head,
    /// Where it begins since it was pruned: the last event that went. None when nothing was pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Head>,
    /// How many events are whole, from the first that is kept on.
    pub events: u64,
    /// How many deploys they belong to.
    pub deploys: u64,
    /// How many documents beside them are whole.
    pub documents: u64,
    /// The first damage; none when the journal is whole.
    pub damage: Option<Damage>,
}

/// Reads a whole stream, page by page, and finds the first damage.
///
/// `noted` is a head that somebody wrote down earlier: the chain must pass through it. The head that the store keeps apart is always
/// compared. An error means that the stream could not be read, not that it is damaged.
pub fn verify<F: EventLog + ?Sized>(
    events: &F,
    noted: Option<&Head>,
) -> Result<VerifyReport, StoreError> {
    verify_each(events, noted, drop)
}

/// What a verification found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost every part is an event")]
pub enum VerifiedPart {
    /// An event. They come in their order, and before the documents.
    Event(StoredEvent),
    /// The bytes of a document.
    Document(Vec<u8>),
}

/// The same, and each event and document that is whole is given to `each`. What it is given ends at the first damage.
pub fn verify_each<F: EventLog + ?Sized>(
    events: &F,
    noted: Option<&Head>,
    mut each: impl FnMut(VerifiedPart),
) -> Result<VerifyReport, StoreError> {
    // The head that is kept apart is read first: events that are appended meanwhile only make it lag.
    let kept = events.kept_head()?;
    let (end, unread) = match events.head() {
        Ok(head) => (Some(head), None),
        // The last event is damaged; an earlier one may be as well, and the first is named.
        Err(StoreError::Damaged(damage)) => (None, Some(damage)),
        Err(error) => return Err(error),
    };
    let checkpoint = match events.checkpoint() {
        Ok(checkpoint) => checkpoint,
        Err(StoreError::Damaged(damage)) => return Ok(unread_report(events.stream(), end, damage)),
        Err(error) => return Err(error),
    };
    if let Some(noted) = noted.filter(|noted| noted.sequence < checkpoint.sequence) {
        return Err(StoreError::Pruned {
            stream: events.stream().clone(),
            sequence: noted.sequence,
            until: checkpoint.sequence,
        });
    }
    let mut walk = Walk::new(events, end, checkpoint);
    let damage = match walk.run(&kept, noted, &mut each) {
        Ok(()) => unread,
        Err(StoreError::Damaged(damage)) => Some(damage),
        Err(error) => return Err(error),
    };
    let (documents, damage) = match damage {
        Some(damage) => (0, Some(damage)),
        None => verify_documents(events, &mut each)?,
    };
    let whole = walk.link.head();
    Ok(VerifyReport {
        stream: events.stream().clone(),
        head: end.unwrap_or(whole),
        checkpoint: pruned(checkpoint),
        events: whole.sequence.saturating_sub(checkpoint.sequence),
        deploys: walk.deploys,
        documents,
        damage,
    })
}

/// The checkpoint of a stream that was pruned.
pub(crate) fn pruned(checkpoint: Head) -> Option<Head> {
    (checkpoint.sequence > 0).then_some(checkpoint)
}

/// The report on a stream of which nobody can tell where it begins.
fn unread_report(stream: &StreamId, end: Option<Head>, damage: Damage) -> VerifyReport {
    VerifyReport {
        stream: stream.clone(),
        head: end.unwrap_or_else(|| Head::empty(stream)),
        checkpoint: None,
        events: 0,
        deploys: 0,
        documents: 0,
        damage: Some(damage),
    }
}

/// Reads every document; returns how many are whole, and the first that is not.
fn verify_documents<F: EventLog + ?Sized>(
    events: &F,
    each: &mut impl FnMut(VerifiedPart),
) -> Result<(u64, Option<Damage>), StoreError> {
    // Each page looks through all names, so that few large ones take less than many small ones.
    const PAGE: usize = 64 * 1024;
    let (mut whole, mut after) = (0, None);
    loop {
        let page = events.documents(after.as_ref(), PAGE)?;
        for hash in &page {
            match events.document(hash) {
                Ok(Some(bytes)) => {
                    whole += 1;
                    each(VerifiedPart::Document(bytes));
                }
                Ok(None) => return Ok((whole, Some(Damage::at(0, DamageKind::Document(*hash))))),
                Err(StoreError::Damaged(damage)) => return Ok((whole, Some(damage))),
                Err(error) => return Err(error),
            }
        }
        match page.last() {
            Some(last) => after = Some(*last),
            None => return Ok((whole, None)),
        }
    }
}

/// The end of a chain that is being followed.
#[derive(Debug)]
pub(crate) struct Link {
    head: Head,
    deploy: Option<Uuid>,
}

impl Link {
    /// Behind the last event that was pruned; behind the empty head where nothing was.
    pub(crate) fn behind(checkpoint: Head) -> Self {
        Self {
            head: checkpoint,
            deploy: None,
        }
    }

    /// Where the chain ends so far.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Follows the chain to an event whose own hashes were checked. True when a deploy begins with it.
    pub(crate) fn follow(&mut self, header: &Header) -> Result<bool, Damage> {
        let sequence = self.head.sequence.saturating_add(1);
        if header.sequence != sequence {
            return Err(Damage::at(
                sequence,
                DamageKind::OtherEvent(header.sequence),
            ));
        }
        if header.previous != self.head.hash {
            return Err(Damage::at(sequence, DamageKind::Unlinked));
        }
        let begins = self.deploy != Some(header.deploy);
        self.head = header.head();
        self.deploy = Some(header.deploy);
        Ok(begins)
    }
}

struct Walk<'a, F: ?Sized> {
    events: &'a F,
    /// Where the walk ends; none when it is to go on until it meets the damage.
    end: Option<Head>,
    link: Link,
    deploys: u64,
}

impl<'a, F: EventLog + ?Sized> Walk<'a, F> {
    fn new(events: &'a F, end: Option<Head>, checkpoint: Head) -> Self {
        Self {
            events,
            end,
            link: Link::behind(checkpoint),
            deploys: 0,
        }
    }

    fn run(
        &mut self,
        kept: &StoredHead,
        noted: Option<&Head>,
        each: &mut impl FnMut(VerifiedPart),
    ) -> Result<(), StoreError> {
        let kept_head = match kept {
            StoredHead::Head(head) => Some(head),
            StoredHead::Missing | StoredHead::Damaged => None,
        };
        let passes = [kept_head, noted];
        self.pass(&passes)?;
        for event in scan_all(self.events) {
            if Some(self.link.head()) == self.end {
                break;
            }
            let event = event?;
            if self.link.follow(&event.header)? {
                self.check_index(&event.header)?;
                self.deploys += 1;
            }
            self.pass(&passes)?;
            each(VerifiedPart::Event(event));
        }
        self.check_end(kept, &passes)
    }

    /// Compares the chain with every noted head of the sequence it has come to.
    fn pass(&self, heads: &[Option<&Head>]) -> Result<(), Damage> {
        let here = self.link.head();
        let other = heads
            .iter()
            .flatten()
            .any(|head| head.sequence == here.sequence && head.hash != here.hash);
        if other {
            return Err(Damage::at(here.sequence, DamageKind::OtherHead));
        }
        Ok(())
    }

    /// A deploy begins here: both directions of the index must lead here, and nowhere between this and the deploy before.
    fn check_index(&self, header: &Header) -> Result<(), StoreError> {
        let first = header.sequence;
        match self.events.deploy_start(header.deploy)? {
            Some(start) if start == first => {}
            Some(start) if start < first => {
                return Err(Damage::at(first, DamageKind::Reopened(start)).into());
            }
            Some(_) | None => return Err(Damage::at(first, DamageKind::Index).into()),
        }
        let newest = self.events.latest_deploys(first.checked_add(1), 1)?;
        if newest != [(first, header.deploy)] {
            return Err(Damage::at(first, DamageKind::Index).into());
        }
        Ok(())
    }

    fn check_end(&self, kept: &StoredHead, noted: &[Option<&Head>]) -> Result<(), StoreError> {
        let here = self.link.head();
        if let Some(lost) = noted
            .iter()
            .flatten()
            .copied()
            .chain(self.end.as_ref())
            .map(|head| head.sequence)
            .max()
            .filter(|last| *last > here.sequence)
        {
            return Err(
                Damage::at(here.sequence.saturating_add(1), DamageKind::LostTail(lost)).into(),
            );
        }
        if self.end.is_some_and(|end| end != here) {
            return Err(Damage::at(here.sequence, DamageKind::OtherHead).into());
        }
        self.check_index_size(here)?;
        match kept {
            StoredHead::Head(_) => Ok(()),
            // A store that was made, and then nothing was appended.
            StoredHead::Missing if here.sequence == 0 => Ok(()),
            StoredHead::Missing => {
                Err(Damage::at(here.sequence, DamageKind::KeptHeadMissing).into())
            }
            StoredHead::Damaged => {
                Err(Damage::at(here.sequence, DamageKind::KeptHeadDamaged).into())
            }
        }
    }

    /// The index holds no deploy that the events do not.
    fn check_index_size(&self, here: Head) -> Result<(), StoreError> {
        let (mut count, mut before) = (0, here.sequence.checked_add(1));
        loop {
            let page = self.events.latest_deploys(before, 1024)?;
            let Some((oldest, _)) = page.last() else {
                break;
            };
            before = Some(*oldest);
            count += page.len() as u64;
        }
        if count == self.deploys {
            Ok(())
        } else {
            Err(Damage::at(here.sequence, DamageKind::Index).into())
        }
    }
}
