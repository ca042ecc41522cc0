//! The journal as the loop sees it: typed events in, typed events out, the folded state at hand.

use jiff::Timestamp;
use journal::{AppendError, EventLog, Head, NewEvent, PAYLOAD_MAX, Store, StoredEvent};
use uuid::Uuid;

use crate::contract::Digest;
use crate::failpoint;
use crate::machine::{
    self, Command, DecodeError, Deploy, Document, DriftFound, Event, Held, Illegal, LostHolder,
    Pruned, RecordedEvent, Refusal, State, decide, evolve,
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
pub enum DeployJournalError {
    /// The store failed.
    #[error("the journal cannot be read")]
    Read(#[from] journal::StoreError),
    /// The store refused or failed an append.
    #[error("the journal cannot be written")]
    Append(#[from] AppendError),
    /// An event does not read.
    #[error("event {sequence} of the journal does not read")]
    Decode {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: DecodeError,
    },
    /// An event cannot follow the ones before it.
    #[error("event {sequence} of the journal cannot be")]
    Illegal {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: Illegal,
    },
    /// The `Merged` event that the latest deploy builds upon is not where it should be.
    #[error("event {sequence} of the journal should say what was merged, and does not")]
    Base {
        /// Where it should be.
        sequence: u64,
    },
    /// A document that an event names is not there, or does not read.
    #[error("the journal names document `{digest}`, which {}", if source.is_some() { "does not read" } else { "is not there" })]
    Document {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it, when it is there.
        source: Option<serde_json::Error>,
    },
    /// A document is not what an event says of it, or is not there.
    #[error("event {sequence} of the journal names document `{digest}`, which {problem}")]
    Named {
        /// The event's sequence.
        sequence: u64,
        /// The document's digest.
        digest: Digest,
        /// What is wrong with it.
        problem: String,
    },
    /// The journal begins behind other events, and none of its own says that they were pruned.
    #[error(
        "the journal begins behind event {sequence}, and no event says that it was pruned there"
    )]
    Unsigned {
        /// The last event that is missing.
        sequence: u64,
    },
    /// A deploy or a hold names another predecessor than the one that stands before it.
    #[error("event {sequence} of the journal names another deploy before it than there is")]
    Predecessor {
        /// Its sequence.
        sequence: u64,
    },
    /// The machine does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl DeployJournalError {
    /// A newer tool wrote what does not read: that is no damage.
    pub fn is_newer(&self) -> bool {
        matches!(
            self,
            Self::Decode {
                source: DecodeError::Newer { .. },
                ..
            }
        )
    }
}

/// The open journal of one target, folded.
pub struct DeployJournal<'a> {
    store: &'a dyn Store,
    stamp: &'a dyn Stamp,
    author: Author,
    head: Head,
    state: State,
    /// Owners that ended without letting go, the first to end first, until that is recorded.
    taken_over: Vec<LostHolder>,
    /// The sequence of the last event that came with an import; 0 when none did.
    imported: u64,
}

impl<'a> DeployJournal<'a> {
    /// Reads the latest deploy and folds it. The cost grows with that deploy, never with history.
    pub fn open(
        store: &'a dyn Store,
        stamp: &'a dyn Stamp,
        author: Author,
    ) -> Result<Self, DeployJournalError> {
        must_be_appendable(store)?;
        let head = store.head()?;
        let state = latest_state(store)?;
        Ok(Self {
            store,
            stamp,
            author,
            head,
            state,
            taken_over: Vec::new(),
            imported: 0,
        })
    }

    /// Events up to this one came with an import ([`Deploy::is_imported`]).
    #[must_use]
    pub fn imported_until(self, sequence: u64) -> Self {
        Self {
            imported: sequence,
            ..self
        }
    }

    pub(super) fn is_imported(&self, deploy: &Deploy) -> bool {
        deploy.is_imported(self.imported)
    }

    /// Owners before this one ended without letting go, the first to end first: the next append says so as well.
    #[must_use]
    pub fn taking_over(self, holders: impl IntoIterator<Item = LostHolder>) -> Self {
        Self {
            taken_over: holders.into_iter().collect(),
            ..self
        }
    }

    /// The state as folded so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The unfinished deploy is this one: what `resume` and `abandon` append belongs to the deploy that they name.
    pub fn must_be_unfinished(&self, expected: Uuid) -> Result<(), Refusal> {
        match self.state.unfinished() {
            Some(deploy) if deploy.id == expected => Ok(()),
            Some(deploy) => Err(Refusal::Another {
                expected,
                found: deploy.id,
            }),
            None => Err(Refusal::NothingUnfinished),
        }
    }

    /// The journal is where this process opened it. Whoever is about to change the world asks first: when the journal was moved or
    /// removed, nothing of the change could be recorded, and another process can own the target.
    pub(super) fn must_be_in_place(&self) -> Result<(), DeployJournalError> {
        Ok(self.store.check_identity().map_err(AppendError::Store)?)
    }

    /// The head after the last append.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The events of a store, to read from.
    pub fn events(&self) -> &dyn EventLog {
        self.store
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.stamp.now()
    }

    /// Decides each command in turn and appends what becomes true as one durable batch: all of it, or nothing.
    pub fn record(
        &mut self,
        commands: Vec<Command>,
    ) -> Result<Vec<RecordedEvent>, DeployJournalError> {
        let commands = self.with_take_over(commands);
        let mut state = self.state.clone();
        let mut drafts = Vec::with_capacity(commands.len());
        let mut recorded = Vec::with_capacity(commands.len());
        for command in commands {
            let sequence = self.head.sequence + 1 + recorded.len() as u64;
            let (event, after) = decide(state, command, sequence, || self.stamp.id())?;
            state = after;
            drafts.push(self.draft(&event, &state));
            recorded.push(event);
        }
        failpoint::reached(|| format!("before append {}", named(&recorded)));
        let events = self.store.append(&self.head, drafts)?;
        failpoint::reached(|| format!("after append {}", named(&recorded)));
        if let Some(last) = events.last() {
            self.head = Head {
                sequence: last.header.sequence,
                hash: last.header.hash,
            };
        }
        self.state = state;
        if !matches!(recorded.first(), Some(one) if one.event.as_drift_found().is_some()) {
            self.taken_over.clear();
        }
        Ok(recorded)
    }

    /// Keeps a document, so that an event can name it: it is durable on return. None when it is larger than any can be.
    ///
    /// `known` is a document that an event names already: it is not written again. `name` names it at its boundaries.
    pub(super) fn keep(
        &self,
        name: &str,
        document: &impl Document,
        known: Option<&Digest>,
    ) -> Result<Option<Digest>, DeployJournalError> {
        let bytes = document.to_bytes();
        if bytes.len() > PAYLOAD_MAX {
            return Ok(None);
        }
        let digest = Digest::of(&bytes);
        if known != Some(&digest) {
            failpoint::reached(|| format!("before document {name}"));
            self.store.put_document(&bytes)?;
            failpoint::reached(|| format!("after document {name}"));
        }
        Ok(Some(digest))
    }

    /// The event of a command, to be appended where the whole journal is written anew. It is not recorded here.
    pub fn drafted(&self, command: Command) -> Result<NewEvent, DeployJournalError> {
        let sequence = self.head.sequence + 1;
        let (event, state) = decide(self.state.clone(), command, sequence, || self.stamp.id())?;
        Ok(self.draft(&event, &state))
    }

    /// A take-over is recorded with what was interrupted, before all else; where nothing was, with what begins.
    /// Drift is no beginning: a take-over waits for the deploy or the hold behind it.
    fn with_take_over(&self, mut commands: Vec<Command>) -> Vec<Command> {
        if matches!(commands.first(), Some(Command::FindDrift(_))) {
            return commands;
        }
        let begins = usize::from(self.state.open_id().is_none()).min(commands.len());
        let taken_over = self.taken_over.iter().cloned().map(Command::TakeOver);
        commands.splice(begins..begins, taken_over);
        commands
    }

    fn draft(&self, event: &RecordedEvent, state: &State) -> NewEvent {
        NewEvent {
            event_id: self.stamp.id(),
            deploy: event.deploy,
            kind: event.event.kind().to_owned(),
            schema: machine::SCHEMA,
            recorded_at: self.stamp.now(),
            actor: self.author.actor.clone(),
            attempt: state.deploy.as_ref().map_or(1, |deploy| deploy.attempt),
            tool: self.author.tool.clone(),
            payload: machine::encode(&event.event),
        }
    }
}

/// Events by what tells them from the others of an attempt. That a lock was taken over is none of an attempt's.
fn named(recorded: &[RecordedEvent]) -> String {
    let name = |event: &RecordedEvent| {
        let kind = event.event.kind();
        if let Event::ImageBuilt(image) = &event.event {
            return format!("{kind} {}", image.function);
        }
        kind.to_owned()
    };
    let of_attempt = |event: &&RecordedEvent| !matches!(event.event, Event::TakenOver(_));
    let names: Vec<String> = recorded.iter().filter(of_attempt).map(name).collect();
    names.join(" ")
}

/// The first event of the latest deploy of a target, behind whatever hold stands after it; none when nothing was ever asked for.
pub fn latest_deploy(events: &(impl EventLog + ?Sized)) -> Result<Option<u64>, DeployJournalError> {
    let Some((first, _)) = events.latest_deploys(None, 1)?.into_iter().next() else {
        return Ok(None);
    };
    let begin = journal::event(events, first)?;
    Ok(match begin.as_ref().map(typed) {
        Some(Ok(RecordedEvent {
            event: Event::Held(held),
            ..
        })) => held.latest,
        Some(Ok(RecordedEvent {
            event: Event::DriftFound(found),
            ..
        })) => Some(found.latest),
        Some(Ok(RecordedEvent {
            event: Event::Pruned(pruned),
            ..
        })) => Some(pruned.latest),
        // What a newer tool began is a deploy.
        Some(_) | None => Some(first),
    })
}

/// The state of a target: its latest deploy, folded.
pub fn latest_state(events: &(impl EventLog + ?Sized)) -> Result<State, DeployJournalError> {
    let Some((first, _)) = events.latest_deploys(None, 1)?.into_iter().next() else {
        return Ok(State::default());
    };
    let latest = deploy_events(events, first)?;
    let before = match latest.first().map(|event| &event.event) {
        // What stands by itself says which deploy it stands behind.
        Some(
            Event::Held(Held {
                latest: Some(first),
                ..
            })
            | Event::DriftFound(DriftFound { latest: first, .. })
            | Event::Pruned(Pruned { latest: first, .. }),
        ) => fold(&deploy_events(events, *first)?)?,
        _ => State::default(),
    };
    fold_onto(before, &latest)
}

/// Refuses a journal that a newer tool has added to: what is begun here could not be recorded.
pub fn must_be_appendable(events: &(impl EventLog + ?Sized)) -> Result<(), DeployJournalError> {
    let last = journal::event(events, events.head()?.sequence)?;
    match last.map(|event| event.header.schema) {
        Some(last) if last > machine::SCHEMA => {
            Err(DeployJournalError::Append(AppendError::Schema {
                stream: events.stream().clone(),
                last,
                draft: machine::SCHEMA,
                supported: machine::SCHEMA,
            }))
        }
        Some(_) | None => Ok(()),
    }
}

/// Folds the events of one deploy, or of a hold that stands by itself.
pub fn fold(events: &[RecordedEvent]) -> Result<State, DeployJournalError> {
    fold_onto(State::default(), events)
}

fn fold_onto(state: State, events: &[RecordedEvent]) -> Result<State, DeployJournalError> {
    events.iter().try_fold(state, |state, event| {
        evolve(state, event).map_err(|source| DeployJournalError::Illegal {
            sequence: event.sequence,
            source,
        })
    })
}

/// The events of the deploy that begins at a sequence, decoded, oldest first.
pub fn deploy_events(
    events: &(impl EventLog + ?Sized),
    first: u64,
) -> Result<Vec<RecordedEvent>, DeployJournalError> {
    let mut recorded: Vec<RecordedEvent> = Vec::new();
    for event in journal::scan(events, first) {
        let event = event?;
        if recorded
            .first()
            .is_some_and(|begin| begin.deploy != event.header.deploy)
        {
            break;
        }
        recorded.push(typed(&event)?);
    }
    Ok(recorded)
}

/// One event, decoded.
pub fn typed(event: &StoredEvent) -> Result<RecordedEvent, DeployJournalError> {
    let header = &event.header;
    let event = machine::decode(&header.kind, header.schema, &event.payload).map_err(|source| {
        DeployJournalError::Decode {
            sequence: header.sequence,
            source,
        }
    })?;
    Ok(RecordedEvent {
        sequence: header.sequence,
        deploy: header.deploy,
        event,
    })
}
