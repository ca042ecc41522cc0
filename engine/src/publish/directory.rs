//! An output directory by its descriptor: whatever happens to its path, reads and writes go to what was opened.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::{MAX_BYTES, PublishError};

/// The bit of a mode that lets everybody write.
const EVERYBODY_WRITES: u32 = 0o002;

/// A directory that was opened.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) file: File,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory that is there.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        // It was a directory a moment ago; a FIFO that stands there now is not waited for.
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::DIRECTORY.bits().cast_signed())
            .open(path)
            .map_err(|error| PublishError::io("open", path, error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn io(
        &self,
        action: &'static str,
        name: &str,
        error: impl Into<io::Error>,
    ) -> PublishError {
        PublishError::io(action, &self.path_of(name), error.into())
    }

    /// Refuses a directory that everybody may write to: anybody could give the stack its orders. The directory's group
    /// may write, since a team shares a directory in this way.
    pub(super) fn is_not_everybodys(&self) -> Result<(), PublishError> {
        let found = self
            .file
            .metadata()
            .map_err(|error| PublishError::io("look at", &self.path, error))?;
        if found.mode() & EVERYBODY_WRITES == 0 {
            return Ok(());
        }
        Err(PublishError::Everybodys {
            path: self.path.clone(),
            mode: found.mode() & 0o7777,
        })
    }

    /// Refuses to go on when the path leads somewhere else by now: what is published would not be where it is read.
    pub(super) fn is_in_its_place(&self) -> Result<(), PublishError> {
        let look =
            |found: io::Result<fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
        if look(fs::metadata(&self.path)) == look(self.file.metadata()) {
            return Ok(());
        }
        Err(PublishError::Moved {
            path: self.path.clone(),
        })
    }

    /// What stands under a name, symlinks not followed; none when nothing does. Anything but a regular file is refused.
    pub(super) fn regular(&self, name: &str) -> Result<Option<Stat>, PublishError> {
        let stat = match statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.io("look at", name, error)),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::RegularFile {
            return Ok(Some(stat));
        }
        Err(PublishError::NotAFile {
            path: self.path_of(name),
            found: kind_of(kind),
        })
    }

    /// The bytes of a regular file, bounded; none when it is missing.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, PublishError> {
        if self.regular(name)?.is_none() {
            return Ok(None);
        }
        // Should the file be exchanged in between: a symlink is not followed, and a FIFO does not block.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.file, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.io("open", name, error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.io("read", name, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PublishError::TooLarge {
                path: self.path_of(name),
                limit: MAX_BYTES,
            });
        }
        Ok(Some(bytes))
    }

    /// Makes a file that is not there. A name that somebody planted, a link too, is an error.
    pub(super) fn create(&self, name: &str) -> Result<File, PublishError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.file, name, flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(|error| self.io("make", name, error))
    }

    /// Puts a file in the place of another.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), PublishError> {
        renameat(&self.file, from, &self.file, to).map_err(|error| self.io("replace", to, error))
    }

    /// Takes a name away; a link is taken away itself.
    pub(super) fn unlink(&self, name: &str) -> Result<(), PublishError> {
        unlinkat(&self.file, name, AtFlags::empty())
            .map_err(|error| self.io("remove the stale file", name, error))
    }

    /// The names that begin with a text.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>, PublishError> {
        let list = |error: Errno| PublishError::io("list", &self.path, error.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.file).map_err(list)? {
            let entry = entry.map_err(list)?;
            // A name of ours is text.
            if let Ok(name) = entry.file_name().to_str()
                && name.starts_with(prefix)
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Brings the names in it to disk.
    pub(super) fn sync(&self) -> Result<(), PublishError> {
        self.file
            .sync_all()
            .map_err(|error| PublishError::io("fsync", &self.path, error))
    }
}

/// What a person calls this kind of file.
fn kind_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a symlink",
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => "a device",
    }
}
