//! Recorded events in the formats of other tools: which there are, and one event in each. `cloud_events` and `cd_events` know their
//! specifications.

mod cd_events;
mod cloud_events;

use std::io;

use cdevents_sdk::CDEvent;
use clap::ValueEnum;
use engine::contract::Digest;
use engine::machine::Images;
use engine::run;
use journal::{EventLog, StoredEvent, StreamId, transfer};
use serde::Serialize;

use crate::applier::target::store_failure;
use crate::failure::{Failure, Kind};
use cd_events::CdEvents;
use cloud_events::{CloudEvent, Wrapped, default_source};

/// How recorded events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventFormat {
    /// JSON lines of artifactctl, with the documents: what `import` and `verify` read
    Jsonl,
    /// CloudEvents 1.0 in JSON, one a line
    Cloudevents,
    /// CloudEvents 1.0 as one JSON array, a batch
    CloudeventsBatch,
    /// CDEvents 0.5 in JSON, one a line
    Cdevents,
}

/// Writes events of one target in one format. They are handed on in their order.
pub(crate) struct Encoder {
    format: EventFormat,
    source: String,
    cd_events: CdEvents,
}

impl Encoder {
    /// `source` is the URI of where the events happen; without one the target makes it.
    pub(crate) fn new(
        format: EventFormat,
        source: Option<&str>,
        stream: &StreamId,
    ) -> Result<Self, Failure> {
        if format == EventFormat::Jsonl && source.is_some() {
            return Err(source_is_for_others());
        }
        let source = source.map_or_else(|| default_source(stream), str::to_owned);
        let cd_events = CdEvents::new(&source).map_err(|error| {
            Failure::of(Kind::Usage, &error)
                .hint("`--source` names a URI, like `https://host/shop`")
        })?;
        Ok(Self {
            format,
            source,
            cd_events,
        })
    }

    /// Hears what was recorded of a deploy before its first event that is to be written.
    pub(crate) fn hear_before(&mut self, log: &dyn EventLog, from: u64) -> Result<(), Failure> {
        if self.format != EventFormat::Cdevents {
            return Ok(());
        }
        let failed = |error| store_failure(&error);
        let Some((first, _)) = log.latest_deploys(Some(from), 1).map_err(failed)?.pop() else {
            return Ok(());
        };
        for event in journal::scan(log, first) {
            let event = event.map_err(failed)?;
            if event.header.sequence >= from {
                break;
            }
            self.of_cd_events(&event, log);
        }
        Ok(())
    }

    pub(crate) fn format(&self) -> EventFormat {
        self.format
    }

    /// A recorded event as lines of JSON: one or several.
    pub(crate) fn lines(
        &mut self,
        event: &StoredEvent,
        log: &dyn EventLog,
    ) -> io::Result<Vec<String>> {
        let lines: serde_json::Result<_> = match self.format {
            EventFormat::Jsonl => transfer::event_line(event).map(|line| vec![line]),
            EventFormat::Cloudevents | EventFormat::CloudeventsBatch => {
                line(&CloudEvent::of(event, &self.source)).map(|line| vec![line])
            }
            EventFormat::Cdevents => {
                let events = self.of_cd_events(event, log);
                events.iter().map(line).collect()
            }
        };
        Ok(lines?)
    }

    /// The same as CloudEvents, whatever the format: a CDEvent is the data of one.
    pub(crate) fn messages(
        &mut self,
        event: &StoredEvent,
        log: &dyn EventLog,
    ) -> io::Result<Vec<String>> {
        if self.format != EventFormat::Cdevents {
            return self.lines(event, log);
        }
        let events = self.of_cd_events(event, log);
        let messages = events.iter().map(|event| line(&Wrapped::of(event)));
        let messages: serde_json::Result<_> = messages.collect();
        Ok(messages?)
    }

    fn of_cd_events(&mut self, event: &StoredEvent, log: &dyn EventLog) -> Vec<CDEvent> {
        // An image without its digest is named by the artifact: what cannot be read is for `verify` to say.
        let images = |digest: &Digest| run::document::<Images>(log, digest).ok();
        self.cd_events.of(event, images)
    }
}

/// A source where no event has one.
pub(crate) fn source_is_for_others() -> Failure {
    let what = "`--source` is for events in the formats of others";
    Failure::new(Kind::Usage, what).hint("name a format with `--as`, or leave `--source` away")
}

fn line(event: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(event)
}
