//! A copy of sled's files that only this process uses, so that whoever reads a journal writes nothing into it.
//!
//! Opening is not reading only (`log_backup`), and a reader may be another user than the one who writes, or may not write at all: the
//! journal lies on a read-only mount, or its disk is full.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::store::StoreError;
use crate::store::log_backup::{LOG, WHOLE, small_files};

/// A folder in memory, on systems that have one.
const MEMORY: &str = "/dev/shm";

/// Whether a log is read where it is: it is long, so that a copy takes its time, and it is this user's and can be written to.
pub(super) fn reads_in_place(folder: &Path) -> bool {
    let log = folder.join(LOG);
    fs::metadata(&log)
        .is_ok_and(|log| log.len() > WHOLE && log.uid() == rustix::process::geteuid().as_raw())
        && OpenOptions::new().write(true).open(log).is_ok()
        && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// True when an error says that this process cannot write where the journal is.
pub(super) fn cannot_write(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
        )
    )
}

/// Copies sled's files: a short log into memory, a long one where temporary files go. Where one has no room the other is tried. What was
/// never made is an empty folder.
pub(super) fn copy(folder: &Path) -> Result<TempDir, StoreError> {
    let length = fs::metadata(folder.join(LOG)).map_or(0, |log| log.len());
    let mut places = [PathBuf::from(MEMORY), std::env::temp_dir()];
    if length > WHOLE {
        places.reverse();
    }
    let mut refused = None;
    for place in places {
        match copy_to(folder, &place) {
            Ok(copied) => return Ok(copied),
            Err(error) if is_about(&error, folder) => return Err(error),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| StoreError::io(folder)(io::ErrorKind::NotFound.into())))
}

/// True when it is the journal that cannot be read, and not the copy that cannot be written.
fn is_about(error: &StoreError, folder: &Path) -> bool {
    matches!(error, StoreError::Io { path, .. } if path.starts_with(folder))
}

fn copy_to(folder: &Path, place: &Path) -> Result<TempDir, StoreError> {
    let copied = tempfile::Builder::new()
        .prefix("artifactctl-")
        .tempdir_in(place)
        .map_err(StoreError::io(place))?;
    let mut names = match small_files(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(copied),
        Err(error) => return Err(StoreError::io(folder)(error)),
    };
    // One that was being written when its process ended is none.
    names.retain(|name| !name.to_string_lossy().ends_with(".generating"));
    names.push(LOG.into());
    for name in names {
        let (from, to) = (folder.join(&name), copied.path().join(&name));
        let mut source = match File::open(&from) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io(&from)(error)),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&to)
            .map_err(StoreError::io(&to))?;
        // Where the file system can, the copy shares its blocks.
        io::copy(&mut source, &mut file).map_err(StoreError::io(&to))?;
    }
    Ok(copied)
}
