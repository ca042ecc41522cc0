//! One line of an export. A line that is read must be, byte for byte, the line that would be written: every change is a difference.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::envelope::{Head, Header, PAYLOAD_MAX, Schema, StoredEvent};
use crate::hash::Hash;
use crate::record;
use crate::stream::StreamId;

/// Newest version of the form, on the last line: of an export of a journal that was pruned.
pub const FORMAT: u16 = 3;
/// Version of the form of an export with documents.
pub(crate) const FORMAT_OF_DOCUMENTS: u16 = 2;
/// Version of the form of an export without documents, which older tools read as well.
pub(crate) const FORMAT_OF_EVENTS: u16 = 1;
/// Longest line, in bytes: the largest payload as base64, and its header.
pub const LINE_MAX: usize = PAYLOAD_MAX / 3 * 4 + 16 * 1024;

/// An event as a line says it. Exactly one of the payloads is there.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct EventLine<'a> {
    /// The target.
    stream: StreamId,
    /// Place in the stream, from 1.
    sequence: u64,
    /// Id of this event, a version 7 UUID.
    event_id: Uuid,
    /// Id of the deploy it belongs to, a version 7 UUID.
    deploy: Uuid,
    /// What kind of event.
    kind: String,
    /// Version of the event.
    schema: Schema,
    /// When it was recorded, to the millisecond.
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    recorded_at: String,
    /// Who.
    actor: String,
    /// Number of the attempt, from 1.
    attempt: u32,
    /// Version of the tool that recorded it.
    tool: String,
    /// Hash of the event before.
    previous: Hash,
    /// Hash of the payload's bytes.
    payload_hash: Hash,
    /// Length of the payload, in bytes.
    payload_length: u64,
    /// Hash of the header.
    hash: Hash,
    /// The payload, where it is one line of JSON.
    #[serde(borrow, default, deserialize_with = "some_raw")]
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    /// The payload's bytes, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// A document as a line says it.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct DocumentLine {
    /// The hash of the document.
    document: Hash,
    /// Its bytes.
    bytes_base64: String,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadLine {
    /// Version of the form of the export.
    pub(crate) format: u16,
    /// The target.
    pub(crate) stream: StreamId,
    /// The head of the journal.
    pub(crate) head: Head,
}

/// The first line of an export of a journal that was pruned.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: Head,
    stream: StreamId,
}

/// A line of an export.
pub(crate) enum Line {
    /// The events begin behind this one.
    Checkpoint(StreamId, Head),
    StoredEvent(Box<StoredEvent>),
    Document(Hash, Vec<u8>),
    Head(HeadLine),
}

/// The schemas of the lines: of an event, of a document, of the end.
#[cfg(feature = "schema")]
pub fn line_schemas(generator: &mut schemars::SchemaGenerator) -> [schemars::Schema; 3] {
    [
        generator.subschema_for::<EventLine<'static>>(),
        generator.subschema_for::<DocumentLine>(),
        generator.subschema_for::<HeadLine>(),
    ]
}

/// A payload `null` is a payload, and not the absence of one.
fn some_raw<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Writes an event as a line of an export, without its end.
pub fn event_line(event: &StoredEvent) -> serde_json::Result<String> {
    let header = &event.header;
    let payload = as_json(&event.payload);
    serde_json::to_string(&EventLine {
        stream: header.stream.clone(),
        sequence: header.sequence,
        event_id: header.event_id,
        deploy: header.deploy,
        kind: header.kind.clone(),
        schema: header.schema,
        recorded_at: header.recorded_at.to_string(),
        actor: header.actor.clone(),
        attempt: header.attempt,
        tool: header.tool.clone(),
        previous: header.previous,
        payload_hash: header.payload_hash,
        payload_length: header.payload_length,
        hash: header.hash,
        payload_base64: payload.is_none().then(|| BASE64.encode(&event.payload)),
        payload,
    })
}

/// Writes a document as a line, without its end.
pub(crate) fn document_line(hash: &Hash, bytes: &[u8]) -> serde_json::Result<String> {
    serde_json::to_string(&DocumentLine {
        document: *hash,
        bytes_base64: BASE64.encode(bytes),
    })
}

/// Writes the last line, without its end.
pub(crate) fn head_line(stream: &StreamId, head: Head, format: u16) -> serde_json::Result<String> {
    serde_json::to_string(&HeadLine {
        format,
        stream: stream.clone(),
        head,
    })
}

/// Writes the first line of a journal that was pruned, without its end.
pub(crate) fn checkpoint_line(stream: &StreamId, checkpoint: Head) -> serde_json::Result<String> {
    serde_json::to_string(&CheckpointLine {
        checkpoint,
        stream: stream.clone(),
    })
}

/// A payload that can stand in a line as it is: one JSON value, in one line, with nothing around it.
fn as_json(payload: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(payload).ok()?;
    if text.contains(['\n', '\r']) {
        return None;
    }
    // White space around the value is not part of it, and would be lost.
    serde_json::from_str::<&RawValue>(text)
        .ok()
        .filter(|value| value.get().len() == text.len())
}

/// Reads a line, without its end. The error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Line, String> {
    if text.starts_with("{\"format\":") {
        let head: HeadLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let written =
            head_line(&head.stream, head.head, head.format).map_err(|error| error.to_string())?;
        if head.format <= FORMAT && written != text {
            return Err(OTHER_SPELLING.to_owned());
        }
        return Ok(Line::Head(head));
    }
    if text.starts_with("{\"document\":") {
        return parse_document(text);
    }
    if text.starts_with("{\"checkpoint\":") {
        return parse_checkpoint(text);
    }
    let line: EventLine<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let payload = match (line.payload, line.payload_base64) {
        (Some(payload), None) => payload.get().as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64
            .decode(encoded)
            .map_err(|_| "its `payload_base64` is not base64".to_owned())?,
        (None, None) | (Some(_), Some(_)) => {
            return Err("exactly one of `payload` and `payload_base64` is needed".to_owned());
        }
    };
    let header = Header {
        stream: line.stream,
        sequence: line.sequence,
        event_id: line.event_id,
        deploy: line.deploy,
        kind: line.kind,
        schema: line.schema,
        recorded_at: line
            .recorded_at
            .parse()
            .ok()
            // The hash covers whole milliseconds: what is finer would be a change that nobody sees.
            .and_then(|time: Timestamp| Timestamp::from_millisecond(time.as_millisecond()).ok())
            .ok_or("its `recorded_at` is not a time")?,
        actor: line.actor,
        attempt: line.attempt,
        tool: line.tool,
        previous: line.previous,
        payload_hash: line.payload_hash,
        payload_length: line.payload_length,
        hash: line.hash,
    };
    if record::hash_of_header(&header) != header.hash {
        return Err("its header does not have the hash that is written with it".to_owned());
    }
    record::check_payload(&header, &payload)
        .map_err(|_| "its payload does not have the length and hash that its header says")?;
    let event = StoredEvent { header, payload };
    if event_line(&event).map_err(|error| error.to_string())? != text {
        return Err(OTHER_SPELLING.to_owned());
    }
    Ok(Line::StoredEvent(Box::new(event)))
}

fn parse_checkpoint(text: &str) -> Result<Line, String> {
    let line: CheckpointLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let written =
        checkpoint_line(&line.stream, line.checkpoint).map_err(|error| error.to_string())?;
    if written != text {
        return Err(OTHER_SPELLING.to_owned());
    }
    Ok(Line::Checkpoint(line.stream, line.checkpoint))
}

fn parse_document(text: &str) -> Result<Line, String> {
    let line: DocumentLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let bytes = BASE64
        .decode(line.bytes_base64)
        .map_err(|_| "its `bytes_base64` is not base64".to_owned())?;
    if Hash::of(&bytes) != line.document || bytes.len() > PAYLOAD_MAX {
        return Err("its bytes do not have the hash that is written with them".to_owned());
    }
    if document_line(&line.document, &bytes).map_err(|error| error.to_string())? != text {
        return Err(OTHER_SPELLING.to_owned());
    }
    Ok(Line::Document(line.document, bytes))
}

const OTHER_SPELLING: &str = "it says the same in another spelling than an export does";
