//! Processes over one target: a clock and a store that a process may die in, and what it was seen to ask for.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use jiff::Timestamp;
use journal::{
    AppendError, Draft, Fact, Facts, Head, Kept, MemoryStore, Store, StoreError, StreamId,
};
use uuid::Uuid;

use super::inputs::Wish;
use super::tape::Tape;
use crate::image::Registries;
use crate::machine::{Recorded, State};
use crate::run::ledger::{Author, Ledger, LedgerError, Stamp, typed};
use crate::run::simulated::{Change, Mishap, Seen, SimulatedWorld, Truth};
use crate::run::{Adopted, Interrupts, Outcome, Run, adopt, proceed};

/// A clock that advances by a millisecond at each look, and ids that count. Both begin where the journal ends, so that
/// what a process does depends on nothing but the journal and the world.
pub(super) struct FixedStamp(AtomicU64);

/// Looks of a process for each fact that it records: more than there are.
const LOOKS: u64 = 1_000;

impl FixedStamp {
    pub(super) fn after(head: &Head) -> Self {
        Self(AtomicU64::new(1 + head.sequence * LOOKS))
    }
}

impl Stamp for FixedStamp {
    fn now(&self) -> Timestamp {
        let millisecond = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millisecond(1_770_000_000_000 + i64::try_from(millisecond).unwrap())
            .unwrap()
    }

    fn id(&self) -> Uuid {
        // Version 7, variant 1, and a counter.
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 | count)
    }
}

/// What happens to one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendMishap {
    /// It is refused: the disk is full.
    Refused,
    /// The process dies before it is durable.
    KilledBefore,
    /// The process dies after it is durable.
    KilledAfter,
}

/// A store in which one append goes wrong.
pub(super) struct MortalStore<'a> {
    store: &'a MemoryStore,
    mishap: Option<(usize, AppendMishap)>,
    appends: AtomicUsize,
    dead: AtomicBool,
    /// The last fact that the process knows of.
    known: AtomicU64,
    /// An append was refused.
    refused: AtomicBool,
    /// The lowest sequence that was read.
    pub(super) lowest: AtomicU64,
}

impl<'a> MortalStore<'a> {
    pub(super) fn new(store: &'a MemoryStore, mishap: Option<(usize, AppendMishap)>) -> Self {
        Self {
            store,
            mishap,
            appends: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            known: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            lowest: AtomicU64::new(u64::MAX),
        }
    }
}

impl Facts for MortalStore<'_> {
    fn stream(&self) -> &StreamId {
        self.store.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        let head = self.store.head()?;
        self.known.store(head.sequence, Ordering::Relaxed);
        Ok(head)
    }

    fn kept_head(&self) -> Result<Kept, StoreError> {
        self.store.kept_head()
    }

    fn facts(&self, from: u64, limit: usize) -> Result<Vec<Fact>, StoreError> {
        self.lowest.fetch_min(from, Ordering::Relaxed);
        self.store.facts(from, limit)
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        self.store.deploy_start(deploy)
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        self.store.latest_deploys(before, limit)
    }
}

/// What a store says that can no longer write.
fn disk_full() -> AppendError {
    AppendError::Store(StoreError::Failed {
        path: "/journal".into(),
    })
}

impl Store for MortalStore<'_> {
    fn append(&self, expected: &Head, drafts: Vec<Draft>) -> Result<Vec<Fact>, AppendError> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        let mishap = self.mishap.filter(|(at, _)| *at == number);
        let appended = match mishap.map(|(_, mishap)| mishap) {
            None => self.store.append(expected, drafts),
            Some(AppendMishap::Refused) => Err(disk_full()),
            Some(killed) => {
                if killed == AppendMishap::KilledAfter {
                    self.store.append(expected, drafts)?;
                }
                self.dead.store(true, Ordering::Relaxed);
                // What a dead process would have been answered does not matter: nobody reads it.
                Err(AppendError::Empty)
            }
        };
        match &appended {
            Ok(facts) => self.known.store(
                facts.last().map_or(0, |fact| fact.header.sequence),
                Ordering::Relaxed,
            ),
            Err(_) => self.refused.store(true, Ordering::Relaxed),
        }
        appended
    }
}

/// A witness who puts on tape what a process does.
pub(super) fn witness<'a>(
    tape: &'a Mutex<Tape>,
    store: &'a MortalStore<'a>,
) -> impl Fn(Seen<'_>, &Truth) + Send + Sync + 'a {
    move |seen, truth| {
        let known = store.known.load(Ordering::Relaxed);
        let refused = store.refused.load(Ordering::Relaxed);
        tape.lock().unwrap().saw(known, refused, seen, truth);
    }
}

/// How one process is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// The call of this number, from 0, goes wrong.
    Call(usize, Mishap),
    /// The call of this number takes its time, and meanwhile somebody asks this many times to stop.
    Stop(usize, usize),
    /// The append of this number, from 0, goes wrong.
    Append(usize, AppendMishap),
}

impl Disturbance {
    fn mishap(self) -> Option<(usize, Mishap)> {
        match self {
            Self::Call(at, mishap) => Some((at, mishap)),
            Self::Stop(at, _) => Some((at, Mishap::Slow)),
            Self::Append(..) => None,
        }
    }

    fn stops(self) -> usize {
        match self {
            Self::Stop(_, times) => times,
            Self::Call(..) | Self::Append(..) => 0,
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    Killed,
    Rested(Adopted, Outcome),
    /// It did what it was there for, and deployed nothing.
    Left,
    Broken(LedgerError),
}

/// What one process did.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) calls: usize,
    pub(super) appends: usize,
    /// When it was asked to stop: the calls that it had made, and made in all.
    pub(super) stopped: Option<(usize, usize)>,
    /// The state that it had in the end, where it came to rest.
    pub(super) live: Option<State>,
}

/// A target with its journal and its world, over several processes. A clone goes its own way.
pub(super) struct Target {
    pub(super) store: MemoryStore,
    pub(super) truth: Truth,
    /// What was seen of the world so far.
    pub(super) tape: Tape,
    /// The facts that were read so far.
    read: Vec<Arc<Recorded>>,
}

impl Clone for Target {
    fn clone(&self) -> Self {
        Self {
            store: self.store.fork(),
            truth: self.truth.clone(),
            tape: self.tape.clone(),
            read: self.read.clone(),
        }
    }
}

impl Target {
    pub(super) fn new(truth: Truth) -> Self {
        Self {
            store: MemoryStore::new(StreamId::new("demo", "dev").unwrap()),
            tape: Tape::new(&truth),
            truth,
            read: Vec::new(),
        }
    }

    /// One process: it opens the journal, adopts the request, goes on until it rests or dies.
    pub(super) fn process(&mut self, wish: &Wish, disturbances: &[Disturbance]) -> Ran {
        let truth = Arc::new(Mutex::new(self.truth.clone()));
        let tape = Mutex::new(std::mem::take(&mut self.tape));
        let ran = drive(&self.store, &truth, &tape, wish, disturbances);
        self.truth = Arc::into_inner(truth).unwrap().into_inner().unwrap();
        self.tape = tape.into_inner().unwrap();
        ran
    }

    /// The same, for those who only want to know how it ended.
    pub(super) fn run(&mut self, wish: &Wish, disturbances: &[Disturbance]) -> Ended {
        self.process(wish, disturbances).ended
    }

    /// Runs until it is applied.
    pub(super) fn settle(&mut self, wish: &Wish) {
        for _ in 0..3 {
            if applied(&self.run(wish, &[])) {
                return;
            }
        }
        panic!("undisturbed runs do not end");
    }

    /// Every fact, oldest first. Each is read and decoded once.
    pub(super) fn facts(&mut self) -> Vec<Arc<Recorded>> {
        let next = self.read.last().map_or(1, |fact| fact.sequence + 1);
        let more = journal::scan(&self.store, next);
        self.read
            .extend(more.map(|fact| Arc::new(typed(&fact.unwrap()).unwrap())));
        self.read.clone()
    }

    /// Somebody else changes the world while no process runs.
    pub(super) fn change(&mut self, change: Change) {
        self.truth.change(change);
        let head = self.store.head().unwrap().sequence;
        self.tape
            .saw(head, false, Seen::Changed(change), &self.truth);
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        journal::scan(&self.store, 1)
            .map(|fact| fact.unwrap().header.kind)
            .collect()
    }
}

pub(super) fn author(actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        tool: "test".to_owned(),
    }
}

/// Requests to stop that are made while the run goes on.
#[derive(Default)]
pub(super) struct Stops(Arc<AtomicUsize>);

impl Stops {
    pub(super) fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn interrupts(&self) -> Interrupts {
        let asked = |times| {
            let made = Arc::clone(&self.0);
            std::future::poll_fn(move |_| {
                if made.load(Ordering::Relaxed) >= times {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .boxed()
        };
        Interrupts::new(asked(1), asked(2))
    }
}

/// Polls a process to its end, lets time pass when it waits, and sees it die.
fn drive(
    store: &MemoryStore,
    truth: &Arc<Mutex<Truth>>,
    tape: &Mutex<Tape>,
    wish: &Wish,
    disturbances: &[Disturbance],
) -> Ran {
    let append = disturbances.iter().find_map(|one| match one {
        Disturbance::Append(at, mishap) => Some((*at, *mishap)),
        Disturbance::Call(..) | Disturbance::Stop(..) => None,
    });
    let mortal = MortalStore::new(store, append);
    let witness = witness(tape, &mortal);
    let mishaps = disturbances.iter().filter_map(|one| one.mishap());
    let world = SimulatedWorld::shared(Arc::clone(truth), mishaps.collect()).witnessed(&witness);
    let stops = Stops::default();
    let mut work = pin!(lifetime(
        &mortal,
        &world,
        wish,
        stops.interrupts(),
        "tester"
    ));
    let mut context = Context::from_waker(Waker::noop());
    let (mut stopped_after, mut live) = (None, None);
    let mut stops_to_ask: usize = disturbances.iter().map(|one| one.stops()).sum();
    let ended = (0..10_000).find_map(|_| {
        let polled = work.as_mut().poll(&mut context);
        if mortal.dead.load(Ordering::Relaxed) || (polled.is_pending() && world.killed()) {
            return Some(Ended::Killed);
        }
        match polled {
            Poll::Ready(Ok((adopted, outcome, state))) => {
                live = Some(state);
                Some(Ended::Rested(adopted, outcome))
            }
            Poll::Ready(Err(error)) => Some(Ended::Broken(error)),
            // Whoever asks to stop is heard before what was slow is done.
            Poll::Pending if stops_to_ask > 0 => {
                (0..std::mem::take(&mut stops_to_ask)).for_each(|_| stops.ask());
                stopped_after = Some(world.calls());
                None
            }
            Poll::Pending => {
                world.time_passes();
                None
            }
        }
    });
    Ran {
        ended: ended.expect("the run ends, or dies"),
        calls: world.calls(),
        stopped: stopped_after.map(|then| (then, world.calls())),
        live,
        appends: mortal.appends.load(Ordering::Relaxed),
    }
}

/// The life of a process, from opening the journal to rest.
pub(super) async fn lifetime(
    store: &dyn Store,
    world: &SimulatedWorld<'_>,
    wish: &Wish,
    interrupts: Interrupts,
    actor: &str,
) -> Result<(Adopted, Outcome, State), LedgerError> {
    let stamp = FixedStamp::after(&store.head()?);
    let mut ledger = Ledger::open(store, &stamp, author(actor))?;
    world.turn().await;
    let registries = Registries::default();
    let run = Run {
        world,
        artifact: &wish.artifact,
        registries: &registries,
        jobs: NonZeroUsize::new(2).unwrap(),
        interrupts: &interrupts,
        notice: &|_| {},
    };
    let adopted = adopt(&mut ledger, wish.request(&world.truth()), run.notice)?;
    let outcome = proceed(&run, &mut ledger).await?;
    Ok((adopted, outcome, ledger.state().clone()))
}

pub(super) fn applied(ended: &Ended) -> bool {
    matches!(ended, Ended::Rested(_, Outcome::Applied(_)))
}
