//! CloudEvents 1.0 in JSON: one recorded event in one object, with its payload as it is stored.
//!
//! The attributes are those of the specification; `sequence` and `partitionkey` are its documented extensions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdevents_sdk::CDEvent;
use jiff::Timestamp;
use journal::{Hash, StoredEvent, StreamId};
use serde::Serialize;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::output::stored;

/// A recorded event as a CloudEvent.
#[derive(Serialize)]
pub(crate) struct CloudEvent<'a> {
    specversion: &'static str,
    /// The event's id in the journal: whoever gets an event twice knows it by this and the source.
    id: Uuid,
    source: &'a str,
    /// The kind, and the major version of its schema.
    r#type: String,
    /// The deploy, or the hold of the target.
    subject: Uuid,
    time: Timestamp,
    datacontenttype: &'static str,
    /// The place in the journal. It has as many digits as any, so that texts sort as numbers do.
    sequence: String,
    /// The target: events of one target stay in order.
    partitionkey: String,
    actor: &'a str,
    attempt: u32,
    tool: &'a str,
    schema: String,
    /// The hash of this event and of the one before, with which the journal's chain is verified.
    hash: Hash,
    previous: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// A payload that is no JSON in one line: none of this version's is.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl<'a> CloudEvent<'a> {
    /// The event, as one that happened at `source`.
    pub(crate) fn of(event: &'a StoredEvent, source: &'a str) -> Self {
        let header = &event.header;
        let data = stored(&event.payload);
        let data = (data.get() != "null" || event.payload == b"null").then_some(data);
        Self {
            specversion: "1.0",
            id: header.event_id,
            source,
            r#type: format!("artifactctl.{}.v{}", header.kind, header.schema.major),
            subject: header.deploy,
            time: header.recorded_at,
            datacontenttype: "application/json",
            sequence: format!("{:020}", header.sequence),
            partitionkey: header.stream.to_string(),
            actor: &header.actor,
            attempt: header.attempt,
            tool: &header.tool,
            schema: header.schema.to_string(),
            hash: header.hash,
            previous: header.previous,
            data,
            data_base64: data.is_none().then(|| STANDARD.encode(&event.payload)),
        }
    }
}

/// Where the events of a target happen, as a URI, when the operator names no other.
pub(crate) fn default_source(stream: &StreamId) -> String {
    format!("artifactctl:{}", stream.to_path().display())
}

/// A CDEvent as the data of a CloudEvent, by the binding that CDEvents have.
#[derive(Serialize)]
pub(crate) struct Wrapped<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: &'a CDEvent,
}

impl<'a> Wrapped<'a> {
    /// The event, with its own context around it.
    pub(crate) fn of(event: &'a CDEvent) -> Self {
        let time = event.timestamp().format(&Rfc3339).unwrap_or_default();
        Self {
            specversion: "1.0",
            id: event.id().as_str(),
            source: event.source().as_str(),
            r#type: event.ty(),
            subject: event.subject().id().as_str(),
            time,
            datacontenttype: "application/json",
            data: event,
        }
    }
}
