//! Taking stored records for events: the checks that every store makes while reading.

use crate::chain::{Damage, DamageKind};
use crate::envelope::{Header, Schema, StoredEvent};
use crate::record::{self, LAYOUT, RecordError};
use crate::store::StoreError;
use crate::stream::StreamId;

/// A page ends when its records and payloads have grown to this many bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A page of events that is being read, each where it belongs.
pub(crate) struct Page<'a> {
    stream: &'a StreamId,
    supported: Schema,
    next: u64,
    limit: usize,
    bytes: usize,
    events: Vec<StoredEvent>,
}

impl<'a> Page<'a> {
    /// An empty page that begins with a sequence.
    pub(crate) fn new(stream: &'a StreamId, supported: Schema, from: u64, limit: usize) -> Self {
        Self {
            stream,
            supported,
            next: from.max(1),
            limit,
            bytes: 0,
            events: Vec::new(),
        }
    }

    /// True when nothing more goes onto the page.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= self.limit || self.bytes >= PAGE_BYTES
    }

    /// Checks the record that is stored under a sequence and takes it. `apart` fetches a payload that is not in the record.
    pub(crate) fn push(
        &mut self,
        sequence: u64,
        bytes: &[u8],
        apart: impl FnOnce(&Header) -> Result<Vec<u8>, StoreError>,
    ) -> Result<(), StoreError> {
        if sequence != self.next {
            return Err(Damage::at(self.next, DamageKind::Missing).into());
        }
        let record =
            record::decode(bytes).map_err(|error| unreadable(self.stream, sequence, error))?;
        let header = &record.header;
        check_place(self.stream, self.supported, sequence, header)?;
        let payload = match record.payload {
            Some(payload) => payload,
            None => apart(header)?,
        };
        self.next = sequence.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes.len() + payload.len());
        self.events.push(StoredEvent {
            header: record.header,
            payload,
        });
        Ok(())
    }

    /// The sequence that the page goes on with.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The events.
    pub(crate) fn into_events(self) -> Vec<StoredEvent> {
        self.events
    }
}

/// Checks that a header belongs where it was found.
pub(crate) fn check_place(
    stream: &StreamId,
    supported: Schema,
    sequence: u64,
    header: &Header,
) -> Result<(), StoreError> {
    if header.sequence != sequence {
        return Err(Damage::at(sequence, DamageKind::OtherEvent(header.sequence)).into());
    }
    if header.stream != *stream {
        return Err(Damage::at(sequence, DamageKind::OtherStream(header.stream.clone())).into());
    }
    if header.schema.major > supported.major {
        return Err(StoreError::Newer {
            stream: stream.clone(),
            sequence,
            found: format!("schema {}", header.schema),
            supported: format!("schema {supported}"),
        });
    }
    Ok(())
}

/// Says why a stored record could not be read.
pub(crate) fn unreadable(stream: &StreamId, sequence: u64, error: RecordError) -> StoreError {
    let what = match error {
        RecordError::Layout(found) if found > LAYOUT => {
            return StoreError::Newer {
                stream: stream.clone(),
                sequence,
                found: format!("record layout {found}"),
                supported: format!("record layout {LAYOUT}"),
            };
        }
        RecordError::Layout(_) => DamageKind::Unreadable("the layout".to_owned()),
        RecordError::Malformed(part) => DamageKind::Unreadable(part.to_owned()),
        RecordError::Hash => DamageKind::Changed,
        RecordError::Payload => DamageKind::PayloadChanged,
    };
    Damage::at(sequence, what).into()
}
