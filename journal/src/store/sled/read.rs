//! Reading rows of the tree: the end of the stream, and pages of events.

use std::path::Path;

use ::sled::Db;

use crate::chain::Damage;
use crate::envelope::{Head, Schema, StoredEvent};
use crate::record;
use crate::store::keys::{Pieces, event_key, sequence_of};
use crate::store::page::{check_place, unreadable};
use crate::store::validate_append::AppendState;
use crate::store::{Page, StoreError};
use crate::stream::StreamId;

use super::SledStore;
use super::call::guarded;

/// What can be seen of the stream: all that is durable, and nothing else.
#[derive(Debug, Clone)]
pub(super) struct ReadableEnd {
    /// Where it begins: the last event that was pruned, unless the record of it is damaged.
    pub(super) begin: Result<Head, Damage>,
    pub(super) last: u64,
    /// The last event, unless its record is damaged.
    pub(super) tip: Result<AppendState, Damage>,
}

/// Reads the last event's header.
pub(super) fn read_end(
    db: &Db,
    path: &Path,
    stream: &StreamId,
    supported: Schema,
    begin: Result<Head, Damage>,
) -> Result<ReadableEnd, StoreError> {
    let events = event_key(0, 0)..=event_key(u64::MAX, u16::MAX);
    let Some((key, _)) = guarded(path, 0, || db.range(events).next_back().transpose())? else {
        let tip = AppendState::empty(stream);
        let tip = match &begin {
            Ok(checkpoint) if checkpoint.sequence > 0 => tip.behind(checkpoint, stream),
            Ok(_) | Err(_) => Ok(tip),
        };
        let tip = tip.expect("nothing stands before a checkpoint");
        return Ok(ReadableEnd {
            last: tip.head.sequence,
            tip: Ok(tip),
            begin,
        });
    };
    let last = sequence_of(&key);
    let pieces = event_key(last, 0)..=event_key(last, u16::MAX);
    let pieces = guarded(path, last, || {
        let mut joined = Pieces::default();
        for row in db.range(pieces) {
            let (key, piece) = row?;
            joined.add(&key, &piece);
        }
        Ok(joined)
    })?;
    let header = pieces
        .record(last)
        .map_err(StoreError::from)
        .and_then(|record| {
            let decoded = record::decode_header(&record);
            decoded
                .map(|(header, _)| header)
                .map_err(|error| unreadable(stream, last, error))
        })
        .and_then(|header| {
            check_place(stream, supported, last, &header)?;
            Ok(header)
        });
    let tip = match header {
        Ok(header) => Ok(AppendState::after(&header)),
        Err(StoreError::Damaged(damage)) => Err(damage),
        Err(error) => return Err(error),
    };
    Ok(ReadableEnd { begin, last, tip })
}

impl SledStore {
    /// A page of events up to the end; [`EventLog::events`](crate::store::Events::events) says when it is full.
    pub(super) fn page(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let mut page = Page::new(&self.stream, self.supported, from, limit);
        let last = self.end().last;
        if page.next() > last {
            return Ok(Vec::new());
        }
        let range = event_key(page.next(), 0)..=event_key(last, u16::MAX);
        let mut rows = self.db.range(range);
        let mut next = self.guarded(page.next(), || rows.next().transpose())?;
        while let Some((key, piece)) = next.take()
            && !page.is_full()
        {
            let (sequence, mut pieces) = (sequence_of(&key), Pieces::default());
            pieces.add(&key, &piece);
            next = self.guarded(page.next(), || rows.next().transpose())?;
            while let Some((key, piece)) = &next
                && sequence_of(key) == sequence
            {
                pieces.add(key, piece);
                next = self.guarded(page.next(), || rows.next().transpose())?;
            }
            // What is out of its place is not looked into.
            let record = if sequence == page.next() {
                pieces.record(sequence)?
            } else {
                Vec::new()
            };
            page.push(sequence, &record, |header| self.payloads.read(header))?;
        }
        Ok(page.into_events())
    }
}
