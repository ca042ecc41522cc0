//! The bytes of a blob on their way to or from a registry: in memory when they are few, else in a file without a name.
//!
//! Here: keeping them and sending a part of them as often as it takes. Not here: what is asked of a registry (`blobs`).

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::contract::{Digest, Hasher};

/// How many bytes of a blob are kept in memory.
const IN_MEMORY: usize = 1 << 20;

/// The pieces in which a blob is sent.
const PIECE: u64 = 64 << 10;

/// A blob that is complete. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::docker) struct Blob {
    pub(in crate::docker) digest: Digest,
    pub(in crate::docker) size: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Memory(Bytes),
    File(Arc<File>),
}

impl Blob {
    /// A blob of these bytes.
    pub(in crate::docker) fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            content: Content::Memory(bytes),
        }
    }

    /// Reads it from its first byte.
    pub(in crate::docker) fn reader(&self) -> impl io::Read + use<> {
        Reader {
            content: self.content.clone(),
            at: 0,
        }
    }

    /// A part of it, to be sent. `progress` hears of each piece.
    pub(super) fn part(&self, range: Range<u64>, progress: &Arc<Progress>) -> Part {
        Part {
            content: self.content.clone(),
            range,
            progress: Arc::clone(progress),
        }
    }
}

impl Content {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, at),
            Self::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let rest = bytes.get(at..).unwrap_or_default();
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                Ok(read)
            }
        }
    }
}

struct Reader {
    content: Content,
    at: u64,
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A blob that is being written. What is dropped before it is complete leaves nothing behind.
#[derive(Default)]
pub(in crate::docker) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    hash: Hasher,
    size: u64,
}

impl Spool {
    /// How many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// All of it.
    pub(in crate::docker) fn finish(self) -> Blob {
        let content = match self.file {
            Some(file) => Content::File(Arc::new(file)),
            None => Content::Memory(self.memory.into()),
        };
        Blob {
            digest: self.hash.finish(),
            size: self.size,
            content,
        }
    }
}

impl Write for Spool {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() + piece.len() > IN_MEMORY {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(piece)?,
            None => self.memory.extend_from_slice(piece),
        }
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much went over the wire, for whoever wants to know that it still moves.
#[derive(Debug, Default)]
pub(in crate::docker) struct Progress(AtomicU64);

impl Progress {
    /// So many bytes more.
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All of them so far, those that were sent twice included.
    pub(in crate::docker) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request. It can be sent again.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    /// Few bytes.
    Bytes(Bytes),
    /// A part of a blob.
    Part(Part),
}

impl Payload {
    /// None.
    pub(super) const EMPTY: Self = Self::Bytes(Bytes::new());
}

impl From<Payload> for reqwest::Body {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Bytes(bytes) => bytes.into(),
            Payload::Part(part) => Self::wrap(part),
        }
    }
}

/// A part of a blob, as a body.
#[derive(Debug, Clone)]
pub(super) struct Part {
    content: Content,
    range: Range<u64>,
    progress: Arc<Progress>,
}

impl Body for Part {
    type Data = Bytes;
    type Error = io::Error;

    /// A file was written by this process a moment ago, so that reading a piece of it waits for no disk.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Range { start, end } = self.range;
        if start >= end {
            return Poll::Ready(None);
        }
        let length = usize::try_from((end - start).min(PIECE)).expect("a piece is small");
        let piece = match &self.content {
            Content::Memory(bytes) => {
                let from = usize::try_from(start).expect("a place in memory");
                bytes.slice(from..from + length)
            }
            Content::File(file) => {
                let mut piece = vec![0; length];
                if let Err(error) = file.read_exact_at(&mut piece, start) {
                    return Poll::Ready(Some(Err(error)));
                }
                piece.into()
            }
        };
        self.range.start += length as u64;
        self.progress.add(length as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.range.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.range.end - self.range.start)
    }
}
