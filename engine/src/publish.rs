//! Publishing merged files: lock, temporary file, fsync, rename, fsync of the directory.
//!
//! Here: the file edge of an output directory, reading what stands there and replacing it. Every temporary file is on disk
//! before the first rename, so that a full disk changes nothing; a process that is killed between two renames leaves
//! whole files, and the next publish completes them. Not here: what the files say (`merge`).

mod directory;
mod error;
mod lock;
mod staged;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

pub use error::PublishError;
use rustix::fs::Access;

use crate::contract::Digest;
use crate::machine::PublishedFile;
use crate::merge::{ConfigFile, steps};
use directory::Directory;
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

/// Finds out whether this user could publish into a directory, as far as that is known without writing: what would refuse it
/// is the error. Of one that is missing its nearest folder is looked at.
pub fn check(out: &Path) -> Result<(), PublishError> {
    let above = out
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok())
        .unwrap_or(out);
    if let Ok(found) = fs::metadata(above)
        && !found.is_dir()
    {
        return Err(PublishError::NotADirectory {
            path: above.to_owned(),
            found: error::kind_of(found.file_type()),
        });
    }
    if above == out {
        Directory::open(out)?.is_not_everybodys()?;
    }
    rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| PublishError::io("write to", above, error.into()))
}

fn publish_within(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
    standing: &BTreeMap<ConfigFile, Digest>,
    wait: Duration,
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    publish_watched(out, files, standing, wait, &mut |_| {})
}

/// The same; `replaced` is called after each rename, as a reader may look at any moment.
fn publish_watched(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
    standing: &BTreeMap<ConfigFile, Digest>,
    wait: Duration,
    replaced: &mut dyn FnMut(ConfigFile),
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    let is_made = make_directory(out)?;
    let directory = Directory::open(out)?;
    if is_made {
        // The umask of a deploy must not lock the stack out of its configuration.
        let mode = Permissions::from_mode(DIRECTORY_MODE);
        let set = directory.file.set_permissions(mode);
        set.map_err(|error| PublishError::io("set the mode of", out, error))?;
    }
    directory.is_not_everybodys()?;
    let _lock = Lock::take(&directory, wait)?;
    staged::remove_stale(&directory)?;
    let mut published = BTreeMap::new();
    let mut found_texts = BTreeMap::new();
    for file in ConfigFile::ALL {
        let Some(text) = files.get(&file) else {
            continue;
        };
        let found = directory.read(file.file_name())?;
        let written = found.as_deref() != Some(text.as_bytes());
        if written && found.as_ref().map(Digest::of).as_ref() != standing.get(&file) {
            let path = directory.path_of(file.file_name());
            return Err(PublishError::Changed { path });
        }
        found_texts.extend(found.map(|bytes| (file, String::from_utf8_lossy(&bytes).into_owned())));
        let digest = Digest::of(text);
        published.insert(file, PublishedFile { digest, written });
    }
    // Every target has been looked at by now: one that is refused is refused before anything is written.
    let steps = steps(&found_texts, files);
    let staged = steps.iter().enumerate().map(|(at, (file, text))| {
        let is_between = steps[at + 1..].iter().any(|(later, _)| later == file);
        let staged = Staged::write(&directory, file.file_name(), text, is_between)?;
        Ok((*file, staged))
    });
    let staged = staged.collect::<Result<Vec<_>, PublishError>>()?;
    directory.is_in_its_place()?;
    for (file, staged) in staged {
        staged.commit()?;
        replaced(file);
    }
    // Also when nothing was written: the process that renamed these files may have been killed before its own fsync.
    directory.sync()?;
    directory.is_in_its_place()?;
    Ok(published)
}

/// Reads the configuration files that stand in an output directory. A missing file has no entry, nor has a missing directory any.
pub fn current(out: &Path) -> Result<BTreeMap<ConfigFile, String>, PublishError> {
    let mut texts = BTreeMap::new();
    if !is_there(out)? {
        return Ok(texts);
    }
    let directory = Directory::open(out)?;
    for file in ConfigFile::ALL {
        if let Some(bytes) = directory.read(file.file_name())? {
            let path = directory.path_of(file.file_name());
            let text = String::from_utf8(bytes).map_err(|_| PublishError::NotUtf8 { path })?;
            texts.insert(file, text);
        }
    }
    Ok(texts)
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

/// Makes the output directory and what is missing above it, and brings their names to disk; whether it was missing.
fn make_directory(out: &Path) -> Result<bool, PublishError> {
    if is_there(out)? {
        return Ok(false);
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
    for path in missing {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(true)
}

fn sync_directory(path: &Path) -> Result<(), PublishError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| PublishError::io("fsync", path, error))
}
