//! Reading a target's journal from any process: from its owner, or, when there is none, from the store itself.
//!
//! A reader never keeps an owner waiting: while it has the store open it looks for an owner's socket, and lets go between two pages.

use std::io::{self, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::access::ReadError;
use crate::access::layout::Layout;
use crate::access::lock::{self, Holder, StoreLock};
use crate::access::protocol::{self, Answer, DEPLOYS_MAX, DOCUMENTS_MAX, Question, Timed};
use crate::envelope::{Head, StoredEvent};
use crate::hash::Hash;
use crate::store::{EventLog, Mark, SledStore, StoreError, StoredHead, StoredHeadFile};
use crate::stream::StreamId;

/// How long a reader tries to get an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an owner may be silent before its readers give up: one that is stopped never answers.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it tries.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// How often a reader that has the store open looks for an owner.
const OWNER_CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How long a reader keeps the store open without reading.
const IDLE_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a reader keeps the store open before other readers get their turn, and for how long it steps back then.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
const STEP_BACK: Duration = Duration::from_millis(30);

/// Reads one target's journal, whoever owns it, and through changes of owner.
#[derive(Debug)]
pub struct Reader {
    stream: StreamId,
    layout: Layout,
    patience: Duration,
    /// A store that lost events is read up to where it ends.
    forgiving: bool,
    inside: Arc<SharedAccess>,
}

/// The store, while this reader has it open itself.
#[derive(Debug, Default)]
struct SharedAccess {
    visit: Mutex<Option<DirectAccess>>,
    /// Somebody else wants in: the next call lets go.
    leave: AtomicBool,
}

#[derive(Debug)]
struct DirectAccess {
    // In the order in which they are let go.
    store: SledStore,
    _store_lock: StoreLock,
    since: Instant,
    used: Instant,
}

impl SharedAccess {
    fn visit(&self) -> MutexGuard<'_, Option<DirectAccess>> {
        self.visit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    pub(crate) fn open(root: &Path, stream: &StreamId) -> Result<Self, ReadError> {
        Self::open_patiently(root, stream, ANSWER_TIMEOUT, false)
    }

    /// Opens a journal also when it has lost events.
    pub(crate) fn open_damaged(root: &Path, stream: &StreamId) -> Result<Self, ReadError> {
        Self::open_patiently(root, stream, ANSWER_TIMEOUT, true)
    }

    /// Opens a journal and tries for so long to get each answer.
    pub(crate) fn open_patiently(
        root: &Path,
        stream: &StreamId,
        patience: Duration,
        forgiving: bool,
    ) -> Result<Self, ReadError> {
        let reader = Self {
            stream: stream.clone(),
            layout: Layout::new(root, stream),
            patience,
            forgiving,
            inside: Arc::default(),
        };
        if !reader.layout.is_there() {
            return Err(ReadError::Absent {
                stream: stream.clone(),
                root: root.to_owned(),
            });
        }
        let refused = |(path, source)| ReadError::Io { path, source };
        reader.layout.refuse_links().map_err(refused)?;
        Mark::at(reader.layout.mark())
            .check_store(&reader.layout.store())
            .map_err(ReadError::Store)?;
        match reader.kept_head() {
            Ok(_) => Ok(reader),
            Err(StoreError::Busy { path }) => Err(ReadError::Busy { path }),
            Err(error) => Err(ReadError::Store(error)),
        }
    }

    /// The head kept apart as the file says it, without asking anybody: what is recorded is there a moment later.
    pub(crate) fn kept_file(&self) -> Result<StoredHead, StoreError> {
        let path = self.layout.store().join("head");
        StoredHeadFile::read(&path, &self.stream).map_err(StoreError::io(&path))
    }

    /// Who owns the target at this moment; none without an owner, or when it has not written its name.
    pub fn holder(&self) -> Result<Option<Holder>, StoreError> {
        match self.layout.connect() {
            Ok(_) => {
                let lock = self.layout.lock();
                lock::named(&lock).map_err(StoreError::io(&lock))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(StoreError::io(&self.layout.socket())(error)),
        }
    }

    /// Gets an answer from the owner, or from the store.
    fn ask<T>(
        &self,
        question: &Question,
        from_owner: impl Fn(Answer, &mut dyn io::Read) -> io::Result<Result<T, StoreError>>,
        from_store: impl Fn(&SledStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let asked = Instant::now();
        loop {
            if let Some(answer) = answer_from(&mut self.visit(), &from_store) {
                return answer;
            }
            // Nothing is locked while the owner is waited for.
            match self.ask_owner(question, &from_owner) {
                Ok(Some(answer)) => return answer,
                Ok(None) => {
                    let mut visit = self.inside.visit();
                    if visit.is_none() {
                        *visit = self.enter()?;
                    }
                    if let Some(answer) = answer_from(&mut visit, &from_store) {
                        return answer;
                    }
                }
                Err(error) if is_silence(&error) => return Err(self.silent()),
                // The owner ended in the middle, or has too many readers: ask again.
                Err(_) => {}
            }
            if asked.elapsed() > self.patience {
                return Err(StoreError::Busy {
                    path: self.layout.store(),
                });
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }

    /// The owner does not answer. The lock names it.
    fn silent(&self) -> StoreError {
        StoreError::Silent {
            path: self.layout.folder().to_owned(),
            holder: lock::named(&self.layout.lock())
                .ok()
                .flatten()
                .map(Box::new),
        }
    }

    /// The visit that is going on, unless somebody else wants in.
    fn visit(&self) -> MutexGuard<'_, Option<DirectAccess>> {
        let mut visit = self.inside.visit();
        if self.inside.leave.swap(false, Ordering::SeqCst) && visit.take().is_some() {
            drop(visit);
            thread::sleep(STEP_BACK);
            visit = self.inside.visit();
        }
        visit
    }

    /// Asks the owner; none when there is no owner.
    fn ask_owner<T>(
        &self,
        question: &Question,
        from_owner: &impl Fn(Answer, &mut dyn io::Read) -> io::Result<Result<T, StoreError>>,
    ) -> io::Result<Option<Result<T, StoreError>>> {
        let connection = match self.layout.connect() {
            Ok(connection) => connection,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut to = Timed::new(
            &connection,
            self.patience,
            self.patience.min(SILENCE_TIMEOUT),
        );
        protocol::ask(&mut to, question)?;
        let mut from = BufReader::with_capacity(64 * 1024, to);
        Ok(Some(
            match protocol::read_answer(&mut from, &self.layout.store())? {
                Ok(answer) => from_owner(answer, &mut from)?,
                Err(error) => Err(error),
            },
        ))
    }

    /// Opens the store, when nobody else has it open.
    fn enter(&self) -> Result<Option<DirectAccess>, StoreError> {
        let path = self.layout.store_lock();
        let Some(store_lock) =
            StoreLock::try_enter_to_read(&path).map_err(StoreError::io(&path))?
        else {
            return Ok(None);
        };
        let store = match SledStore::open_to_read(&self.layout.store(), self.stream.clone()) {
            Err(StoreError::Busy { .. }) => return Ok(None),
            opened => opened?,
        };
        if !self.forgiving {
            store.check_kept()?;
            Mark::at(self.layout.mark()).check_events(&store)?;
        }
        let (inside, layout) = (Arc::downgrade(&self.inside), self.layout.clone());
        thread::Builder::new()
            .name("journal-visit".to_owned())
            .spawn(move || watch_for_owner(&inside, &layout))
            .map_err(StoreError::io(&path))?;
        Ok(Some(DirectAccess {
            store,
            _store_lock: store_lock,
            since: Instant::now(),
            used: Instant::now(),
        }))
    }
}

/// The answer of the store that a reader has open; none when it has none open.
fn answer_from<T>(
    visit: &mut Option<DirectAccess>,
    from_store: impl Fn(&SledStore) -> Result<T, StoreError>,
) -> Option<Result<T, StoreError>> {
    let visit = visit.as_mut()?;
    let answer = from_store(&visit.store);
    visit.used = Instant::now();
    Some(answer)
}

/// Ends a visit when an owner comes, when nothing is read, and when it has lasted long enough.
fn watch_for_owner(inside: &Weak<SharedAccess>, layout: &Layout) {
    loop {
        thread::sleep(OWNER_CHECK_INTERVAL);
        let Some(inside) = inside.upgrade() else {
            return;
        };
        if layout.connect().is_ok() {
            // A reader that asks for page after page may have the lock whenever this thread wants it; so it is told as well.
            inside.leave.store(true, Ordering::SeqCst);
        }
        let mut visit = inside.visit();
        let Some(ongoing) = visit.as_ref() else {
            return;
        };
        if ongoing.since.elapsed() > TURN_TIMEOUT {
            inside.leave.store(true, Ordering::SeqCst);
        }
        if inside.leave.load(Ordering::SeqCst) || ongoing.used.elapsed() > IDLE_TIMEOUT {
            inside.leave.store(false, Ordering::SeqCst);
            *visit = None;
            return;
        }
    }
}

/// True when an error says that nobody listens.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// True when an error says that the other side did nothing for too long.
fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// The owner answered another question than the one that was asked.
fn off_topic<T>() -> io::Result<T> {
    Err(io::ErrorKind::InvalidData.into())
}

impl EventLog for Reader {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.ask(
            &Question::Head,
            |answer, _| {
                let Answer::Head(head) = answer else {
                    return off_topic();
                };
                Ok(Ok(head))
            },
            SledStore::head,
        )
    }

    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        self.ask(
            &Question::KeptHead,
            |answer, _| {
                let Answer::KeptHead(kept) = answer else {
                    return off_topic();
                };
                Ok(Ok(kept))
            },
            SledStore::kept_head,
        )
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        self.ask(
            &Question::Checkpoint,
            |answer, _| {
                let Answer::Checkpoint(checkpoint) = answer else {
                    return off_topic();
                };
                Ok(Ok(checkpoint))
            },
            SledStore::checkpoint,
        )
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.ask(
            &Question::Events { from, limit },
            |answer, mut connection| {
                let Answer::Events(count) = answer else {
                    return off_topic();
                };
                protocol::read_events(&mut connection, &self.stream, from, count)
            },
            |store| store.events(from, limit),
        )
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        self.ask(
            &Question::DeployStart { deploy },
            |answer, _| {
                let Answer::DeployStart(start) = answer else {
                    return off_topic();
                };
                Ok(Ok(start))
            },
            |store| store.deploy_start(deploy),
        )
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let mut deploys: Vec<(u64, Uuid)> = Vec::new();
        // An answer is bounded, so that a long list takes several.
        while deploys.len() < limit {
            let before = deploys.last().map(|(first, _)| *first).or(before);
            let limit = (limit - deploys.len()).min(DEPLOYS_MAX);
            let page = self.ask(
                &Question::LatestDeploys { before, limit },
                |answer, _| {
                    let Answer::LatestDeploys(page) = answer else {
                        return off_topic();
                    };
                    Ok(Ok(page))
                },
                |store| store.latest_deploys(before, limit),
            )?;
            let ended = page.len() < limit;
            deploys.extend(page);
            if ended {
                break;
            }
        }
        Ok(deploys)
    }

    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(
            &Question::Document { hash: *hash },
            |answer, mut connection| {
                let Answer::Document(there) = answer else {
                    return off_topic();
                };
                if !there {
                    return Ok(Ok(None));
                }
                Ok(protocol::read_document(&mut connection, hash)?.map(Some))
            },
            |store| store.document(hash),
        )
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let question = Question::Documents {
            after: after.copied(),
            limit: limit.min(DOCUMENTS_MAX),
        };
        self.ask(
            &question,
            |answer, _| {
                let Answer::Documents(hashes) = answer else {
                    return off_topic();
                };
                Ok(Ok(hashes))
            },
            |store| store.documents(after, limit),
        )
    }
}
