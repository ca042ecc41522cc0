//! Folds a whole stream: what `verify` holds a journal to.

use journal::StoredEvent;
use uuid::Uuid;

use super::claims::Claims;
use super::deploy_journal::{DeployJournalError, typed};
use crate::contract::Digest;
use crate::machine::{RecordedEvent, State, evolve};

/// The fold of a stream from its first event on. What cannot follow in a run cannot follow here: deploys do not stand alone.
#[derive(Debug, Default)]
pub struct StreamFold {
    state: State,
    /// The deploy in which a newer tool wrote something: what is true since is not known until another begins.
    unknown: Option<Uuid>,
    unread: u64,
    /// What events say of documents that have not been seen.
    claims: Claims,
}

impl StreamFold {
    /// Folds one more event.
    pub fn add(&mut self, stored: &StoredEvent) -> Result<(), DeployJournalError> {
        let event = match typed(stored) {
            Ok(event) => event,
            Err(error) if error.is_newer() => {
                self.newer(stored.header.deploy);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.unknown.is_some() {
            if event.event.as_requested().is_none() {
                return Ok(());
            }
            self.unknown = None;
            self.state = State::default();
        } else {
            self.check_predecessor(&event)?;
        }
        self.state = evolve(std::mem::take(&mut self.state), &event).map_err(|source| {
            DeployJournalError::Illegal {
                sequence: event.sequence,
                source,
            }
        })?;
        self.claims.add(&event, &self.state);
        Ok(())
    }

    /// The documents that events name and that have not been seen.
    pub fn named_documents(&self) -> Vec<Digest> {
        self.claims.digests()
    }

    /// Sees a document: it must be what events say it is. One that no event names is the rest of a run that was cut off.
    pub fn add_document(&mut self, bytes: &[u8]) -> Result<(), DeployJournalError> {
        self.claims.check(bytes)
    }

    /// Every document that an event names has been seen.
    pub fn end(&self) -> Result<(), DeployJournalError> {
        self.claims.end()
    }

    /// Deploys with events of a newer tool, which could not be folded.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    fn newer(&mut self, deploy: Uuid) {
        if self.unknown != Some(deploy) {
            self.unread += 1;
        }
        self.unknown = Some(deploy);
    }

    /// A deploy names the one whose keys may stand in the output directory, a hold and drift the one that they stand behind.
    fn check_predecessor(&self, event: &RecordedEvent) -> Result<(), DeployJournalError> {
        let (requested, held) = (event.event.as_requested(), event.event.as_held());
        let first = self.state.deploy.as_ref().map(|deploy| deploy.first);
        let right = requested.is_none_or(|requested| requested.base == self.state.base())
            && held.is_none_or(|held| held.latest == first)
            && event
                .event
                .as_drift_found()
                .is_none_or(|found| Some(found.latest) == first);
        let sequence = event.sequence;
        if right {
            Ok(())
        } else {
            Err(DeployJournalError::Predecessor { sequence })
        }
    }
}
