//! Processes over one target, one after the other: how each is disturbed, what it did, and what it leaves behind.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use journal::{EventLog, Hash, MemoryStore, StreamId};

use super::faulty_store::{AppendMishap, FaultyStore, FixedStamp};
use super::inputs::DeployInput;
use super::person::{Person, act};
use super::read_event::ReadEvent;
use super::trace::Trace;
use crate::image::Registries;
use crate::machine::{LostHolder, Refusal, State};
use crate::run::deploy_journal::{Author, DeployJournal, DeployJournalError, latest_state};
use crate::run::simulated::{Call, Change, Mishap, Seen, SimulatedWorld, Truth};
use crate::run::{
    BeginOutcome, ConfigTexts, Interrupts, Outcome, Run, begin_or_resume, resume, run_to_completion,
};

/// A witness who puts on tape what a process does.
pub(super) fn witness<'a>(
    trace: &'a Mutex<Trace>,
    store: &'a FaultyStore<'a>,
) -> impl Fn(Seen<'_>, &Truth) + Send + Sync + 'a {
    move |seen, truth| {
        if let Seen::Called(call) = seen {
            store.calls.lock().unwrap().push(call);
        }
        let known = store.known.load(Ordering::Relaxed);
        let refused = store.refused.load(Ordering::Relaxed);
        trace.lock().unwrap().saw(known, refused, seen, truth);
    }
}

/// How one process is disturbed, or which person is at work instead of one that deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// The call of this number, from 0, goes wrong.
    Call(usize, Mishap),
    /// The call of this number takes its time, and meanwhile somebody asks this many times to stop.
    Stop(usize, usize),
    /// The append of this number, from 0, goes wrong.
    Append(usize, AppendMishap),
    /// It resumes the unfinished deploy by its id, and does not ask for one.
    Resumes,
    /// A person does something about the target, and the one append of it may go wrong.
    Person(Person, Option<AppendMishap>),
}

impl Disturbance {
    pub(super) fn mishap(self) -> Option<(usize, Mishap)> {
        match self {
            Self::Call(at, mishap) => Some((at, mishap)),
            Self::Stop(at, _) => Some((at, Mishap::Slow)),
            Self::Append(..) | Self::Resumes | Self::Person(..) => None,
        }
    }

    /// Requests to stop that are made while a call takes its time.
    fn stops(self) -> usize {
        match self {
            Self::Stop(_, times) => times,
            Self::Call(..) | Self::Append(..) | Self::Resumes | Self::Person(..) => 0,
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    Killed,
    Rested(BeginOutcome, Outcome),
    /// It did what it was there for, and deployed nothing.
    Left,
    /// The payload contract is broken or a secret is missing: it began nothing.
    Unready,
    Broken(DeployJournalError),
}

/// What one process did.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) calls: Vec<Call>,
    pub(super) appends: usize,
    /// The calls that it had made when it was asked to stop.
    pub(super) stopped: Option<usize>,
    /// The state that it had in the end, where it came to rest.
    pub(super) live: Option<State>,
    /// What it found.
    pub(super) found: Found,
}

/// What a process finds when it begins.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The owner that did not let go.
    pub(super) lost: Option<LostHolder>,
    /// The last event.
    pub(super) head: u64,
    /// What was asked for so far, as on tape.
    pub(super) asked: usize,
    /// Provisioner runs so far.
    pub(super) provisions: usize,
    /// The output directory.
    pub(super) config: ConfigTexts,
    /// Nobody else is at work: no other process, and nothing that a dead one asked for.
    pub(super) alone: bool,
}

/// A target with its journal and its world, over several processes. A clone goes its own way.
pub(super) struct Target {
    pub(super) store: MemoryStore,
    pub(super) truth: Truth,
    /// Who is named in the lock: an owner that did not let go, as `journal::Owned` keeps it.
    pub(super) lock: Option<LostHolder>,
    /// What was seen of the world so far.
    pub(super) trace: Trace,
    /// The events that were read so far.
    read: Vec<Arc<ReadEvent>>,
    /// Each event that was decoded, here or on another way, by its hash, which stands for it and all before it.
    decoded: Arc<Mutex<HashMap<Hash, Arc<ReadEvent>>>>,
}

impl Clone for Target {
    fn clone(&self) -> Self {
        Self {
            store: self.store.fork(),
            truth: self.truth.clone(),
            lock: self.lock.clone(),
            trace: self.trace.clone(),
            read: self.read.clone(),
            decoded: Arc::clone(&self.decoded),
        }
    }
}

impl Target {
    pub(super) fn new(truth: Truth) -> Self {
        Self {
            store: MemoryStore::new(StreamId::new("demo", "dev").unwrap()),
            trace: Trace::new(&truth),
            truth,
            lock: None,
            read: Vec::new(),
            decoded: Arc::default(),
        }
    }

    /// One process: it opens the journal, adopts the request, goes on until it rests or dies. Or a person's.
    pub(super) fn process(&mut self, input: &DeployInput, disturbances: &[Disturbance]) -> Ran {
        let found = self.find(self.truth.under_way.is_empty());
        let ran = if let [Disturbance::Person(person, mishap)] = disturbances {
            act(&self.store, *person, *mishap, found)
        } else {
            let truth = Arc::new(Mutex::new(self.truth.clone()));
            let trace = Mutex::new(std::mem::take(&mut self.trace));
            let ran = drive(&self.store, &truth, &trace, input, disturbances, found);
            self.truth = Arc::into_inner(truth).unwrap().into_inner().unwrap();
            self.trace = trace.into_inner().unwrap();
            ran
        };
        let head = self.store.head().unwrap().sequence;
        self.lock = match ran.ended {
            Ended::Killed => Some(holder(ran.found.head)),
            Ended::Rested(..) | Ended::Left | Ended::Unready | Ended::Broken(_) => {
                let handed_on = head == ran.found.head;
                ran.found.lost.clone().filter(|_| handed_on)
            }
        };
        ran
    }

    /// What a process finds that begins now.
    pub(super) fn find(&self, alone: bool) -> Found {
        Found {
            lost: self.lock.clone(),
            head: self.store.head().unwrap().sequence,
            asked: self.trace.asked.len(),
            provisions: self.truth.provisions,
            config: self.truth.config.clone(),
            alone,
        }
    }

    /// The same, for those who only want to know how it ended.
    pub(super) fn run(&mut self, input: &DeployInput, disturbances: &[Disturbance]) -> Ended {
        self.process(input, disturbances).ended
    }

    /// Runs until it is applied.
    pub(super) fn settle(&mut self, input: &DeployInput) {
        for _ in 0..3 {
            if applied(&self.run(input, &[])) {
                return;
            }
        }
        panic!("undisturbed runs do not end");
    }

    /// Every event, oldest first. Each is decoded once.
    pub(super) fn events(&mut self) -> Vec<Arc<ReadEvent>> {
        let next = self.read.last().map_or(1, |event| event.sequence + 1);
        let mut decoded = self.decoded.lock().unwrap();
        for stored in journal::scan(&self.store, next) {
            let stored = stored.unwrap();
            let known = decoded.entry(stored.header.hash);
            let read = || Arc::new(ReadEvent::of(&stored, &self.store, &self.read));
            let event = Arc::clone(known.or_insert_with(read));
            self.read.push(event);
        }
        self.read.clone()
    }

    /// Somebody else changes the world while no process runs.
    pub(super) fn change(&mut self, change: Change) {
        self.truth.change(change);
        let head = self.store.head().unwrap().sequence;
        self.trace
            .saw(head, false, Seen::Changed(change), &self.truth);
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        journal::scan_all(&self.store)
            .map(|event| event.unwrap().header.kind)
            .collect()
    }
}

pub(super) fn author(actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        tool: "test".to_owned(),
    }
}

/// The name in the lock of a process that begins at a head.
fn holder(head: u64) -> LostHolder {
    LostHolder {
        actor: "tester".to_owned(),
        pid: u32::try_from(head).unwrap(),
        host: "here".to_owned(),
        boot_id: "b007".to_owned(),
        since: format!("after event {head}"),
        deploy: None,
    }
}

/// Polls a process to its end, lets time pass when it waits, and sees it die.
fn drive(
    store: &MemoryStore,
    truth: &Arc<Mutex<Truth>>,
    trace: &Mutex<Trace>,
    input: &DeployInput,
    disturbances: &[Disturbance],
    found: Found,
) -> Ran {
    let append = disturbances.iter().find_map(|one| match one {
        Disturbance::Append(at, mishap) => Some((*at, *mishap)),
        Disturbance::Call(..)
        | Disturbance::Stop(..)
        | Disturbance::Resumes
        | Disturbance::Person(..) => None,
    });
    let faulty_store = FaultyStore::new(store, append);
    let witness = witness(trace, &faulty_store);
    let mishaps = disturbances.iter().filter_map(|one| one.mishap());
    let world = SimulatedWorld::shared(Arc::clone(truth), mishaps.collect()).witnessed(&witness);
    let life = Process {
        store: &faulty_store,
        world: &world,
        interrupts: faulty_store.stops.interrupts(),
        actor: "tester",
        lost: found.lost.clone(),
        resumes: disturbances.contains(&Disturbance::Resumes),
    };
    let mut work = pin!(life.of(input));
    let mut context = Context::from_waker(Waker::noop());
    let mut stops_to_ask: usize = disturbances.iter().map(|one| one.stops()).sum();
    let ended = (0..10_000).find_map(|_| {
        let polled = work.as_mut().poll(&mut context);
        if faulty_store.dead.load(Ordering::Relaxed) || (polled.is_pending() && world.killed()) {
            return Some((Ended::Killed, None));
        }
        match polled {
            Poll::Ready(ended) => Some(ended),
            // Whoever asks to stop is heard before what was slow is done.
            Poll::Pending if stops_to_ask > 0 => {
                faulty_store.stop(std::mem::take(&mut stops_to_ask));
                None
            }
            Poll::Pending => {
                world.time_passes();
                None
            }
        }
    });
    let (ended, live) = ended.expect("the run ends, or dies");
    let calls = faulty_store.calls.lock().unwrap().clone();
    Ran {
        ended,
        calls,
        appends: faulty_store.appends.load(Ordering::Relaxed),
        stopped: faulty_store.stopped.get().copied(),
        live,
        found,
    }
}

/// What a process that deploys has besides its input.
pub(super) struct Process<'a> {
    pub(super) store: &'a FaultyStore<'a>,
    pub(super) world: &'a SimulatedWorld<'a>,
    pub(super) interrupts: Interrupts,
    pub(super) actor: &'a str,
    pub(super) lost: Option<LostHolder>,
    /// It resumes the deploy that is unfinished when it begins.
    pub(super) resumes: bool,
}

impl Process<'_> {
    /// From the checks that need no journal to rest: how it ended, and the state that it had then.
    pub(super) async fn of(self, input: &DeployInput) -> (Ended, Option<State>) {
        if input.payload.is_err() {
            return (Ended::Unready, None);
        }
        match self.deploy(input).await {
            Ok((begun, outcome, state)) => (Ended::Rested(begun, outcome), Some(state)),
            Err(error) => (Ended::Broken(error), None),
        }
    }

    async fn deploy(
        self,
        input: &DeployInput,
    ) -> Result<(BeginOutcome, Outcome, State), DeployJournalError> {
        let request = input.request(&self.world.truth());
        // As `resume` of the program does: which deploy is meant is read before the target is owned.
        let meant = if self.resumes {
            let state = latest_state(self.store)?;
            self.world.turn().await;
            let deploy = state.unfinished();
            deploy
                .filter(|deploy| deploy.request.asks_the_same(&request))
                .map(|deploy| deploy.id)
        } else {
            None
        };
        let stamp = FixedStamp::after(&self.store.head()?);
        let mut journal =
            DeployJournal::open(self.store, &stamp, author(self.actor))?.taking_over(self.lost);
        self.world.turn().await;
        let registries = Registries::default();
        let run = Run {
            world: self.world,
            artifact: Some(input.artifact()),
            registries: &registries,
            jobs: NonZeroUsize::new(2).unwrap(),
            interrupts: &self.interrupts,
            notice: &|_| {},
        };
        let begun = if self.resumes {
            let named = meant.ok_or(Refusal::NothingUnfinished)?;
            resume(&mut journal, named, run.notice)?
        } else {
            begin_or_resume(&mut journal, request, run.notice)?
        };
        let outcome = run_to_completion(&run, &mut journal).await?;
        Ok((begun, outcome, journal.state().clone()))
    }
}

pub(super) fn applied(ended: &Ended) -> bool {
    matches!(ended, Ended::Rested(_, Outcome::Applied(_)))
}
