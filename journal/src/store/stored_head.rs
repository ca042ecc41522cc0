//! The head, kept apart from the events: a chain alone cannot see that its tail is missing.
//!
//! A small file of fixed size beside the store, overwritten in place after each durable append without a sync of its own. After a
//! power cut it may lag; it never leads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::envelope::Head;
use crate::hash::Hash;
use crate::stream::StreamId;

/// What the head that is kept apart says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredHead {
    /// The stream ended here, or one append later.
    Head(Head),
    /// There is none, or it is empty or all zeros: it was being made when the power went.
    Missing,
    /// Its bytes are not what was written, or they are another stream's.
    Damaged,
}

/// Sequence, hash, check.
pub(crate) const LENGTH: usize = 8 + 32 + 32;

/// What the check of the head is over, besides the head.
const DOMAIN: &str = "journal head v1";

/// The file.
#[derive(Debug)]
pub(crate) struct StoredHeadFile {
    file: File,
}

impl StoredHeadFile {
    /// Opens the file, and makes it when it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(path)?;
        inherit_access(path)?;
        Ok(Self { file })
    }

    /// Reads what the file at a path says.
    pub(crate) fn read(path: &Path, stream: &StreamId) -> io::Result<StoredHead> {
        let mut options = OpenOptions::new();
        let file = match options.read(true).custom_flags(NO_LINK).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(StoredHead::Missing);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::with_capacity(LENGTH + 1);
        file.take(LENGTH as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() <= LENGTH && bytes.iter().all(|byte| *byte == 0) {
            return Ok(StoredHead::Missing);
        }
        Ok(decode(DOMAIN, &bytes, stream).map_or(StoredHead::Damaged, StoredHead::Head))
    }

    /// Overwrites the head, without a sync.
    pub(crate) fn write(&self, head: &Head, stream: &StreamId) -> io::Result<()> {
        self.file.write_all_at(&encode(DOMAIN, head, stream), 0)
    }

    /// Makes the head survive a power cut.
    pub(crate) fn sync(&self, disk: &Disk) -> io::Result<()> {
        disk.sync(&self.file)
    }
}

fn check(domain: &str, sequence: &[u8], hash: &[u8], stream: &StreamId) -> Hash {
    Hash::of_fields(domain, &[stream.to_string().as_bytes(), sequence, hash])
}

/// A head as a record of fixed size.
pub(crate) fn encode(domain: &str, head: &Head, stream: &StreamId) -> Vec<u8> {
    let sequence = head.sequence.to_be_bytes();
    let check = check(domain, &sequence, head.hash.as_bytes(), stream);
    [&sequence[..], head.hash.as_bytes(), check.as_bytes()].concat()
}

/// The head of a record; none when its bytes are not those that were written, or they are another stream's.
pub(crate) fn decode(domain: &str, bytes: &[u8], stream: &StreamId) -> Option<Head> {
    let (sequence, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let head = Head {
        sequence: u64::from_be_bytes(*sequence),
        hash: Hash::from_bytes(*hash),
    };
    (rest == check(domain, sequence, hash, stream).as_bytes()).then_some(head)
}
