//! `--post`: recorded events as CloudEvents to a receiver, each at least once, in order, from where the last command ended.
//!
//! It reads the journal as any reader does, so a deploy never waits for a receiver. Not here: one request (`engine::docker`), what an
//! event looks like (`formats`), where the receiver's position is kept (`position`).

mod position;

use std::path::Path;
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use engine::contract::printable;
use engine::docker::{EventReceiver, ReceiverError};
use journal::{EventLog, Head, Reader, StoredEvent, StreamId};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::applier::args::Receiving;
use crate::applier::formats::{Encoder, EventFormat};
use crate::applier::prepare::limits;
use crate::applier::target::store_failure;
use crate::failure::{Failure, Kind};
use crate::report::talk;
use position::Position;

/// The variable that a token for the receiver is read from.
const TOKEN: &str = "ARTIFACTCTL_POST_TOKEN";
/// How long the first try after a failure waits; each one after it twice as long, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a receiver may ask for.
const ASKED_WAIT: Duration = Duration::from_secs(300);
/// How often a wait looks whether somebody wants it to end.
const LOOKING: Duration = Duration::from_millis(50);
/// Events of one batch at most.
const BATCH: usize = 100;

/// How long a receiver that does not take an event is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For a minute: somebody waits for the end of the command.
    Minute,
    /// Until somebody stops it.
    Endless,
}

impl Patience {
    fn is_over(self, since: Instant) -> bool {
        self == Self::Minute && since.elapsed() >= Duration::from_secs(60)
    }
}

/// Sends the events of one target to one receiver.
pub(crate) struct Posting<'r> {
    receiver: EventReceiver,
    runtime: &'r Runtime,
    encoder: Encoder,
    format: EventFormat,
    position: Position,
    patience: Patience,
}

/// What was sent, for the end of a command.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Posted {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The URL of the receiver, without its query.
    receiver: String,
    /// How many events were sent.
    events: u64,
    /// The sequence of the last event that the receiver has.
    sequence: u64,
}

impl Posted {
    pub(crate) fn text(&self) -> String {
        let Self {
            target,
            receiver,
            events,
            sequence,
        } = self;
        let events = crate::report::counted(*events, "event");
        format!("sent {events} of {target} to {receiver}, up to event {sequence}")
    }
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The receiver has all of it.
    All,
    /// Somebody stopped it before.
    Stopped,
}

impl<'r> Posting<'r> {
    /// The receiver that was named; none when nobody else is to be told. `root` is the journal's.
    pub(crate) fn new(
        args: &Receiving,
        format: Option<EventFormat>,
        (root, stream): (&Path, &StreamId),
        runtime: &'r Runtime,
        patience: Patience,
    ) -> Result<Option<Self>, Failure> {
        let Some(url) = &args.post else {
            return Ok(None);
        };
        let format = format.unwrap_or(EventFormat::Cloudevents);
        if format == EventFormat::Jsonl {
            let what = "`--post` sends CloudEvents, and `--as jsonl` makes none";
            let hint = "choose `--as cloudevents`, `cloudevents-batch` or `cdevents`";
            return Err(Failure::new(Kind::Usage, what).hint(hint));
        }
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let receiver = EventReceiver::new(url, token.as_deref(), limits()?.query);
        let receiver = receiver.map_err(|error| unusable(&error))?;
        if receiver.is_overheard() {
            let name = receiver.name();
            talk(&format!(
                "warning: the token goes to `{name}` without encryption; use `https://`"
            ));
        }
        let position = Position::open(args.position.as_deref(), root, stream, url, format)?;
        Ok(Some(Self {
            receiver,
            runtime,
            encoder: Encoder::new(format, args.source.as_deref(), stream)?,
            format,
            position,
            patience,
        }))
    }

    /// The event with which it begins: the one after those that the receiver has. None when it has none yet.
    pub(crate) fn next(&mut self, log: &dyn EventLog) -> Result<Option<u64>, Failure> {
        let Some(head) = self.position.head() else {
            return Ok(None);
        };
        if !is_within(log, head)? {
            return Err(self.position.of_another_history());
        }
        Ok(Some(head.sequence + 1))
    }

    /// Notes that the receiver wants no event before this one.
    pub(crate) fn note_before(&mut self, log: &dyn EventLog, from: u64) -> Result<(), Failure> {
        let before = from.saturating_sub(1);
        let checkpoint = log.checkpoint().map_err(|error| store_failure(&error))?;
        if before <= checkpoint.sequence {
            return self.position.note(checkpoint);
        }
        let event = journal::event(log, before).map_err(|error| store_failure(&error))?;
        let head = event.map_or_else(|| Head::empty(log.stream()), |event| event.header.head());
        self.position.note(head)
    }

    /// What was recorded of a deploy before its first event that is sent.
    pub(crate) fn begin(&mut self, log: &dyn EventLog, from: u64) -> Result<(), Failure> {
        self.encoder.hear_before(log, from)
    }

    /// Sends what the receiver has not got yet, up to the present head.
    pub(crate) fn send_all(mut self, reader: &Reader) -> Result<Posted, Failure> {
        let begin = reader.checkpoint().map_err(|error| store_failure(&error))?;
        let begin = begin.sequence.saturating_add(1);
        let first = self.next(reader)?.unwrap_or(begin);
        self.begin(reader, first)?;
        let head = reader.head().map_err(|error| store_failure(&error))?;
        let mut events = Vec::new();
        for event in journal::scan(reader, first) {
            let event = event.map_err(|error| store_failure(&error))?;
            let is_last = event.header.sequence >= head.sequence;
            events.push(event);
            if events.len() == BATCH || is_last {
                self.send(&events, reader, || false)?;
                events.clear();
            }
            if is_last {
                break;
            }
        }
        Ok(Posted {
            target: reader.stream().to_string(),
            receiver: self.receiver.name(),
            events: (head.sequence + 1).saturating_sub(first),
            sequence: head.sequence,
        })
    }

    /// Sends events, in order. What the receiver has taken is noted before more is sent.
    pub(crate) fn send(
        &mut self,
        events: &[StoredEvent],
        log: &dyn EventLog,
        is_stopped: impl Fn() -> bool,
    ) -> Result<Sent, Failure> {
        if self.format == EventFormat::CloudeventsBatch {
            for batch in events.chunks(BATCH) {
                let mut messages = Vec::new();
                for event in batch {
                    messages.append(&mut self.messages(event, log)?);
                }
                let body = format!("[{}]", messages.join(","));
                let media_type = "application/cloudevents-batch+json";
                if self.deliver(batch, media_type, &body, &is_stopped)? == Sent::Stopped {
                    return Ok(Sent::Stopped);
                }
                self.note(batch)?;
            }
            return Ok(Sent::All);
        }
        for event in events {
            for message in self.messages(event, log)? {
                let event = std::slice::from_ref(event);
                let media_type = "application/cloudevents+json";
                if self.deliver(event, media_type, &message, &is_stopped)? == Sent::Stopped {
                    return Ok(Sent::Stopped);
                }
            }
            self.note(std::slice::from_ref(event))?;
        }
        Ok(Sent::All)
    }

    fn messages(
        &mut self,
        event: &StoredEvent,
        log: &dyn EventLog,
    ) -> Result<Vec<String>, Failure> {
        let messages = self.encoder.messages(event, log);
        messages.map_err(|error| Failure::of(Kind::Internal, &error))
    }

    /// One request, until the receiver has taken it.
    fn deliver(
        &self,
        events: &[StoredEvent],
        media_type: &'static str,
        body: &str,
        is_stopped: impl Fn() -> bool,
    ) -> Result<Sent, Failure> {
        let (begun, mut wait) = (Instant::now(), FIRST_WAIT);
        loop {
            let post = self.receiver.post(media_type, body.to_owned());
            let Some(posted) = self.runtime.block_on(unless(post, &is_stopped)) else {
                return Ok(Sent::Stopped);
            };
            let Err(error) = posted else {
                if wait > FIRST_WAIT {
                    talk(&format!("{} takes events again", self.receiver.name()));
                }
                return Ok(Sent::All);
            };
            if !error.is_passing() || self.patience.is_over(begun) {
                return Err(self.undelivered(events, &error));
            }
            if wait == FIRST_WAIT {
                let name = self.receiver.name();
                talk(&format!(
                    "{name} does not take events: {error}; trying again"
                ));
            }
            let asked = error.retry_after().map(|asked| asked.min(ASKED_WAIT));
            let until = Instant::now() + asked.unwrap_or(wait);
            while Instant::now() < until && !self.patience.is_over(begun) {
                if is_stopped() {
                    return Ok(Sent::Stopped);
                }
                thread::sleep(LOOKING.min(until.saturating_duration_since(Instant::now())));
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    fn note(&mut self, events: &[StoredEvent]) -> Result<(), Failure> {
        let last = events.last();
        last.map_or(Ok(()), |last| self.position.note(last.header.head()))
    }

    fn undelivered(&self, events: &[StoredEvent], error: &ReceiverError) -> Failure {
        let first = events.first().map_or(0, |event| event.header.sequence);
        let name = self.receiver.name();
        let mut failure = Failure::of(Kind::Unreachable, error);
        failure.causes.insert(0, failure.message);
        failure.message = format!("event {first} did not reach `{name}`");
        if let ReceiverError::Refused { said, .. } = error {
            let lines = said.lines().take(8).map(printable);
            failure.output = lines.collect();
        }
        let next = if error.is_passing() {
            "the same command goes on with this event"
        } else {
            "see what the receiver takes (`--as`), and whether it needs a token (ARTIFACTCTL_POST_TOKEN); \
             the same command goes on with this event"
        };
        failure.hint(next)
    }
}

/// What a request comes to, unless somebody wants to wait for nothing any more. The receiver may have taken the events all the same.
async fn unless<T>(request: impl Future<Output = T>, is_stopped: impl Fn() -> bool) -> Option<T> {
    let mut request = pin!(request);
    loop {
        match timeout(LOOKING, &mut request).await {
            Ok(ended) => return Some(ended),
            Err(_) if is_stopped() => return None,
            Err(_) => {}
        }
    }
}

/// The head is one that this journal had.
fn is_within(log: &dyn EventLog, head: Head) -> Result<bool, Failure> {
    let checkpoint = log.checkpoint().map_err(|error| store_failure(&error))?;
    if head == checkpoint || head == Head::empty(log.stream()) {
        return Ok(true);
    }
    let event = journal::event(log, head.sequence).map_err(|error| store_failure(&error))?;
    Ok(event.is_some_and(|event| event.header.hash == head.hash))
}

fn unusable(error: &ReceiverError) -> Failure {
    let mut failure = Failure::new(Kind::Usage, "events cannot be sent there");
    failure.causes.push(error.to_string());
    failure.hint(
        "`--post` takes a URL like `https://host/events`; a token goes into ARTIFACTCTL_POST_TOKEN",
    )
}
