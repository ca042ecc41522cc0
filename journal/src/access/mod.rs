//! Who may use a target's store, and how everybody else reads it.
//!
//! One store per target. The process that deploys owns it for the length of its run and serves readers on a socket beside it; without an
//! owner a reader opens the store itself, and lets go of it as soon as an owner comes. The decision and its reasons are in
//! docs/adr/0001-store-per-target-and-readers.md.
//!
//! A target's folder, `root/project/env`:
//!
//! ```text
//! lock      held by the owner for its life; its holder is written into it
//! store.lock  held by whoever has the store open: the owner, or a reader for a moment
//! socket    where the owner answers; that it can be connected to says that there is an owner
//! begun     says that events were recorded, should the store be gone, and with which event the store may begin
//! store/    the store: sled's files, the head kept apart, large payloads; `imported` says which events came with an import,
//!           `checkpoint` behind which event it begins since it was pruned
//! ```

mod condition;
mod disk_use;
mod follow;
mod imported;
mod layout;
mod lock;
mod owner;
mod protocol;
mod prune;
mod reader;
mod replace;
mod restore;
mod server;
mod shared;

use std::io::{BufRead, Read, Seek};
use std::path::{Path, PathBuf};

use crate::chain::Damage;
use crate::envelope::Head;
use crate::hash::Hash;
use crate::store::{AppendError, StoreError};
use crate::stream::StreamId;
use crate::transfer::{BackupReader, ImportError};

pub use condition::{RefusedPath, TargetCondition};
pub use disk_use::DiskUse;
pub use follow::Follower;
pub use lock::Holder;
pub use owner::Owned;
pub use prune::PruneOrder;
pub use reader::Reader;
pub use restore::{BackupPart, ComparedTarget, Comparison, RestoreError};

/// The journals below one folder.
#[derive(Debug)]
pub struct Journal;

impl Journal {
    /// Makes this process the owner of a target, until the result is dropped. Another owner is refused at once; one that died is taken over.
    pub fn own(root: &Path, stream: &StreamId, holder: Holder) -> Result<Owned, OwnError> {
        Owned::own(root, stream, holder)
    }

    /// Opens a target's journal to read it, whether or not it has an owner. Nothing is made or changed, and a journal that ends before the
    /// head kept apart, or is gone, is damaged.
    pub fn read(root: &Path, stream: &StreamId) -> Result<Reader, ReadError> {
        Reader::open(root, stream)
    }

    /// Opens a target's journal that may have lost events, to verify it or to take out what is left. [`Journal::read`] refuses it.
    pub fn read_damaged(root: &Path, stream: &StreamId) -> Result<Reader, ReadError> {
        Reader::open_damaged(root, stream)
    }

    /// Makes a target's journal out of an export, all of it or nothing. A target that has events is refused.
    pub fn import(
        root: &Path,
        stream: &StreamId,
        holder: Holder,
        export: impl BufRead + Seek,
    ) -> Result<Head, ImportIntoError> {
        replace::import(root, stream, holder, export)
    }

    /// Verifies a whole backup, and compares the targets that are meant with what is here. Each part that was verified is shown, in
    /// order. Nothing is written.
    pub fn compare_backup<R: Read>(
        root: &Path,
        backup: BackupReader<R>,
        is_meant: impl Fn(&StreamId) -> bool,
        each: impl FnMut(BackupPart<'_>),
    ) -> Result<Vec<ComparedTarget>, RestoreError> {
        restore::compare(root, backup, is_meant, each)
    }

    /// Restores the targets that were compared with this backup and of which something is missing here, and shows each that is restored.
    /// A target is restored as a whole or not at all; those that were restored before an error stay. Its events count as imported.
    pub fn restore_backup<R: Read>(
        root: &Path,
        backup: BackupReader<R>,
        targets: &[ComparedTarget],
        holder: &Holder,
        each: impl FnMut(&ComparedTarget),
    ) -> Result<(), RestoreError> {
        restore::restore(root, backup, targets, holder, each)
    }

    /// The sequence of the last event of a target that came with an import; 0 when none did.
    ///
    /// What such events ask for was asked for on another machine: its paths and files mean something else here.
    pub fn imported_until(root: &Path, stream: &StreamId) -> Result<u64, ReadError> {
        let path = layout::Layout::new(root, stream).store();
        imported::until(&path).map_err(|source| ReadError::Io { path, source })
    }

    /// Removes a target's journal, which ends with this head. Its owner is the only one who may, and whoever reads it meanwhile reads what
    /// was there.
    pub fn remove(
        root: &Path,
        stream: &StreamId,
        holder: Holder,
        expected: &Head,
    ) -> Result<(), RemoveError> {
        owner::remove(root, stream, holder, expected)
    }

    /// Has the journal of a target begin behind a checkpoint: what stands before goes, and an event says so. Returns the new head.
    ///
    /// A cut in the middle leaves the journal as it was, or as it is to be.
    pub fn prune(
        root: &Path,
        stream: &StreamId,
        holder: Holder,
        order: PruneOrder,
    ) -> Result<Head, PruneError> {
        prune::prune(root, stream, holder, order)
    }

    /// The name of the file system that journals below a folder are on, when another machine can use it too: whether it passes locks
    /// on cannot be told.
    pub fn shared_file_system(root: &Path) -> Option<&'static str> {
        shared::name_at(root)
    }

    /// What can be told of a target's journal without opening it.
    pub fn condition(root: &Path, stream: &StreamId) -> Result<TargetCondition, ReadError> {
        let layout = layout::Layout::new(root, stream);
        condition::of(&layout).map_err(|source| ReadError::Io {
            path: layout.folder().to_owned(),
            source,
        })
    }

    /// What the journal of a target takes on its disk.
    pub fn disk_use(root: &Path, stream: &StreamId) -> Result<DiskUse, ReadError> {
        let layout = layout::Layout::new(root, stream);
        disk_use::of(&layout).map_err(|(path, source)| ReadError::Io { path, source })
    }

    /// Bytes that this user can still write where journals are; the folder above counts where theirs is not made yet.
    pub fn free_bytes(root: &Path) -> Option<u64> {
        disk_use::free_bytes(root)
    }

    /// The targets that have a journal, in the order of their folders' names.
    pub fn targets(root: &Path) -> Result<Vec<StreamId>, ReadError> {
        layout::targets(root).map_err(|(path, source)| ReadError::Io { path, source })
    }
}

/// A target cannot be owned.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// Another process owns it.
    #[error("the target is held by {0}")]
    Held(Holder),
    /// Another process owns it, and has not said who it is.
    #[error("the target is held by a process that has not written its name into `{}`", path.display())]
    Unnamed {
        /// The lock file.
        path: PathBuf,
    },
    /// A reader does not let go of the store.
    #[error("a reader does not let go of `{}`; end the process that has it locked", path.display())]
    Busy {
        /// The store lock.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Damage> for OwnError {
    fn from(damage: Damage) -> Self {
        Self::Store(damage.into())
    }
}

/// A journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("`{stream}` has no journal in `{}`", root.display())]
    Absent {
        /// The target.
        stream: StreamId,
        /// Where journals are.
        root: PathBuf,
    },
    /// Somebody has it open and does not answer.
    #[error("`{}` is in use and nobody answers", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(StoreError),
}

/// A journal cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The target cannot be owned.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// Somebody appended since it was decided that nothing needs it.
    #[error("the journal goes on to event {sequence} by now")]
    Changed {
        /// Its last event.
        sequence: u64,
    },
}

/// A journal cannot be pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The target cannot be owned.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// Somebody appended since it was decided what goes.
    #[error("the journal goes on to event {sequence} by now")]
    Changed {
        /// Its last event.
        sequence: u64,
    },
    /// The event behind which the journal is to begin is not there.
    #[error("event {sequence} is not the one behind which the journal is to begin")]
    Checkpoint {
        /// Its sequence.
        sequence: u64,
    },
    /// A document that is to be kept is not there.
    #[error("document `{0}`, which is to be kept, is not there")]
    Document(Hash),
    /// What is kept cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What was written does not read back.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// An export cannot be made into a journal.
#[derive(Debug, thiserror::Error)]
pub enum ImportIntoError {
    /// The target cannot be owned.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// The export is not whole, or the target has events.
    #[error(transparent)]
    Import(#[from] ImportError),
}
