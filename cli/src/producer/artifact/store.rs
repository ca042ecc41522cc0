//! An artifact on disk: put there as a whole, or compared with what is there.
//!
//! It is written into a folder beside its place, and changes places with what stood there in one step. Where the file system
//! cannot do that, the old folder steps aside first: whoever looks in that moment finds no artifact, never half of one.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::CONFIG;
use super::tree::{Piece, Tree};

/// The name of the manifest in the folder of an artifact.
pub(crate) const MANIFEST: &str = "artifact.yml";

/// Why an artifact could not be written or compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` holds `{found}`, which is no part of an artifact", path.display())]
    NotAnArtifact { path: PathBuf, found: String },
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Write {
        path: path.to_owned(),
        source,
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Read {
        path: path.to_owned(),
        source,
    }
}

/// An artifact that is being written beside its place. Dropped, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Draft {
    folder: tempfile::TempDir,
    place: PathBuf,
}

impl Draft {
    /// Begins an artifact for a place. What is there already must be an artifact, or nothing.
    pub(crate) fn begin(place: &Path) -> Result<Self, StoreError> {
        replaceable(place)?;
        let parent = parent(place);
        fs::create_dir_all(parent).map_err(unwritable(parent))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(parent)
            .map_err(unwritable(parent))?;
        Ok(Self {
            folder,
            place: place.to_owned(),
        })
    }

    /// Where it is written.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the files.
    pub(crate) fn write(&self, tree: &Tree) -> Result<(), StoreError> {
        let mut made = BTreeSet::new();
        for (path, piece) in tree.files() {
            let to = self.path().join(path);
            let folder = parent(&to);
            if !made.contains(folder) {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(folder)
                    .map_err(unwritable(folder))?;
                made.insert(folder.to_owned());
            }
            put(&to, piece)?;
        }
        Ok(())
    }

    /// Puts the artifact in its place; what stood there is gone afterwards.
    pub(crate) fn publish(self) -> Result<(), StoreError> {
        let place = self.place.as_path();
        let written = self.folder.path();
        // Beginning has looked already; writing may have taken a while.
        replaceable(place)?;
        if !place.exists() {
            fs::rename(written, place).map_err(unwritable(place))?;
            // Nothing is left to be removed.
            let _ = self.folder.keep();
            return Ok(());
        }
        match renameat_with(CWD, written, CWD, place, RenameFlags::EXCHANGE) {
            // The draft's folder holds the old artifact now, and goes with it.
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => self.step_aside(),
            Err(error) => Err(unwritable(place)(error.into())),
        }
    }

    fn step_aside(self) -> Result<(), StoreError> {
        let place = self.place.as_path();
        let aside = tempfile::tempdir_in(parent(place)).map_err(unwritable(place))?;
        let old = aside.path().join("old");
        fs::rename(place, &old).map_err(unwritable(place))?;
        match fs::rename(self.folder.path(), place) {
            Ok(()) => {
                let _ = self.folder.keep();
                Ok(())
            }
            Err(error) => {
                // What cannot be put back stays beside its place.
                if fs::rename(&old, place).is_err() {
                    let _ = aside.keep();
                }
                Err(unwritable(place)(error))
            }
        }
    }
}

/// The folder above; of a bare name, the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// A place may be taken when nothing is there, or nothing but what an artifact has: another folder that somebody names by
/// mistake is not thrown away.
fn replaceable(place: &Path) -> Result<(), StoreError> {
    let not_ours = |found: &str| StoreError::NotAnArtifact {
        path: place.to_owned(),
        found: found.to_owned(),
    };
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_ours("a file"));
        }
        Err(error) => return Err(unreadable(place)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable(place))?;
        let name = entry.file_name();
        let path = entry.path();
        let ours = name == MANIFEST || path.join(CONFIG).join("functions.yml").is_file();
        if !ours {
            return Err(not_ours(&name.to_string_lossy()));
        }
    }
    Ok(())
}

fn mode(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

fn put(to: &Path, piece: &Piece) -> Result<(), StoreError> {
    let executable = match piece {
        Piece::Link(target) => return symlink(target, to).map_err(unwritable(to)),
        Piece::Bytes {
            content,
            executable,
        } => {
            fs::write(to, content).map_err(unwritable(to))?;
            *executable
        }
        Piece::Copy { from, executable } => {
            fs::copy(from, to).map_err(unwritable(to))?;
            *executable
        }
    };
    // Neither the mode of the source nor the umask decides.
    fs::set_permissions(to, Permissions::from_mode(mode(executable))).map_err(unwritable(to))
}

/// How a folder differs from a tree: a line for each path, in their order.
pub(crate) fn differences(tree: &Tree, place: &Path) -> Result<Vec<String>, StoreError> {
    let mut found = BTreeSet::new();
    if place.exists() {
        list(place, "", &mut found)?;
    }
    let mut differences: BTreeSet<(String, &str)> = BTreeSet::new();
    for (path, piece) in tree.files() {
        if !found.remove(path) {
            differences.insert((path.to_owned(), "is missing"));
        } else if !is(&place.join(path), piece)? {
            differences.insert((path.to_owned(), "differs"));
        }
    }
    differences.extend(
        found
            .into_iter()
            .map(|path| (path, "does not belong there")),
    );
    Ok(differences
        .into_iter()
        .map(|(path, how)| format!("{path} {how}"))
        .collect())
}

fn list(folder: &Path, below: &str, found: &mut BTreeSet<String>) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        let name = entry.file_name();
        let inside = format!("{below}{}", name.to_string_lossy());
        let kind = entry.file_type().map_err(unreadable(folder))?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{inside}/"), found)?;
        } else {
            found.insert(inside);
        }
    }
    Ok(())
}

/// Whether a file is what it should be: kind, mode and content.
fn is(path: &Path, piece: &Piece) -> Result<bool, StoreError> {
    let meta = fs::symlink_metadata(path).map_err(unreadable(path))?;
    let (content, executable) = match piece {
        Piece::Link(target) => {
            let same = meta.is_symlink()
                && fs::read_link(path).map_err(unreadable(path))? == Path::new(target);
            return Ok(same);
        }
        Piece::Bytes {
            content,
            executable,
        } => (content.to_vec(), executable),
        Piece::Copy { from, executable } => (fs::read(from).map_err(unreadable(from))?, executable),
    };
    let same = meta.is_file()
        && meta.permissions().mode() & 0o777 == mode(*executable)
        && meta.len() == content.len() as u64
        && fs::read(path).map_err(unreadable(path))? == content;
    Ok(same)
}
