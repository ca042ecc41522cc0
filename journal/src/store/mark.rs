//! A mark outside of the store that events were recorded: without it, a store that is gone looks like one that never was.
//!
//! A file beside the store with the hash of the first event, written when that event is durable. Each prune adds the hash of the event
//! behind which the store begins since then, before the pruned store takes its place: either store is right at that moment.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::hash::Hash;
use crate::store::{EventLog, StoreError, event};

/// Most beginnings that are kept: the first, and those of the latest prunes. A backup may begin with any of them.
const BEGINNINGS_MAX: usize = 256;

/// The file, whether or not it is there.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
}

impl Mark {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Fails when events were recorded and the store is not there. It looks at names only.
    pub(crate) fn check_store(&self, store: &Path) -> Result<(), StoreError> {
        if self.path.exists() && !store.join("sled/db").is_file() {
            return Err(Damage::at(0, DamageKind::Gone).into());
        }
        Ok(())
    }

    /// Fails when events were recorded, and the store has none or begins with another one.
    pub(crate) fn check_events<F: EventLog + ?Sized>(&self, store: &F) -> Result<(), StoreError> {
        let Some(text) = self.text()? else {
            return Ok(());
        };
        let Some((sequence, beginning)) = beginning(store)? else {
            return Err(Damage::at(0, DamageKind::Gone).into());
        };
        let mut known = text.lines().map(str::parse::<Hash>);
        // A mark that was changed still says that there were events.
        if known.all(|known| known.is_ok_and(|known| known != beginning)) && !text.is_empty() {
            return Err(Damage::at(sequence, DamageKind::OtherHead).into());
        }
        Ok(())
    }

    /// What the mark says; none where there is none, and nothing where it does not read.
    fn text(&self) -> Result<Option<String>, StoreError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
            Err(error) => Err(StoreError::io(&self.path)(error)),
        }
    }

    /// Has a store that begins behind this event be taken for one of this target, too. It is durable on return.
    pub(crate) fn add(&self, disk: &Disk, checkpoint: &Hash) -> Result<(), StoreError> {
        let text = self.text()?.unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.contains(&checkpoint.to_string()) {
            return Ok(());
        }
        if lines.len() >= BEGINNINGS_MAX {
            lines.remove(1);
        }
        lines.push(checkpoint.to_string());
        self.replace(disk, &lines.join("\n"))
    }

    /// Marks that events were recorded, durably; a mark that is there stays.
    pub(crate) fn set(&self, disk: &Disk, first: &Hash) -> Result<(), StoreError> {
        if self.path.exists() {
            return Ok(());
        }
        self.replace(disk, &first.to_string())
    }

    fn replace(&self, disk: &Disk, text: &str) -> Result<(), StoreError> {
        let part = self.path.with_extension("part");
        self.write(disk, &part, text)
            .map_err(StoreError::io(&self.path))
    }

    fn write(&self, disk: &Disk, part: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(part)?;
        inherit_access(part)?;
        writeln!(file, "{text}")?;
        disk.sync(&file)?;
        fs::rename(part, &self.path)?;
        disk.sync_folder(self.path.parent().unwrap_or(Path::new(".")))
    }
}

/// The hash that a store begins with, and the sequence that it is said of: its first event's, or its checkpoint's. None without events.
pub(crate) fn beginning<F: EventLog + ?Sized>(
    store: &F,
) -> Result<Option<(u64, Hash)>, StoreError> {
    let checkpoint = store.checkpoint()?;
    let first = event(store, checkpoint.sequence.saturating_add(1))?;
    Ok(first.map(|first| match checkpoint.sequence {
        0 => (1, first.header.hash),
        sequence => (sequence, checkpoint.hash),
    }))
}
