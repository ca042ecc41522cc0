//! A store in memory: an empty journal to read from, what an overlay appends, and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use crate::chain::{Damage, DamageKind};
use crate::envelope::{Head, NewEvent, SUPPORTED, Schema, StoredEvent};
use crate::hash::Hash;
use crate::record;
use crate::store::validate_append::{AppendState, check_document, validate_append};
use crate::store::{AppendError, EventLog, Page, Store, StoreError, StoredHead, refuse_pruned};
use crate::stream::StreamId;

/// Keeps the same records as the store on disk, in maps.
#[derive(Debug)]
pub struct MemoryStore {
    stream: StreamId,
    supported: Schema,
    state: RwLock<State>,
}

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<u64, Vec<u8>>,
    pub(crate) payloads: BTreeMap<Hash, Vec<u8>>,
    pub(crate) documents: BTreeMap<Hash, Vec<u8>>,
    pub(crate) starts: BTreeMap<u64, Uuid>,
    pub(crate) by_deploy: BTreeMap<Uuid, u64>,
    pub(crate) checkpoint: Head,
    pub(crate) tip: AppendState,
    pub(crate) kept: StoredHead,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(stream: StreamId) -> Self {
        let tip = AppendState::empty(&stream);
        Self::after(stream, tip)
    }

    /// An empty store that goes on where another log ends.
    pub(crate) fn after(stream: StreamId, tip: AppendState) -> Self {
        Self {
            state: RwLock::new(State {
                records: BTreeMap::new(),
                payloads: BTreeMap::new(),
                documents: BTreeMap::new(),
                starts: BTreeMap::new(),
                by_deploy: BTreeMap::new(),
                checkpoint: Head::empty(&stream),
                kept: StoredHead::Head(tip.head),
                tip,
            }),
            stream,
            supported: SUPPORTED,
        }
    }

    /// An empty store as a build sees it whose newest schema is another one.
    #[cfg(any(test, feature = "testing"))]
    pub fn supporting(stream: StreamId, supported: Schema) -> Self {
        Self::new(stream).seen_by(supported)
    }

    /// The same events as a build sees them whose newest schema is another one.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn seen_by(self, supported: Schema) -> Self {
        Self { supported, ..self }
    }

    /// A copy that goes its own way: the two share what they hold so far, and nothing later.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            stream: self.stream.clone(),
            supported: self.supported,
            state: RwLock::new(self.read().clone()),
        }
    }

    /// Appends to what is here. `started` says where a deploy began that is not here.
    pub(crate) fn append_where(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
        started: impl Fn(Uuid) -> Result<Option<u64>, StoreError>,
    ) -> Result<Vec<StoredEvent>, AppendError> {
        let mut state = self.write();
        let admitted = validate_append(
            &self.stream,
            self.supported,
            &state.tip,
            expected,
            drafts,
            |deploy| match state.by_deploy.get(&deploy) {
                Some(first) => Ok(Some(*first)),
                None => started(deploy),
            },
        )?;
        for (event, record) in admitted.events.iter().zip(admitted.records) {
            if record::is_apart(event.header.payload_length) {
                state
                    .payloads
                    .insert(event.header.payload_hash, event.payload.clone());
            }
            state.records.insert(event.header.sequence, record);
        }
        for (first, deploy) in admitted.starts {
            state.starts.insert(first, deploy);
            state.by_deploy.insert(deploy, first);
        }
        state.kept = StoredHead::Head(admitted.tip.head);
        state.tip = admitted.tip;
        Ok(admitted.events)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is kept, to be changed: tests damage it here.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventLog for MemoryStore {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn head(&self) -> Result<Head, StoreError> {
        Ok(self.read().tip.head)
    }

    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        Ok(self.read().kept)
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        Ok(self.read().checkpoint)
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.read();
        refuse_pruned(&self.stream, from.max(1), &state.checkpoint)?;
        let mut page = Page::new(&self.stream, self.supported, from, limit);
        for (sequence, record) in state.records.range(page.next()..) {
            if page.is_full() {
                break;
            }
            page.push(*sequence, record, |header| {
                let damage = |what| Damage::at(*sequence, what);
                let payload = state
                    .payloads
                    .get(&header.payload_hash)
                    .ok_or_else(|| damage(DamageKind::PayloadMissing))?;
                record::check_payload(header, payload)
                    .map_err(|_| damage(DamageKind::PayloadChanged))?;
                Ok(payload.clone())
            })?;
        }
        Ok(page.into_events())
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        Ok(self.read().by_deploy.get(&deploy).copied())
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.read();
        let below = state.starts.range((Bound::Unbounded, end));
        Ok(below
            .rev()
            .take(limit)
            .map(|(first, id)| (*first, *id))
            .collect())
    }

    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = self.read().documents.get(hash).cloned();
        if kept.as_ref().is_some_and(|bytes| Hash::of(bytes) != *hash) {
            return Err(Damage::at(0, DamageKind::Document(*hash)).into());
        }
        Ok(kept)
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.read();
        let rest = state.documents.range::<Hash, _>((from, Bound::Unbounded));
        Ok(rest.map(|(hash, _)| *hash).take(limit).collect())
    }
}

impl Store for MemoryStore {
    fn put_document(&self, bytes: &[u8]) -> Result<Hash, AppendError> {
        check_document(bytes)?;
        let hash = Hash::of(bytes);
        self.write().documents.insert(hash, bytes.to_vec());
        Ok(hash)
    }

    fn append(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, AppendError> {
        self.append_where(expected, drafts, |_| Ok(None))
    }

    fn begin_behind(&self, checkpoint: &Head) -> Result<(), AppendError> {
        let mut state = self.write();
        let tip = state.tip.behind(checkpoint, &self.stream)?;
        state.checkpoint = *checkpoint;
        state.kept = StoredHead::Head(*checkpoint);
        state.tip = tip;
        Ok(())
    }

    /// Nobody moves a memory.
    fn check_identity(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
