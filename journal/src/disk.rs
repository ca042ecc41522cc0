//! The one place that asks the disk to keep something, and that makes folders.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Asks the disk, and counts how often.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    syncs: AtomicU64,
}

impl Disk {
    /// Makes a file's bytes survive a power cut, and its length; not its times.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    }

    /// Makes the names in a folder survive a power cut.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        File::open(folder)?.sync_all()
    }

    /// Makes a folder with nothing in it, whatever an earlier try has left there.
    pub(crate) fn make_empty(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.make_folder(folder),
        }
    }

    /// Moves a folder to a place beside it where there is none. A power cut leaves it there with all of its files, or not at all.
    pub(crate) fn move_whole(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sync_files(from)?;
        fs::rename(from, to)?;
        self.sync_folder(to.parent().unwrap_or(Path::new(".")))
    }

    /// Makes a folder's files survive a power cut, and their names.
    fn sync_files(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.sync_files(&entry.path())?;
            } else {
                self.sync(&File::open(entry.path())?)?;
            }
        }
        self.sync_folder(folder)
    }

    /// How often the disk was asked.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Makes a folder and those above it, for this user only, so that they survive a power cut.
    pub(crate) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        self.make_folder(parent)?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => self.sync_folder(parent),
            // Another process may have made it since.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("`{}` is not a directory", folder.display()),
            )),
            Err(error) => Err(error),
        }
    }
}
