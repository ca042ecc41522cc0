//! Whether a path still leads to the file that was opened there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// A file as it was found at a path. Whoever compares keeps the file open, so that its number is not given to another.
#[derive(Debug)]
pub(crate) struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of a file that was opened at a path.
    pub(crate) fn of(path: &Path, file: &File) -> io::Result<Self> {
        let file = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        })
    }

    /// Fails when the path leads nowhere, or to another file.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(()),
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Err(StoreError::io(&self.path)(error))
            }
            Ok(_) | Err(_) => Err(StoreError::Moved {
                path: self.path.clone(),
            }),
        }
    }
}
