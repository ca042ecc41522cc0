//! Reading an export: everything is verified before anything is written.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use uuid::Uuid;

use crate::chain::{Damage, Link};
use crate::envelope::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Head, NewEvent, PAYLOAD_INLINE_MAX, SUPPORTED, Schema,
    StoredEvent,
};
use crate::hash::Hash;
use crate::store::{AppendError, Store, StoreError};
use crate::stream::StreamId;
use crate::transfer::line::{self, FORMAT, FORMAT_OF_EVENTS, HeadLine, LINE_MAX, Line};

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
    /// How many deploys it holds.
    pub deploys: usize,
    /// How many documents it holds.
    pub documents: u64,
    /// The first line with a newer schema than this build can append, and that schema.
    pub newer: Option<(u64, Schema)>,
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
    if let Some((line, found)) = checked.newer {
        let supported = SUPPORTED;
        let problem = LineProblem::NewerMinor { found, supported };
        return Err(ImportError::Line { line, problem });
    }
    export.seek(SeekFrom::Start(start))?;
    let mut lines = Lines::new(export);
    let mut batch = Batch::default();
    while let Some(item) = lines.next()? {
        match item {
            Item::Event(event) => batch.push(store, *event)?,
            Item::Document(bytes) => drop(store.put_document(&bytes)?),
        }
    }
    batch.append(store)?;
    let head = store.head()?;
    if head == checked.head {
        Ok(head)
    } else {
        Err(ImportError::Changed)
    }
}

/// Events that go into one append.
#[derive(Default)]
struct Batch {
    drafts: Vec<NewEvent>,
    bytes: usize,
}

impl Batch {
    /// More than any header takes.
    const HEADER: usize = 2048;

    fn push<S: Store + ?Sized>(
        &mut self,
        store: &S,
        event: StoredEvent,
    ) -> Result<(), ImportError> {
        // A payload that is kept apart counts as well here: it bounds what is in memory.
        let bytes = event.payload.len().min(4 * PAYLOAD_INLINE_MAX) + Self::HEADER;
        if self.drafts.len() == BATCH_EVENTS_MAX || self.bytes + bytes > BATCH_BYTES_MAX {
            self.append(store)?;
        }
        self.bytes += bytes;
        self.drafts.push(draft_of(event));
        Ok(())
    }

    fn append<S: Store + ?Sized>(&mut self, store: &S) -> Result<(), ImportError> {
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

/// What stands in a line before the last.
pub(crate) enum Item {
    Event(Box<StoredEvent>),
    Document(Vec<u8>),
}

/// The events of an export, each verified against the ones before it.
pub(crate) struct Lines<R> {
    from: R,
    number: u64,
    chain: Option<(StreamId, Link)>,
    deploys: BTreeSet<Uuid>,
    documents: u64,
    last_document: Option<Hash>,
    head: Option<HeadLine>,
    newer: Option<(u64, Schema)>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            number: 0,
            chain: None,
            deploys: BTreeSet::new(),
            documents: 0,
            last_document: None,
            head: None,
            newer: None,
        }
    }

    /// Whose events they are, as far as that was read.
    pub(crate) fn stream(&self) -> Option<&StreamId> {
        self.chain.as_ref().map(|(stream, _)| stream)
    }

    /// Where the events end that were read.
    pub(crate) fn head(&self) -> Option<Head> {
        self.chain.as_ref().map(|(_, link)| link.head())
    }

    /// How many documents were read.
    pub(crate) fn documents(&self) -> u64 {
        self.documents
    }

    /// How many deploys were read.
    pub(crate) fn deploys(&self) -> usize {
        self.deploys.len()
    }

    /// The next event or document; none once the head was read and the file has ended.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ImportError> {
        let Some(text) = self.read_line()? else {
            return match self.head {
                Some(_) => Ok(None),
                None => Err(self.problem(LineProblem::NoHead)),
            };
        };
        if self.head.is_some() {
            return Err(self.problem(LineProblem::AfterHead));
        }
        let parsed =
            line::parse(&text).map_err(|text| self.problem(LineProblem::Malformed(text)))?;
        match parsed {
            Line::StoredEvent(event) => {
                self.follow(&event)
                    .map_err(|problem| self.problem(problem))?;
                Ok(Some(Item::Event(event)))
            }
            Line::Document(hash, bytes) => {
                if self.last_document.is_some_and(|last| last >= hash) {
                    let order = "documents stand in the order of their hashes".to_owned();
                    return Err(self.problem(LineProblem::Malformed(order)));
                }
                self.last_document = Some(hash);
                self.documents += 1;
                Ok(Some(Item::Document(bytes)))
            }
            Line::Head(head) => {
                self.check_head(&head)
                    .map_err(|problem| self.problem(problem))?;
                self.head = Some(head);
                self.next()
            }
        }
    }

    fn problem(&self, problem: LineProblem) -> ImportError {
        ImportError::Line {
            line: self.number,
            problem,
        }
    }

    /// Reads a line without its end; none at the end of the file.
    fn read_line(&mut self) -> Result<Option<String>, ImportError> {
        let mut bytes = Vec::new();
        let bound = LINE_MAX as u64 + 1;
        (&mut self.from).take(bound).read_until(b'\n', &mut bytes)?;
        self.number += 1;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.pop() != Some(b'\n') {
            return Err(self.problem(if bytes.len() >= LINE_MAX {
                LineProblem::TooLong
            } else {
                LineProblem::Cut
            }));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.problem(LineProblem::NotText))?;
        Ok(Some(text))
    }

    fn follow(&mut self, event: &StoredEvent) -> Result<(), LineProblem> {
        let header = &event.header;
        if self.documents > 0 {
            let order = "it is an event, and documents stand behind all events".to_owned();
            return Err(LineProblem::Malformed(order));
        }
        let (stream, link) = self.chain.get_or_insert_with(|| {
            let stream = header.stream.clone();
            let link = Link::first(&stream);
            (stream, link)
        });
        if *stream != header.stream {
            return Err(LineProblem::OtherStream(header.stream.clone()));
        }
        if header.schema.major > SUPPORTED.major {
            return Err(LineProblem::NewerMajor {
                found: header.schema,
                supported: SUPPORTED,
            });
        }
        if header.schema > SUPPORTED && self.newer.is_none() {
            self.newer = Some((self.number, header.schema));
        }
        let begins = link.follow(header).map_err(LineProblem::Chain)?;
        if begins && !self.deploys.insert(header.deploy) {
            return Err(LineProblem::Reopened(header.deploy));
        }
        Ok(())
    }

    fn check_head(&self, said: &HeadLine) -> Result<(), LineProblem> {
        if !(FORMAT_OF_EVENTS..=FORMAT).contains(&said.format) {
            return Err(LineProblem::OtherFormat(said.format));
        }
        if (said.format == FORMAT_OF_EVENTS) != (self.documents == 0) {
            let other = format!(
                "it says format {}, which is another with {} documents",
                said.format, self.documents
            );
            return Err(LineProblem::Malformed(other));
        }
        let end = match &self.chain {
            Some((stream, _)) if *stream != said.stream => {
                return Err(LineProblem::OtherStream(said.stream.clone()));
            }
            Some((_, link)) => link.head(),
            None => Head::empty(&said.stream),
        };
        if end == said.head {
            Ok(())
        } else {
            Err(LineProblem::OtherHead {
                said: said.head.sequence,
                found: end.sequence,
            })
        }
    }

    pub(crate) fn into_checked(self) -> Result<CheckedExport, ImportError> {
        let Some(line) = self.head else {
            return Err(self.problem(LineProblem::NoHead));
        };
        Ok(CheckedExport {
            stream: line.stream,
            head: line.head,
            deploys: self.deploys.len(),
            documents: self.documents,
            newer: self.newer,
        })
    }
}
