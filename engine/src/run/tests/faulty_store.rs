//! What a process dies in, and what it takes its time from: a store in which an append goes wrong, a clock, requests to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;

use futures_util::FutureExt;
use jiff::Timestamp;
use journal::{
    AppendError, EventLog, Hash, Head, MemoryStore, NewEvent, Store, StoreError, StoredEvent,
    StoredHead, StreamId,
};
use uuid::Uuid;

use crate::run::Interrupts;
use crate::run::deploy_journal::Stamp;
use crate::run::simulated::Call;

/// A clock that advances by a millisecond at each look, and ids that count. Both begin where the journal ends, so that
/// what a process does depends on nothing but the journal and the world.
pub(in crate::run) struct FixedStamp(AtomicU64);

/// Looks of a process for each event that it records: more than there are.
const LOOKS: u64 = 1_000;

impl FixedStamp {
    pub(in crate::run) fn after(head: &Head) -> Self {
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

/// What happens to one append, or to one document that is kept: both are writes, and are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendMishap {
    /// It is refused: the disk is full.
    Refused,
    /// The process dies before it is durable.
    KilledBefore,
    /// The process dies after it is durable.
    KilledAfter,
    /// Meanwhile somebody asks this many times to stop.
    Stopped(usize),
}

/// A store in which one append goes wrong.
pub(super) struct FaultyStore<'a> {
    store: &'a MemoryStore,
    mishap: Option<(usize, AppendMishap)>,
    pub(super) stops: Stops,
    pub(super) appends: AtomicUsize,
    pub(super) dead: AtomicBool,
    /// The last event that the process knows of.
    pub(super) known: AtomicU64,
    /// An append was refused.
    pub(super) refused: AtomicBool,
    /// The journal was moved away.
    pub(super) moved: AtomicBool,
    /// The calls of the process, and how many it had made when it was asked to stop.
    pub(super) calls: Mutex<Vec<Call>>,
    pub(super) stopped: OnceLock<usize>,
    /// The lowest sequence that was read.
    pub(super) lowest: AtomicU64,
    /// Pages that were read, and events on them.
    pub(super) pages: AtomicUsize,
    pub(super) read: AtomicUsize,
    /// Documents that were read.
    pub(super) documents: AtomicUsize,
}

impl<'a> FaultyStore<'a> {
    pub(super) fn new(store: &'a MemoryStore, mishap: Option<(usize, AppendMishap)>) -> Self {
        Self {
            store,
            mishap,
            stops: Stops::default(),
            appends: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            known: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            calls: Mutex::new(Vec::new()),
            stopped: OnceLock::new(),
            lowest: AtomicU64::new(u64::MAX),
            pages: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            documents: AtomicUsize::new(0),
        }
    }
}

impl EventLog for FaultyStore<'_> {
    fn stream(&self) -> &StreamId {
        self.store.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        let head = self.store.head()?;
        self.known.store(head.sequence, Ordering::Relaxed);
        Ok(head)
    }

    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        self.store.kept_head()
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        self.store.checkpoint()
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let page = self.store.events(from, limit)?;
        self.lowest.fetch_min(from, Ordering::Relaxed);
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(page.len(), Ordering::Relaxed);
        Ok(page)
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

    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.documents.fetch_add(1, Ordering::Relaxed);
        self.store.document(hash)
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        self.store.documents(after, limit)
    }
}

impl FaultyStore<'_> {
    /// Somebody asks this many times to stop.
    pub(super) fn stop(&self, times: usize) {
        self.stops.ask(times);
        self.stopped
            .get_or_init(|| self.calls.lock().unwrap().len());
    }

    /// Writes, unless something happens to this write.
    fn write<T>(&self, write: impl FnOnce() -> Result<T, AppendError>) -> Result<T, AppendError> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        let mishap = self.mishap.filter(|(at, _)| *at == number);
        // What a dead process would have been answered does not matter: nobody reads it.
        let die = || {
            self.dead.store(true, Ordering::Relaxed);
            Err(AppendError::Empty)
        };
        let written = match mishap.map(|(_, mishap)| mishap) {
            None => write(),
            Some(AppendMishap::Refused) => Err(disk_full()),
            Some(AppendMishap::Stopped(times)) => {
                self.stop(times);
                write()
            }
            Some(AppendMishap::KilledBefore) => die(),
            Some(AppendMishap::KilledAfter) => {
                write()?;
                die()
            }
        };
        if written.is_err() {
            self.refused.store(true, Ordering::Relaxed);
        }
        written
    }
}

/// What a store says that can no longer write.
fn disk_full() -> AppendError {
    AppendError::Store(StoreError::Failed {
        path: "/journal".into(),
    })
}

impl Store for FaultyStore<'_> {
    fn put_document(&self, bytes: &[u8]) -> Result<Hash, AppendError> {
        self.check_identity()?;
        self.write(|| self.store.put_document(bytes))
    }

    fn append(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, AppendError> {
        self.check_identity()?;
        let appended = self.write(|| self.store.append(expected, drafts));
        if let Ok(events) = &appended {
            let last = events.last().map_or(0, |event| event.header.sequence);
            self.known.store(last, Ordering::Relaxed);
        }
        appended
    }

    fn begin_behind(&self, checkpoint: &Head) -> Result<(), AppendError> {
        self.write(|| self.store.begin_behind(checkpoint))
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        if self.moved.load(Ordering::Relaxed) {
            return Err(StoreError::Moved {
                path: "/journal".into(),
            });
        }
        Ok(())
    }
}

/// Requests to stop that are made while the run goes on.
#[derive(Default)]
pub(super) struct Stops(Arc<AtomicUsize>);

impl Stops {
    pub(super) fn ask(&self, times: usize) {
        self.0.fetch_add(times, Ordering::Relaxed);
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
