//! Keys of the store on disk.
//!
//! One tree, three kinds of keys, every number big-endian so that keys sort as numbers do:
//!
//! ```text
//! f sequence chunk   a piece of an event's record
//! d deploy           the sequence of the deploy's first event
//! s sequence         the deploy that begins with this event
//! ```

use uuid::Uuid;

use crate::chain::{Damage, DamageKind};

/// The key of a piece of an event's record.
pub(crate) fn event_key(sequence: u64, chunk: u16) -> [u8; 11] {
    let mut key = [b'f'; 11];
    key[1..9].copy_from_slice(&sequence.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// The key that says which deploy begins with an event.
pub(crate) fn start_key(sequence: u64) -> [u8; 9] {
    let mut key = [b's'; 9];
    key[1..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// The key that says where a deploy begins.
pub(crate) fn deploy_key(deploy: Uuid) -> [u8; 17] {
    let mut key = [b'd'; 17];
    key[1..].copy_from_slice(deploy.as_bytes());
    key
}

/// The number behind a key's first byte; a key that is too short has none, and is nowhere.
pub(crate) fn sequence_of(key: &[u8]) -> u64 {
    key.get(1..9).map_or(0, number)
}

/// A number as it is stored; bytes that are none are nowhere.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

/// The pieces of a record, joined as they are read.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    record: Vec<u8>,
    count: u16,
    broken: bool,
}

impl Pieces {
    /// Takes the next piece; its key says whether it is the next.
    pub(crate) fn add(&mut self, key: &[u8], piece: &[u8]) {
        self.broken |= key.get(9..) != Some(&self.count.to_be_bytes());
        self.count = self.count.saturating_add(1);
        self.record.extend_from_slice(piece);
    }

    /// The record, when no piece is missing before its end.
    pub(crate) fn record(self, sequence: u64) -> Result<Vec<u8>, Damage> {
        if self.broken {
            let what = DamageKind::Unreadable("a piece of it is missing".to_owned());
            return Err(Damage::at(sequence, what));
        }
        Ok(self.record)
    }
}
