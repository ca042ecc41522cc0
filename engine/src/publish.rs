//! Publishing merged files: lock, temporary file, fsync, rename, fsync of the directory.
//!
//! Here: the file edge of an output directory, reading what stands there and replacing it. Every temporary file is on disk
//! before the first rename, so that a full disk changes nothing; a process that is killed between two renames leaves
//! whole files, and the next publish completes them. Not here: what the files say (`merge`).

mod error;
mod lock;
mod staged;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

pub use error::PublishError;

use crate::contract::Digest;
use crate::machine::PublishedFile;
use crate::merge::ConfigFile;
use lock::Lock;
use staged::Staged;

/// How long a publish waits for another one to finish. Replacing three files takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A configuration file larger than this is not read.
const MAX_BYTES: u64 = 64 << 20;

/// The mode of an output directory that is made here.
const DIRECTORY_MODE: u32 = 0o755;

/// Makes the output directory hold these files, each atomically; other files in it are left alone.
///
/// The directory is made when it is missing. A file that holds these bytes is not touched. When an error is returned
/// before the first rename, nothing has changed; after it, some files are whole and new, the others whole and old.
///
/// `standing` holds the digest of each file that was there when these were merged. A file that is neither as it was then nor
/// as it is to be was changed by somebody since, and what they wrote is in no merge: that is refused, and nothing changes.
pub fn publish(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
    standing: &BTreeMap<ConfigFile, Digest>,
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    publish_within(out, files, standing, LOCK_WAIT)
}

fn publish_within(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
    standing: &BTreeMap<ConfigFile, Digest>,
    wait: Duration,
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    make_directory(out)?;
    let lock = Lock::take(out, wait)?;
    staged::remove_stale(out)?;
    let mut published = BTreeMap::new();
    let mut staged = Vec::new();
    for file in ConfigFile::ALL {
        let Some(text) = files.get(&file) else {
            continue;
        };
        let target = out.join(file.file_name());
        let found = read(&target)?;
        let written = found.as_deref() != Some(text.as_bytes());
        if written {
            if found.as_ref().map(Digest::of).as_ref() != standing.get(&file) {
                return Err(PublishError::Changed { path: target });
            }
            staged.push((target, text));
        }
        let digest = Digest::of(text);
        published.insert(file, PublishedFile { digest, written });
    }
    // Every target has been looked at by now: one that is refused is refused before anything is written.
    let staged = staged
        .into_iter()
        .map(|(target, text)| Staged::write(&target, text))
        .collect::<Result<Vec<_>, _>>()?;
    for file in staged {
        file.commit()?;
    }
    // Also when nothing was written: the process that renamed these files may have been killed before its own fsync.
    lock.sync()?;
    Ok(published)
}

/// Reads the configuration files that stand in an output directory. A missing file has no entry, nor has a missing directory any.
pub fn current(out: &Path) -> Result<BTreeMap<ConfigFile, String>, PublishError> {
    let mut texts = BTreeMap::new();
    if !is_there(out)? {
        return Ok(texts);
    }
    for file in ConfigFile::ALL {
        let path = out.join(file.file_name());
        if let Some(bytes) = read(&path)? {
            let text = String::from_utf8(bytes)
                .map_err(|_| PublishError::NotUtf8 { path: path.clone() })?;
            texts.insert(file, text);
        }
    }
    Ok(texts)
}

/// The metadata of a target itself, not of what a symlink points at; none when it is missing.
fn target_metadata(target: &Path) -> Result<Option<fs::Metadata>, PublishError> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(metadata) => Err(PublishError::NotAFile {
            path: target.to_owned(),
            found: error::kind_of(metadata.file_type()),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PublishError::io("look at", target, error)),
    }
}

/// The bytes of a regular file, bounded; none when it is missing.
fn read(path: &Path) -> Result<Option<Vec<u8>>, PublishError> {
    let too_large = || PublishError::TooLarge {
        path: path.to_owned(),
        limit: MAX_BYTES,
    };
    match target_metadata(path)? {
        None => return Ok(None),
        Some(metadata) if metadata.len() > MAX_BYTES => return Err(too_large()),
        Some(_) => {}
    }
    // Should the file be exchanged in between: a symlink is not followed, and a FIFO does not block.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("open flags are a C int");
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PublishError::io("open", path, error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| PublishError::io("read", path, error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok(Some(bytes))
}

/// Whether the output directory is there; something else in its place is refused.
fn is_there(out: &Path) -> Result<bool, PublishError> {
    match fs::metadata(out) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(metadata) => Err(PublishError::NotADirectory {
            path: out.to_owned(),
            found: error::kind_of(metadata.file_type()),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(PublishError::io("look at", out, error)),
    }
}

/// Makes the output directory and what is missing above it, and brings their names to disk.
fn make_directory(out: &Path) -> Result<(), PublishError> {
    if is_there(out)? {
        return Ok(());
    }
    let missing: Vec<&Path> = out
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE);
    builder
        .create(out)
        .map_err(|error| PublishError::io("make the directory", out, error))?;
    // The umask of a deploy must not lock the stack out of its configuration.
    fs::set_permissions(out, Permissions::from_mode(DIRECTORY_MODE))
        .map_err(|error| PublishError::io("set the mode of", out, error))?;
    for path in missing {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

fn sync_directory(path: &Path) -> Result<(), PublishError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| PublishError::io("fsync", path, error))
}
