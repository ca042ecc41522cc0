//! A build context as a tar, streamed.
//!
//! Headers are normalised (no times, no owners), so that equal files are equal streams. A file that is not what was hashed
//! ends the stream before its archive is complete, so that an engine never builds from it.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Context, ContextError, Opened};
use crate::docker::wire::Body;
use crate::image::InputFile;
use crate::load::Root;

/// Size of the pieces the engine gets.
const CHUNK: usize = 64 << 10;

/// How many pieces wait for the engine at most.
const CHUNKS_AHEAD: usize = 8;

/// Starts to send a context: the body of a request, and how it ended.
pub(in crate::docker) fn send(context: Context) -> (Body, JoinHandle<Result<(), ContextError>>) {
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

pub(super) fn write(context: &Context, out: impl Write) -> Result<(), ContextError> {
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
        .append_data(&mut header, context.dockerfile_name(), text)
        .map_err(ContextError::Unheard)?;
    let root = context.open()?;
    for file in &context.files {
        entry(archive, &root, file)?;
    }
    Ok(())
}

/// Adds one input.
fn entry<W: Write>(
    archive: &mut Builder<W>,
    root: &Root,
    file: &InputFile,
) -> Result<(), ContextError> {
    let path = Path::new(&file.path);
    match super::open(root, file)? {
        Opened::Directory => archive
            .append_data(
                &mut header(EntryType::Directory, file.mode, 0),
                path,
                io::empty(),
            )
            .map_err(ContextError::Unheard),
        Opened::Symlink { target } => archive
            .append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target)
            .map_err(ContextError::Unheard),
        Opened::File { mut reader, size } => {
            let mut header = header(EntryType::Regular, file.mode, size);
            let appended = archive.append_data(&mut header, path, &mut reader);
            // An error of the file itself says more than what it did to the stream.
            reader.verify(appended.map_err(ContextError::Unheard))
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
