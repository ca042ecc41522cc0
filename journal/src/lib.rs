//! How events are kept.
//!
//! Here: envelopes, the hash chain, the store port with its stores, who owns a target, readers, export and import.
//! Not here: what an event means. A payload is a row of bytes; deploys are only a way to group events.
//!
//! Everything is synchronous, and time, ids and people arrive as values.

mod access;
pub mod chain;
mod disk;
mod envelope;
mod hash;
mod record;
mod store;
mod stream;
pub mod transfer;

pub use access::{
    BackupPart, ComparedTarget, Comparison, DiskUse, Follower, Holder, ImportIntoError, Journal,
    OwnError, Owned, PruneError, PruneOrder, ReadError, Reader, RefusedPath, RemoveError,
    RestoreError, TargetCondition,
};
pub use chain::{Damage, DamageKind, VerifyReport};
pub use envelope::{
    ACTOR_MAX, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Head, Header, KIND_MAX, NewEvent,
    PAYLOAD_INLINE_MAX, PAYLOAD_MAX, SUPPORTED, Schema, StoredEvent, TOOL_MAX,
};
pub use hash::Hash;
pub use store::{
    AppendError, EventLog, MemoryStore, Overlay, Scan, SledStore, Store, StoreError, StoredHead,
    event, panics_are_caught, scan, scan_all,
};
pub use stream::{StreamId, StreamIdError};

// sled panics on a log that it cannot read; `store` catches that and calls it damage, which takes unwinding.
#[cfg(not(panic = "unwind"))]
compile_error!(
    "a damaged journal is told by a panic that is caught: build with panic = \"unwind\""
);

#[cfg(test)]
mod tests;
