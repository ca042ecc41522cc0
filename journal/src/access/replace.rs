//! A store that is built beside its place, and moved there when it is whole and durable: imports, restores and prunes.
//!
//! A cut in the middle leaves what was there before.

use std::fs;
use std::io::{self, BufRead, Seek};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::access::owner::{OwnershipGuard, remove_folder};
use crate::access::{Holder, ImportIntoError, OwnError, imported};
use crate::disk::Disk;
use crate::envelope::Head;
use crate::store::{EventLog, Mark, SledStore};
use crate::stream::StreamId;
use crate::transfer::{self, ImportError};

/// Makes the store of a target out of an export.
pub(crate) fn import(
    root: &Path,
    stream: &StreamId,
    holder: Holder,
    export: impl BufRead + Seek,
) -> Result<Head, ImportIntoError> {
    let (guard, _) = OwnershipGuard::take(root, stream, holder)?;
    let store = guard.layout.store();
    if store.is_dir() {
        let sequence = SledStore::open(&store, stream.clone())
            .and_then(|store| store.head())
            .map_err(OwnError::from)?
            .sequence;
        if sequence > 0 {
            return Err(ImportError::NotEmpty { sequence }.into());
        }
    }
    replace(&guard, stream, Place::Empty, |store| {
        transfer::import(store, export).map_err(ImportIntoError::from)
    })
}

/// What is in the place of a store that is to be replaced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// No events: what comes there is somebody else's copy.
    Empty,
    /// The beginning of the copy that comes there, which may begin behind a checkpoint of its own.
    Beginning(Option<Head>),
    /// The events of which only those behind this one are kept.
    Pruned(Head),
}

/// Puts a store with other events in the place of a target's store. Nobody has that one open when `build` is done.
pub(super) fn replace<E: From<OwnError> + From<ImportError>>(
    guard: &OwnershipGuard,
    stream: &StreamId,
    place: Place,
    build: impl FnOnce(&SledStore) -> Result<Head, E>,
) -> Result<Head, E> {
    let (store, importing) = (guard.layout.store(), guard.layout.importing());
    let refused = |path: &Path| {
        let path = path.to_owned();
        |source| OwnError::Io { path, source }
    };
    remove_folder(&importing).map_err(refused(&importing))?;
    let mark = Mark::at(guard.layout.mark());
    if let Place::Pruned(checkpoint) | Place::Beginning(Some(checkpoint)) = place {
        mark.add(&Disk::default(), &checkpoint.hash)
            .map_err(OwnError::from)?;
    }
    let head = built(&importing, stream, build, &mark).inspect_err(|_| {
        // It is of no use any more; that it may stay until the next import removes it does not change the outcome.
        remove_folder(&importing).ok();
    })?;
    let until = match place {
        Place::Empty | Place::Beginning(_) => head.sequence,
        Place::Pruned(_) => imported::until(&store).map_err(refused(&store))?,
    };
    if until > 0 {
        imported::note(&importing, until).map_err(refused(&importing))?;
    }
    if matches!(place, Place::Beginning(_) | Place::Pruned(_)) {
        exchange(&importing, &store).map_err(refused(&store))?;
    } else {
        remove_folder(&store).map_err(refused(&store))?;
        fs::rename(&importing, &store).map_err(refused(&store))?;
    }
    Disk::default()
        .sync_folder(guard.layout.folder())
        .map_err(refused(&store))?;
    remove_folder(&importing).map_err(refused(&importing))?;
    // Opening marks that it has begun.
    drop(SledStore::open_marked(&store, stream.clone(), mark).map_err(OwnError::from)?);
    Ok(head)
}

/// Makes a store, and lets go of it.
fn built<E: From<OwnError> + From<ImportError>>(
    folder: &Path,
    stream: &StreamId,
    build: impl FnOnce(&SledStore) -> Result<Head, E>,
    mark: &Mark,
) -> Result<Head, E> {
    let open = || SledStore::open(folder, stream.clone()).map_err(OwnError::from);
    let store = open()?;
    let head = build(&store)?;
    drop(store);
    // Read back before it counts. It also has sled note where its log ends, so that the next to open it need not read all of it.
    let store = open()?;
    let kept = store.head().map_err(OwnError::from)?;
    // Where a journal was lost, only a copy of it may take its place.
    mark.check_events(&store).map_err(OwnError::from)?;
    if kept == head {
        Ok(head)
    } else {
        Err(ImportError::Changed.into())
    }
}

/// Exchanges two folders in one step: there is a whole store at every moment.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|error| match error {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system cannot exchange two folders in one step",
        ),
        error => error.into(),
    })
}
