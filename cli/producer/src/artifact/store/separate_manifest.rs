//! A manifest that does not lie with its artifact.
//!
//! The two cannot be replaced in one step. So the manifest is away while the artifact is replaced: whoever looks in that moment,
//! or after a run was killed in it, finds no manifest, never the one of another artifact. One that stays the same stays in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::file::{put, synced};
use super::working_folder::WorkingFolder;
use super::{WriteError, parent, unreadable, unwritable};
use crate::artifact::tree::TreeFile;

/// The new manifest, and the old one when it is away, in the folder beside their place.
const NEW: &str = "new";
const OLD: &str = "old";

/// A manifest in the making. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct SeparateManifest {
    beside: WorkingFolder,
    place: PathBuf,
    /// Whether the old manifest is away.
    withdrawn: bool,
}

impl SeparateManifest {
    /// Writes a manifest beside its place; none when it is there already. A link stays one, and what it names is replaced.
    pub fn begin(place: &Path, text: &str) -> Result<Option<Self>, WriteError> {
        let place = match fs::canonicalize(place) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => place.to_owned(),
            Err(error) => return Err(unreadable(place)(error)),
        };
        if place.is_dir() {
            return Err(WriteError::NotAFile(place));
        }
        // What a killed run left goes away even when there is nothing to do.
        let beside = WorkingFolder::begin(&place)?;
        if let Some(there) = present(&place)? {
            if there == text.as_bytes() {
                return Ok(None);
            }
            if !is_replaceable(&there) {
                return Err(WriteError::NotAManifest(place));
            }
        }
        let new = beside.path().join(NEW);
        put(&new, &TreeFile::text(text))?;
        File::open(&new)
            .and_then(|new| new.sync_all())
            .map_err(unwritable(&new))?;
        Ok(Some(Self {
            beside,
            place,
            withdrawn: false,
        }))
    }

    /// Takes the old manifest away.
    pub(super) fn withdraw(&mut self) -> Result<(), WriteError> {
        match fs::rename(&self.place, self.beside.path().join(OLD)) {
            Ok(()) => {
                self.withdrawn = true;
                synced(parent(&self.place))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unwritable(&self.place)(error)),
        }
    }

    /// Puts the new one in its place.
    pub(super) fn publish(mut self) -> Result<(), WriteError> {
        self.withdrawn = false;
        let new = self.beside.path().join(NEW);
        fs::rename(new, &self.place).map_err(unwritable(&self.place))?;
        synced(parent(&self.place))
    }
}

impl Drop for SeparateManifest {
    fn drop(&mut self) {
        if self.withdrawn {
            // The artifact has not been replaced. What cannot be put back here is made anew by the next run.
            let _ = fs::rename(self.beside.path().join(OLD), &self.place);
        }
    }
}

/// A file that somebody names by mistake, such as a template, is not thrown away: it must be empty, or have the top-level key that every
/// manifest has. One that was damaged by hand or by a merge has its line still.
fn is_replaceable(there: &[u8]) -> bool {
    let mut lines = there.split(|byte| *byte == b'\n');
    there.trim_ascii().is_empty() || lines.any(|line| line.starts_with(b"schema_version:"))
}

/// What a file holds; none when it is not there.
pub fn present(path: &Path) -> Result<Option<Vec<u8>>, WriteError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path)(error)),
    }
}
