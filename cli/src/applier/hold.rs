//! A person's hold on a target.

use engine::contract::printable;
use engine::machine::State;
use engine::run::DeployJournal;
use jiff::Timestamp;
use journal::{EventLog, StreamId};
use serde::Serialize;

use crate::applier::target::store_failure;
use crate::failure::{Failure, Kind};
use crate::when;

/// A person's hold on a target, as every output shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HoldLine {
    /// The person who holds the target.
    pub(crate) actor: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Why.
    pub(crate) message: String,
}

impl HoldLine {
    /// Who and since when is in the envelope of its event.
    pub(crate) fn of(events: &dyn EventLog, state: &State) -> Result<Option<Self>, Failure> {
        let Some(hold) = &state.hold else {
            return Ok(None);
        };
        let event = journal::event(events, hold.sequence).map_err(|error| store_failure(&error))?;
        Ok(event.map(|event| Self {
            actor: event.header.actor,
            since: event.header.recorded_at,
            message: hold.message.clone(),
        }))
    }

    /// In words: `on hold by …`.
    pub(crate) fn words(&self) -> String {
        format!(
            "on hold by {} since {}: {}",
            printable(&self.actor),
            when::second(self.since),
            printable(&self.message)
        )
    }

    /// The refusal of whatever would go on with the target.
    pub(crate) fn failure(&self, target: &StreamId) -> Failure {
        Failure::new(
            Kind::Refused,
            format!("target `{target}` is {}", self.words()),
        )
        .hint(release_hint(target))
    }
}

/// The command that ends a hold.
fn release_hint(target: &StreamId) -> String {
    format!("`artifactctl lock release {target}` ends the hold")
}

/// Nothing begins, goes on or is given up while a person holds the target.
pub(crate) fn must_be_free(target: &StreamId, journal: &DeployJournal<'_>) -> Result<(), Failure> {
    match HoldLine::of(journal.events(), journal.state())? {
        Some(hold) => Err(hold.failure(target)),
        None => Ok(()),
    }
}
