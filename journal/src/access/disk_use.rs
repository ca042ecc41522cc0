//! What the journal of a target takes on its disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::access::layout::Layout;
use crate::hash::Hash;

/// Bytes of a block, as the system counts those of a file.
const BLOCK: u64 = 512;

/// What the files of a target's journal take. Of a journal that somebody writes to it is a moment between two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// How many documents are kept beside the events; equal ones are one.
    pub documents: u64,
    /// The bytes of their files, which are compressed.
    pub document_bytes: u64,
    /// The bytes that all files of the target occupy.
    pub total_bytes: u64,
}

/// Looks at every file below a target's folder, and follows no link.
pub(crate) fn of(layout: &Layout) -> Result<DiskUse, (std::path::PathBuf, io::Error)> {
    let mut total = DiskUse::default();
    let documents = layout.documents();
    walk(layout.folder(), &mut |path, is| {
        total.total_bytes += is.blocks() * BLOCK;
        let name = path.file_name().and_then(|name| name.to_str());
        // A draft that was cut off is no document: its name is no hash.
        if path.parent() == Some(&documents)
            && name.is_some_and(|name| name.parse::<Hash>().is_ok())
        {
            total.documents += 1;
            total.document_bytes += is.len();
        }
    })?;
    Ok(total)
}

fn walk(
    folder: &Path,
    each: &mut impl FnMut(&Path, &fs::Metadata),
) -> Result<(), (std::path::PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    let entries = match fs::read_dir(folder) {
        // What is renamed or removed while this looks is gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            is => is.map_err(|error| (path.clone(), error))?,
        };
        if is.is_dir() {
            walk(&path, each)?;
        } else {
            each(&path, &is);
        }
    }
    Ok(())
}

/// Bytes that this user can still write to the file system of a folder, or of the nearest one above that exists.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
