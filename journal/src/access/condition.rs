//! What can be told of a target's journal without opening it: whose files it has, and what was left behind.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::access::layout::Layout;
use crate::access::lock::{self, Holder};

/// How a target's folder is found. Nothing is opened but the lock, to be read, and nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCondition {
    /// The folder.
    pub folder: PathBuf,
    /// What this process may not use of it, and what the system says: the first thing that is found.
    pub refused: Option<RefusedPath>,
    /// Processes that owned the target and ended without letting go, and whose end is not recorded yet. None while somebody owns it.
    pub lost: Vec<Holder>,
    /// An import or restore was cut, or is at work.
    pub has_draft: bool,
}

/// A file or folder that this process may not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPath {
    /// The file or folder.
    pub path: PathBuf,
    /// It cannot be read; else it cannot be written.
    pub is_unreadable: bool,
    /// The file system takes no changes, whoever asks.
    pub is_read_only: bool,
    /// The user whose it is.
    pub uid: u32,
}

impl RefusedPath {
    /// What is at a path, when this process may not use it as an owner of a journal does, or the folder above it that this process may
    /// not enter; none where nothing is.
    pub fn at(path: &Path) -> Option<Self> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        let closed = above.into_iter().find_map(|folder| {
            let is = fs::metadata(folder).ok()?;
            access(folder, Access::EXEC_OK)
                .is_err()
                .then(|| Self::of(folder, &is))?
        });
        closed.or_else(|| Self::of(path, &fs::symlink_metadata(path).ok()?))
    }

    fn of(path: &Path, is: &fs::Metadata) -> Option<Self> {
        let wanted = if is.is_dir() {
            Access::READ_OK | Access::EXEC_OK
        } else {
            Access::READ_OK
        };
        let is_unreadable = access(path, wanted).is_err();
        let writing = access(path, Access::WRITE_OK);
        (is_unreadable || writing.is_err()).then(|| Self {
            path: path.to_owned(),
            is_unreadable,
            is_read_only: writing == Err(Errno::ROFS),
            uid: is.uid(),
        })
    }
}

pub(crate) fn of(layout: &Layout) -> io::Result<TargetCondition> {
    let is_owned = layout.connect().is_ok();
    Ok(TargetCondition {
        folder: layout.folder().to_owned(),
        refused: refused(layout)?,
        lost: if is_owned {
            Vec::new()
        } else {
            lock::left_in(&layout.lock()).unwrap_or_default()
        },
        has_draft: !is_owned && layout.importing().exists(),
    })
}

/// The first path of a target, from the outside in, that this process may not read; else the first that it may not write.
fn refused(layout: &Layout) -> io::Result<Option<RefusedPath>> {
    let store = layout.store();
    let paths = [
        layout.folder().to_owned(),
        layout.lock(),
        layout.store_lock(),
        store.clone(),
        store.join("head"),
        store.join("sled"),
        store.join("sled/db"),
    ];
    let mut unwritable = None;
    for path in paths {
        use io::ErrorKind::{NotFound, PermissionDenied};
        let is = match fs::symlink_metadata(&path) {
            // What is not there yet is made, and what lies behind a closed folder was told with that folder.
            Err(error) if [NotFound, PermissionDenied].contains(&error.kind()) => continue,
            is => is?,
        };
        match RefusedPath::of(&path, &is) {
            Some(refused) if refused.is_unreadable => return Ok(Some(refused)),
            Some(refused) => {
                unwritable.get_or_insert(refused);
            }
            None => {}
        }
    }
    Ok(unwritable)
}
