//! Restoring targets from a backup: how the history of each stands to the backup's, and making one of it.

use std::io::Read;
use std::path::Path;

use crate::access::owner::OwnershipGuard;
use crate::access::replace::{Place, replace};
use crate::access::{Holder, Journal, OwnError, ReadError, Reader};
use crate::chain::DamageKind;
use crate::envelope::Head;
use crate::hash::Hash;
use crate::store::{EventLog, Mark, SledStore, StoreError, document_size, event};
use crate::stream::StreamId;
use crate::transfer::{
    BackupError, BackupItem, BackupReader, CheckedExport, Filling, ImportError, Whole,
};

/// Bytes that the store of a target takes before it holds anything.
const STORE_BYTES: u64 = 1024 * 1024;

/// How the history that a target has here stands to that of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// There is none, or it was lost: no store, or one without events.
    Absent,
    /// It is the beginning of the backup's, and ends with this head.
    Beginning(Head),
    /// It is the same.
    Same,
    /// It is the backup's and goes on behind it, to this head.
    Longer(Head),
    /// The backup ends with events that were pruned here: nobody can tell whether they were the same.
    Pruned(Head),
    /// It ends, with this head, before the events with which the backup begins: nobody can tell whether it is the same.
    Apart(Head),
    /// It is another one: this event is not the backup's.
    Other {
        /// The last sequence that both have.
        sequence: u64,
    },
}

/// A target of a backup, verified as a whole and compared with what is here. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedTarget {
    /// What the backup holds of it.
    pub backup: CheckedExport,
    /// What is here.
    pub here: Comparison,
    /// Bytes that it takes at least when it is restored.
    pub bytes: u64,
}

impl ComparedTarget {
    /// Something of the backup is not here.
    pub fn is_missing_events(&self) -> bool {
        match self.here {
            Comparison::Absent => self.backup.head.sequence > 0,
            Comparison::Beginning(_) => true,
            Comparison::Same
            | Comparison::Longer(_)
            | Comparison::Pruned(_)
            | Comparison::Apart(_)
            | Comparison::Other { .. } => false,
        }
    }
}

/// A part of a backup that was verified.
#[derive(Debug, Clone, Copy)]
pub enum BackupPart<'a> {
    /// An event or a document of a target.
    Whole(Whole<'a>),
    /// Nothing more of this target follows.
    End(&'a StreamId),
}

/// A backup cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is not whole, or cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The journal that is here cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A target cannot be owned.
    #[error("cannot restore `{stream}`")]
    Own {
        /// The target.
        stream: StreamId,
        /// Why.
        source: OwnError,
    },
    /// Somebody used the target since it was compared.
    #[error("the journal of `{stream}` was changed meanwhile")]
    Changed {
        /// The target.
        stream: StreamId,
    },
}

impl From<ImportError> for RestoreError {
    fn from(error: ImportError) -> Self {
        Self::Backup(error.into())
    }
}

/// Why one target was not restored.
enum NotRestored {
    Backup(BackupError),
    Own(OwnError),
    Changed,
}

impl NotRestored {
    fn of(self, stream: &StreamId) -> RestoreError {
        let stream = stream.clone();
        match self {
            Self::Backup(error) => RestoreError::Backup(error),
            Self::Own(source) => RestoreError::Own { stream, source },
            Self::Changed => RestoreError::Changed { stream },
        }
    }
}

impl From<BackupError> for NotRestored {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<ImportError> for NotRestored {
    fn from(error: ImportError) -> Self {
        Self::Backup(error.into())
    }
}

impl From<OwnError> for NotRestored {
    fn from(error: OwnError) -> Self {
        Self::Own(error)
    }
}

/// Verifies a whole backup, and compares the targets that are meant with what is here. Each part is shown in order.
pub(crate) fn compare<R: Read>(
    root: &Path,
    mut backup: BackupReader<R>,
    is_meant: impl Fn(&StreamId) -> bool,
    mut each: impl FnMut(BackupPart<'_>),
) -> Result<Vec<ComparedTarget>, RestoreError> {
    let mut compared = Vec::new();
    for stream in backup.targets().to_vec() {
        let mut comparing = Comparing::begin(root, &stream, is_meant(&stream))?;
        loop {
            match backup.next()? {
                Some(BackupItem::Item(item)) => {
                    let whole = Whole::of(&item);
                    comparing.add(whole)?;
                    each(BackupPart::Whole(whole));
                }
                Some(BackupItem::End(backup)) => {
                    backup.must_be_appendable()?;
                    each(BackupPart::End(&stream));
                    compared.extend(comparing.end(backup)?);
                    break;
                }
                None => break,
            }
        }
    }
    while backup.next()?.is_some() {}
    Ok(compared)
}

/// One target that is being compared.
struct Comparing {
    /// None when nobody means it.
    here: Option<Here>,
    bytes: u64,
}

/// What is here of a target.
struct Here {
    /// The journal with its checkpoint and its head; none without events.
    journal: Option<(Reader, Head, Head)>,
    /// The hash that the backup has for its last event.
    hash: Option<Hash>,
}

impl Comparing {
    fn begin(root: &Path, stream: &StreamId, is_meant: bool) -> Result<Self, RestoreError> {
        let here = is_meant.then(|| {
            Ok::<_, ReadError>(Here {
                journal: journal_here(root, stream)?,
                hash: None,
            })
        });
        Ok(Self {
            here: here.transpose()?,
            bytes: STORE_BYTES,
        })
    }

    fn add(&mut self, whole: Whole<'_>) -> Result<(), RestoreError> {
        let Some(here) = &mut self.here else {
            return Ok(());
        };
        match whole {
            Whole::Event(event) => {
                let head = event.header.head();
                let last = here.journal.as_ref().map(|(.., head)| head.sequence);
                if last == Some(head.sequence) {
                    here.hash = Some(head.hash);
                }
                self.bytes = self.bytes.saturating_add(event.size());
            }
            Whole::Document(bytes) => {
                let size = document_size(bytes).map_err(ImportError::from)?;
                self.bytes = self.bytes.saturating_add(size);
            }
        }
        Ok(())
    }

    fn end(self, backup: CheckedExport) -> Result<Option<ComparedTarget>, RestoreError> {
        let Some(here) = self.here else {
            return Ok(None);
        };
        let begin = backup
            .checkpoint
            .map_or(0, |checkpoint| checkpoint.sequence);
        let last = here.journal.as_ref().map(|(.., head)| head.sequence);
        // The last event that was pruned is known by its hash.
        let hash = match backup.checkpoint {
            Some(checkpoint) if last == Some(checkpoint.sequence) => Some(checkpoint.hash),
            Some(_) | None => here.hash,
        };
        let here = match here.journal {
            None => Comparison::Absent,
            Some((_, checkpoint, head))
                if (1..checkpoint.sequence).contains(&backup.head.sequence) =>
            {
                Comparison::Pruned(head)
            }
            Some((_, checkpoint, head)) if checkpoint.sequence > 0 && backup.head == checkpoint => {
                Comparison::Longer(head)
            }
            Some((_, checkpoint, _))
                if checkpoint.sequence > 0 && backup.head.sequence == checkpoint.sequence =>
            {
                let sequence = checkpoint.sequence;
                Comparison::Other { sequence }
            }
            Some((.., head)) if begin > head.sequence => Comparison::Apart(head),
            Some((reader, _, head)) if head.sequence > backup.head.sequence => {
                let event = event(&reader, backup.head.sequence).map_err(ReadError::Store)?;
                // Of a backup without events everything is a continuation.
                let hash = event.map_or(backup.head.hash, |event| event.header.hash);
                if hash == backup.head.hash {
                    Comparison::Longer(head)
                } else {
                    let sequence = backup.head.sequence;
                    Comparison::Other { sequence }
                }
            }
            Some((.., head)) if hash != Some(head.hash) => Comparison::Other {
                sequence: head.sequence,
            },
            Some((.., head)) if head == backup.head => Comparison::Same,
            Some((.., head)) => Comparison::Beginning(head),
        };
        Ok(Some(ComparedTarget {
            backup,
            here,
            bytes: self.bytes,
        }))
    }
}

/// The journal of a target with its checkpoint and head; none where there is none, where it has no events, and where its store was lost.
fn journal_here(root: &Path, stream: &StreamId) -> Result<Option<(Reader, Head, Head)>, ReadError> {
    let reader = match Journal::read(root, stream) {
        Err(ReadError::Absent { .. }) => return Ok(None),
        Err(ReadError::Store(StoreError::Damaged(damage))) if damage.what == DamageKind::Gone => {
            return Ok(None);
        }
        reader => reader?,
    };
    let head = reader.head().map_err(ReadError::Store)?;
    let checkpoint = reader.checkpoint().map_err(ReadError::Store)?;
    Ok((head.sequence > 0).then_some((reader, checkpoint, head)))
}

/// Restores the targets that were compared and of which something is missing here, each as a whole, and shows each that is restored.
pub(crate) fn restore<R: Read>(
    root: &Path,
    mut backup: BackupReader<R>,
    targets: &[ComparedTarget],
    holder: &Holder,
    mut each: impl FnMut(&ComparedTarget),
) -> Result<(), RestoreError> {
    for stream in backup.targets().to_vec() {
        let mut meant = targets.iter();
        let target = meant.find(|target| target.backup.stream == stream);
        match target.filter(|target| target.is_missing_events()) {
            Some(target) => {
                restore_one(root, &mut backup, target, holder.clone())
                    .map_err(|error| error.of(&stream))?;
                each(target);
            }
            None => while let Some(BackupItem::Item(_)) = backup.next()? {},
        }
    }
    Ok(())
}

fn restore_one<R: Read>(
    root: &Path,
    backup: &mut BackupReader<R>,
    target: &ComparedTarget,
    holder: Holder,
) -> Result<(), NotRestored> {
    let stream = &target.backup.stream;
    let (guard, _) = OwnershipGuard::take(root, stream, holder)?;
    let expected = match target.here {
        Comparison::Beginning(head) => Some(head),
        Comparison::Absent
        | Comparison::Same
        | Comparison::Longer(_)
        | Comparison::Pruned(_)
        | Comparison::Apart(_)
        | Comparison::Other { .. } => None,
    };
    let place = match expected {
        Some(_) => Place::Beginning(target.backup.checkpoint),
        None => Place::Empty,
    };
    if head_here(&guard, stream)? != expected {
        return Err(NotRestored::Changed);
    }
    replace(&guard, stream, place, |store| {
        let mut filling = Filling::begin(store, &target.backup).map_err(ImportError::from)?;
        loop {
            match backup.next()? {
                Some(BackupItem::Item(item)) => {
                    filling.add(store, item).map_err(ImportError::from)?;
                }
                Some(BackupItem::End(checked)) if checked == target.backup => break,
                // It was verified before: somebody writes to the file.
                Some(BackupItem::End(_)) | None => return Err(ImportError::Changed.into()),
            }
        }
        filling.end(store).map_err(ImportError::from)?;
        Ok::<_, NotRestored>(target.backup.head)
    })?;
    Ok(())
}

/// The head of a target that this process owns; none without events.
fn head_here(guard: &OwnershipGuard, stream: &StreamId) -> Result<Option<Head>, OwnError> {
    let store = guard.layout.store();
    if !store.is_dir() {
        return Ok(None);
    }
    let mark = Mark::at(guard.layout.mark());
    let head = match SledStore::open_marked(&store, stream.clone(), mark) {
        // A folder of a store without sled's files.
        Err(StoreError::Damaged(damage)) if damage.what == DamageKind::Gone => return Ok(None),
        store => store?.head()?,
    };
    Ok((head.sequence > 0).then_some(head))
}
