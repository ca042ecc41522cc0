//! What can go wrong at the file edge, and what to do about it.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::contract::printable;

/// The output directory could not be read or published to.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The system refused.
    #[error("cannot {action} `{}`", shown(path))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A configuration file is something else.
    #[error("`{}` is {found}, not a regular file", shown(path))]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The output directory is something else.
    #[error("`{}` is {found}, not a directory", shown(path))]
    NotADirectory {
        /// The output directory.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Another process publishes to the same directory.
    #[error("another process holds the lock on `{}` ({}); waited {waited_ms} ms", shown(path), holder.as_deref().unwrap_or("its id is not known"))]
    Busy {
        /// The output directory.
        path: PathBuf,
        /// The process, where the kernel tells.
        holder: Option<String>,
        /// How long was waited.
        waited_ms: u128,
    },
    /// A file is not as it was when the configuration was merged.
    #[error(
        "`{}` was changed while this deploy ran; nothing was published",
        shown(path)
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Everybody may write to the output directory.
    #[error(
        "everybody may write to `{}` (mode {mode:o}), so anybody could decide what the stack runs",
        shown(path)
    )]
    Everybodys {
        /// The output directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path leads to another directory than the one that was opened.
    #[error(
        "`{}` was moved or replaced while this deploy published into it",
        shown(path)
    )]
    Moved {
        /// The output directory.
        path: PathBuf,
    },
    /// Somebody who reads a file could not read its replacement.
    #[error(
        "replacing `{}` would lock {reader} out: this user may not keep the file's owner and group",
        shown(path)
    )]
    LosesReader {
        /// The file.
        path: PathBuf,
        /// Who reads it.
        reader: String,
    },
    /// A file is larger than any configuration.
    #[error("`{}` is larger than {limit} bytes", shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// A file is no text.
    #[error("`{}` is not valid UTF-8", shown(path))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
}

impl PublishError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The next thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { path, source, .. } => io_hint(path, source),
            Self::NotAFile { path, .. } => format!(
                "move `{}` away, or give another directory with `--out`",
                shown(path)
            ),
            Self::NotADirectory { path, .. } => {
                format!("give a directory with `--out`; `{}` is none", shown(path))
            }
            Self::Busy { path, holder, .. } => match holder {
                Some(holder) => format!("wait for {holder} to end, then repeat the command"),
                None => format!(
                    "find the process with `fuser -v {}`, wait for it to end, then repeat the command",
                    shown(path)
                ),
            },
            Self::Changed { path } => format!(
                "repeat the command: it merges into `{}` as it is then",
                shown(path)
            ),
            Self::Everybodys { path, .. } => format!(
                "take the right away with `chmod o-w {}`; a team shares a directory by its group (`chmod g+ws`)",
                shown(path)
            ),
            Self::Moved { path } => format!(
                "look where `{}` leads, then repeat the command: it publishes into what is there then",
                shown(path)
            ),
            Self::LosesReader { path, .. } => format!(
                "deploy as the owner of `{}` or as a member of its group, or let everybody read it",
                shown(path)
            ),
            Self::TooLarge { path, .. } | Self::NotUtf8 { path } => format!(
                "`{}` is no configuration file; move it away, then repeat the command",
                shown(path)
            ),
        }
    }

    /// Whether the same command may succeed when it is repeated.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Busy { .. } | Self::Changed { .. } | Self::Moved { .. } => true,
            Self::NotAFile { .. }
            | Self::NotADirectory { .. }
            | Self::Everybodys { .. }
            | Self::LosesReader { .. }
            | Self::TooLarge { .. }
            | Self::NotUtf8 { .. } => false,
        }
    }
}

/// A path within a line: a line break in it forges no line.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn io_hint(path: &Path, error: &io::Error) -> String {
    let path = shown(path);
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    if is(Errno::NOSPC) || is(Errno::DQUOT) {
        return format!("free some space where `{path}` is, then repeat the command");
    }
    if is(Errno::ACCESS) || is(Errno::PERM) {
        return format!(
            "let this user write to the directory of `{path}`, then repeat the command"
        );
    }
    if is(Errno::ROFS) {
        return format!("mount the file system of `{path}` for writing, then repeat the command");
    }
    if is(Errno::BUSY) {
        return format!(
            "`{path}` is mounted by itself and cannot be replaced; mount its directory instead"
        );
    }
    if is(Errno::IO) {
        return format!("check the disk that holds `{path}` (the kernel's log has details)");
    }
    format!("make `{path}` accessible, then repeat the command")
}

/// What a person calls this kind of file.
pub(super) fn kind_of(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symlink"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a file"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
