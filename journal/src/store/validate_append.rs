//! What may be appended: the rules that every store applies before it writes.

use uuid::Uuid;

use crate::envelope::{
    ACTOR_MAX, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Head, Header, KIND_MAX, NewEvent, PAYLOAD_MAX,
    Schema, StoredEvent, TOOL_MAX,
};
use crate::record;
use crate::store::{AppendError, StoreError};
use crate::stream::StreamId;

/// The end of a stream, as far as an append needs it.
#[derive(Debug, Clone)]
pub(crate) struct AppendState {
    pub(crate) head: Head,
    /// Deploy and schema of the last event; none when the stream is empty.
    pub(crate) last: Option<(Uuid, Schema)>,
}

impl AppendState {
    /// The tip of an empty stream.
    pub(crate) fn empty(stream: &StreamId) -> Self {
        Self {
            head: Head::empty(stream),
            last: None,
        }
    }

    /// The tip of a stream without events that begins behind this one. Only an empty stream can begin there.
    pub(crate) fn behind(&self, checkpoint: &Head, stream: &StreamId) -> Result<Self, AppendError> {
        let empty = Head::empty(stream);
        if self.head != empty {
            return Err(AppendError::Conflict {
                expected: empty,
                found: self.head,
            });
        }
        Ok(Self {
            head: *checkpoint,
            last: None,
        })
    }

    /// The tip of a stream that ends with this event.
    pub(crate) fn after(header: &Header) -> Self {
        Self {
            head: header.head(),
            last: Some((header.deploy, header.schema)),
        }
    }
}

/// An append that may be written.
pub(crate) struct Admitted {
    pub(crate) events: Vec<StoredEvent>,
    /// The record of each event.
    pub(crate) records: Vec<Vec<u8>>,
    /// Deploys that begin in this append, with their first sequence.
    pub(crate) starts: Vec<(u64, Uuid)>,
    /// The tip once it is written.
    pub(crate) tip: AppendState,
}

/// Checks drafts against the end of the stream and seals them. `started` says where a deploy began.
pub(crate) fn validate_append(
    stream: &StreamId,
    supported: Schema,
    tip: &AppendState,
    expected: &Head,
    drafts: Vec<NewEvent>,
    started: impl Fn(Uuid) -> Result<Option<u64>, StoreError>,
) -> Result<Admitted, AppendError> {
    if *expected != tip.head {
        return Err(AppendError::Conflict {
            expected: *expected,
            found: tip.head,
        });
    }
    if drafts.is_empty() {
        return Err(AppendError::Empty);
    }
    let mut admitted = Admitted {
        events: Vec::with_capacity(drafts.len().min(BATCH_EVENTS_MAX)),
        records: Vec::with_capacity(drafts.len().min(BATCH_EVENTS_MAX)),
        starts: Vec::new(),
        tip: tip.clone(),
    };
    let events = drafts.len();
    let mut bytes = 0;
    for draft in drafts {
        check_draft(&draft)?;
        check_schema(stream, supported, &admitted.tip, draft.schema)?;
        if admitted
            .tip
            .last
            .is_none_or(|(deploy, _)| deploy != draft.deploy)
        {
            let earlier = admitted
                .starts
                .iter()
                .find(|(_, deploy)| *deploy == draft.deploy);
            let first = match earlier {
                Some((first, _)) => Some(*first),
                None => started(draft.deploy)?,
            };
            if let Some(first) = first {
                return Err(AppendError::Reopened {
                    deploy: draft.deploy,
                    first,
                });
            }
            admitted
                .starts
                .push((admitted.tip.head.sequence.saturating_add(1), draft.deploy));
        }
        let event = record::seal(stream, &admitted.tip.head, draft);
        let record = record::encode(&event);
        bytes += record.len();
        if events > BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX {
            return Err(AppendError::BatchTooLarge { events, bytes });
        }
        admitted.tip = AppendState::after(&event.header);
        admitted.records.push(record);
        admitted.events.push(event);
    }
    Ok(admitted)
}

/// Checks the length of a document.
pub(crate) fn check_document(bytes: &[u8]) -> Result<(), AppendError> {
    if bytes.len() > PAYLOAD_MAX {
        return Err(AppendError::TooLarge {
            length: bytes.len(),
            max: PAYLOAD_MAX,
        });
    }
    Ok(())
}

fn check_draft(draft: &NewEvent) -> Result<(), AppendError> {
    check_text("kind", &draft.kind, KIND_MAX)?;
    check_text("actor", &draft.actor, ACTOR_MAX)?;
    check_text("tool", &draft.tool, TOOL_MAX)?;
    if draft.payload.len() > PAYLOAD_MAX {
        return Err(AppendError::TooLarge {
            length: draft.payload.len(),
            max: PAYLOAD_MAX,
        });
    }
    Ok(())
}

fn check_text(field: &'static str, value: &str, max: usize) -> Result<(), AppendError> {
    if value.is_empty() || value.len() > max || value.chars().any(char::is_control) {
        return Err(AppendError::Field {
            field,
            value: value.escape_debug().take(40).collect(),
            max,
        });
    }
    Ok(())
}

/// The schema of a stream never goes back, and never beyond what this build knows: its last event speaks for all.
fn check_schema(
    stream: &StreamId,
    supported: Schema,
    tip: &AppendState,
    draft: Schema,
) -> Result<(), AppendError> {
    let last = tip.last.map_or(draft, |(_, schema)| schema);
    if last <= draft && draft <= supported {
        return Ok(());
    }
    Err(AppendError::Schema {
        stream: stream.clone(),
        last,
        draft,
        supported,
    })
}
