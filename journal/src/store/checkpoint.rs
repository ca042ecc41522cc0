//! The checkpoint: where a store begins whose first events were pruned.
//!
//! A small file of fixed size in the store, written once, before its first event. It is never changed: a prune builds another store.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, NO_LINK};
use crate::envelope::Head;
use crate::store::StoreError;
use crate::store::stored_head::{LENGTH, decode, encode};
use crate::stream::StreamId;

/// What the check of the record is over, besides the record.
const DOMAIN: &str = "journal checkpoint v1";

fn path(store: &Path) -> PathBuf {
    store.join("checkpoint")
}

/// Where the store in a folder begins: behind this event. Without a record it is whole, from its first event on.
pub(crate) fn read(store: &Path, stream: &StreamId) -> Result<Result<Head, Damage>, StoreError> {
    let path = path(store);
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(NO_LINK).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(Head::empty(stream)));
        }
        Err(error) => return Err(StoreError::io(&path)(error)),
    };
    let bytes = bounded(file).map_err(StoreError::io(&path))?;
    let checkpoint = decode(DOMAIN, &bytes, stream).filter(|head| head.sequence > 0);
    Ok(checkpoint.ok_or_else(|| Damage::at(0, DamageKind::Checkpoint)))
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(LENGTH + 1);
    file.take(LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes the record of a store that has none, durably.
pub(crate) fn write(
    disk: &Disk,
    store: &Path,
    checkpoint: &Head,
    stream: &StreamId,
) -> Result<(), StoreError> {
    let path = path(store);
    disk.write_new(&path, &encode(DOMAIN, checkpoint, stream))
        .map_err(StoreError::io(&path))
}

/// The bytes of a record, for tests that put another one in its place.
#[cfg(test)]
pub(crate) fn record(checkpoint: &Head, stream: &StreamId) -> Vec<u8> {
    encode(DOMAIN, checkpoint, stream)
}
