//! What stands around a payload, and the limits of it. Not here: how it is hashed and laid out (`record`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hash::Hash;
use crate::stream::StreamId;

/// Longest kind, in bytes.
pub const KIND_MAX: usize = 64;
/// Longest actor, in bytes.
pub const ACTOR_MAX: usize = 256;
/// Longest tool version, in bytes.
pub const TOOL_MAX: usize = 64;
/// Largest payload that is kept inside its record, in bytes; a larger one goes into a file of its own.
pub const PAYLOAD_INLINE_MAX: usize = 64 * 1024;
/// Largest payload, in bytes.
pub const PAYLOAD_MAX: usize = 16 * 1024 * 1024;
/// Most events of one append.
pub const BATCH_EVENTS_MAX: usize = 256;
/// Most bytes of records of one append, payloads in files of their own not counted. It is half a segment of sled's log: one
/// append never makes sled reuse a segment whose new copy is not on disk yet.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// The newest version of events that this build reads and writes.
pub const SUPPORTED: Schema = Schema { major: 2, minor: 2 };

/// Version of an event, `major.minor`. A newer minor can be read but not appended to, a newer major cannot be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = r"^[0-9]+\.[0-9]+$")))]
#[serde(try_from = "String", into = "String")]
pub struct Schema {
    /// Older builds cannot read a newer one.
    pub major: u16,
    /// Older builds can read a newer one.
    pub minor: u16,
}

/// The text is not `major.minor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a schema: `major.minor` is expected")]
pub struct SchemaError;

/// The end of a stream. Sequence 0 is the empty stream, whose hash is bound to the stream's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Sequence of the last event.
    pub sequence: u64,
    /// Hash of the last event.
    pub hash: Hash,
}

impl Head {
    /// The head of an empty stream.
    pub fn empty(stream: &StreamId) -> Self {
        Self {
            sequence: 0,
            hash: Hash::of_fields("journal genesis v1", &[stream.to_string().as_bytes()]),
        }
    }
}

/// What stands around a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Header {
    /// The target.
    pub stream: StreamId,
    /// Place in the stream, from 1.
    pub sequence: u64,
    /// Id of this event, a version 7 UUID.
    pub event_id: Uuid,
    /// Id of the deploy it belongs to, a version 7 UUID.
    pub deploy: Uuid,
    /// What kind of event.
    pub kind: String,
    /// Version of the event.
    pub schema: Schema,
    /// When it was recorded, to the millisecond.
    pub recorded_at: Timestamp,
    /// Who.
    pub actor: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Version of the tool that recorded it.
    pub tool: String,
    /// Hash of the event before.
    pub previous: Hash,
    /// Hash of the payload's bytes.
    pub payload_hash: Hash,
    /// Length of the payload, in bytes.
    pub payload_length: u64,
    /// Hash of all of the above.
    pub hash: Hash,
}

impl Header {
    /// The head of a stream that ends with this event.
    pub fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            hash: self.hash,
        }
    }
}

/// What a caller gives to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Id of this event, a version 7 UUID.
    pub event_id: Uuid,
    /// Id of the deploy it belongs to, a version 7 UUID.
    pub deploy: Uuid,
    /// What kind of event.
    pub kind: String,
    /// Version of the event.
    pub schema: Schema,
    /// When it happened; kept to the millisecond.
    pub recorded_at: Timestamp,
    /// Who.
    pub actor: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Version of the tool.
    pub tool: String,
    /// The payload, kept byte for byte.
    pub payload: Vec<u8>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// What stands around the payload.
    pub header: Header,
    /// The payload's bytes.
    pub payload: Vec<u8>,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Schema {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let (major, minor) = text.split_once('.').ok_or(SchemaError)?;
        let schema = Self {
            major: major.parse().map_err(|_| SchemaError)?,
            minor: minor.parse().map_err(|_| SchemaError)?,
        };
        // `01.0` and `+1.0` parse as numbers; one schema has one spelling.
        if schema.to_string() == text {
            Ok(schema)
        } else {
            Err(SchemaError)
        }
    }
}

impl TryFrom<String> for Schema {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, SchemaError> {
        text.parse()
    }
}

impl From<Schema> for String {
    fn from(schema: Schema) -> Self {
        schema.to_string()
    }
}
