//! A journal as it was when it ended with an earlier event, and a steady view of one that is being written.
//!
//! What `--at` names is a moment, a deploy or an event.

use jiff::Timestamp;
use journal::{EventLog, Hash, Head, StoreError, StoredEvent, StoredHead, StreamId};
use uuid::Uuid;

use crate::applier::{deploys, target};
use crate::failure::{Failure, Kind};
use crate::when;

/// The events up to one of them. What is appended meanwhile does not show.
pub(crate) struct At<'a> {
    events: &'a dyn EventLog,
    head: Head,
}

impl<'a> At<'a> {
    /// Up to what `--at` names, or up to the present head.
    pub(crate) fn new(events: &'a dyn EventLog, at: Option<&str>) -> Result<Self, Failure> {
        let Some(at) = at else {
            let head = events.head();
            let head = head.map_err(|error| target::store_failure(&error))?;
            return Ok(Self { events, head });
        };
        if let Some(time) = when::date(at) {
            return Self::time(events, time);
        }
        if let Ok(sequence) = at.parse::<u64>() {
            return Self::sequence(events, at, sequence);
        }
        let time = when::moment(at, Timestamp::now());
        match (Self::deploy(events, at), time) {
            // A number of days has the form of the end of an id.
            (Err(_), Some(time)) => Self::time(events, time),
            (Err(failure), None) if !deploys::is_name(at) => Err(Failure {
                message: format!("`{at}` is no time, deploy or event"),
                ..failure
            }
            .hint(format!("a time is {}", when::FORMS))),
            (deploy, _) => deploy,
        }
    }

    /// Up to an event. Where there is no such event, the number may be the end of a deploy's id.
    fn sequence(events: &'a dyn EventLog, at: &str, sequence: u64) -> Result<Self, Failure> {
        // The number of an event that was pruned may still be the end of a deploy's id.
        if let Err(StoreError::Pruned { .. }) = journal::event(events, sequence)
            && let Ok(found) = Self::deploy(events, at)
        {
            return Ok(found);
        }
        if let Some(found) = Self::ending(events, sequence)? {
            return Ok(found);
        }
        let present = events
            .head()
            .map_err(|error| target::store_failure(&error))?;
        let begin = events
            .checkpoint()
            .map_err(|error| target::store_failure(&error))?
            .sequence;
        Self::deploy(events, at).map_err(|_| {
            let target = events.stream();
            Failure::new(
                Kind::Usage,
                format!("the journal of `{target}` has no event {sequence}"),
            )
            .hint(format!(
                "its events are {} to {}",
                begin + 1,
                present.sequence
            ))
        })
    }

    /// Up to the last event of a deploy.
    fn deploy(events: &'a dyn EventLog, name: &str) -> Result<Self, Failure> {
        let deploy = deploys::named(events, name)?;
        let last = deploy.last().map_or(0, |event| event.header.sequence);
        let found = Self::ending(events, last)?;
        found.map_or_else(|| Self::new(events, None), Ok)
    }

    /// Up to the last event that was recorded by then; a journal that is younger is empty.
    ///
    /// Events are taken to be in the order of their times. Where a clock was set back between two of them, either side of it may be
    /// where the journal ends.
    pub(crate) fn time(events: &'a dyn EventLog, time: Timestamp) -> Result<Self, Failure> {
        let failed = |error| target::store_failure(&error);
        let checkpoint = events.checkpoint().map_err(failed)?.sequence;
        let (mut by_then, mut after) = (checkpoint, events.head().map_err(failed)?.sequence + 1);
        while after - by_then > 1 {
            let middle = by_then + (after - by_then) / 2;
            let event = journal::event(events, middle).map_err(failed)?;
            if event.is_some_and(|event| event.header.recorded_at <= time) {
                by_then = middle;
            } else {
                after = middle;
            }
        }
        // What was true then, if anything was, was pruned.
        if by_then == checkpoint && checkpoint > 0 {
            refuse_pruned(events, checkpoint)?;
        }
        let empty = || Self {
            events,
            head: Head::empty(events.stream()),
        };
        Ok(Self::ending(events, by_then)?.unwrap_or_else(empty))
    }

    fn ending(events: &'a dyn EventLog, sequence: u64) -> Result<Option<Self>, Failure> {
        let event = journal::event(events, sequence);
        let event = event.map_err(|error| target::store_failure(&error))?;
        Ok(event.map(|event| Self {
            events,
            head: Head {
                sequence,
                hash: event.header.hash,
            },
        }))
    }
}

/// Fails as whoever reads an event does that was pruned.
fn refuse_pruned(events: &dyn EventLog, sequence: u64) -> Result<(), Failure> {
    let read = journal::event(events, sequence);
    read.map(drop)
        .map_err(|error| target::store_failure(&error))
}

/// Whether `--at` names a moment, which every target has. Deploys and events belong to one.
pub(crate) fn is_time(at: &str) -> bool {
    let is_past = || when::moment(at, Timestamp::now()).is_some() && !deploys::is_name(at);
    when::date(at).is_some() || is_past()
}

impl EventLog for At<'_> {
    fn stream(&self) -> &StreamId {
        self.events.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        Ok(self.head)
    }

    /// The one that is kept, which belongs to the present: only a verification asks, and that is of the whole.
    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        self.events.kept_head()
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        self.events.checkpoint()
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let mut events = self.events.events(from, limit)?;
        events.retain(|event| event.header.sequence <= self.head.sequence);
        Ok(events)
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        let first = self.events.deploy_start(deploy)?;
        Ok(first.filter(|&first| first <= self.head.sequence))
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let end = self.head.sequence.saturating_add(1);
        let before = before.map_or(end, |before| before.min(end));
        self.events.latest_deploys(Some(before), limit)
    }

    /// A document does not change, and an event of the past names only what was kept by then.
    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.events.document(hash)
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        self.events.documents(after, limit)
    }
}
