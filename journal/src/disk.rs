//! The one place that asks the disk to keep something, and that makes folders.

use std::fs::{DirBuilder, File};
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
