//! Which versions of the stack were seen from when to when, and which deploys met them.

use jiff::Timestamp;
use journal::StoredEvent;
use serde::Serialize;
use uuid::Uuid;

use super::summary::{ServiceVersion, versions};
use crate::machine::{self, Event};

/// The kind of events that say what was running.
const OBSERVED: &str = "Observed";

/// Versions that were seen, without others between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenStack {
    /// Each service with its version.
    pub services: Vec<ServiceVersion>,
    /// The version of the engine.
    pub engine: String,
    /// When they were seen first.
    pub first_seen: Timestamp,
    /// When they were seen last.
    pub last_seen: Timestamp,
    /// The deploys that met them, in their order.
    pub deploys: Vec<Uuid>,
}

/// The stacks that events say were seen, the first on top.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenStacks(Vec<SeenStack>);

impl SeenStacks {
    /// Takes one more event, in the order of the journal. An event that is about something else, or of a newer tool, says nothing.
    pub fn add(&mut self, event: &StoredEvent) {
        let header = &event.header;
        if header.kind != OBSERVED {
            return;
        }
        let decoded = machine::decode(&header.kind, header.schema, &event.payload);
        let Ok(Event::Observed(observed)) = decoded else {
            return;
        };
        let services = versions(&observed.observation);
        let engine = observed.observation.engine.version;
        let (at, deploy) = (header.recorded_at, header.deploy);
        match self.0.last_mut() {
            Some(last) if last.services == services && last.engine == engine => {
                last.last_seen = at;
                if last.deploys.last() != Some(&deploy) {
                    last.deploys.push(deploy);
                }
            }
            Some(_) | None => self.0.push(SeenStack {
                services,
                engine,
                first_seen: at,
                last_seen: at,
                deploys: vec![deploy],
            }),
        }
    }

    /// The stacks, the first on top.
    pub fn into_stacks(self) -> Vec<SeenStack> {
        self.0
    }
}
