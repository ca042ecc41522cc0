//! Events as they are recorded, whoever owns the target, and through changes of owner.

use std::time::{Duration, Instant};

use crate::access::Reader;
use crate::envelope::{Head, StoredEvent};
use crate::store::{EventLog, StoreError, StoredHead};

/// How long the head kept apart may stay as it is before the journal is asked once more: an owner that is killed between an event and the head
/// leaves the head one append behind.
const SETTLED: Duration = Duration::from_secs(1);

/// Follows a journal.
///
/// To see whether there is something new it reads the small file of the head, so that any number of followers costs an owner nothing
/// but the answers with the new events.
#[derive(Debug)]
pub struct Follower {
    reader: Reader,
    next: u64,
    /// The head kept apart when it was looked at last, and since when it says so.
    seen: Option<(Head, Instant)>,
    /// The journal has been asked since the head stays as it is.
    settled: bool,
}

impl Follower {
    /// Follows a journal from a sequence on.
    pub fn new(reader: Reader, from: u64) -> Self {
        Self {
            reader,
            next: from.max(1),
            seen: None,
            settled: false,
        }
    }

    /// The reader, for other questions.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Whether the journal may hold what has not been seen: cheap, and never wrong for long.
    fn has_news(&mut self) -> Result<bool, StoreError> {
        let StoredHead::Head(head) = self.reader.kept_file()? else {
            // It is being written at this moment, or it is damaged, which asking finds out.
            return Ok(self.seen.is_none());
        };
        match self.seen {
            Some((before, since)) if before == head => {
                let settles = !self.settled && since.elapsed() > SETTLED;
                self.settled |= settles;
                Ok(settles)
            }
            Some(_) | None => {
                self.seen = Some((head, Instant::now()));
                self.settled = false;
                Ok(true)
            }
        }
    }

    /// The events that were recorded since the last poll, in order; perhaps none, perhaps not yet all. It does not wait for any.
    pub fn poll(&mut self) -> Result<Vec<StoredEvent>, StoreError> {
        if !self.has_news()? {
            return Ok(Vec::new());
        }
        let page = self.reader.events(self.next, PAGE).inspect_err(|_| {
            // Asked again by the next poll.
            self.seen = None;
        })?;
        if let Some(last) = page.last() {
            self.next = last.header.sequence.saturating_add(1);
            if self
                .seen
                .is_some_and(|(head, _)| head.sequence >= self.next)
            {
                self.seen = None;
            }
        }
        Ok(page)
    }
}

/// Events of one answer.
const PAGE: usize = 256;
