//! How an event is hashed and laid out in bytes. The layout is described in docs/guide/journal.md.
//!
//! The hashed bytes are the stored bytes: a header is encoded once, hashed as it lies, and decoding reads exactly what was hashed.
//! Nothing here panics on damaged bytes.

use jiff::Timestamp;
use uuid::Uuid;

use crate::envelope::{
    Head, Header, NewEvent, PAYLOAD_INLINE_MAX, PAYLOAD_MAX, Schema, StoredEvent,
};
use crate::hash::Hash;
use crate::stream::StreamId;

/// Version of the layout, the first byte of every record.
pub(crate) const LAYOUT: u8 = 1;

const DOMAIN: &str = "journal fact v1";

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// The layout is not the one this build knows.
    Layout(u8),
    /// The bytes do not follow the layout.
    Malformed(&'static str),
    /// The header's bytes do not have the hash that is written beside them.
    Hash,
    /// The payload's bytes do not have the length or the hash that the header says.
    Payload,
}

/// A record, taken apart.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    /// The payload; none when it is kept apart.
    pub(crate) payload: Option<Vec<u8>>,
}

impl StoredEvent {
    /// The bytes of its record: header and payload, as they are hashed and stored.
    pub fn size(&self) -> u64 {
        let header = encode_header(&self.header).len() as u64;
        header.saturating_add(self.header.payload_length)
    }
}

/// Makes the event that follows `head`. The draft was admitted before.
pub(crate) fn seal(stream: &StreamId, head: &Head, draft: NewEvent) -> StoredEvent {
    let mut header = Header {
        stream: stream.clone(),
        sequence: head.sequence.saturating_add(1),
        event_id: draft.event_id,
        deploy: draft.deploy,
        kind: draft.kind,
        schema: draft.schema,
        recorded_at: Timestamp::from_millisecond(draft.recorded_at.as_millisecond())
            .expect("a timestamp's own milliseconds are a timestamp"),
        actor: draft.actor,
        attempt: draft.attempt,
        tool: draft.tool,
        previous: head.hash,
        payload_hash: Hash::of(&draft.payload),
        payload_length: length_of(&draft.payload),
        hash: head.hash,
    };
    header.hash = hash_of(&encode_fields(&header));
    StoredEvent {
        header,
        payload: draft.payload,
    }
}

/// True when a payload of this length is kept in a file of its own.
pub(crate) fn is_apart(payload_length: u64) -> bool {
    payload_length > PAYLOAD_INLINE_MAX as u64
}

/// Encodes an event as it is stored: without its payload when that is kept apart.
pub(crate) fn encode(event: &StoredEvent) -> Vec<u8> {
    let mut record = encode_header(&event.header);
    if !is_apart(event.header.payload_length) {
        record.extend_from_slice(&event.payload);
    }
    record
}

/// Encodes a header: layout, hash, length of the fields, fields.
pub(crate) fn encode_header(header: &Header) -> Vec<u8> {
    let fields = encode_fields(header);
    let length = u32::try_from(fields.len()).expect("a header's fields are bounded");
    let mut record = Vec::with_capacity(64 + fields.len());
    record.push(LAYOUT);
    record.extend_from_slice(header.hash.as_bytes());
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&fields);
    record
}

/// Decodes a stored record and checks it against its own hashes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    let (header, rest) = decode_header(bytes)?;
    if is_apart(header.payload_length) {
        if !rest.is_empty() {
            return Err(RecordError::Malformed("bytes after the header"));
        }
        return Ok(Record {
            header,
            payload: None,
        });
    }
    check_payload(&header, rest)?;
    Ok(Record {
        header,
        payload: Some(rest.to_vec()),
    })
}

/// Decodes a header, checks it against its hash and returns what follows it.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<(Header, &[u8]), RecordError> {
    let mut input = Input(bytes);
    let [layout] = input.array("the layout")?;
    let decoded = decode_known(input);
    match decoded {
        decoded if layout == LAYOUT => decoded,
        // All but the first byte is a record of ours: that byte was changed, and no newer tool wrote it.
        Ok(_) => Err(RecordError::Malformed("the layout")),
        Err(_) => Err(RecordError::Layout(layout)),
    }
}

/// Decodes the header behind the layout.
fn decode_known(mut input: Input<'_>) -> Result<(Header, &[u8]), RecordError> {
    let hash = Hash::from_bytes(input.array("the hash")?);
    let length = usize::try_from(u32::from_be_bytes(input.array("the header's length")?))
        .map_err(|_| RecordError::Malformed("the header's length"))?;
    let fields = input.take(length, "the header")?;
    if hash_of(fields) != hash {
        return Err(RecordError::Hash);
    }
    Ok((decode_fields(fields, hash)?, input.0))
}

/// Checks a payload's bytes against its header.
pub(crate) fn check_payload(header: &Header, payload: &[u8]) -> Result<(), RecordError> {
    let same = length_of(payload) == header.payload_length
        && payload.len() <= PAYLOAD_MAX
        && Hash::of(payload) == header.payload_hash;
    if same {
        Ok(())
    } else {
        Err(RecordError::Payload)
    }
}

/// Recomputes the hash of a header from its fields.
pub(crate) fn hash_of_header(header: &Header) -> Hash {
    hash_of(&encode_fields(header))
}

fn hash_of(fields: &[u8]) -> Hash {
    Hash::of_fields(DOMAIN, &[fields])
}

fn length_of(payload: &[u8]) -> u64 {
    u64::try_from(payload.len()).expect("a length in memory fits 64 bits")
}

/// The fields, each behind its length, in the order of the envelope. The hash is not among them.
fn encode_fields(header: &Header) -> Vec<u8> {
    let stream = header.stream.to_string();
    let schema = [
        header.schema.major.to_be_bytes(),
        header.schema.minor.to_be_bytes(),
    ]
    .concat();
    let fields: [&[u8]; 13] = [
        stream.as_bytes(),
        &header.sequence.to_be_bytes(),
        header.event_id.as_bytes(),
        header.deploy.as_bytes(),
        header.kind.as_bytes(),
        &schema,
        &header.recorded_at.as_millisecond().to_be_bytes(),
        header.actor.as_bytes(),
        &header.attempt.to_be_bytes(),
        header.tool.as_bytes(),
        header.previous.as_bytes(),
        header.payload_hash.as_bytes(),
        &header.payload_length.to_be_bytes(),
    ];
    let mut bytes = Vec::with_capacity(512);
    for field in fields {
        let length = u32::try_from(field.len()).expect("a header's fields are bounded");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

fn decode_fields(fields: &[u8], hash: Hash) -> Result<Header, RecordError> {
    let mut input = Input(fields);
    let header = Header {
        stream: input
            .text("the stream")?
            .parse()
            .map_err(|_| RecordError::Malformed("the stream"))?,
        sequence: u64::from_be_bytes(input.field("the sequence")?),
        event_id: Uuid::from_bytes(input.field("the event id")?),
        deploy: Uuid::from_bytes(input.field("the deploy id")?),
        kind: input.text("the kind")?,
        schema: schema(input.field("the schema")?),
        recorded_at: Timestamp::from_millisecond(i64::from_be_bytes(input.field("the time")?))
            .map_err(|_| RecordError::Malformed("the time"))?,
        actor: input.text("the actor")?,
        attempt: u32::from_be_bytes(input.field("the attempt")?),
        tool: input.text("the tool")?,
        previous: Hash::from_bytes(input.field("the previous hash")?),
        payload_hash: Hash::from_bytes(input.field("the payload hash")?),
        payload_length: u64::from_be_bytes(input.field("the payload length")?),
        hash,
    };
    if input.0.is_empty() {
        Ok(header)
    } else {
        Err(RecordError::Malformed("bytes after the last field"))
    }
}

fn schema([a, b, c, d]: [u8; 4]) -> Schema {
    Schema {
        major: u16::from_be_bytes([a, b]),
        minor: u16::from_be_bytes([c, d]),
    }
}

/// Bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(RecordError::Malformed(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        self.take(N, what)?
            .try_into()
            .map_err(|_| RecordError::Malformed(what))
    }

    fn sized(&mut self, what: &'static str) -> Result<&'a [u8], RecordError> {
        let length = u32::from_be_bytes(self.array(what)?);
        let length = usize::try_from(length).map_err(|_| RecordError::Malformed(what))?;
        self.take(length, what)
    }

    fn field<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        self.sized(what)?
            .try_into()
            .map_err(|_| RecordError::Malformed(what))
    }

    fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        String::from_utf8(self.sized(what)?.to_vec()).map_err(|_| RecordError::Malformed(what))
    }
}
