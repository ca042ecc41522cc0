//! Processes of persons: they hold the target, let go of it, or give its deploy up.

use std::sync::atomic::Ordering;

use journal::{EventLog, MemoryStore};

use super::faulty_store::{AppendMishap, FaultyStore, FixedStamp};
use super::rig::{Ended, Found, Ran, author};
use crate::machine::{AbandonReason, Command, LostHolder, Refusal, State};
use crate::run::deploy_journal::{DeployJournal, DeployJournalError};

/// What a person does about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    Holds,
    Releases,
    Abandons,
}

impl Person {
    fn command(self) -> Command {
        let note = None;
        match self {
            Self::Holds => Command::Hold {
                message: "somebody looks into it".to_owned(),
            },
            Self::Releases => Command::Release { note },
            Self::Abandons => Command::Abandon {
                reason: AbandonReason::GivenUp,
                note,
            },
        }
    }
}

impl Person {
    /// A person's process, from opening the journal to its one append.
    pub(super) fn record(
        self,
        store: &FaultyStore<'_>,
        lost: Option<LostHolder>,
        actor: &str,
    ) -> Result<State, DeployJournalError> {
        let stamp = FixedStamp::after(&store.head()?);
        let mut journal = DeployJournal::open(store, &stamp, author(actor))?.taking_over(lost);
        journal.record(vec![self.command()])?;
        Ok(journal.state().clone())
    }
}

/// Where there is nothing to give up or to release, a person has nothing to do.
pub(super) fn person_ended(recorded: Result<(), DeployJournalError>) -> Ended {
    match recorded {
        Ok(())
        | Err(DeployJournalError::Refused(Refusal::NothingUnfinished | Refusal::NotHeld)) => {
            Ended::Left
        }
        Err(error) => Ended::Broken(error),
    }
}

/// The process of a person, whose one append may go wrong.
pub(super) fn act(
    store: &MemoryStore,
    person: Person,
    mishap: Option<AppendMishap>,
    found: Found,
) -> Ran {
    let faulty_store = FaultyStore::new(store, mishap.map(|mishap| (0, mishap)));
    let recorded = person.record(&faulty_store, found.lost.clone(), "person");
    let dead = faulty_store.dead.load(Ordering::Relaxed);
    let (recorded, live) = match recorded {
        Ok(state) => (Ok(()), Some(state)),
        Err(error) => (Err(error), None),
    };
    Ran {
        ended: if dead {
            Ended::Killed
        } else {
            person_ended(recorded)
        },
        calls: Vec::new(),
        appends: faulty_store.appends.into_inner(),
        stopped: None,
        live,
        found,
    }
}
