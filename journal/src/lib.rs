//! How facts are kept.
//!
//! Here: envelopes, the hash chain, the store port with its two stores, who owns a target, readers, export and import.
//! Not here: what a fact means. A payload is a row of bytes; deploys are only a way to group facts.
//!
//! Everything is synchronous, and time, ids and people arrive as values.

pub mod chain;
mod disk;
mod envelope;
pub mod exchange;
mod hash;
mod record;
mod store;
mod stream;
mod target;

pub use chain::{Damage, VerifyReport, What};
pub use envelope::{
    ACTOR_MAX, BATCH_BYTES_MAX, BATCH_FACTS_MAX, Draft, Fact, Head, Header, KIND_MAX,
    PAYLOAD_INLINE_MAX, PAYLOAD_MAX, SUPPORTED, Schema, TOOL_MAX,
};
pub use hash::Hash;
pub use store::{
    AppendError, Facts, Kept, MemoryStore, Scan, SledStore, Store, StoreError, fact,
    panics_are_caught, scan,
};
pub use stream::{StreamId, StreamIdError};
pub use target::{Follower, Holder, ImportIntoError, Journal, OwnError, Owned, ReadError, Reader};

#[cfg(test)]
mod tests;
