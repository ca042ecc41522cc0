//! Events as journal payloads: JSON, one schema number for all kinds.
//!
//! An older payload is lifted JSON to JSON, one schema at a time, before it is decoded; the typed event exists in its
//! newest shape only. Schema 1.0 is the first, so no lift exists.

use journal::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event::Event;

/// The schema that this tool writes.
pub const SCHEMA: Schema = Schema { major: 1, minor: 0 };

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
    match event {
        Event::Requested(payload) => bytes(payload),
        Event::Observed(payload) => bytes(payload),
        Event::CompatChecked(payload) => bytes(payload),
        Event::Merged(payload) => bytes(payload),
        Event::ImageBuilt(payload) => bytes(payload),
        Event::Applied(payload) => bytes(payload),
        Event::Failed(payload) => bytes(payload),
        Event::Resumed(payload) => bytes(payload),
        Event::Abandoned(payload) => bytes(payload),
        Event::TakenOver(payload) => bytes(payload),
        Event::Held(payload) => bytes(payload),
        Event::Released(payload) => bytes(payload),
    }
}

/// The event of a kind from its payload bytes. A newer minor schema is read as far as it is known: what is not known is newer, not wrong.
pub fn decode(kind: &str, schema: Schema, payload: &[u8]) -> Result<Event, DecodeError> {
    let newer = || DecodeError::Newer {
        kind: kind.to_owned(),
        found: schema,
    };
    if schema.major > SCHEMA.major {
        return Err(newer());
    }
    match known(kind, payload) {
        Err(_) if schema > SCHEMA => Err(newer()),
        decoded => decoded,
    }
}

fn known(kind: &str, payload: &[u8]) -> Result<Event, DecodeError> {
    Ok(match kind {
        "Requested" => Event::Requested(typed(kind, payload)?),
        "Observed" => Event::Observed(typed(kind, payload)?),
        "CompatChecked" => Event::CompatChecked(typed(kind, payload)?),
        "Merged" => Event::Merged(typed(kind, payload)?),
        "ImageBuilt" => Event::ImageBuilt(typed(kind, payload)?),
        "Applied" => Event::Applied(typed(kind, payload)?),
        "Failed" => Event::Failed(typed(kind, payload)?),
        "Resumed" => Event::Resumed(typed(kind, payload)?),
        "Abandoned" => Event::Abandoned(typed(kind, payload)?),
        "TakenOver" => Event::TakenOver(typed(kind, payload)?),
        "Held" => Event::Held(typed(kind, payload)?),
        "Released" => Event::Released(typed(kind, payload)?),
        other => return Err(DecodeError::UnknownKind(other.to_owned())),
    })
}

fn bytes(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).expect("event payloads have string keys and no failing serialisers")
}

fn typed<T: DeserializeOwned>(kind: &str, payload: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(payload).map_err(|source| DecodeError::Payload {
        kind: kind.to_owned(),
        source,
    })
}
