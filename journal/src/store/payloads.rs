//! Payloads that are too large for a record: one file each, named by the hash of its bytes, on disk before the record that names it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::envelope::{Header, PAYLOAD_MAX, StoredEvent};
use crate::record;
use crate::store::StoreError;

/// The folder of large payloads.
#[derive(Debug)]
pub(crate) struct Payloads {
    folder: PathBuf,
}

impl Payloads {
    /// Large payloads below this folder; it is made when the first one is kept.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps an event's payload, durably. One that is there already, from another event or from an append that was cut off, is reused.
    pub(crate) fn keep(&self, disk: &Disk, event: &StoredEvent) -> Result<(), StoreError> {
        let path = self.path(&event.header);
        disk.make_folder(&self.folder)
            .map_err(StoreError::io(&self.folder))?;
        match self.read(&event.header) {
            Ok(_) => {
                let file = File::open(&path).map_err(StoreError::io(&path))?;
                disk.sync(&file).map_err(StoreError::io(&path))?;
            }
            Err(StoreError::Damaged(_)) => {
                let part = path.with_extension("part");
                Self::write(disk, &part, &event.payload).map_err(StoreError::io(&part))?;
                fs::rename(&part, &path).map_err(StoreError::io(&path))?;
            }
            Err(error) => return Err(error),
        }
        disk.sync_folder(&self.folder)
            .map_err(StoreError::io(&self.folder))
    }

    /// Reads the payload of a header and checks it.
    pub(crate) fn read(&self, header: &Header) -> Result<Vec<u8>, StoreError> {
        let path = self.path(header);
        let damage = |what| Damage::at(header.sequence, what);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damage(DamageKind::PayloadMissing).into());
            }
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        let mut payload = Vec::new();
        file.take(PAYLOAD_MAX as u64 + 1)
            .read_to_end(&mut payload)
            .map_err(StoreError::io(&path))?;
        record::check_payload(header, &payload).map_err(|_| damage(DamageKind::PayloadChanged))?;
        Ok(payload)
    }

    fn write(disk: &Disk, part: &Path, payload: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(part)?;
        inherit_access(part)?;
        file.write_all(payload)?;
        disk.sync(&file)
    }

    fn path(&self, header: &Header) -> PathBuf {
        self.folder.join(header.payload_hash.to_string())
    }
}
