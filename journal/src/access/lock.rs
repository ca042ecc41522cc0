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
use crate::disk::{Disk, inherit_access};
use crate::store::Identity;

/// Longest text of a holder, in bytes.
const HOLDER_MAX: u64 = 16 * 1024;
/// How long an owner may take between taking the lock and writing its name into it.
const HOLDER_NAME_TIMEOUT: Duration = Duration::from_millis(300);
/// How often a lock that is held is asked for.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Who holds a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The lock of an owner.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
    holder: Holder,
    /// What is written into the lock when it is let go: nothing, or a holder from before whose end has not been recorded.
    leave: Mutex<Option<Holder>>,
}

impl Lock {
    /// Takes the lock, or says who has it. Returns the holder that did not let go cleanly as well.
    pub(crate) fn take(path: &Path, holder: Holder) -> Result<(Self, Option<Holder>), OwnError> {
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
        let previous = read_holder(&file).map_err(failed)?;
        let lock = Self {
            path: path.to_owned(),
            file,
            holder,
            leave: Mutex::new(previous.clone()),
        };
        write_holder(&lock.file, Some(&lock.holder)).map_err(failed)?;
        Ok((lock, previous))
    }

    /// The lock as a file, for whoever checks that it is still the one at its path.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        Identity::of(&self.path, &self.file)
    }

    /// A holder from before is not put back when the lock is let go.
    pub(crate) fn settle(&self) {
        *self.leave() = None;
    }

    fn leave(&self) -> MutexGuard<'_, Option<Holder>> {
        self.leave.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the deploy that is run into the lock.
    pub(crate) fn set_deploy(&self, deploy: Uuid) -> io::Result<()> {
        let holder = Holder {
            deploy: Some(deploy),
            ..self.holder.clone()
        };
        write_holder(&self.file, Some(&holder))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A run that ends in a panic did not end cleanly, and its name stays.
        if !thread::panicking() {
            drop(write_holder(&self.file, self.leave().as_ref()));
        }
    }
}

/// Names the holder of a lock that another process has.
fn held(path: &Path, file: &File) -> OwnError {
    let asked = Instant::now();
    loop {
        match read_holder(file) {
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
    match File::open(path) {
        Ok(file) => read_holder(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
        let writable = OpenOptions::new().read(true).write(true).open(path);
        let (file, locked) = match writable {
            Ok(file) => {
                let locked = file.try_lock();
                (file, locked)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Self { _file: None }));
            }
            Err(_) => {
                let file = File::open(path)?;
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
        .open(path)?;
    inherit_access(path)?;
    Ok(file)
}

/// Reads a holder; an empty file, or one that is being written, has none.
fn read_holder(file: &File) -> io::Result<Option<Holder>> {
    let mut bytes = Vec::new();
    let mut place = 0;
    let mut buffer = [0; 1024];
    while place < HOLDER_MAX {
        let read = file.read_at(&mut buffer, place)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
        place += read as u64;
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

fn write_holder(file: &File, holder: Option<&Holder>) -> io::Result<()> {
    file.set_len(0)?;
    if let Some(holder) = holder {
        let text = serde_json::to_vec(holder).map_err(io::Error::other)?;
        file.write_all_at(&text, 0)?;
    }
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
