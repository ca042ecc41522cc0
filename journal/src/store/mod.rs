//! The port to where events are kept, and its implementations. All pass one conformance suite (`tests::conformance`).
//!
//! Not here: who may open a store at which time (`access`).

mod checkpoint;
mod documents;
mod identity;
mod keys;
pub(crate) mod log_backup;
pub(crate) mod mark;
pub(crate) mod memory;
mod overlay;
mod page;
mod payloads;
mod private;
pub(crate) mod sled;
mod stored_head;
mod validate_append;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::access::Holder;
use crate::chain::Damage;
use crate::envelope::{Head, NewEvent, Schema, StoredEvent};
use crate::hash::Hash;
use crate::stream::StreamId;

pub use memory::MemoryStore;
pub use overlay::Overlay;
pub use sled::{SledStore, panics_are_caught};
pub use stored_head::StoredHead;

#[cfg(test)]
pub(crate) use checkpoint::record as checkpoint_record;
pub(crate) use documents::document_size;
pub(crate) use identity::Identity;
pub(crate) use mark::Mark;
pub(crate) use page::Page;
pub(crate) use stored_head::StoredHeadFile;

/// The read half of a store. What it shows is durable, and checked against its own hashes.
pub trait EventLog: Send + Sync {
    /// The stream whose events these are.
    fn stream(&self) -> &StreamId;

    /// The end of the stream.
    fn head(&self) -> Result<Head, StoreError>;

    /// The head as it is kept apart from the events. It may lag behind [`EventLog::head`] by one append, and never leads.
    fn kept_head(&self) -> Result<StoredHead, StoreError>;

    /// Where the events begin: the last one that was pruned, and the empty head where nothing was.
    fn checkpoint(&self) -> Result<Head, StoreError>;

    /// A page of events from a sequence on, in order, at most `limit`. What was pruned is refused ([`StoreError::Pruned`]).
    ///
    /// A page ends early when it has grown to about 4 MiB, so fewer than `limit` is not the end; an empty page is. [`scan`] reads on.
    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;

    /// The sequence of a deploy's first event; its other events follow without a gap.
    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError>;

    /// Deploys whose first sequence is below `before` (all when none), newest first, at most `limit`: first sequence and id.
    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError>;

    /// A document by the hash of its bytes, checked against it; none when no such document is kept.
    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError>;

    /// The hashes of the documents that are kept, in their order, after one of them (from the first when none), at most `limit`.
    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError>;
}

/// A store that events can be appended to.
pub trait Store: EventLog {
    /// Keeps a document of at most [`PAYLOAD_MAX`](crate::PAYLOAD_MAX) bytes and returns its hash. It is durable on return, so that
    /// an event may name it. A document that is kept already is kept once.
    fn put_document(&self, bytes: &[u8]) -> Result<Hash, AppendError>;

    /// Appends events after `expected` when that is still the head: all of them or none, durable on return.
    fn append(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, AppendError>;

    /// Has an empty store begin behind an event that was pruned, as a copy of a pruned journal does. It is durable on return.
    fn begin_behind(&self, checkpoint: &Head) -> Result<(), AppendError>;

    /// Fails when the store, or the lock of its owner, is not where it was opened: another process can own the target, and nobody
    /// finds what is appended here. An append checks the same.
    fn check_identity(&self) -> Result<(), StoreError>;
}

/// Events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is stored is not what was appended.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// It was removed on purpose: the journal was pruned, and says so.
    #[error("event {sequence} of `{stream}` was pruned: the journal begins with event {}", until.saturating_add(1))]
    Pruned {
        /// The stream.
        stream: StreamId,
        /// The event.
        sequence: u64,
        /// The last event that was pruned.
        until: u64,
    },
    /// A newer tool wrote it.
    #[error(
        "event {sequence} of `{stream}` has {found}, newer than {supported}, the newest that this build reads; use the tool that wrote it"
    )]
    Newer {
        /// The stream.
        stream: StreamId,
        /// The first event that cannot be read.
        sequence: u64,
        /// What it has: `schema 2.0`, `record layout 3`.
        found: String,
        /// What this build reads.
        supported: String,
    },
    /// Another process has the store open.
    #[error("`{}` is open in another process", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// The process that owns the target does not answer: it is stopped, or it hangs.
    #[error(
        "the process that owns `{}` does not answer{}",
        path.display(),
        holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default()
    )]
    Silent {
        /// The store.
        path: PathBuf,
        /// The process, when it has written its name.
        holder: Option<Box<Holder>>,
    },
    /// The journal was moved, removed or replaced while this process had it open.
    #[error("`{}` is not the file that this process opened: the journal was moved, removed or replaced meanwhile", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// An earlier append failed half-way, so that nothing is known of later ones.
    #[error("`{}` failed to make an append durable and must be opened again", path.display())]
    Failed {
        /// The store.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The storage engine, or the process that owns the store, refused.
    #[error("cannot use `{}`: {message}", path.display())]
    Backend {
        /// The store.
        path: PathBuf,
        /// What it said.
        message: String,
    },
}

impl StoreError {
    /// Names the path that an I/O error is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Events cannot be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream does not end where the caller thinks.
    #[error("the stream ends with event {}, not with event {}", found.sequence, expected.sequence)]
    Conflict {
        /// Where the caller thought.
        expected: Head,
        /// Where it ends.
        found: Head,
    },
    /// Events of another deploy follow this deploy's last one.
    #[error(
        "deploy `{deploy}` began with event {first} and is not the last one, nothing can follow"
    )]
    Reopened {
        /// The deploy.
        deploy: Uuid,
        /// Its first event.
        first: u64,
    },
    /// A payload or document is larger than any can be.
    #[error("the payload or document has {length} bytes, at most {max} can be kept")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// The events are too many, or too large together, for one append.
    #[error("{events} events with {bytes} bytes are too much for one append")]
    BatchTooLarge {
        /// How many.
        events: usize,
        /// Their records together.
        bytes: usize,
    },
    /// No events were given.
    #[error("there is nothing to append")]
    Empty,
    /// A field is empty, too long, or holds a control character.
    #[error("{field} cannot be `{value}`: 1 to {max} bytes without control characters")]
    Field {
        /// Which.
        field: &'static str,
        /// What was given, cut to its first characters.
        value: String,
        /// The bound, in bytes.
        max: usize,
    },
    /// The stream's last event, or a draft, has a schema this build may not append.
    #[error(
        "cannot append schema {draft} to `{stream}`, whose events have {last}; this build appends up to {supported}"
    )]
    Schema {
        /// The stream.
        stream: StreamId,
        /// The schema of the last event.
        last: Schema,
        /// The schema of the draft.
        draft: Schema,
        /// The newest that this build knows.
        supported: Schema,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events one after the other, read page by page. Ends at the first error.
#[derive(Debug)]
pub struct Scan<'a, F: ?Sized> {
    events: &'a F,
    /// None before the beginning is known.
    next: Option<u64>,
    page: std::vec::IntoIter<StoredEvent>,
    /// How many events the next page has.
    limit: usize,
    ended: bool,
}

/// Reads on from a sequence to the end, a page at a time.
pub fn scan<F: EventLog + ?Sized>(events: &F, from: u64) -> Scan<'_, F> {
    Scan {
        events,
        next: Some(from.max(1)),
        page: Vec::new().into_iter(),
        limit: FIRST_PAGE,
        ended: false,
    }
}

/// Reads every event that is there, from the first to the end, a page at a time.
pub fn scan_all<F: EventLog + ?Sized>(events: &F) -> Scan<'_, F> {
    Scan {
        next: None,
        ..scan(events, 1)
    }
}

/// Reads one event.
pub fn event<F: EventLog + ?Sized>(
    events: &F,
    sequence: u64,
) -> Result<Option<StoredEvent>, StoreError> {
    if sequence == 0 {
        return Ok(None);
    }
    Ok(events.events(sequence, 1)?.pop())
}

/// Events of the first page of a scan: who reads one deploy needs no more. Each page has twice as many, up to a bound; a page ends by
/// its bytes as well.
const FIRST_PAGE: usize = 16;
const PAGE_MAX: usize = 1024;

impl<F: EventLog + ?Sized> Iterator for Scan<'_, F> {
    type Item = Result<StoredEvent, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 && !self.ended {
            match self.page() {
                Ok(page) => {
                    self.limit = (self.limit * 2).min(PAGE_MAX);
                    self.ended = page.is_empty();
                    self.page = page.into_iter();
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        let event = self.page.next()?;
        self.next = Some(event.header.sequence.saturating_add(1));
        Some(Ok(event))
    }
}

impl<F: EventLog + ?Sized> Scan<'_, F> {
    fn page(&self) -> Result<Vec<StoredEvent>, StoreError> {
        let from = match self.next {
            Some(next) => next,
            None => self.events.checkpoint()?.sequence.saturating_add(1),
        };
        self.events.events(from, self.limit)
    }
}

/// Refuses to read what was pruned.
pub(crate) fn refuse_pruned(
    stream: &StreamId,
    sequence: u64,
    checkpoint: &Head,
) -> Result<(), StoreError> {
    if sequence > checkpoint.sequence {
        return Ok(());
    }
    Err(StoreError::Pruned {
        stream: stream.clone(),
        sequence,
        until: checkpoint.sequence,
    })
}
