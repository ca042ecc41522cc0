//! A store on top of a log that is only read: what is appended is kept in memory, and forgotten with the overlay.
//!
//! Whoever wants to know what would be recorded, and record nothing, appends here.

use uuid::Uuid;

use crate::envelope::{Head, NewEvent, StoredEvent};
use crate::hash::Hash;
use crate::store::memory::MemoryStore;
use crate::store::validate_append::AppendState;
use crate::store::{AppendError, EventLog, Store, StoreError, StoredHead, event};
use crate::stream::StreamId;

/// The events of a log as they are when the overlay is made, and those that are appended to the overlay after them.
pub struct Overlay<'a> {
    base: &'a dyn EventLog,
    /// Where the base ended. What others append to it later is not seen.
    end: u64,
    above: MemoryStore,
}

impl<'a> Overlay<'a> {
    /// Nothing is appended yet.
    pub fn new(base: &'a dyn EventLog) -> Result<Self, StoreError> {
        let end = base.head()?.sequence;
        let state = match event(base, end)? {
            Some(last) => AppendState::after(&last.header),
            None => AppendState::empty(base.stream()),
        };
        Ok(Self {
            above: MemoryStore::after(base.stream().clone(), state),
            end,
            base,
        })
    }

    /// Where a deploy of the base began, when that was before the overlay was made.
    fn start_below(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        let first = self.base.deploy_start(deploy)?;
        Ok(first.filter(|first| *first <= self.end))
    }
}

impl EventLog for Overlay<'_> {
    fn stream(&self) -> &StreamId {
        self.base.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.above.head()
    }

    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        self.above.kept_head()
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        self.base.checkpoint()
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        if from.max(1) > self.end {
            return self.above.events(from, limit);
        }
        let mut page = self.base.events(from, limit)?;
        page.retain(|event| event.header.sequence <= self.end);
        Ok(page)
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        match self.start_below(deploy)? {
            Some(first) => Ok(Some(first)),
            None => self.above.deploy_start(deploy),
        }
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let mut latest = self.above.latest_deploys(before, limit)?;
        let below = self.end.saturating_add(1);
        let below = before.map_or(below, |before| before.min(below));
        let rest = limit - latest.len();
        latest.extend(self.base.latest_deploys(Some(below), rest)?);
        Ok(latest)
    }

    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        match self.above.document(hash)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.base.document(hash),
        }
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = self.above.documents(after, limit)?;
        hashes.extend(self.base.documents(after, limit)?);
        hashes.sort_unstable();
        hashes.dedup();
        hashes.truncate(limit);
        Ok(hashes)
    }
}

impl Store for Overlay<'_> {
    fn put_document(&self, bytes: &[u8]) -> Result<Hash, AppendError> {
        self.above.put_document(bytes)
    }

    fn append(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, AppendError> {
        self.above
            .append_where(expected, drafts, |deploy| self.start_below(deploy))
    }

    /// An overlay goes on where its base ends, and begins nowhere else.
    fn begin_behind(&self, _checkpoint: &Head) -> Result<(), AppendError> {
        Err(AppendError::Conflict {
            expected: Head::empty(self.stream()),
            found: self.head()?,
        })
    }

    /// What is kept in memory is nowhere else.
    fn check_identity(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
