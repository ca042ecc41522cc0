//! A directory whose files are read without ever leaving it.
//!
//! A path is resolved first (symlinks followed by name only, nothing opened), its result must lie inside of the root and
//! outside of `runtime-base`, and it is then opened part by part from the root's own descriptor, following no symlink at
//! all. A link that is swapped in between therefore makes the opening fail instead of leading out; no kernel feature is
//! needed for it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::contract::{RUNTIME_BASE, Rule};
use crate::yaml;

/// Why a file or directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nothing is there.
    #[error("is missing")]
    Missing,
    /// Something other than a regular file stands there.
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    /// Something other than a directory stands there, or on the way.
    #[error("is not a directory, or a part of its path is not")]
    NotADirectory,
    /// It may not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// Its real place is outside of the root.
    #[error("leads out of the artifact root")]
    Outside,
    /// Its real place is in `runtime-base`.
    #[error("leads into `runtime-base`, which is outside of the contract")]
    RuntimeBase,
    /// Symlinks lead in a circle.
    #[error("is a symlink that leads in a circle")]
    SymlinkLoop,
    /// It is over the size limit.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
}

impl Problem {
    /// The rule that this breaks.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Missing => Rule::MissingFile,
            Self::NotAFile(_) => Rule::NotAFile,
            Self::NotADirectory => Rule::NotADirectory,
            Self::Unreadable(_) => Rule::Unreadable,
            Self::Outside => Rule::OutsideRoot,
            Self::RuntimeBase => Rule::RuntimeBase,
            Self::SymlinkLoop => Rule::SymlinkLoop,
            Self::TooLarge(_) => Rule::Yaml(yaml::YamlRule::TooLarge),
        }
    }

    pub(super) fn of(error: impl Into<io::Error>) -> Self {
        let error = error.into();
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Self::Missing,
            Some(Errno::NOTDIR) => Self::NotADirectory,
            Some(Errno::LOOP) => Self::SymlinkLoop,
            Some(_) | None => Self::Unreadable(error),
        }
    }
}

/// The real place of a path, found without opening anything.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, Problem> {
    fs::canonicalize(path).map_err(Problem::of)
}

/// An open directory that is never left.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

impl Root {
    /// Opens a directory by its real path.
    pub(crate) fn open(real: PathBuf) -> Result<Self, Problem> {
        let kind = fs::symlink_metadata(&real).map_err(Problem::of)?;
        if !kind.is_dir() {
            return Err(Problem::NotADirectory);
        }
        let dir = rustix::fs::open(&real, directory_flags(), Mode::empty()).map_err(Problem::of)?;
        Ok(Self { path: real, dir })
    }

    /// The real path of the root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The real place of a path below the root, relative to the root. Opening it is what refuses `runtime-base`.
    pub(super) fn resolve(&self, relative: &Path) -> Result<PathBuf, Problem> {
        guard(relative)?;
        let real = real_path(&self.path.join(relative))?;
        let inside = real
            .strip_prefix(&self.path)
            .map_err(|_| Problem::Outside)?
            .to_owned();
        Ok(inside)
    }

    /// Reads a file below the root, up to a size.
    pub(super) fn read(&self, relative: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
        let real = self.resolve(relative)?;
        let mut file = self.open_file(&real)?;
        read_bounded(&mut file, limit)
    }

    /// Opens a regular file by its real path below the root.
    pub(crate) fn open_file(&self, real: &Path) -> Result<File, Problem> {
        guard(real)?;
        let Some(name) = real.file_name() else {
            return Err(Problem::NotAFile("a directory"));
        };
        let parent = self.open_dir(real.parent().unwrap_or(Path::new("")))?;
        open_regular(parent.as_fd(), name)
    }

    /// What a symlink names, by its real path below the root. Only a build context needs it.
    #[cfg(feature = "docker")]
    pub(crate) fn read_link(&self, real: &Path) -> Result<std::ffi::CString, Problem> {
        guard(real)?;
        let parent = self.open_dir(real.parent().unwrap_or(Path::new("")))?;
        let name = real.file_name().unwrap_or_default();
        rustix::fs::readlinkat(parent, name, Vec::new()).map_err(Problem::of)
    }

    /// Opens a directory by its real path below the root, following no symlink.
    pub(crate) fn open_dir(&self, real: &Path) -> Result<OwnedFd, Problem> {
        guard(real)?;
        let mut dir = self.dir.try_clone().map_err(Problem::Unreadable)?;
        for part in real.components() {
            dir = rustix::fs::openat(
                &dir,
                part.as_os_str(),
                directory_flags() | OFlags::NOFOLLOW,
                Mode::empty(),
            )
            .map_err(Problem::of)?;
        }
        Ok(dir)
    }
}

/// Opens an entry of a directory that must be a regular file, without waiting for a FIFO and without touching a device.
pub(super) fn open_regular(dir: rustix::fd::BorrowedFd<'_>, name: &OsStr) -> Result<File, Problem> {
    let before = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Problem::of)?;
    regular(FileType::from_raw_mode(before.st_mode))?;
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(Problem::of)?;
    let opened = rustix::fs::fstat(&file).map_err(Problem::of)?;
    regular(FileType::from_raw_mode(opened.st_mode))?;
    Ok(File::from(file))
}

/// Opens a regular file anywhere, symlinks followed, without waiting for a FIFO and without touching a device: for the files
/// that a user names, the manifest, the secret file and others.
pub fn open_anywhere(path: &Path) -> Result<File, Problem> {
    let real = real_path(path)?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(Problem::NotAFile("a directory"));
    };
    let dir = rustix::fs::open(parent, directory_flags(), Mode::empty()).map_err(Problem::of)?;
    open_regular(dir.as_fd(), name)
}

/// Reads a whole file; one byte over the limit is a problem.
pub fn read_bounded(file: &mut File, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Problem::TooLarge(limit));
    }
    Ok(bytes)
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// A relative path that neither climbs nor begins in `runtime-base`.
fn guard(relative: &Path) -> Result<(), Problem> {
    let mut depth = 0_usize;
    let mut first = None;
    for part in relative.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                depth = depth.checked_sub(1).ok_or(Problem::Outside)?;
            }
            Component::Normal(name) => {
                if depth == 0 {
                    first = Some(name);
                }
                depth += 1;
            }
            Component::RootDir | Component::Prefix(_) => return Err(Problem::Outside),
        }
    }
    if first == Some(OsStr::new(RUNTIME_BASE)) && depth > 0 {
        return Err(Problem::RuntimeBase);
    }
    Ok(())
}

fn regular(kind: FileType) -> Result<(), Problem> {
    match kind {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Problem::NotAFile("a directory")),
        FileType::Symlink => Err(Problem::NotAFile("a symlink")),
        FileType::Fifo => Err(Problem::NotAFile("a FIFO")),
        FileType::Socket => Err(Problem::NotAFile("a socket")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(Problem::NotAFile("a device")),
        FileType::Unknown => Err(Problem::NotAFile("of an unknown kind")),
    }
}
