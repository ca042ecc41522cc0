//! Folds a whole stream: what `verify` holds a journal to.

use journal::{Head, StoredEvent};
use uuid::Uuid;

use super::claims::Claims;
use super::deploy_journal::{DeployJournalError, typed};
use crate::machine::{RecordedEvent, State, evolve};

/// What is known at a place of a stream: its fold, as far as this build can read it.
#[derive(Debug, Default)]
pub(super) struct KnownState {
    /// What is true there.
    pub(super) state: State,
    /// The deploy in which a newer tool wrote something: what is true since is not known until another begins.
    unknown: Option<Uuid>,
    unread: u64,
    /// An event was read.
    has_begun: bool,
}

impl KnownState {
    /// Reads the next event, and tells whether what is true before it is known. None for an event of a newer tool, and for those behind
    /// it in the same deploy.
    pub(super) fn read(
        &mut self,
        stored: &StoredEvent,
    ) -> Result<Option<(RecordedEvent, bool)>, DeployJournalError> {
        // What stood before the first event of a pruned journal is not known: a deploy begins there.
        let is_pruned = !std::mem::replace(&mut self.has_begun, true) && stored.header.sequence > 1;
        let event = match typed(stored) {
            Ok(event) => event,
            Err(error) if error.is_newer() => {
                let deploy = Some(stored.header.deploy);
                self.unread += u64::from(self.unknown != deploy);
                self.unknown = deploy;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if self.unknown.is_none() {
            return Ok(Some((event, !is_pruned)));
        }
        if event.event.as_requested().is_none() {
            return Ok(None);
        }
        self.unknown = None;
        self.state = State::default();
        Ok(Some((event, false)))
    }

    /// Goes on behind an event that was read.
    pub(super) fn evolve(&mut self, event: &RecordedEvent) -> Result<(), DeployJournalError> {
        let evolved = evolve(std::mem::take(&mut self.state), event);
        self.state = evolved.map_err(|source| DeployJournalError::Illegal {
            sequence: event.sequence,
            source,
        })?;
        Ok(())
    }

    /// Deploys with events of a newer tool.
    pub(super) fn unread(&self) -> u64 {
        self.unread
    }
}

/// The fold of a stream from its first event on. What cannot follow in a run cannot follow here: deploys do not stand alone.
#[derive(Debug, Default)]
pub struct StreamFold {
    known: KnownState,
    /// What events say of documents that have not been seen.
    claims: Claims,
    /// Where the events begin behind others that were pruned, until one of them says so.
    unsigned: Option<Head>,
}

impl StreamFold {
    /// Folds one more event.
    pub fn add(&mut self, stored: &StoredEvent) -> Result<(), DeployJournalError> {
        let header = &stored.header;
        if !self.known.has_begun && header.sequence > 1 {
            self.unsigned = Some(Head {
                sequence: header.sequence - 1,
                hash: header.previous,
            });
        }
        let Some((event, knows_before)) = self.known.read(stored)? else {
            return Ok(());
        };
        let signed = event.event.as_pruned().map(|pruned| pruned.checkpoint);
        if signed.is_some() && signed == self.unsigned {
            self.unsigned = None;
        }
        if knows_before {
            self.check_predecessor(&event)?;
        }
        self.known.evolve(&event)?;
        self.claims.add(&event, &self.known.state);
        Ok(())
    }

    /// The documents that events name and that have not been seen.
    #[cfg(test)]
    pub(super) fn named_documents(&self) -> Vec<crate::contract::Digest> {
        self.claims.digests()
    }

    /// Sees a document: it must be what events say it is. One that no event names is the rest of a run that was cut off.
    pub fn add_document(&mut self, bytes: &[u8]) -> Result<(), DeployJournalError> {
        self.claims.check(bytes)
    }

    /// Every document that an event names has been seen, and an event says what was pruned.
    pub fn end(&self) -> Result<(), DeployJournalError> {
        if let Some(Head { sequence, .. }) = self.unsigned {
            return Err(DeployJournalError::Unsigned { sequence });
        }
        self.claims.end()
    }

    /// Deploys with events of a newer tool, which could not be folded.
    pub fn unread(&self) -> u64 {
        self.known.unread()
    }

    /// A deploy names the one whose keys may stand in the output directory, a hold and drift the one that they stand behind.
    fn check_predecessor(&self, event: &RecordedEvent) -> Result<(), DeployJournalError> {
        let state = &self.known.state;
        let first = state.deploy.as_ref().map(|deploy| deploy.first);
        let event_of = &event.event;
        let (requested, held) = (event_of.as_requested(), event_of.as_held());
        let found = event_of.as_drift_found().map(|found| found.latest);
        let found = found.or(event_of.as_pruned().map(|pruned| pruned.latest));
        let right = requested.is_none_or(|requested| requested.base == state.base())
            && held.is_none_or(|held| held.latest == first)
            && found.is_none_or(|latest| Some(latest) == first);
        let sequence = event.sequence;
        if right {
            Ok(())
        } else {
            Err(DeployJournalError::Predecessor { sequence })
        }
    }
}
