//! An artifact that is being written: beside its place, then in it.
//!
//! It is written into a folder beside its place, brought to disk, and changes places with what stood there in one step. Where the
//! file system cannot do that, the old folder steps aside first: whoever looks in that moment finds no artifact, never half of one.
//!
//! Both folders have fixed names and a lock, so that whatever a killed run left is taken up by the next one: a draft is
//! begun anew, an artifact that had stepped aside goes back.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with, syncfs};
use rustix::io::Errno;

use super::{StoreError, mode, parent, replaceable, unreadable, unwritable};
use crate::producer::artifact::tree::{Piece, Tree};

/// What a draft is called, after the name of its place.
const DRAFT: &str = "esb-draft";

/// What an artifact is called that has stepped aside.
const ASIDE: &str = "esb-old";

/// How often a folder that goes away under the hand is made anew.
const TRIES: usize = 100;

/// An artifact in the making. Dropped, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Draft {
    folder: PathBuf,
    place: PathBuf,
    /// The folder, held for as long as this process writes it.
    lock: File,
    /// Whether something of ours stands beside the place.
    left: bool,
}

/// Everything beside a place, and the place itself, as real paths: none of it is code, wherever it lies.
pub(crate) fn places(place: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = fs::canonicalize(place).into_iter().collect();
    if let Ok(parent) = fs::canonicalize(parent(place)) {
        places.extend([DRAFT, ASIDE].map(|role| beside(&parent, place, role)));
    }
    places
}

fn beside(parent: &Path, place: &Path, role: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    parent.join(format!(".{name}.{role}"))
}

impl Draft {
    /// Begins an artifact for a place. What is there already must be an artifact, or nothing.
    pub(crate) fn begin(place: &Path) -> Result<Self, StoreError> {
        let parent = parent(place);
        fs::create_dir_all(parent).map_err(unwritable(parent))?;
        let folder = beside(parent, place, DRAFT);
        let lock = held(&folder, place)?;
        let draft = Self {
            folder,
            place: place.to_owned(),
            lock,
            left: true,
        };
        draft.take_up()?;
        replaceable(place)?;
        Ok(draft)
    }

    /// Takes up what a killed run has left.
    fn take_up(&self) -> Result<(), StoreError> {
        let aside = self.aside();
        if aside.exists() {
            if self.place.exists() {
                remove(&aside)?;
            } else {
                fs::rename(&aside, &self.place).map_err(unwritable(&self.place))?;
            }
        }
        let entries = fs::read_dir(&self.folder).map_err(unreadable(&self.folder))?;
        for entry in entries {
            let path = entry.map_err(unreadable(&self.folder))?.path();
            if path.is_dir() && !path.is_symlink() {
                remove(&path)?;
            } else {
                fs::remove_file(&path).map_err(unwritable(&path))?;
            }
        }
        fs::set_permissions(&self.folder, Permissions::from_mode(0o755))
            .map_err(unwritable(&self.folder))
    }

    /// Where it is written.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    fn aside(&self) -> PathBuf {
        beside(parent(&self.place), &self.place, ASIDE)
    }

    /// Writes the files.
    pub(crate) fn write(&self, tree: &Tree) -> Result<(), StoreError> {
        let mut made = BTreeSet::new();
        for (path, piece) in tree.files() {
            let to = self.path().join(path);
            let folder = parent(&to);
            if !made.contains(folder) {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(folder)
                    .map_err(unwritable(folder))?;
                made.insert(folder.to_owned());
            }
            put(&to, piece)?;
        }
        Ok(())
    }

    /// Puts the artifact in its place; what stood there is gone afterwards.
    pub(crate) fn publish(mut self) -> Result<(), StoreError> {
        // Beginning has looked already; writing may have taken a while.
        replaceable(&self.place)?;
        // Hundreds of small files and their folders: one call for all of them costs a tenth of one for each.
        syncfs(&self.lock).map_err(|error| unwritable(&self.folder)(error.into()))?;
        if self.place.exists() {
            self.exchange()?;
        } else {
            fs::rename(&self.folder, &self.place).map_err(unwritable(&self.place))?;
            self.left = false;
        }
        let parent = parent(&self.place);
        File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(unwritable(parent))
    }

    fn exchange(&mut self) -> Result<(), StoreError> {
        // The old artifact is about to bear the name of a draft: it is held like one until it is removed.
        let _old = lock(&self.place, &self.place)?;
        match renameat_with(CWD, &self.folder, CWD, &self.place, RenameFlags::EXCHANGE) {
            Ok(()) => {
                self.left = false;
                remove(&self.folder)
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.step_aside(),
            Err(error) => Err(unwritable(&self.place)(error.into())),
        }
    }

    fn step_aside(&mut self) -> Result<(), StoreError> {
        let aside = self.aside();
        fs::rename(&self.place, &aside).map_err(unwritable(&self.place))?;
        if let Err(error) = fs::rename(&self.folder, &self.place) {
            // What cannot be put back now goes back when the next run begins.
            let _ = fs::rename(&aside, &self.place);
            return Err(unwritable(&self.place)(error));
        }
        self.left = false;
        remove(&aside)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.left {
            // What cannot be removed here is taken up by the next run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Makes a folder where there is none, and holds it.
fn held(folder: &Path, place: &Path) -> Result<File, StoreError> {
    for _ in 0..TRIES {
        match fs::DirBuilder::new().mode(0o755).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(folder)(error)),
        }
        let file = match lock(folder, place) {
            Ok(file) => file,
            Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(error) => return Err(error),
        };
        // Whoever held it may have put it in its place, or removed it, while it was being opened.
        let held = file.metadata().map_err(unreadable(folder))?;
        if fs::symlink_metadata(folder).is_ok_and(|there| there.ino() == held.ino()) {
            return Ok(file);
        }
    }
    Err(StoreError::Busy(place.to_owned()))
}

/// Opens a folder, which is no link, and holds it until it is closed.
fn lock(folder: &Path, place: &Path) -> Result<File, StoreError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).expect("open flags are a C int");
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(folder);
    let file = file.map_err(unreadable(folder))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy(place.to_owned())),
        Err(error) => Err(unwritable(folder)(error.into())),
    }
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(folder)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn put(to: &Path, piece: &Piece) -> Result<(), StoreError> {
    let executable = match piece {
        Piece::Link(target) => return symlink(target, to).map_err(unwritable(to)),
        Piece::Bytes {
            content,
            executable,
        } => {
            fs::write(to, content).map_err(unwritable(to))?;
            *executable
        }
        Piece::Copy { from, executable } => {
            fs::copy(from, to).map_err(unwritable(to))?;
            *executable
        }
    };
    // Neither the mode of the source nor the umask decides.
    fs::set_permissions(to, Permissions::from_mode(mode(executable))).map_err(unwritable(to))
}
