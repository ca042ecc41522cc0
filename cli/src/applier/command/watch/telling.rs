//! Who is told of an event that was recorded, and how: whoever reads standard output, and a receiver.

use std::path::{Path, PathBuf};

use journal::{Journal, ReadError, Reader, StoredEvent, StreamId};
use tokio::runtime::Runtime;

use crate::applier::args::Watch;
use crate::applier::formats::{Encoder, EventFormat, source_is_for_others};
use crate::applier::posting::{Patience, Posting, Sent};
use crate::applier::{events, target};
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// Who is told, and how.
pub(super) struct Telling<'r> {
    root: PathBuf,
    stream: StreamId,
    /// Reads what an event names. It is opened with the first event: there may be no journal before.
    reader: Option<Reader>,
    encoder: Option<Encoder>,
    posting: Option<Posting<'r>>,
    has_begun: bool,
}

impl<'r> Telling<'r> {
    pub(super) fn new(
        args: &Watch,
        (root, stream): (&Path, &StreamId),
        runtime: &'r Runtime,
    ) -> Result<Self, Failure> {
        if args.event_format == Some(EventFormat::CloudeventsBatch) && args.receiving.post.is_none()
        {
            let what = "`--as cloudevents-batch` is one JSON array, which a watch never ends";
            return Err(
                Failure::new(Kind::Usage, what).hint("`--as cloudevents` writes one a line")
            );
        }
        let place = (root, stream);
        let posting = Posting::new(
            &args.receiving,
            args.event_format,
            place,
            runtime,
            Patience::Endless,
        )?;
        let format = args.event_format.filter(|_| posting.is_none());
        let source = args.receiving.source.as_deref();
        if source.is_some() && format.is_none() && posting.is_none() {
            return Err(source_is_for_others());
        }
        let encoder = format.map(|format| Encoder::new(format, source, stream));
        Ok(Self {
            root: root.to_owned(),
            stream: stream.clone(),
            reader: None,
            encoder: encoder.transpose()?,
            posting,
            has_begun: false,
        })
    }

    /// The event with which a receiver goes on; none when there is no receiver. One that has none yet gets what `from` says, which
    /// is noted: whoever watches again later misses nothing.
    pub(super) fn next(
        &mut self,
        from: impl FnOnce(&Reader) -> Result<u64, Failure>,
    ) -> Result<Option<u64>, Failure> {
        let Some(posting) = &mut self.posting else {
            return Ok(None);
        };
        let reader = match Journal::read(&self.root, &self.stream) {
            Ok(reader) => reader,
            Err(ReadError::Absent { .. }) => return Ok(None),
            Err(error) => return Err(target::read_failure(&error)),
        };
        if let Some(next) = posting.next(&reader)? {
            return Ok(Some(next));
        }
        let from = from(&reader)?;
        posting.note_before(&reader, from)?;
        Ok(Some(from))
    }

    /// Tells of an event.
    pub(super) fn tell(
        &mut self,
        event: &StoredEvent,
        output: &Output,
        is_stopped: impl Fn() -> bool,
    ) -> Result<Sent, Failure> {
        if self.encoder.is_none() && self.posting.is_none() {
            show(event, output)?;
            return Ok(Sent::All);
        }
        let reader = if let Some(reader) = &self.reader {
            reader
        } else {
            let opened = Journal::read(&self.root, &self.stream);
            self.reader
                .insert(opened.map_err(|error| target::read_failure(&error))?)
        };
        let from = event.header.sequence;
        if let Some(encoder) = &mut self.encoder {
            if !self.has_begun {
                encoder.hear_before(reader, from)?;
            }
            let lines = encoder.lines(event, reader);
            for line in lines.map_err(|error| Failure::of(Kind::Internal, &error))? {
                Output::data(&line)?;
            }
        }
        let mut sent = Sent::All;
        if let Some(posting) = &mut self.posting {
            if !self.has_begun {
                posting.begin(reader, from)?;
            }
            sent = posting.send(std::slice::from_ref(event), reader, is_stopped)?;
            if sent == Sent::All {
                show(event, output)?;
            }
        }
        self.has_begun = true;
        Ok(sent)
    }
}

fn show(event: &StoredEvent, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        events::json(event)
    } else {
        Output::text(&events::text(event))
    }
}
