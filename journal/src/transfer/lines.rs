//! The lines of an export, each verified against the ones before it. A backup has the lines of several.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use uuid::Uuid;

use crate::chain::Link;
use crate::envelope::{Head, SUPPORTED, Schema, StoredEvent};
use crate::hash::Hash;
use crate::stream::StreamId;
use crate::transfer::import::{CheckedExport, ImportError, LineProblem};
use crate::transfer::line::{
    self, FORMAT, FORMAT_OF_DOCUMENTS, FORMAT_OF_EVENTS, HeadLine, LINE_MAX, Line,
};

/// What stands in a line before the last.
pub(crate) enum Item {
    Event(Box<StoredEvent>),
    Document(Vec<u8>),
}

/// What a line of a target turned out to be.
pub(crate) enum LineRead {
    Item(Item),
    /// It says where the events begin.
    Checkpoint,
    /// It is the last, which says the head.
    End,
}

/// Lines of a bounded length, each with its number.
pub(crate) struct NumberedLines<R> {
    from: R,
    number: u64,
}

impl<R: BufRead> NumberedLines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, number: 0 }
    }

    /// Reads a line without its end; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<String>, ImportError> {
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

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Something is wrong with the line that was read last.
    pub(crate) fn problem(&self, problem: LineProblem) -> ImportError {
        ImportError::Line {
            line: self.number,
            problem,
        }
    }

    /// What the lines are read from.
    pub(crate) fn get_mut(&mut self) -> &mut R {
        &mut self.from
    }
}

/// The lines of one target: its events, its documents, its head.
#[derive(Default)]
pub(crate) struct Section {
    chain: Option<(StreamId, Link)>,
    /// Where the events begin, when the first of them were pruned.
    checkpoint: Option<Head>,
    events: u64,
    deploys: BTreeSet<Uuid>,
    documents: u64,
    last_document: Option<Hash>,
    head: Option<HeadLine>,
    /// Its first event with a schema that this build cannot append, as it counts lines.
    newer: Option<(u64, Schema)>,
}

impl Section {
    /// Whose events they are, as far as that was read.
    pub(crate) fn stream(&self) -> Option<&StreamId> {
        self.chain.as_ref().map(|(stream, _)| stream)
    }

    /// Where the events end that were read.
    pub(crate) fn head(&self) -> Option<Head> {
        self.chain.as_ref().map(|(_, link)| link.head())
    }

    /// Where the events begin, when the first of them were pruned.
    pub(crate) fn checkpoint(&self) -> Option<Head> {
        self.checkpoint
    }

    /// How many events were read.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// How many documents were read.
    pub(crate) fn documents(&self) -> u64 {
        self.documents
    }

    /// How many deploys were read.
    pub(crate) fn deploys(&self) -> usize {
        self.deploys.len()
    }

    /// The line that says the head was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.head.is_some()
    }

    /// Reads the next line.
    pub(crate) fn read(&mut self, number: u64, text: &str) -> Result<LineRead, LineProblem> {
        match line::parse(text).map_err(LineProblem::Malformed)? {
            Line::Checkpoint(stream, checkpoint) => {
                if self.chain.is_some() || self.documents > 0 || checkpoint.sequence == 0 {
                    let place = "a checkpoint stands before the first event that is kept";
                    return Err(LineProblem::Malformed(place.to_owned()));
                }
                self.chain = Some((stream, Link::behind(checkpoint)));
                self.checkpoint = Some(checkpoint);
                Ok(LineRead::Checkpoint)
            }
            Line::StoredEvent(event) => {
                self.follow(number, &event)?;
                self.events += 1;
                Ok(LineRead::Item(Item::Event(event)))
            }
            Line::Document(hash, bytes) => {
                if self.last_document.is_some_and(|last| last >= hash) {
                    let order = "documents stand in the order of their hashes".to_owned();
                    return Err(LineProblem::Malformed(order));
                }
                self.last_document = Some(hash);
                self.documents += 1;
                Ok(LineRead::Item(Item::Document(bytes)))
            }
            Line::Head(head) => {
                self.check_head(&head)?;
                self.head = Some(head);
                Ok(LineRead::End)
            }
        }
    }

    fn follow(&mut self, number: u64, event: &StoredEvent) -> Result<(), LineProblem> {
        let header = &event.header;
        if self.documents > 0 {
            let order = "it is an event, and documents stand behind all events".to_owned();
            return Err(LineProblem::Malformed(order));
        }
        let (stream, link) = self.chain.get_or_insert_with(|| {
            let stream = header.stream.clone();
            let link = Link::behind(Head::empty(&stream));
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
            self.newer = Some((number, header.schema));
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
        let (documents, checkpoint) = (self.documents, self.checkpoint);
        if said.format != format_of(checkpoint.is_some(), documents > 0) {
            let pruned = if checkpoint.is_some() {
                " and a checkpoint"
            } else {
                ""
            };
            let other = format!(
                "it says format {}, which is another with {documents} documents{pruned}",
                said.format
            );
            return Err(LineProblem::Malformed(other));
        }
        if checkpoint.is_some() && self.events == 0 {
            let nothing = "nothing is kept behind the checkpoint".to_owned();
            return Err(LineProblem::Malformed(nothing));
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

    /// What was read; none before the line that says the head.
    pub(crate) fn into_checked(self) -> Option<CheckedExport> {
        let line = self.head?;
        Some(CheckedExport {
            stream: line.stream,
            head: line.head,
            checkpoint: self.checkpoint,
            events: self.events,
            deploys: self.deploys.len(),
            documents: self.documents,
            newer: self.newer,
        })
    }
}

/// The version of the form of an export.
pub(crate) fn format_of(is_pruned: bool, has_documents: bool) -> u16 {
    match (is_pruned, has_documents) {
        (true, _) => FORMAT,
        (false, true) => FORMAT_OF_DOCUMENTS,
        (false, false) => FORMAT_OF_EVENTS,
    }
}

/// The lines of an export: those of one target and nothing else.
pub(crate) struct Lines<R> {
    lines: NumberedLines<R>,
    pub(crate) section: Section,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            lines: NumberedLines::new(from),
            section: Section::default(),
        }
    }

    /// The next event or document; none once the head was read and the file has ended.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ImportError> {
        loop {
            let text = self.lines.next()?;
            let has_ended = self.section.has_ended();
            let problem = match text {
                None if has_ended => return Ok(None),
                None => LineProblem::NoHead,
                Some(_) if has_ended => LineProblem::AfterHead,
                Some(text) => match self.section.read(self.lines.number(), &text) {
                    Ok(LineRead::Checkpoint | LineRead::End) => continue,
                    Ok(LineRead::Item(item)) => return Ok(Some(item)),
                    Err(problem) => problem,
                },
            };
            return Err(self.lines.problem(problem));
        }
    }

    pub(crate) fn into_checked(self) -> Result<CheckedExport, ImportError> {
        let no_head = self.lines.problem(LineProblem::NoHead);
        self.section.into_checked().ok_or(no_head)
    }
}
