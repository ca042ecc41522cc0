//! One file or folder on disk.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{WriteError, mode, unreadable, unwritable};
use crate::artifact::read;
use crate::artifact::tree::TreeFile;

/// Brings the names in a folder to disk.
pub(super) fn synced(folder: &Path) -> Result<(), WriteError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritable(folder))
}

/// Writes a file that is not there.
pub(super) fn put(to: &Path, piece: &TreeFile) -> Result<(), WriteError> {
    // A name that is there already, a link too, is an error.
    let made = || File::create_new(to).map_err(unwritable(to));
    let (file, executable) = match piece {
        TreeFile::Link(target) => return symlink(target, to).map_err(unwritable(to)),
        TreeFile::Bytes {
            content,
            executable,
        } => {
            let mut file = made()?;
            file.write_all(content).map_err(unwritable(to))?;
            (file, *executable)
        }
        TreeFile::Copy { from, executable } => {
            let source = read::open(from).map_err(unreadable(from))?;
            let length = source.metadata().map_err(unreadable(from))?.len();
            let mut file = made()?;
            // What grows meanwhile is taken to the length that it had.
            io::copy(&mut source.take(length), &mut file).map_err(unwritable(to))?;
            (file, *executable)
        }
    };
    // Neither the mode of the source nor the umask decides.
    let mode = Permissions::from_mode(mode(executable));
    file.set_permissions(mode).map_err(unwritable(to))
}
