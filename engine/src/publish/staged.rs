//! A file beside its target, complete and on disk, that a rename puts in its place.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::PublishError;
use super::directory::Directory;
use crate::failpoint;

/// Temporary files begin with this, so that those of a killed run are known.
const PREFIX: &str = ".artifactctl-publish-";

/// The mode of a file that replaces none. Its group is the directory's where the directory is setgid.
const NEW_FILE_MODE: u32 = 0o644;

/// The bits of a mode that let the group, and everybody, read.
const GROUP_READS: u32 = 0o040;
const EVERYBODY_READS: u32 = 0o004;

/// A temporary file that waits to replace its target. It is removed when it is dropped before that.
#[derive(Debug)]
pub(super) struct Staged<'d> {
    directory: &'d Directory,
    temporary: String,
    target: &'static str,
    committed: bool,
}

impl<'d> Staged<'d> {
    /// Writes a text beside its target and brings it to disk. A text that stands only until a later one of the same
    /// publish has a name of its own.
    pub(super) fn write(
        directory: &'d Directory,
        target: &'static str,
        text: &str,
        is_between: bool,
    ) -> Result<Self, PublishError> {
        let between = if is_between { "between-" } else { "" };
        let temporary = format!("{PREFIX}{between}{target}");
        let mut file = directory.create(&temporary)?;
        let staged = Self {
            directory,
            temporary,
            target,
            committed: false,
        };
        failpoint::reached(|| format!("made temporary {target}"));
        let path = directory.path_of(&staged.temporary);
        fill(&mut file, text, &path)?;
        staged.take_after_target(&file)?;
        file.sync_all()
            .map_err(|error| PublishError::io("fsync", &path, error))?;
        failpoint::reached(|| format!("filled temporary {target}"));
        Ok(staged)
    }

    /// Gives the file the owner, the group and the mode of the one it replaces, so that whoever could read still can.
    fn take_after_target(&self, file: &File) -> Result<(), PublishError> {
        let mut mode = NEW_FILE_MODE;
        if let Some(replaced) = self.directory.regular(self.target)? {
            mode = replaced.st_mode & 0o7777;
            let own = file
                .metadata()
                .map_err(|error| self.directory.io("look at", &self.temporary, error))?;
            let is_kept = |kept: io::Result<()>| match kept {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
                Err(error) => Err(self
                    .directory
                    .io("set the owner of", &self.temporary, error)),
            };
            // Giving a file away takes privileges; giving it to another group of this user does not.
            let has_group =
                own.gid() == replaced.st_gid || is_kept(fchown(file, None, Some(replaced.st_gid)))?;
            let has_owner =
                own.uid() == replaced.st_uid || is_kept(fchown(file, Some(replaced.st_uid), None))?;
            if let Some(lost) = lost_reader(mode, has_owner, has_group) {
                return Err(PublishError::LosesReader {
                    path: self.directory.path_of(self.target),
                    reader: match lost {
                        Reader::Owner => format!("its owner, user {}", replaced.st_uid),
                        Reader::Group => format!("its group, {}", replaced.st_gid),
                    },
                });
            }
        }
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| self.directory.io("set the mode of", &self.temporary, error))
    }

    /// Puts the file in the place of its target.
    pub(super) fn commit(mut self) -> Result<(), PublishError> {
        self.directory.rename(&self.temporary, self.target)?;
        self.committed = true;
        failpoint::reached(|| format!("replaced {}", self.target));
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed here is removed by the next publish, which fails when it cannot either.
            drop(self.directory.unlink(&self.temporary));
        }
    }
}

/// Somebody who could read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Owner,
    Group,
}

/// Who could read a file of this mode and cannot read its replacement, which has the same owner or group or has not.
pub(super) fn lost_reader(mode: u32, has_owner: bool, has_group: bool) -> Option<Reader> {
    if mode & EVERYBODY_READS != 0 {
        return None;
    }
    let group_reads = mode & GROUP_READS != 0;
    if group_reads && !has_group {
        return Some(Reader::Group);
    }
    // An owner is nearly always in the group of his file.
    (!has_owner && !group_reads).then_some(Reader::Owner)
}

/// Writes a whole text; a full disk shows here or when the file is brought to disk.
pub(super) fn fill(file: &mut File, text: &str, path: &Path) -> Result<(), PublishError> {
    file.write_all(text.as_bytes())
        .map_err(|error| PublishError::io("write", path, error))
}

/// Removes the temporary files of runs that were killed. The caller holds the lock, so nobody is using them.
pub(super) fn remove_stale(directory: &Directory) -> Result<(), PublishError> {
    let names = directory.names(PREFIX)?;
    names.iter().try_for_each(|name| directory.unlink(name))
}
