//! Reading an export: everything is verified before anything is written.

use std::io::{self, BufRead, Seek, SeekFrom};

use uuid::Uuid;

use crate::chain::Damage;
use crate::envelope::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Head, NewEvent, PAYLOAD_INLINE_MAX, SUPPORTED, Schema,
    StoredEvent,
};
use crate::store::{AppendError, Store, StoreError};
use crate::stream::StreamId;
use crate::transfer::line::{FORMAT, LINE_MAX};
use crate::transfer::lines::{Item, Lines};

/// An export cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line is not what was exported.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// The export is of another target.
    #[error("the export is of `{found}`, not of `{expected}`")]
    OtherStream {
        /// The target that was to be filled.
        expected: StreamId,
        /// The target of the export.
        found: StreamId,
    },
    /// The target has events.
    #[error("the target has {sequence} events; an export can be imported into an empty one only")]
    NotEmpty {
        /// How many.
        sequence: u64,
    },
    /// The export cannot be read.
    #[error("cannot read the export")]
    Io(#[from] io::Error),
    /// The events cannot be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The export was changed between verifying and importing it.
    #[error("the export was changed while it was read")]
    Changed,
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Append(error.into())
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// It does not end within the bound.
    #[error("it is longer than {LINE_MAX} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// The file ends within it.
    #[error("the file ends within it")]
    Cut,
    /// The file ends before the line that says the head.
    #[error("the export ends without its head, lines were cut off")]
    NoHead,
    /// Lines follow the one that says the head.
    #[error("it follows the head, which is the last line of an export")]
    AfterHead,
    /// It is no event and no head.
    #[error("{0}")]
    Malformed(String),
    /// The event is of another target than the events before it.
    #[error("it is an event of `{0}`, another target")]
    OtherStream(StreamId),
    /// The event does not follow the one before it.
    #[error("{0}")]
    Chain(Damage),
    /// The deploy had ended.
    #[error("deploy `{0}` goes on after another one began")]
    Reopened(Uuid),
    /// The head is not that of the events before it.
    #[error(
        "the head says event {said}, the events before it end with event {found} or another hash"
    )]
    OtherHead {
        /// The sequence it says.
        said: u64,
        /// The last event's.
        found: u64,
    },
    /// A newer tool wrote it. It can be read, and not be appended.
    #[error("schema {found} is newer than {supported}, the newest that this build can append")]
    NewerMinor {
        /// The event's.
        found: Schema,
        /// This build's.
        supported: Schema,
    },
    /// A newer tool wrote it, in a form that cannot be read.
    #[error(
        "schema {found} is newer than {supported}, the newest that this build reads; use the tool that wrote it"
    )]
    NewerMajor {
        /// The event's.
        found: Schema,
        /// This build's.
        supported: Schema,
    },
    /// Another tool wrote the export.
    #[error("this is export format {0}, and this build reads {FORMAT}; use the tool that wrote it")]
    OtherFormat(u16),
}

/// An export that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedExport {
    /// Its target.
    pub stream: StreamId,
    /// Its head.
    pub head: Head,
    /// Where its events begin: the last one that was pruned. None when nothing was.
    pub checkpoint: Option<Head>,
    /// How many events it holds.
    pub events: u64,
    /// How many deploys it holds.
    pub deploys: usize,
    /// How many documents it holds.
    pub documents: u64,
    /// The first line with a newer schema than this build can append, and that schema.
    pub newer: Option<(u64, Schema)>,
}

impl CheckedExport {
    /// Fails when an event has a newer schema than this build can append.
    pub(crate) fn must_be_appendable(&self) -> Result<(), ImportError> {
        let Some((line, found)) = self.newer else {
            return Ok(());
        };
        let supported = SUPPORTED;
        let problem = LineProblem::NewerMinor { found, supported };
        Err(ImportError::Line { line, problem })
    }
}

/// Verifies an export without importing it.
pub fn check(export: impl BufRead) -> Result<CheckedExport, ImportError> {
    check_each(export, |_| {})
}

/// The same, and shows each event and each document that is whole, in order.
pub fn check_each(
    export: impl BufRead,
    mut each: impl FnMut(Whole<'_>),
) -> Result<CheckedExport, ImportError> {
    let mut lines = Lines::new(export);
    while let Some(item) = lines.next()? {
        each(Whole::of(&item));
    }
    lines.into_checked()
}

/// What stands in a line of an export, checked against its own hash and what stands before it.
#[derive(Debug, Clone, Copy)]
pub enum Whole<'a> {
    /// An event.
    Event(&'a StoredEvent),
    /// The bytes of a document.
    Document(&'a [u8]),
}

impl<'a> Whole<'a> {
    pub(crate) fn of(item: &'a Item) -> Self {
        match item {
            Item::Event(event) => Self::Event(event),
            Item::Document(bytes) => Self::Document(bytes),
        }
    }
}

/// Appends an export to an empty store of the same target, after all of it was verified. Returns the head.
pub fn import<S: Store + ?Sized>(
    store: &S,
    mut export: impl BufRead + Seek,
) -> Result<Head, ImportError> {
    let present = store.head()?;
    if present.sequence > 0 {
        return Err(ImportError::NotEmpty {
            sequence: present.sequence,
        });
    }
    let start = export.stream_position()?;
    let checked = check(&mut export)?;
    if checked.stream != *store.stream() {
        return Err(ImportError::OtherStream {
            expected: store.stream().clone(),
            found: checked.stream,
        });
    }
    checked.must_be_appendable()?;
    export.seek(SeekFrom::Start(start))?;
    let mut lines = Lines::new(export);
    let mut filling = Filling::begin(store, &checked)?;
    while let Some(item) = lines.next()? {
        filling.add(store, item)?;
    }
    filling.end(store)?;
    let head = store.head()?;
    if head == checked.head {
        Ok(head)
    } else {
        Err(ImportError::Changed)
    }
}

/// A store that is being filled with what was verified: events that go into one append are collected.
pub(crate) struct Filling {
    drafts: Vec<NewEvent>,
    bytes: usize,
}

impl Filling {
    /// More than any header takes.
    const HEADER: usize = 2048;

    /// Begins where a verified export begins.
    pub(crate) fn begin<S: Store + ?Sized>(
        store: &S,
        export: &CheckedExport,
    ) -> Result<Self, AppendError> {
        Self::behind(store, export.checkpoint.as_ref())
    }

    /// Begins behind the last event that was pruned.
    pub(crate) fn behind<S: Store + ?Sized>(
        store: &S,
        checkpoint: Option<&Head>,
    ) -> Result<Self, AppendError> {
        if let Some(checkpoint) = checkpoint {
            store.begin_behind(checkpoint)?;
        }
        Ok(Self {
            drafts: Vec::new(),
            bytes: 0,
        })
    }

    /// Adds one event or document.
    pub(crate) fn add<S: Store + ?Sized>(
        &mut self,
        store: &S,
        item: Item,
    ) -> Result<(), AppendError> {
        match item {
            Item::Event(event) => self.push(store, *event),
            Item::Document(bytes) => {
                store.put_document(&bytes)?;
                Ok(())
            }
        }
    }

    /// There is nothing more.
    pub(crate) fn end<S: Store + ?Sized>(mut self, store: &S) -> Result<(), AppendError> {
        self.append(store)
    }

    /// Adds one event.
    pub(crate) fn push<S: Store + ?Sized>(
        &mut self,
        store: &S,
        event: StoredEvent,
    ) -> Result<(), AppendError> {
        // A payload that is kept apart counts as well here: it bounds what is in memory.
        let bytes = event.payload.len().min(4 * PAYLOAD_INLINE_MAX) + Self::HEADER;
        if self.drafts.len() == BATCH_EVENTS_MAX || self.bytes + bytes > BATCH_BYTES_MAX {
            self.append(store)?;
        }
        self.bytes += bytes;
        self.drafts.push(draft_of(event));
        Ok(())
    }

    fn append<S: Store + ?Sized>(&mut self, store: &S) -> Result<(), AppendError> {
        self.bytes = 0;
        let drafts = std::mem::take(&mut self.drafts);
        if !drafts.is_empty() {
            store.append(&store.head()?, drafts)?;
        }
        Ok(())
    }
}

fn draft_of(event: StoredEvent) -> NewEvent {
    let header = event.header;
    NewEvent {
        event_id: header.event_id,
        deploy: header.deploy,
        kind: header.kind,
        schema: header.schema,
        recorded_at: header.recorded_at,
        actor: header.actor,
        attempt: header.attempt,
        tool: header.tool,
        payload: event.payload,
    }
}
