//! Which events of a journal came with an import: what they name (paths, files, hosts) is somebody else's.
//!
//! A file in the store with the sequence of the import's last event. It is written before the import takes the store's place, so that
//! a journal that was imported is never without it.

use std::fs;
use std::io;
use std::path::Path;

use crate::disk::Disk;

const NAME: &str = "imported";

/// Notes, durably, that everything up to this event came with an import.
pub(crate) fn note(store: &Path, until: u64) -> io::Result<()> {
    Disk::default().write_new(&store.join(NAME), format!("{until}\n").as_bytes())
}

/// The sequence of the last event that came with an import; 0 when none did. Where the note does not read, everything may have.
pub(crate) fn until(store: &Path) -> io::Result<u64> {
    match fs::read_to_string(store.join(NAME)) {
        Ok(text) => Ok(text.trim_end().parse().unwrap_or(u64::MAX)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(u64::MAX),
        Err(error) => Err(error),
    }
}
