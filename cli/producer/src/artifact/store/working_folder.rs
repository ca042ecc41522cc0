//! A folder beside a place, in which is written what is going to be in that place.
//!
//! It has a fixed name and a lock: two runs never write for one place, and whatever a killed run left in it, the next one clears.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{WriteError, parent, unreadable, unwritable};

/// What the folder is called, after the name of its place.
pub(super) const DRAFT: &str = "esb-draft";

/// How often a folder that goes away under the hand is made anew.
const TRIES: usize = 100;

/// The folder, empty at first. Dropped, it leaves no trace.
#[derive(Debug)]
pub(super) struct WorkingFolder {
    path: PathBuf,
    /// Held for as long as this process writes for the place.
    pub(super) lock: File,
    /// Whether the folder is ours to remove.
    left: bool,
}

/// What stands beside a place in a role.
pub(super) fn beside(parent: &Path, place: &Path, role: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    parent.join(format!(".{name}.{role}"))
}

impl WorkingFolder {
    /// Begins to write for a place.
    pub(super) fn begin(place: &Path) -> Result<Self, WriteError> {
        let parent = parent(place);
        fs::create_dir_all(parent).map_err(unwritable(parent))?;
        let path = beside(parent, place, DRAFT);
        let lock = held(&path, place)?;
        let begun = Self {
            path,
            lock,
            left: true,
        };
        begun.clear()?;
        let path = begun.path();
        fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(unwritable(path))?;
        Ok(begun)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes everything in it.
    pub(super) fn clear(&self) -> Result<(), WriteError> {
        let entries = fs::read_dir(&self.path).map_err(unreadable(&self.path))?;
        for entry in entries {
            let path = entry.map_err(unreadable(&self.path))?.path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path).map_err(unwritable(&path))?;
            } else {
                fs::remove_file(&path).map_err(unwritable(&path))?;
            }
        }
        Ok(())
    }

    /// Removes it.
    pub(super) fn remove(mut self) -> Result<(), WriteError> {
        self.left = false;
        fs::remove_dir_all(&self.path).map_err(unwritable(&self.path))
    }

    /// It stands in its place, and its name is free for others.
    pub(super) fn moved(mut self) {
        self.left = false;
    }
}

impl Drop for WorkingFolder {
    fn drop(&mut self) {
        if self.left {
            // What cannot be removed here is cleared by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes a folder where there is none, and holds it.
fn held(folder: &Path, place: &Path) -> Result<File, WriteError> {
    for _ in 0..TRIES {
        match fs::DirBuilder::new().mode(0o755).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(folder)(error)),
        }
        let file = match lock(folder, place) {
            Ok(file) => file,
            Err(WriteError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(error) => return Err(error),
        };
        ours(&file, folder)?;
        // Whoever held it may have put it in its place, or removed it, while it was being opened.
        let held = file.metadata().map_err(unreadable(folder))?;
        if fs::symlink_metadata(folder).is_ok_and(|there| there.ino() == held.ino()) {
            return Ok(file);
        }
    }
    Err(WriteError::Busy(place.to_owned()))
}

/// Refuses a folder that another user made, or may write to: what is written into it could end up elsewhere.
fn ours(folder: &File, path: &Path) -> Result<(), WriteError> {
    let found = folder.metadata().map_err(unreadable(path))?;
    if is_ours(found.uid(), found.mode(), geteuid().as_raw()) {
        Ok(())
    } else {
        Err(WriteError::NotOurs {
            path: path.to_owned(),
            owner: found.uid(),
            mode: found.mode() & 0o7777,
        })
    }
}

/// Whether a folder of this owner and mode is one that only this user writes to.
pub(super) fn is_ours(owner: u32, mode: u32, user: u32) -> bool {
    owner == user && mode & 0o022 == 0
}

/// Opens a folder, which is no link, and holds it until it is closed.
pub(super) fn lock(folder: &Path, place: &Path) -> Result<File, WriteError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).expect("open flags are a C int");
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(folder);
    let file = file.map_err(unreadable(folder))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(WriteError::Busy(place.to_owned())),
        Err(error) => Err(unwritable(folder)(error.into())),
    }
}
