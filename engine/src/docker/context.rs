//! The build context: exactly the files a content key was computed from.
//!
//! Nothing is copied to disk. Every file is opened part by part below the root and hashed while it is read; one that is not
//! what was hashed before ends the transfer, so that an engine never builds from it. Here: what is sent, and the proof that it
//! is what was meant. Not here: the two ways it goes out (`archive`, a tar; `session`, file by file on request).

mod archive;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::contract::{Digest, printable};
use crate::image::{InputContent, InputFile};
use crate::load::{Problem, Root};

pub(super) use archive::send;

/// Name of the rewritten Dockerfile in a context in which no input has it. The artifact's own stays where it is, for instructions
/// that copy it.
pub(super) const DOCKERFILE: &str = ".artifactctl.Dockerfile";

/// What goes into a context.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// Folder the paths of the files start at.
    pub(super) root: PathBuf,
    /// Text of the rewritten Dockerfile.
    pub(super) dockerfile: String,
    /// The files of the content key.
    pub(super) files: Vec<InputFile>,
}

/// Why a context could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContextError {
    /// It is not what the content key says.
    #[error("`{}` changed while it was deployed", printable(path))]
    Changed {
        /// The file.
        path: String,
    },
    /// It cannot be read.
    #[error("`{}` {problem}", printable(path))]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        problem: Problem,
    },
    /// Nobody reads the stream any more; who stopped reading says why.
    #[error("the engine stopped reading the build context")]
    Unheard(#[source] io::Error),
}

impl Context {
    /// The name of the rewritten Dockerfile: one that no input has, and that no input gives a `.dockerignore`.
    pub(super) fn dockerfile_name(&self) -> String {
        let is_taken = |name: &str| {
            self.files.iter().any(|file| {
                let rest = file.path.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
            })
        };
        let numbered = (1..).map(|number| format!("{DOCKERFILE}-{number}"));
        let mut names = std::iter::once(DOCKERFILE.to_owned()).chain(numbered);
        names
            .find(|name| !is_taken(name))
            .expect("there are more numbers than inputs")
    }

    /// Opens the folder that the paths of the files start at.
    pub(super) fn open(&self) -> Result<Root, ContextError> {
        Root::open(self.root.clone()).map_err(|problem| ContextError::Unreadable {
            path: self.root.display().to_string(),
            problem,
        })
    }
}

/// One input of a context, as it is on disk now.
pub(super) enum Opened<'a> {
    /// A folder.
    Directory,
    /// A symbolic link that says what it said.
    Symlink {
        /// What it says.
        target: &'a str,
    },
    /// A file whose bytes are still to be proven.
    File {
        /// Reads and hashes them.
        reader: Verified<'a>,
        /// How many they are.
        size: u64,
    },
}

/// Opens one input part by part below the root, so that no link that was put in its place is followed.
pub(super) fn open<'a>(root: &Root, file: &'a InputFile) -> Result<Opened<'a>, ContextError> {
    let path = Path::new(&file.path);
    let shown = root.path().join(path).display().to_string();
    let not_opened = |problem: Problem| match problem {
        Problem::Unreadable(_) => ContextError::Unreadable {
            path: shown.clone(),
            problem,
        },
        Problem::Missing
        | Problem::NotAFile(_)
        | Problem::NotADirectory
        | Problem::Outside
        | Problem::RuntimeBase
        | Problem::SymlinkLoop
        | Problem::TooLarge(_) => ContextError::Changed {
            path: shown.clone(),
        },
    };
    match &file.content {
        InputContent::Directory => {
            root.open_dir(path).map_err(not_opened)?;
            Ok(Opened::Directory)
        }
        InputContent::Symlink { target } => match root.read_link(path) {
            Ok(found) if found.as_bytes() == target.as_bytes() => Ok(Opened::Symlink { target }),
            Ok(_) | Err(_) => Err(ContextError::Changed { path: shown }),
        },
        InputContent::File { digest, size } => Ok(Opened::File {
            reader: Verified {
                file: root.open_file(path).map_err(not_opened)?,
                shown,
                digest,
                left: *size,
                hash: Sha256::new(),
                failed: None,
            },
            size: *size,
        }),
    }
}

/// Reads a file, at most as many bytes as it had, and hashes what it reads.
pub(super) struct Verified<'a> {
    file: File,
    shown: String,
    digest: &'a Digest,
    left: u64,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl Verified<'_> {
    /// Says whether what was read are the bytes that were meant, and no more of them. An error of the file goes before the one
    /// that it caused where it was `sent`.
    pub(super) fn verify(mut self, sent: Result<(), ContextError>) -> Result<(), ContextError> {
        if let Some(source) = self.failed.take() {
            return Err(self.unreadable(source));
        }
        sent?;
        let more = match self.file.read(&mut [0]) {
            Ok(more) => more,
            Err(source) => return Err(self.unreadable(source)),
        };
        let digest = self.hash.finalize();
        let same = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from_digit(u32::from(nibble), 16))
            .eq(self.digest.hex().chars().map(Some));
        if self.left == 0 && more == 0 && same {
            Ok(())
        } else {
            Err(ContextError::Changed { path: self.shown })
        }
    }

    fn unreadable(self, source: io::Error) -> ContextError {
        ContextError::Unreadable {
            path: self.shown,
            problem: Problem::Unreadable(source),
        }
    }
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.file.read(&mut buffer[..most]).inspect_err(|error| {
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
        })?;
        self.left -= read as u64;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests;
