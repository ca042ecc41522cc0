//! A journal as it was when it ended with an earlier event, and a steady view of one that is being written.

use journal::{EventLog, Hash, Head, StoreError, StoredEvent, StoredHead, StreamId};
use uuid::Uuid;

use crate::applier::target;
use crate::failure::{Failure, Kind};

/// The events up to one of them. What is appended meanwhile does not show.
pub(crate) struct At<'a> {
    events: &'a dyn EventLog,
    head: Head,
}

impl<'a> At<'a> {
    /// Up to a sequence, or up to the present head.
    pub(crate) fn new(events: &'a dyn EventLog, sequence: Option<u64>) -> Result<Self, Failure> {
        let present = events
            .head()
            .map_err(|error| target::store_failure(&error))?;
        let head = match sequence {
            None => present,
            Some(sequence) => journal::event(events, sequence)
                .map_err(|error| target::store_failure(&error))?
                .map(|event| Head {
                    sequence,
                    hash: event.header.hash,
                })
                .ok_or_else(|| {
                    Failure::new(
                        Kind::Usage,
                        format!(
                            "the journal of `{}` has no event {sequence}",
                            events.stream()
                        ),
                    )
                    .hint(format!("its events are 1 to {}", present.sequence))
                })?,
        };
        Ok(Self { events, head })
    }
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
