//! A mark outside of the store that events were recorded: without it, a store that is gone looks like one that never was.
//!
//! A file beside the store with the hash of the first event, written once, when that event is durable.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::hash::Hash;
use crate::store::{EventLog, StoreError, event};

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
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(StoreError::io(&self.path)(error)),
        };
        let Some(first) = event(store, 1)? else {
            return Err(Damage::at(0, DamageKind::Gone).into());
        };
        match text.trim_end().parse::<Hash>() {
            Ok(hash) if hash != first.header.hash => {
                Err(Damage::at(1, DamageKind::OtherHead).into())
            }
            // A mark that was changed still says that there were events.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Marks that events were recorded, durably; a mark that is there stays.
    pub(crate) fn set(&self, disk: &Disk, first: &Hash) -> Result<(), StoreError> {
        if self.path.exists() {
            return Ok(());
        }
        let part = self.path.with_extension("part");
        self.write(disk, &part, first)
            .map_err(StoreError::io(&self.path))
    }

    fn write(&self, disk: &Disk, part: &Path, first: &Hash) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(part)?;
        inherit_access(part)?;
        writeln!(file, "{first}")?;
        disk.sync(&file)?;
        fs::rename(part, &self.path)?;
        disk.sync_folder(self.path.parent().unwrap_or(Path::new(".")))
    }
}
