//! A file beside its target, complete and on disk, that a rename puts in its place.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::{PublishError, target_metadata};
use crate::failpoint;

/// Temporary files begin with this, so that those of a killed run are known.
const PREFIX: &str = ".artifactctl-publish-";

/// The mode of a file that replaces none.
const NEW_FILE_MODE: u32 = 0o644;

/// A temporary file that waits to replace its target. It is removed when it is dropped before that.
#[derive(Debug)]
pub(super) struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Staged {
    /// Writes a text beside its target and brings it to disk.
    pub(super) fn write(target: &Path, text: &str) -> Result<Self, PublishError> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!("{PREFIX}{name}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| PublishError::io("make", &temporary, error))?;
        let staged = Self {
            temporary,
            target: target.to_owned(),
            committed: false,
        };
        failpoint::reached(|| format!("made temporary {name}"));
        fill(&mut file, text, &staged.temporary)?;
        staged.take_after_target(&file)?;
        file.sync_all()
            .map_err(|error| PublishError::io("fsync", &staged.temporary, error))?;
        failpoint::reached(|| format!("filled temporary {name}"));
        Ok(staged)
    }

    /// Gives the file the mode of the one it replaces, and its owner where this user may.
    fn take_after_target(&self, file: &File) -> Result<(), PublishError> {
        let mut mode = NEW_FILE_MODE;
        if let Some(replaced) = target_metadata(&self.target)? {
            mode = replaced.mode() & 0o7777;
            // A user who may replace a file but not give it away keeps it; the mode still says who may read it.
            match fchown(file, Some(replaced.uid()), Some(replaced.gid())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => {
                    return Err(PublishError::io("set the owner of", &self.temporary, error));
                }
            }
        }
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| PublishError::io("set the mode of", &self.temporary, error))
    }

    /// Puts the file in the place of its target.
    pub(super) fn commit(mut self) -> Result<(), PublishError> {
        fs::rename(&self.temporary, &self.target)
            .map_err(|error| PublishError::io("replace", &self.target, error))?;
        self.committed = true;
        let name = self.target.file_name().unwrap_or_default();
        failpoint::reached(|| format!("replaced {}", name.display()));
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed here is removed by the next publish, which fails when it cannot either.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// Writes a whole text; a full disk shows here or when the file is brought to disk.
pub(super) fn fill(file: &mut File, text: &str, path: &Path) -> Result<(), PublishError> {
    file.write_all(text.as_bytes())
        .map_err(|error| PublishError::io("write", path, error))
}

/// Removes the temporary files of runs that were killed. The caller holds the lock, so nobody is using them.
pub(super) fn remove_stale(out: &Path) -> Result<(), PublishError> {
    let list = |error| PublishError::io("list", out, error);
    for entry in fs::read_dir(out).map_err(list)? {
        let entry = entry.map_err(list)?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let path = entry.path();
            fs::remove_file(&path)
                .map_err(|error| PublishError::io("remove the stale file", &path, error))?;
        }
    }
    Ok(())
}
