//! sled's own files: making them, opening them so that neither damage nor a power cut takes anything away, and letting go of them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use ::sled::Db;

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, inherit_access_below};
use crate::store::log_backup::{LOG, LogBackup};
use crate::store::private;
use crate::store::{StoreError, StoredHead, StoredHeadFile};
use crate::stream::StreamId;

use super::call::{open_db, open_db_of};

/// The files, open.
pub(super) struct Files {
    pub(super) db: Db,
    pub(super) log: File,
    /// What they were before; none when there was no log.
    pub(super) log_backup: Option<LogBackup>,
}

/// Opens a private copy of the files; nothing at the path is changed.
pub(super) fn open_copy(path: &Path) -> Result<Files, StoreError> {
    let copied = private::copy(path)?;
    let db = open_db_of(path, copied.path())?;
    let log_path = copied.path().join(LOG);
    let log = File::open(&log_path).map_err(StoreError::io(&log_path))?;
    // sled has its files open: without names they vanish with this process, however it ends.
    drop(copied);
    Ok(Files {
        db,
        log,
        log_backup: None,
    })
}

/// Opens the files at a path below the store's folder, and makes them when they are not there.
pub(super) fn open(disk: &Disk, folder: &Path, path: &Path) -> Result<Files, StoreError> {
    if !path.is_dir() {
        make(disk, folder, path)?;
    }
    remove_unfinished_snapshots(path).map_err(StoreError::io(path))?;
    let log_path = path.join("db");
    // sled's recovery writes down what it sees in the log; so that is made durable first, or a power cut could take it away again.
    if let Ok(log) = File::open(&log_path) {
        disk.sync(&log).map_err(StoreError::io(&log_path))?;
    }
    let log_backup = LogBackup::take(path).map_err(StoreError::io(path))?;
    let db = open_db(path).inspect_err(|error| notice(log_backup.as_ref(), error))?;
    let log = File::open(&log_path).map_err(StoreError::io(&log_path))?;
    sync_files(disk, path, &log)
        .inspect_err(|_| never_let_go(&db))
        .map_err(StoreError::io(path))?;
    disk.sync_folder(folder).map_err(StoreError::io(folder))?;
    inherit_access_below(path).map_err(StoreError::io(path))?;
    Ok(Files {
        db,
        log,
        log_backup,
    })
}

/// Makes the files aside and moves them to their place: one that was cut off while sled made it is a damaged store to it.
fn make(disk: &Disk, folder: &Path, path: &Path) -> Result<(), StoreError> {
    let fresh = folder.join("sled.new");
    disk.make_empty(&fresh).map_err(StoreError::io(&fresh))?;
    drop(open_db(&fresh)?);
    disk.move_whole(&fresh, path).map_err(StoreError::io(path))
}

/// Removes the snapshots that sled was writing when its process ended: it takes them for finished ones, and so for damage.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync_files(disk: &Disk, path: &Path, log: &File) -> io::Result<()> {
    disk.sync(log)?;
    disk.sync(&File::open(path.join("conf"))?)?;
    disk.sync_folder(path)
}

/// Remembers that damage was found, for what becomes of the files.
pub(super) fn notice(log_backup: Option<&LogBackup>, error: &StoreError) {
    if let (StoreError::Damaged(_), Some(log_backup)) = (error, log_backup) {
        log_backup.damaged();
    }
}

/// Keeps sled from closing a log whose disk fails: it syncs the log then, and panics when that fails.
pub(super) fn never_let_go(db: &Db) {
    std::mem::forget(db.clone());
}

/// Where events were recorded, files that are gone are not made anew.
pub(super) fn refuse_to_make(folder: &Path, stream: &StreamId) -> Result<(), StoreError> {
    let path = folder.join("head");
    match StoredHeadFile::read(&path, stream).map_err(StoreError::io(&path))? {
        StoredHead::Head(head) if head.sequence > 0 => {
            Err(Damage::at(1, DamageKind::LostTail(head.sequence)).into())
        }
        StoredHead::Damaged => Err(Damage::at(0, DamageKind::KeptHeadDamaged).into()),
        StoredHead::Head(_) | StoredHead::Missing => Ok(()),
    }
}

/// Has a log read from the disk when it is read next; one that is not there is nothing to read.
pub(super) fn drop_cached(path: &Path) -> Result<(), StoreError> {
    match File::open(path) {
        Ok(log) => Disk::default()
            .drop_cached(&log)
            .map_err(StoreError::io(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(path)(error)),
    }
}
