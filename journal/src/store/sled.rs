//! The store on disk: what an owner and a reader may do with it, and appends. Only this room knows sled.
//!
//! A record is cut into small pieces because a leaf of sled's tree (up to 17 values) that grows over 128 KiB would be spilled into a file of
//! its own, which sled does not sync. So all that an append writes lies in sled's log, `db`, and one `fdatasync` of it makes it durable:
//! sled's own `flush` ends in `sync_file_range`, which flushes neither the disk's cache nor the file's metadata.

mod call;
mod files;
mod kept;
mod read;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use ::sled::{Batch, Db};
use uuid::Uuid;

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, inherit_access_below};
use crate::envelope::{Head, NewEvent, SUPPORTED, Schema, StoredEvent};
use crate::hash::Hash;
use crate::record;
use crate::store::checkpoint;
use crate::store::documents::Documents;
use crate::store::keys::{deploy_key, event_key, number, sequence_of, start_key};
use crate::store::log_backup::LogBackup;
use crate::store::mark::beginning;
use crate::store::payloads::Payloads;
use crate::store::private;
use crate::store::stored_head::StoredHeadFile;
use crate::store::validate_append::{Admitted, check_document, validate_append};
use crate::store::{
    AppendError, EventLog, Identity, Mark, Store, StoreError, StoredHead, refuse_pruned,
};
use crate::stream::StreamId;

#[cfg(test)]
pub(crate) use call::open_db;
pub use call::panics_are_caught;

use call::guarded;
use files::{Files, never_let_go, notice};
use read::{ReadableEnd, read_end};

/// Bytes of a piece of a record.
const CHUNK: usize = 4096;

/// Keeps one stream in a folder: sled's files, the head kept apart, and large payloads.
#[derive(Debug)]
pub struct SledStore {
    stream: StreamId,
    supported: Schema,
    folder: PathBuf,
    db: Db,
    log: File,
    payloads: Payloads,
    documents: Documents,
    /// Files that must be where they were opened, or an append is kept where nobody looks.
    identities: Vec<Identity>,
    mark: Option<Mark>,
    kept_path: PathBuf,
    disk: Disk,
    end: RwLock<ReadableEnd>,
    appending: Mutex<Appending>,
    /// What the log was before a reader opened it. It is let go after the log.
    log_backup: Option<LogBackup>,
}

#[derive(Debug)]
struct Appending {
    /// The head that is kept apart; none when the store was opened to be read.
    kept: Option<StoredHeadFile>,
    /// An append could not be made durable, so that nobody knows what is on disk.
    failed: bool,
}

impl SledStore {
    /// Opens the store in a folder to append to it, and makes it when it is not there.
    ///
    /// A store that ends before the head that is kept apart lost its tail: it is refused as damaged, for an append would fork it.
    pub fn open(folder: &Path, stream: StreamId) -> Result<Self, StoreError> {
        Self::open_supporting(folder, stream, SUPPORTED)
    }

    /// Opens a store as a build does whose newest schema is another one: so a test has journals of the future.
    pub fn open_supporting(
        folder: &Path,
        stream: StreamId,
        supported: Schema,
    ) -> Result<Self, StoreError> {
        Self::open_files(folder, stream, supported)?.claimed(None)
    }

    /// Opens the store of a target, where a mark says whether events were recorded.
    pub(crate) fn open_marked(
        folder: &Path,
        stream: StreamId,
        mark: Mark,
    ) -> Result<Self, StoreError> {
        mark.check_store(folder)?;
        Self::open_files(folder, stream, SUPPORTED)?.claimed(Some(mark))
    }

    /// Has the next to open the log see what is on the disk, and not what the system still has in memory.
    ///
    /// After a sync that failed, Linux counts the pages as written although they are not: reads find them, and the next sync says
    /// nothing of them. So the log is synced once more, which fails when it fails again, and its pages are dropped. The system may keep
    /// a page that somebody uses at that moment; nobody has the log open here.
    pub(crate) fn drop_cached(folder: &Path) -> Result<(), StoreError> {
        files::drop_cached(&folder.join("sled/db"))
    }

    /// Checks that nothing was lost, and takes what is written to.
    fn claimed(mut self, mark: Option<Mark>) -> Result<Self, StoreError> {
        let marked = mark
            .as_ref()
            .map_or(Ok(()), |mark| mark.check_events(&self));
        marked
            .and_then(|()| self.claim())
            .inspect_err(|error| self.notice(error))?;
        // It is whole up to where it must be; from here on it changes.
        self.log_backup = None;
        if let (Some(mark), Some((_, beginning))) = (&mark, beginning(&self)?) {
            mark.set(&self.disk, &beginning)?;
        }
        self.mark = mark;
        Ok(self)
    }

    /// Opens a store only to read it, and makes nothing. A short log, and one that this process may not write to, is read from a copy.
    pub(crate) fn open_to_read(folder: &Path, stream: StreamId) -> Result<Self, StoreError> {
        let path = folder.join("sled");
        if !private::reads_in_place(&path) {
            let files = files::open_copy(&path)?;
            return Self::with_files(folder, stream, SUPPORTED, Disk::default(), files);
        }
        let store = match Self::open_files(folder, stream.clone(), SUPPORTED) {
            Err(error) if private::cannot_write(&error) => {
                let files = files::open_copy(&path)?;
                return Self::with_files(folder, stream, SUPPORTED, Disk::default(), files);
            }
            opened => opened?,
        };
        if let Some(log_backup) = &store.log_backup {
            log_backup.keep_if_complete();
        }
        Ok(store)
    }

    /// The tree, for tests that change what is stored behind the store's back.
    #[cfg(test)]
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// How often the disk was asked to keep something since the store was opened.
    pub fn syncs(&self) -> u64 {
        self.disk.syncs()
    }

    fn open_files(folder: &Path, stream: StreamId, supported: Schema) -> Result<Self, StoreError> {
        let disk = Disk::default();
        let path = folder.join("sled");
        if !path.is_dir() {
            files::refuse_to_make(folder, &stream)?;
        }
        let files = files::open(&disk, folder, &path)?;
        Self::with_files(folder, stream, supported, disk, files)
    }

    fn with_files(
        folder: &Path,
        stream: StreamId,
        supported: Schema,
        disk: Disk,
        files: Files,
    ) -> Result<Self, StoreError> {
        let path = folder.join("sled");
        let Files {
            db,
            log,
            log_backup,
        } = files;
        let log_path = path.join("db");
        let identity = Identity::of(&log_path, &log).map_err(StoreError::io(&log_path))?;
        let begin = checkpoint::read(folder, &stream)?;
        let end = read_end(&db, &path, &stream, supported, begin)
            .inspect_err(|error| notice(log_backup.as_ref(), error))?;
        let store = Self {
            stream,
            supported,
            db,
            log,
            payloads: Payloads::new(folder.join("payloads")),
            documents: Documents::new(folder.join("documents")),
            identities: vec![identity],
            mark: None,
            kept_path: folder.join("head"),
            folder: folder.to_owned(),
            disk,
            end: RwLock::new(end),
            appending: Mutex::new(Appending {
                kept: None,
                failed: false,
            }),
            log_backup,
        };
        store.compare_with_kept();
        Ok(store)
    }

    /// As after an append that could not be made durable.
    #[cfg(test)]
    pub(crate) fn fail(&self) {
        self.appending().failed = true;
    }

    /// True when an append could not be made durable.
    pub(crate) fn has_failed(&self) -> bool {
        self.appending().failed
    }

    /// Has appends check one more file: the lock of the process that owns the store.
    pub(crate) fn require(&mut self, identity: Identity) {
        self.identities.push(identity);
    }

    fn notice(&self, error: &StoreError) {
        notice(self.log_backup.as_ref(), error);
    }

    fn end(&self) -> ReadableEnd {
        let end = self.end.read().unwrap_or_else(PoisonError::into_inner);
        end.clone()
    }

    fn appending(&self) -> MutexGuard<'_, Appending> {
        self.appending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn guarded<T>(
        &self,
        sequence: u64,
        work: impl FnOnce() -> ::sled::Result<T>,
    ) -> Result<T, StoreError> {
        guarded(&self.folder.join("sled"), sequence, work)
    }

    /// Makes the large payloads of an append durable. A failure leaves nothing that a later append could trip over.
    fn keep_payloads(&self, admitted: &Admitted) -> Result<(), StoreError> {
        admitted
            .events
            .iter()
            .filter(|event| record::is_apart(event.header.payload_length))
            .try_for_each(|event| self.payloads.keep(&self.disk, event))
    }

    /// Writes an append and makes it durable: one batch, sled's buffers, the disk.
    fn write(&self, admitted: &Admitted) -> Result<(), StoreError> {
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (event, record) in admitted.events.iter().zip(&admitted.records) {
            for (chunk, piece) in (0_u16..).zip(record.chunks(CHUNK)) {
                rows.push((event_key(event.header.sequence, chunk).into(), piece.into()));
            }
        }
        for (first, deploy) in &admitted.starts {
            rows.push((deploy_key(*deploy).into(), first.to_be_bytes().into()));
            rows.push((start_key(*first).into(), deploy.as_bytes().into()));
        }
        self.guarded(admitted.tip.head.sequence, || {
            // One row is atomic by itself, and a batch costs sled a second write.
            if let [(key, value)] = rows.as_slice() {
                self.db.insert(key, value.as_slice())?;
            } else {
                let mut batch = Batch::default();
                for (key, value) in rows {
                    batch.insert(key, value);
                }
                self.db.apply_batch(batch)?;
            }
            self.db.flush()
        })?;
        self.disk
            .sync(&self.log)
            .map_err(StoreError::io(&self.folder))
    }
}

impl EventLog for SledStore {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn head(&self) -> Result<Head, StoreError> {
        Ok(self.end().tip?.head)
    }

    fn kept_head(&self) -> Result<StoredHead, StoreError> {
        StoredHeadFile::read(&self.kept_path, &self.stream).map_err(StoreError::io(&self.kept_path))
    }

    fn checkpoint(&self) -> Result<Head, StoreError> {
        Ok(self.end().begin?)
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        refuse_pruned(&self.stream, from.max(1), &self.checkpoint()?)?;
        self.page(from, limit)
            .inspect_err(|error| self.notice(error))
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        let (begin, last) = (self.checkpoint()?.sequence, self.end().last);
        let first = self.guarded(0, || self.db.get(deploy_key(deploy)))?;
        let Some(first) = first
            .map(|first| number(&first))
            .filter(|first| *first > begin && *first <= last)
        else {
            return Ok(None);
        };
        // A row that leads to the events of another deploy leads nowhere.
        let there = self.guarded(first, || self.db.get(start_key(first)))?;
        Ok(there
            .is_some_and(|id| id == deploy.as_bytes())
            .then_some(first))
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let end = before
            .unwrap_or(u64::MAX)
            .min(self.end().last.saturating_add(1));
        let begin = self.checkpoint()?.sequence.saturating_add(1).min(end);
        let mut rows = self
            .db
            .range(start_key(begin)..start_key(end))
            .rev()
            .take(limit);
        let mut deploys = Vec::new();
        while let Some((key, deploy)) = self.guarded(0, || rows.next().transpose())? {
            let first = sequence_of(&key);
            let deploy =
                Uuid::from_slice(&deploy).map_err(|_| Damage::at(first, DamageKind::Index))?;
            deploys.push((first, deploy));
        }
        Ok(deploys)
    }

    fn document(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.documents.read(hash)
    }

    fn documents(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        self.documents.list(after, limit)
    }
}

impl Store for SledStore {
    fn put_document(&self, bytes: &[u8]) -> Result<Hash, AppendError> {
        check_document(bytes)?;
        self.check_identity()?;
        Ok(self.documents.keep(&self.disk, bytes)?)
    }

    fn append(
        &self,
        expected: &Head,
        drafts: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, AppendError> {
        let mut appending = self.appending();
        let failed = || StoreError::Failed {
            path: self.folder.clone(),
        };
        if appending.failed {
            return Err(failed().into());
        }
        let tip = self.end().tip.map_err(StoreError::from)?;
        let admitted = validate_append(
            &self.stream,
            self.supported,
            &tip,
            expected,
            drafts,
            |deploy| self.deploy_start(deploy),
        )?;
        self.check_identity()?;
        self.keep_payloads(&admitted)?;
        // Whatever fails from here on, part of it may be on disk. The kernel reports a failed write once, so there is no second try.
        appending.failed = true;
        self.write(&admitted)?;
        self.check_identity()?;
        if let (Some(mark), 0, [first, ..]) =
            (&self.mark, tip.head.sequence, admitted.events.as_slice())
        {
            mark.set(&self.disk, &first.header.hash)?;
        }
        let kept = appending.kept.as_ref().ok_or_else(failed)?;
        let kept = kept.write(&admitted.tip.head, &self.stream);
        // The events are durable, so the append has succeeded; but the next one must not leave the head two appends behind.
        appending.failed = kept.is_err();
        let mut end = self.end.write().unwrap_or_else(PoisonError::into_inner);
        end.last = admitted.tip.head.sequence;
        end.tip = Ok(admitted.tip);
        Ok(admitted.events)
    }

    fn begin_behind(&self, checkpoint: &Head) -> Result<(), AppendError> {
        let appending = self.appending();
        let tip = self.end().tip.map_err(StoreError::from)?;
        let tip = tip.behind(checkpoint, &self.stream)?;
        checkpoint::write(&self.disk, &self.folder, checkpoint, &self.stream)?;
        if let Some(kept) = &appending.kept {
            kept.write(checkpoint, &self.stream)
                .map_err(StoreError::io(&self.kept_path))?;
        }
        let mut end = self.end.write().unwrap_or_else(PoisonError::into_inner);
        *end = ReadableEnd {
            begin: Ok(*checkpoint),
            last: checkpoint.sequence,
            tip: Ok(tip),
        };
        Ok(())
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        self.identities.iter().try_for_each(Identity::check)
    }
}

impl Drop for SledStore {
    /// Closes cleanly: the head kept apart survives a power cut from here on. Nobody can be told of a failure; the head then lags.
    fn drop(&mut self) {
        if let Some(kept) = &self.appending().kept {
            drop(kept.sync(&self.disk));
        }
        // A disk that fails is found here first. Whatever was appended has been durable since.
        if self.disk.sync(&self.log).is_err() {
            never_let_go(&self.db);
        }
        // sled may have made files meanwhile.
        if self.appending().kept.is_some() {
            drop(inherit_access_below(&self.folder.join("sled")));
        }
    }
}
