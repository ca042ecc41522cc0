//! The build context: a tar of exactly the files a content key was computed from, streamed.
//!
//! Nothing is copied to disk. Headers are normalised (no times, no owners), so that equal files are equal streams. A file
//! that is not what was hashed ends the stream before its archive is complete, so that an engine never builds from it.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::wire::Body;
use crate::contract::printable;
use crate::image::{InputContent, InputFile};
use crate::load::{Problem, Root};

/// Name of the rewritten Dockerfile in the context. The artifact's own stays where it is, for instructions that copy it.
pub(super) const DOCKERFILE: &str = ".artifactctl.Dockerfile";

/// Size of the pieces the engine gets.
const CHUNK: usize = 64 << 10;

/// How many pieces wait for the engine at most.
const CHUNKS_AHEAD: usize = 8;

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

/// Starts to send a context: the body of a request, and how it ended.
pub(super) fn send(context: Context) -> (Body, JoinHandle<Result<(), ContextError>>) {
    let (sender, mut receiver) = mpsc::channel(CHUNKS_AHEAD);
    let task = tokio::task::spawn_blocking(move || {
        let ended = write(&context, ChannelWriter(sender.clone()));
        if ended.is_err() {
            // The receiver may be gone, which is one of the errors.
            let broken = io::Error::other("the build context is incomplete");
            sender.blocking_send(Err(broken)).ok();
        }
        ended
    });
    let pieces = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (BodyExt::boxed_unsync(StreamBody::new(pieces)), task)
}

/// Hands pieces to the connection, and waits while it is busy.
struct ChannelWriter(mpsc::Sender<Result<Frame<Bytes>, io::Error>>);

impl Write for ChannelWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Frame::data(Bytes::copy_from_slice(piece))))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets nothing through once it is shut. `tar::Builder` completes its archive even when it is dropped after an error;
/// a complete archive is what an engine builds.
struct Gate<W: Write> {
    out: BufWriter<W>,
    shut: Arc<AtomicBool>,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.shut.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.out.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.shut.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.out.flush()
    }
}

fn write(context: &Context, out: impl Write) -> Result<(), ContextError> {
    let shut = Arc::new(AtomicBool::new(false));
    let mut archive = Builder::new(Gate {
        out: BufWriter::with_capacity(CHUNK, out),
        shut: Arc::clone(&shut),
    });
    let written = entries(&mut archive, context);
    if written.is_err() {
        shut.store(true, Ordering::Relaxed);
        return written;
    }
    let mut gate = archive.into_inner().map_err(ContextError::Unheard)?;
    gate.flush().map_err(ContextError::Unheard)
}

fn entries<W: Write>(archive: &mut Builder<W>, context: &Context) -> Result<(), ContextError> {
    let text = context.dockerfile.as_bytes();
    let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
    archive
        .append_data(&mut header, DOCKERFILE, text)
        .map_err(ContextError::Unheard)?;
    let root = Root::open(context.root.clone()).map_err(|problem| ContextError::Unreadable {
        path: context.root.display().to_string(),
        problem,
    })?;
    for file in &context.files {
        entry(archive, &root, file)?;
    }
    Ok(())
}

/// Adds one input, opened part by part below the root, so that no link that was put in its place is followed.
fn entry<W: Write>(
    archive: &mut Builder<W>,
    root: &Root,
    file: &InputFile,
) -> Result<(), ContextError> {
    let path = Path::new(&file.path);
    let shown = || root.path().join(path).display().to_string();
    let changed = || ContextError::Changed { path: shown() };
    let not_opened = |problem: Problem| match problem {
        Problem::Unreadable(_) => ContextError::Unreadable {
            path: shown(),
            problem,
        },
        Problem::Missing
        | Problem::NotAFile(_)
        | Problem::NotADirectory
        | Problem::Outside
        | Problem::RuntimeBase
        | Problem::SymlinkLoop
        | Problem::TooLarge(_) => changed(),
    };
    match &file.content {
        InputContent::Directory => {
            root.open_dir(path).map_err(not_opened)?;
            let mut header = header(EntryType::Directory, file.mode, 0);
            archive
                .append_data(&mut header, path, io::empty())
                .map_err(ContextError::Unheard)
        }
        InputContent::Symlink { target } => {
            let found = root.read_link(path).map_err(|_| changed())?;
            if found.as_bytes() != target.as_bytes() {
                return Err(changed());
            }
            let mut header = header(EntryType::Symlink, 0o777, 0);
            archive
                .append_link(&mut header, path, target)
                .map_err(ContextError::Unheard)
        }
        InputContent::File { digest, size } => {
            let unreadable = |source| not_opened(Problem::Unreadable(source));
            let mut reader = Hashing::new(root.open_file(path).map_err(not_opened)?, *size);
            let mut header = header(EntryType::Regular, file.mode, *size);
            let appended = archive.append_data(&mut header, path, &mut reader);
            if let Some(source) = reader.failed.take() {
                return Err(unreadable(source));
            }
            appended.map_err(ContextError::Unheard)?;
            if reader.ended_as(digest.hex()).map_err(unreadable)? {
                Ok(())
            } else {
                Err(changed())
            }
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o7777);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Reads a file, at most as many bytes as it had, and hashes what it reads.
struct Hashing {
    file: File,
    left: u64,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl Hashing {
    fn new(file: File, size: u64) -> Self {
        Self {
            file,
            left: size,
            hash: Sha256::new(),
            failed: None,
        }
    }

    /// Were these the bytes, and no more of them?
    fn ended_as(mut self, hex: &str) -> io::Result<bool> {
        let more = self.file.read(&mut [0])?;
        let digest = self.hash.finalize();
        let same = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from_digit(u32::from(nibble), 16))
            .eq(hex.chars().map(Some));
        Ok(self.left == 0 && more == 0 && same)
    }
}

impl Read for Hashing {
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
mod tests;
