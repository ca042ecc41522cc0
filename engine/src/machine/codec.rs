//! Events as journal payloads: JSON, one schema number for all kinds.
//!
//! An older payload is lifted JSON to JSON, one schema at a time, before it is decoded; the typed event exists in its
//! newest shape only.

use super::event::Event;
use super::upcast;
use journal::Schema;

/// The schema that this tool writes.
pub const SCHEMA: Schema = Schema { major: 2, minor: 2 };

/// A payload that is no event this tool knows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The kind is not one of ours.
    #[error("event kind `{0}` is unknown to this version of the tool")]
    UnknownKind(String),
    /// The schema is newer than this tool.
    #[error(
        "schema {found} of a `{kind}` event is newer than {SCHEMA}, the newest this version of the tool reads"
    )]
    Newer {
        /// The event's kind.
        kind: String,
        /// Its schema.
        found: Schema,
    },
    /// The payload does not have the shape of its kind.
    #[error("payload of a `{kind}` event does not read")]
    Payload {
        /// The event's kind.
        kind: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The payload bytes of an event.
pub fn encode(event: &Event) -> Vec<u8> {
    event
        .to_json()
        .expect("event payloads have string keys and no failing serialisers")
}

/// The event of a kind from its payload bytes. An older schema is lifted first. A newer minor schema is read as far as it is known:
/// what is not known is newer, not wrong.
pub fn decode(kind: &str, schema: Schema, payload: &[u8]) -> Result<Event, DecodeError> {
    let newer = || DecodeError::Newer {
        kind: kind.to_owned(),
        found: schema,
    };
    if schema.major > SCHEMA.major {
        return Err(newer());
    }
    let decoded = if schema.major < SCHEMA.major {
        lifted(kind, payload).and_then(|payload| known(kind, &payload))
    } else {
        known(kind, payload)
    };
    match decoded {
        Err(_) if schema > SCHEMA => Err(newer()),
        decoded => decoded,
    }
}

/// The payload as JSON, in the newest schema: an older one is lifted, a newer one is taken as it is.
pub fn payload_json(
    kind: &str,
    schema: Schema,
    payload: &[u8],
) -> Result<serde_json::Value, DecodeError> {
    let read = serde_json::from_slice(payload).map_err(|source| unreadable(kind, source))?;
    Ok(if schema.major < SCHEMA.major {
        upcast::from_1(kind, read)
    } else {
        read
    })
}

fn known(kind: &str, payload: &[u8]) -> Result<Event, DecodeError> {
    Event::from_json(kind, payload)
        .ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))?
        .map_err(|source| unreadable(kind, source))
}

/// The payload of schema 1 as schema 2 has it.
fn lifted(kind: &str, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let unreadable = |source| unreadable(kind, source);
    let old = serde_json::from_slice(payload).map_err(unreadable)?;
    serde_json::to_vec(&upcast::from_1(kind, old)).map_err(unreadable)
}

fn unreadable(kind: &str, source: serde_json::Error) -> DecodeError {
    DecodeError::Payload {
        kind: kind.to_owned(),
        source,
    }
}
