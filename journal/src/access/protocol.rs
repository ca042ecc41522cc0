//! What a reader and an owner say to each other: one question and one answer a connection.
//!
//! A question is a line of JSON. An answer is JSON behind its length (four bytes, big-endian), and for events a frame for each: the header as it
//! is stored and the payload, each behind its length. Both sides bound what they read, and the reader checks every event again.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::{Damage, DamageKind};
use crate::envelope::{Head, PAYLOAD_MAX, SUPPORTED, StoredEvent};
use crate::hash::Hash;
use crate::record;
use crate::store::{EventLog, Page, StoreError, StoredHead};
use crate::stream::StreamId;

const QUESTION_MAX: u64 = 1024;
const ANSWER_MAX: usize = 1024 * 1024;
const HEADER_MAX: usize = 16 * 1024;
/// Most deploys of one answer.
pub(crate) const DEPLOYS_MAX: usize = 4096;
/// Most documents of one answer.
pub(crate) const DOCUMENTS_MAX: usize = 4096;
/// Most events of one answer.
pub(crate) const EVENTS_MAX: usize = 4096;

/// What a reader asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    Head,
    KeptHead,
    Checkpoint,
    Events { from: u64, limit: usize },
    DeployStart { deploy: Uuid },
    LatestDeploys { before: Option<u64>, limit: usize },
    Document { hash: Hash },
    Documents { after: Option<Hash>, limit: usize },
}

/// What an owner answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Head(Head),
    KeptHead(StoredHead),
    Checkpoint(Head),
    /// So many frames follow.
    Events(usize),
    DeployStart(Option<u64>),
    LatestDeploys(Vec<(u64, Uuid)>),
    /// Whether there is one; its bytes follow.
    Document(bool),
    Documents(Vec<Hash>),
    Refused(Refused),
}

/// A store's error, as far as it can be told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refused {
    Damaged(Damage),
    Pruned {
        stream: StreamId,
        sequence: u64,
        until: u64,
    },
    Newer {
        stream: StreamId,
        sequence: u64,
        found: String,
        supported: String,
    },
    Failed(String),
}

/// A connection that ends at a time, whatever the other side does, and earlier when the other side is silent.
pub(crate) struct Timed<'a> {
    stream: &'a UnixStream,
    until: Instant,
    silence: Duration,
}

impl<'a> Timed<'a> {
    /// A connection that may last so long, and on which the other side may be silent so long.
    pub(crate) fn new(stream: &'a UnixStream, patience: Duration, silence: Duration) -> Self {
        Self {
            stream,
            until: Instant::now() + patience,
            silence,
        }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left.min(self.silence))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks an owner.
pub(crate) fn ask(to: &mut impl Write, question: &Question) -> io::Result<()> {
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads a question.
pub(crate) fn read_question(from: &mut impl Read) -> io::Result<Question> {
    let mut line = Vec::new();
    let mut byte = [0];
    // A question is a hundred bytes; reading them singly spares a buffer that could read too far.
    while (line.len() as u64) < QUESTION_MAX {
        from.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(serde_json::from_slice(&line)?);
        }
        line.push(byte[0]);
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Answers a question from a store.
pub(crate) fn answer(
    to: &mut impl Write,
    store: &impl EventLog,
    question: &Question,
) -> io::Result<()> {
    let (mut events, mut document) = (Vec::new(), None);
    let answer = match question {
        Question::Head => store.head().map(Answer::Head),
        Question::KeptHead => store.kept_head().map(Answer::KeptHead),
        Question::Checkpoint => store.checkpoint().map(Answer::Checkpoint),
        Question::Events { from, limit } => {
            store.events(*from, (*limit).min(EVENTS_MAX)).map(|page| {
                events = page;
                Answer::Events(events.len())
            })
        }
        Question::DeployStart { deploy } => store.deploy_start(*deploy).map(Answer::DeployStart),
        Question::LatestDeploys { before, limit } => store
            .latest_deploys(*before, (*limit).min(DEPLOYS_MAX))
            .map(Answer::LatestDeploys),
        Question::Document { hash } => store.document(hash).map(|found| {
            document = found;
            Answer::Document(document.is_some())
        }),
        Question::Documents { after, limit } => store
            .documents(after.as_ref(), (*limit).min(DOCUMENTS_MAX))
            .map(Answer::Documents),
    };
    let answer = answer.unwrap_or_else(|error| Answer::Refused(refuse(error)));
    write_sized(to, &serde_json::to_vec(&answer)?)?;
    for event in &events {
        write_sized(to, &record::encode_header(&event.header))?;
        write_sized(to, &event.payload)?;
    }
    if let Some(document) = &document {
        write_sized(to, document)?;
    }
    Ok(())
}

/// Reads an answer; a refusal is the store's error.
pub(crate) fn read_answer(
    from: &mut impl Read,
    path: &Path,
) -> io::Result<Result<Answer, StoreError>> {
    let answer = serde_json::from_slice(&read_sized(from, ANSWER_MAX)?)?;
    if let Answer::Refused(refused) = answer {
        return Ok(Err(accept(refused, path)));
    }
    Ok(Ok(answer))
}

/// Reads the events that follow an answer, and checks them as if they came from a store.
pub(crate) fn read_events(
    from: &mut impl Read,
    stream: &StreamId,
    first: u64,
    count: usize,
) -> io::Result<Result<Vec<StoredEvent>, StoreError>> {
    let mut page = Page::new(stream, SUPPORTED, first, usize::MAX);
    for _ in 0..count.min(EVENTS_MAX) {
        let mut record = read_sized(from, HEADER_MAX)?;
        let payload = read_sized(from, PAYLOAD_MAX)?;
        let sequence = page.next();
        let apart = |header: &crate::Header| {
            record::check_payload(header, &payload)
                .map_err(|_| Damage::at(sequence, DamageKind::PayloadChanged))?;
            Ok(payload.clone())
        };
        if payload.len() <= crate::PAYLOAD_INLINE_MAX {
            record.extend_from_slice(&payload);
        }
        if let Err(error) = page.push(sequence, &record, apart) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(page.into_events()))
}

/// Reads the document that follows an answer, and checks it as if it came from a store.
pub(crate) fn read_document(
    from: &mut impl Read,
    hash: &Hash,
) -> io::Result<Result<Vec<u8>, StoreError>> {
    let bytes = read_sized(from, PAYLOAD_MAX)?;
    if Hash::of(&bytes) != *hash {
        return Ok(Err(Damage::at(0, DamageKind::Document(*hash)).into()));
    }
    Ok(Ok(bytes))
}

fn refuse(error: StoreError) -> Refused {
    match error {
        StoreError::Damaged(damage) => Refused::Damaged(damage),
        StoreError::Pruned {
            stream,
            sequence,
            until,
        } => Refused::Pruned {
            stream,
            sequence,
            until,
        },
        StoreError::Newer {
            stream,
            sequence,
            found,
            supported,
        } => Refused::Newer {
            stream,
            sequence,
            found,
            supported,
        },
        error @ (StoreError::Busy { .. }
        | StoreError::Silent { .. }
        | StoreError::Moved { .. }
        | StoreError::Failed { .. }
        | StoreError::Io { .. }
        | StoreError::Backend { .. }) => Refused::Failed(error.to_string()),
    }
}

fn accept(refused: Refused, path: &Path) -> StoreError {
    match refused {
        Refused::Damaged(damage) => StoreError::Damaged(damage),
        Refused::Pruned {
            stream,
            sequence,
            until,
        } => StoreError::Pruned {
            stream,
            sequence,
            until,
        },
        Refused::Newer {
            stream,
            sequence,
            found,
            supported,
        } => StoreError::Newer {
            stream,
            sequence,
            found,
            supported,
        },
        Refused::Failed(message) => StoreError::Backend {
            path: path.to_owned(),
            message,
        },
    }
}

fn write_sized(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

fn read_sized(from: &mut impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length > max) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == u64::from(length) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
