//! The journal as the loop sees it: typed facts in, typed facts out, the folded state at hand.

use jiff::Timestamp;
use journal::{AppendError, Draft, Fact, Facts, Head, Store};
use uuid::Uuid;

use crate::failpoint;
use crate::machine::{
    self, Command, DecodeError, Event, Illegal, Recorded, Refusal, State, decide, evolve,
};

/// Where time and ids come from. Two implementations: the system's, and a fixed one for tests and golden journals.
pub trait Stamp: Sync {
    /// The time, in whole milliseconds.
    fn now(&self) -> Timestamp;
    /// A fresh id, UUID version 7.
    fn id(&self) -> Uuid;
}

/// Who appends, and with which tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The person or CI account.
    pub actor: String,
    /// Version of the tool.
    pub tool: String,
}

/// The journal cannot be read or written, or says what cannot be.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error("the journal cannot be read")]
    Read(#[from] journal::StoreError),
    /// The store refused or failed an append.
    #[error("the journal cannot be written")]
    Append(#[from] AppendError),
    /// A fact does not read.
    #[error("fact {sequence} of the journal does not read")]
    Decode {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: DecodeError,
    },
    /// A fact cannot follow the ones before it.
    #[error("fact {sequence} of the journal cannot be")]
    Illegal {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: Illegal,
    },
    /// The `Merged` fact that the latest deploy builds upon is not where it should be.
    #[error("fact {sequence} of the journal should say what was merged, and does not")]
    Base {
        /// Where it should be.
        sequence: u64,
    },
    /// The machine does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The open journal of one target, folded.
pub struct Ledger<'a> {
    store: &'a dyn Store,
    stamp: &'a dyn Stamp,
    author: Author,
    head: Head,
    state: State,
}

impl<'a> Ledger<'a> {
    /// Reads the latest deploy and folds it. The cost grows with that deploy, never with history.
    pub fn open(
        store: &'a dyn Store,
        stamp: &'a dyn Stamp,
        author: Author,
    ) -> Result<Self, LedgerError> {
        let head = store.head()?;
        let state = latest_state(store)?;
        Ok(Self {
            store,
            stamp,
            author,
            head,
            state,
        })
    }

    /// The state as folded so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The head after the last append.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The facts of a store, to read from.
    pub fn facts(&self) -> &dyn Facts {
        self.store
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.stamp.now()
    }

    /// Decides each command in turn and appends what becomes true as one durable batch: all of it, or nothing.
    pub fn record(&mut self, commands: Vec<Command>) -> Result<Vec<Recorded>, LedgerError> {
        let mut state = self.state.clone();
        let mut drafts = Vec::with_capacity(commands.len());
        let mut recorded = Vec::with_capacity(commands.len());
        for command in commands {
            let event = decide(&state, command)?;
            let deploy = match (&event, &state.deploy) {
                (Event::Requested(_), _) | (_, None) => self.stamp.id(),
                (_, Some(deploy)) => deploy.id,
            };
            let sequence = self.head.sequence + 1 + recorded.len() as u64;
            let fact = Recorded {
                sequence,
                deploy,
                event,
            };
            state = evolve(state, &fact).map_err(Refusal::from)?;
            drafts.push(self.draft(&fact, &state));
            recorded.push(fact);
        }
        failpoint::reached(|| format!("before append {}", named(&recorded)));
        let facts = self.store.append(&self.head, drafts)?;
        failpoint::reached(|| format!("after append {}", named(&recorded)));
        if let Some(last) = facts.last() {
            self.head = Head {
                sequence: last.header.sequence,
                hash: last.header.hash,
            };
        }
        self.state = state;
        Ok(recorded)
    }

    fn draft(&self, fact: &Recorded, state: &State) -> Draft {
        Draft {
            event_id: self.stamp.id(),
            deploy: fact.deploy,
            kind: fact.event.kind().to_owned(),
            schema: machine::SCHEMA,
            recorded_at: self.stamp.now(),
            actor: self.author.actor.clone(),
            attempt: state.deploy.as_ref().map_or(1, |deploy| deploy.attempt),
            tool: self.author.tool.clone(),
            payload: machine::encode(&fact.event),
        }
    }
}

/// Facts by what tells them from the others of an attempt.
fn named(recorded: &[Recorded]) -> String {
    let name = |fact: &Recorded| {
        let kind = fact.event.kind();
        if let Event::ImageBuilt(image) = &fact.event {
            return format!("{kind} {}", image.function);
        }
        kind.to_owned()
    };
    let names: Vec<String> = recorded.iter().map(name).collect();
    names.join(" ")
}

/// The state of a target: its latest deploy, folded.
pub fn latest_state(facts: &(impl Facts + ?Sized)) -> Result<State, LedgerError> {
    let Some((first, _)) = facts.latest_deploys(None, 1)?.into_iter().next() else {
        return Ok(State::default());
    };
    fold(&deploy_facts(facts, first)?)
}

/// Folds the facts of one deploy.
pub fn fold(facts: &[Recorded]) -> Result<State, LedgerError> {
    facts.iter().try_fold(State::default(), |state, fact| {
        evolve(state, fact).map_err(|source| LedgerError::Illegal {
            sequence: fact.sequence,
            source,
        })
    })
}

/// The facts of the deploy that begins at a sequence, decoded, oldest first.
pub fn deploy_facts(
    facts: &(impl Facts + ?Sized),
    first: u64,
) -> Result<Vec<Recorded>, LedgerError> {
    let mut recorded: Vec<Recorded> = Vec::new();
    for fact in journal::scan(facts, first) {
        let fact = fact?;
        if recorded
            .first()
            .is_some_and(|begin| begin.deploy != fact.header.deploy)
        {
            break;
        }
        recorded.push(typed(&fact)?);
    }
    Ok(recorded)
}

/// One fact, decoded.
pub fn typed(fact: &Fact) -> Result<Recorded, LedgerError> {
    let header = &fact.header;
    let event = machine::decode(&header.kind, header.schema, &fact.payload).map_err(|source| {
        LedgerError::Decode {
            sequence: header.sequence,
            source,
        }
    })?;
    Ok(Recorded {
        sequence: header.sequence,
        deploy: header.deploy,
        event,
    })
}
