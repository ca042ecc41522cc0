//! Calls of sled: it panics on some damaged files, and its errors say what it cannot read, not what that means.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::sled::{Config, Db, Error, Mode};

use crate::chain::{Damage, DamageKind};
use crate::store::StoreError;
use crate::store::log_backup;

/// Bytes that sled keeps of the tree's pages. The newest deploys fit many times over.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// How long sled may take to let go of a store that was closed.
const CLOSING: Duration = Duration::from_millis(500);
/// How sled says that another process has the store open; there is no other sign of it.
const LOCKED: &str = "could not acquire lock";

/// Opens sled's files.
pub(crate) fn open_db(path: &Path) -> Result<Db, StoreError> {
    open_db_of(path, path)
}

/// Opens sled's files, or a copy of them: an error is about the files. A store that was closed a moment ago can still be locked by a thread of sled's that has not ended.
pub(super) fn open_db_of(shown: &Path, path: &Path) -> Result<Db, StoreError> {
    let config = Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .mode(Mode::HighThroughput)
        .flush_every_ms(None);
    let asked = Instant::now();
    loop {
        match guarded(shown, 0, || config.open()) {
            Err(StoreError::Busy { .. }) if asked.elapsed() < CLOSING => {
                thread::sleep(Duration::from_millis(2));
            }
            opened => return opened,
        }
    }
}

thread_local! {
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

/// True while this thread is in a call of sled, which panics on some damaged files. Such a panic is caught and becomes a damage like any
/// other, so whoever reports panics can pass over it.
pub fn panics_are_caught() -> bool {
    CALLING.get()
}

/// Calls sled.
pub(super) fn guarded<T>(
    path: &Path,
    sequence: u64,
    work: impl FnOnce() -> ::sled::Result<T>,
) -> Result<T, StoreError> {
    let before = CALLING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CALLING.set(before);
    match done {
        Ok(done) => done.map_err(|error| translate(path, sequence, error)),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            // sled panics as well when the system gives it no thread or memory.
            Err(match limit_in(text) {
                Some(source) => StoreError::Io {
                    path: path.to_owned(),
                    source,
                },
                None => broken(path, sequence, text),
            })
        }
    }
}

fn translate(path: &Path, sequence: u64, error: Error) -> StoreError {
    match error {
        Error::Io(source) if source.to_string().starts_with(LOCKED) => StoreError::Busy {
            path: path.to_owned(),
        },
        // The log ends within something, or an offset in it is none.
        Error::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            broken(path, sequence, &source.to_string())
        }
        Error::Io(source) => StoreError::Io {
            path: refused_file(path, &source).unwrap_or_else(|| path.to_owned()),
            source,
        },
        // Where it is, sled says by an offset into its log, if at all.
        Error::Corruption { at, .. } => {
            let place = at.map(|at| format!(" at {at:?}")).unwrap_or_default();
            broken(
                path,
                sequence,
                &format!("a part of it does not have its checksum{place}"),
            )
        }
        // One version of sled with one set of options writes every store: another one is a changed byte.
        error
        @ (Error::CollectionNotFound(_) | Error::Unsupported(_) | Error::ReportableBug(_)) => {
            broken(path, sequence, &error.to_string())
        }
    }
}

/// How a library below sled says that there is no memory.
const NO_MEMORY: &str = "converting zero into `Owned`";

/// The limit of the process that a text of an error is about.
fn limit_in(text: &str) -> Option<io::Error> {
    use rustix::io::Errno;
    if text.contains(NO_MEMORY) {
        return Some(Errno::NOMEM.into());
    }
    [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE]
        .into_iter()
        .find(|errno| text.contains(&format!("code: {},", errno.raw_os_error())))
        .map(io::Error::from)
}

/// The file of sled's that this process may not use, when that is what an error says: sled does not name it.
fn refused_file(folder: &Path, error: &io::Error) -> Option<PathBuf> {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return None;
    }
    let paths = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let mut files = paths.filter(|path| path.is_file());
    files.find(|path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .is_err()
    })
}

/// Damage in sled's own files.
fn broken(path: &Path, sequence: u64, reason: &str) -> StoreError {
    let file = log_backup::suspect(path);
    // An assertion of sled's can show all that it holds; the first words say which one it was.
    let reason: String = reason
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(160)
        .collect();
    let text = format!("`{}`: {reason}", file.display());
    Damage::at(sequence, DamageKind::Storage(text)).into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The words of a panic, as the libraries below write them.
    #[rstest]
    #[case::threads(
        "called `Result::unwrap()` on an `Err` value: Os { code: 11, kind: WouldBlock }",
        true
    )]
    #[case::descriptors(
        "Os { code: 24, kind: Uncategorized, message: \"Too many open files\" }",
        true
    )]
    #[case::memory("converting zero into `Owned`", true)]
    #[case::damage("assertion `left == right` failed", false)]
    #[case::another_code("Os { code: 5, kind: Uncategorized }", false)]
    fn a_limit_of_the_process_is_no_damage(#[case] words: &str, #[case] is_limit: bool) {
        let words = words.to_owned();
        let error = guarded(Path::new("/nowhere"), 1, || -> ::sled::Result<()> {
            std::panic::panic_any(words)
        });
        let error = error.unwrap_err();
        assert_eq!(
            matches!(error, StoreError::Io { .. }),
            is_limit,
            "{error:?}"
        );
        assert_eq!(
            matches!(error, StoreError::Damaged(_)),
            !is_limit,
            "{error:?}"
        );
    }
}
