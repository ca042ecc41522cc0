//! Processes over one target: a mortal store, a clock that counts, a simulated world.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use journal::{
    AppendError, Draft, Fact, Facts, Head, Kept, MemoryStore, Store, StoreError, StreamId,
};
use uuid::Uuid;

use super::inputs::request;
use crate::image::Registries;
use crate::load::Artifact;
use crate::run::ledger::{Author, Ledger, LedgerError, Stamp, deploy_facts, fold, latest_state};
use crate::run::simulated::{Mishap, SimulatedWorld, Truth};
use crate::run::{Adopted, Interrupts, Outcome, Run, adopt, proceed};

/// A clock that advances by a millisecond at each look, and ids that count.
pub(super) struct FixedStamp(pub(super) AtomicU64);

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

/// A store whose process dies at one append, before or after it is durable.
pub(super) struct MortalStore<'a> {
    store: &'a MemoryStore,
    dies_at: Option<(usize, bool)>,
    appends: AtomicUsize,
    dead: AtomicBool,
    /// The lowest sequence that was read.
    pub(super) lowest: AtomicU64,
}

impl<'a> MortalStore<'a> {
    pub(super) fn new(store: &'a MemoryStore, dies_at: Option<(usize, bool)>) -> Self {
        Self {
            store,
            dies_at,
            appends: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            lowest: AtomicU64::new(u64::MAX),
        }
    }
}

impl Facts for MortalStore<'_> {
    fn stream(&self) -> &StreamId {
        self.store.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.store.head()
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

impl Store for MortalStore<'_> {
    fn append(&self, expected: &Head, drafts: Vec<Draft>) -> Result<Vec<Fact>, AppendError> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.dies_at {
            Some((at, after)) if at == number => {
                if after {
                    self.store.append(expected, drafts)?;
                }
                self.dead.store(true, Ordering::Relaxed);
                // What a dead process would have been answered does not matter: nobody reads it.
                Err(AppendError::Empty)
            }
            Some(_) | None => self.store.append(expected, drafts),
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    Killed,
    Rested(Adopted, Outcome),
    Broken(#[expect(dead_code, reason = "shown by Debug")] LedgerError),
}

/// One process: it opens the journal, adopts the request, goes on until it rests or dies.
pub(super) fn process(
    store: &MemoryStore,
    stamp: &FixedStamp,
    world: &SimulatedWorld,
    artifact: &Artifact,
    dies_at: Option<(usize, bool)>,
    interrupts: &Interrupts,
) -> Ended {
    let mortal = MortalStore::new(store, dies_at);
    let registries = Registries::default();
    let run = Run {
        world,
        artifact,
        registries: &registries,
        jobs: NonZeroUsize::new(2).unwrap(),
        interrupts,
        notice: &|_| {},
    };
    let request = request(artifact, &world.truth());
    let mut work = pin!(async {
        let author = Author {
            actor: "tester".to_owned(),
            tool: "test".to_owned(),
        };
        let mut ledger = Ledger::open(&mortal, stamp, author)?;
        let adopted = adopt(&mut ledger, request, run.notice)?;
        let outcome = proceed(&run, &mut ledger).await?;
        assert_eq!(
            ledger.state(),
            &latest_state(&mortal)?,
            "folding the journal gives the live state"
        );
        Ok((adopted, outcome))
    });
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(_) if mortal.dead.load(Ordering::Relaxed) => return Ended::Killed,
            Poll::Ready(Ok((adopted, outcome))) => return Ended::Rested(adopted, outcome),
            Poll::Ready(Err(error)) => return Ended::Broken(error),
            Poll::Pending if world.killed() || mortal.dead.load(Ordering::Relaxed) => {
                return Ended::Killed;
            }
            Poll::Pending => {}
        }
    }
    panic!("the run neither ends nor dies");
}

/// A target with its journal and its world, over several processes.
pub(super) struct Target {
    pub(super) store: MemoryStore,
    pub(super) stamp: FixedStamp,
    pub(super) truth: Truth,
}

impl Target {
    pub(super) fn new(truth: Truth) -> Self {
        let store = MemoryStore::new(StreamId::new("demo", "dev").unwrap());
        Self {
            store,
            stamp: FixedStamp(AtomicU64::new(1)),
            truth,
        }
    }

    pub(super) fn run(
        &mut self,
        artifact: &Artifact,
        mishaps: &[(usize, Mishap)],
        dies_at: Option<(usize, bool)>,
    ) -> Ended {
        let world = SimulatedWorld::new(self.truth.clone(), mishaps.iter().copied().collect());
        let ended = process(
            &self.store,
            &self.stamp,
            &world,
            artifact,
            dies_at,
            &Interrupts::never(),
        );
        self.truth = world.truth();
        ended
    }

    /// Runs until it is applied; the first run meets a mishap.
    pub(super) fn settle(&mut self, artifact: &Artifact) {
        for _ in 0..3 {
            if let Ended::Rested(_, Outcome::Applied(_)) = self.run(artifact, &[], None) {
                return;
            }
        }
        panic!("undisturbed runs do not end");
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        journal::scan(&self.store, 1)
            .map(|fact| fact.unwrap().header.kind)
            .collect()
    }

    /// Laws that hold of every journal: it verifies, folds, and no image was built twice from one content.
    pub(super) fn check(&self) {
        let report = journal::chain::verify(&self.store, None).unwrap();
        assert_eq!(report.damage, None);
        let deploys = self.store.latest_deploys(None, 100).unwrap();
        for (first, _) in deploys {
            fold(&deploy_facts(&self.store, first).unwrap()).unwrap();
        }
    }
}

pub(super) fn applied(ended: &Ended) -> bool {
    matches!(ended, Ended::Rested(_, Outcome::Applied(_)))
}
