//! Pruning a target: its journal begins behind a checkpoint from then on.
//!
//! The store is built anew beside the old one, with the events that are kept and one more, which says what went. Then both are
//! exchanged in one step: there is no moment at which events are gone and nothing says so.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::access::owner::OwnershipGuard;
use crate::access::replace::{Place, replace};
use crate::access::{Holder, OwnError, PruneError};
use crate::disk::Disk;
use crate::envelope::{Head, NewEvent};
use crate::hash::Hash;
use crate::store::mark::beginning;
use crate::store::{EventLog, Mark, SledStore, Store, StoreError, scan};
use crate::stream::StreamId;
use crate::transfer::Filling;

/// What a prune leaves of a journal.
#[derive(Debug, Clone)]
pub struct PruneOrder {
    /// The journal ends with this head: what is kept was decided of it.
    pub expected: Head,
    /// The last event that goes.
    pub checkpoint: Head,
    /// The documents that are kept.
    pub documents: BTreeSet<Hash>,
    /// The documents that the last event names.
    pub added: Vec<Vec<u8>>,
    /// The event that says what went. It is appended behind all others.
    pub event: NewEvent,
}

/// Prunes a target, and returns its new head. Readers are answered from the old store until the new one is complete.
pub(crate) fn prune(
    root: &Path,
    stream: &StreamId,
    holder: Holder,
    order: PruneOrder,
) -> Result<Head, PruneError> {
    let (guard, _) = OwnershipGuard::take(root, stream, holder)?;
    let mark = Mark::at(guard.layout.mark());
    if guard.is_doubtful() {
        SledStore::drop_cached(&guard.layout.store()).map_err(OwnError::from)?;
    }
    let old = SledStore::open_marked(&guard.layout.store(), stream.clone(), mark);
    let old = Arc::new(old.map_err(OwnError::from)?);
    must_be_pruneable(old.as_ref(), &order)?;
    if let Some((_, hash)) = beginning(old.as_ref()).map_err(OwnError::from)? {
        let mark = Mark::at(guard.layout.mark());
        mark.add(&Disk::default(), &hash).map_err(OwnError::from)?;
    }
    let server = guard.serve(Arc::clone(&old))?;
    let checkpoint = order.checkpoint;
    replace(&guard, stream, Place::Pruned(checkpoint), |store| {
        let head = fill(store, old.as_ref(), order)?;
        // Nobody reads the old store when it is exchanged.
        drop(server);
        drop(old);
        Ok(head)
    })
}

/// The journal is as it was when it was decided what goes, and the checkpoint is one of its events.
fn must_be_pruneable(old: &SledStore, order: &PruneOrder) -> Result<(), PruneError> {
    let found = old.head().map_err(OwnError::from)?;
    if found != order.expected {
        return Err(PruneError::Changed {
            sequence: found.sequence,
        });
    }
    let last = old.events(order.checkpoint.sequence, 1);
    let last = last.map_err(OwnError::from)?.pop();
    if last.is_none_or(|event| event.header.head() != order.checkpoint) {
        return Err(PruneError::Checkpoint {
            sequence: order.checkpoint.sequence,
        });
    }
    Ok(())
}

/// Copies what is kept, and appends the event that says what went.
fn fill(store: &SledStore, old: &SledStore, order: PruneOrder) -> Result<Head, PruneError> {
    let failed = |error: StoreError| PruneError::from(OwnError::from(error));
    let mut filling = Filling::behind(store, Some(&order.checkpoint))?;
    for event in scan(old, order.checkpoint.sequence.saturating_add(1)) {
        filling.push(store, event.map_err(failed)?)?;
    }
    for hash in &order.documents {
        let Some(bytes) = old.document(hash).map_err(failed)? else {
            return Err(PruneError::Document(*hash));
        };
        store.put_document(&bytes)?;
    }
    for bytes in &order.added {
        store.put_document(bytes)?;
    }
    filling.end(store)?;
    let copied = store.head().map_err(failed)?;
    if copied != order.expected {
        return Err(PruneError::Changed {
            sequence: copied.sequence,
        });
    }
    store.append(&copied, vec![order.event])?;
    store.head().map_err(failed)
}
