//! The two locks of a target. The kernel lets go of both when their process ends, however it ends.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::OwnError;
use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::store::Identity;

/// Longest text of a lock, in bytes.
const NAMES_MAX: u64 = 64 * 1024;
/// Most holders that died and whose end has not been recorded.
const LOST_MAX: usize = 32;
/// How long an owner may take between taking the lock and writing its name into it.
const HOLDER_NAME_TIMEOUT: Duration = Duration::from_millis(300);
/// How often a lock that is held is asked for.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Who holds a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// Who.
    pub actor: String,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// The machine's boot id: after a restart a process number means nothing.
    pub boot_id: String,
    /// Since when.
    #[serde(with = "time_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Timestamp"))]
    pub since: Timestamp,
    /// The deploy that it runs, once that is known.
    pub deploy: Option<Uuid>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` (process {} on `{}`) since {}",
            self.actor, self.pid, self.host, self.since
        )
    }
}

/// What a lock says: who has it, and who died with it before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    /// Who has the lock; who died with it, when nobody has it.
    holder: Option<Holder>,
    /// Who died with it earlier and whose end has not been recorded, the first to die first.
    lost: Vec<Holder>,
    /// The last holder ended cleanly, but could not make an append durable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsynced: bool,
}

impl Names {
    /// True when what the system has in memory of the log may not be on the disk.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.unsynced || !self.lost.is_empty()
    }
}

/// The lock of an owner.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
    names: Mutex<Names>,
}

impl Lock {
    /// Takes the lock, or says who has it. Returns the holders that did not let go cleanly as well, the newest last.
    pub(crate) fn take(path: &Path, holder: Holder) -> Result<(Self, Vec<Holder>), OwnError> {
        let failed = |source| OwnError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path, &file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let Names {
            holder: died,
            mut lost,
            unsynced,
        } = read_names(&file).map_err(failed)?;
        lost.extend(died);
        // Of very many the first and the newest are kept.
        while lost.len() > LOST_MAX {
            lost.remove(LOST_MAX / 2);
        }
        let names = Names {
            holder: Some(holder),
            lost: lost.clone(),
            unsynced,
        };
        write_names(&file, &names).map_err(failed)?;
        let lock = Self {
            path: path.to_owned(),
            file,
            names: Mutex::new(names),
        };
        Ok((lock, lost))
    }

    /// The lock as a file, for whoever checks that it is still the one at its path.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        Identity::of(&self.path, &self.file)
    }

    /// Whether the holder before this one left something in memory that may not be on the disk.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.names().is_doubtful()
    }

    /// Has the next holder know whether an append of this one could not be made durable.
    pub(crate) fn set_unsynced(&self, unsynced: bool) {
        self.names().unsynced = unsynced;
    }

    /// The ends of the holders before this one have been recorded.
    pub(crate) fn settle(&self) {
        let mut names = self.names();
        if !names.lost.is_empty() {
            names.lost.clear();
            // Should that fail, they are recorded once more by the next owner.
            drop(write_names(&self.file, &names));
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the deploy that is run into the lock.
    pub(crate) fn set_deploy(&self, deploy: Uuid) -> io::Result<()> {
        let mut names = self.names();
        if let Some(holder) = &mut names.holder {
            holder.deploy = Some(deploy);
        }
        write_names(&self.file, &names)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A run that ends in a panic did not end cleanly, and its name stays.
        if !thread::panicking() {
            let mut names = self.names();
            names.holder = None;
            drop(write_names(&self.file, &names));
        }
    }
}

/// Names the holder of a lock that another process has.
fn held(path: &Path, file: &File) -> OwnError {
    let asked = Instant::now();
    loop {
        match read_names(file).map(|names| names.holder) {
            Ok(Some(holder)) => return OwnError::Held(holder),
            // It took the lock and is about to write its name.
            Ok(None) if asked.elapsed() < HOLDER_NAME_TIMEOUT => thread::sleep(RETRY_INTERVAL),
            Ok(None) => {
                return OwnError::Unnamed {
                    path: path.to_owned(),
                };
            }
            Err(source) => {
                return OwnError::Io {
                    path: path.to_owned(),
                    source,
                };
            }
        }
    }
}

/// Who is named in a lock, without asking for it; none when nobody is, or the name is being written.
pub(crate) fn named(path: &Path) -> io::Result<Option<Holder>> {
    match OpenOptions::new()
        .read(true)
        .custom_flags(NO_LINK)
        .open(path)
    {
        Ok(file) => Ok(read_names(&file)?.holder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Everybody who is named in a lock that nobody has: those that did not let go of it, the newest last.
pub(crate) fn left_in(path: &Path) -> io::Result<Vec<Holder>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NO_LINK).open(path)?;
    let names = read_names(&file)?;
    Ok(names.lost.into_iter().chain(names.holder).collect())
}

/// The lock of whoever has the store open.
#[derive(Debug)]
pub(crate) struct StoreLock {
    /// None where there is no such file, so that nobody can have the store open.
    _file: Option<File>,
}

impl StoreLock {
    /// Enters when nobody else is in.
    pub(crate) fn try_enter(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Enters to read, when nobody else is in, and makes nothing. Who may not write to the file locks it shared: some file systems lock
    /// for writing only what is open for writing.
    pub(crate) fn try_enter_to_read(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NO_LINK);
        let writable = options.clone().write(true).open(path);
        let (file, locked) = match writable {
            Ok(file) => {
                let locked = file.try_lock();
                (file, locked)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Self { _file: None }));
            }
            Err(_) => {
                let file = options.open(path)?;
                let locked = file.try_lock_shared();
                (file, locked)
            }
        };
        match locked {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for others to leave.
    pub(crate) fn enter(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let asked = Instant::now();
        loop {
            let store_lock = Self::try_enter(path)?;
            if store_lock.is_some() || asked.elapsed() >= patience {
                return Ok(store_lock);
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(NO_LINK)
        .open(path)?;
    inherit_access(path)?;
    Ok(file)
}

/// Reads what a lock says; an empty file, or one that is being written, names nobody.
fn read_names(file: &File) -> io::Result<Names> {
    let mut bytes = Vec::new();
    let mut place = 0;
    let mut buffer = [0; 1024];
    while place < NAMES_MAX {
        let read = file.read_at(&mut buffer, place)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
        place += read as u64;
    }
    // A holder alone is what is written when nobody died.
    let alone = |holder| Names {
        holder: Some(holder),
        lost: Vec::new(),
        unsynced: false,
    };
    Ok(serde_json::from_slice(&bytes)
        .or_else(|_| serde_json::from_slice(&bytes).map(alone))
        .unwrap_or_default())
}

fn write_names(file: &File, names: &Names) -> io::Result<()> {
    let text = match (&names.holder, !names.is_doubtful()) {
        (None, true) => Vec::new(),
        (Some(holder), true) => serde_json::to_vec(holder)?,
        (Some(_) | None, false) => serde_json::to_vec(names)?,
    };
    file.set_len(0)?;
    file.write_all_at(&text, 0)?;
    Disk::default().sync(file)
}

/// A time as text.
mod time_text {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}
