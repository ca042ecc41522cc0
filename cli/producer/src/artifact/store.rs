//! An artifact on disk: put there as a whole (`draft`), or compared with what is there.

mod beside;
mod draft;
mod elsewhere;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use beside::{DRAFT, beside};
use draft::ASIDE;
pub use draft::Draft;
pub use elsewhere::{Elsewhere, present};

use super::CONFIG;
use super::tree::{Piece, Tree};

/// The name of the manifest in the folder of an artifact.
pub const MANIFEST: &str = "artifact.yml";

/// Why an artifact could not be written or compared.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses to write.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refuses to read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another run writes the same artifact.
    #[error("another `esb` is writing `{}`", .0.display())]
    Busy(PathBuf),
    /// Another user made the folder for drafts, or may write to it.
    #[error("`{}` belongs to user {owner} with mode {mode:o}: others could put links there", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// The folder holds something that no artifact has; it is not replaced.
    #[error("`{}` holds `{found}`, which is no part of an artifact", path.display())]
    NotAnArtifact {
        /// The folder.
        path: PathBuf,
        /// The first entry that is no part of an artifact.
        found: String,
    },
    /// Something that is not a file stands in the manifest's place.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// A file that is not a manifest stands in the manifest's place.
    #[error("`{}` is no manifest", .0.display())]
    NotAManifest(PathBuf),
}

/// Everything that a run writes for an artifact and its manifest, as real paths: none of it is code, wherever it lies.
pub fn places(output: &Path, manifest: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for place in [output, manifest] {
        places.extend(fs::canonicalize(place));
        if let Ok(parent) = fs::canonicalize(parent(place)) {
            places.extend([DRAFT, ASIDE].map(|role| beside(&parent, place, role)));
        }
    }
    places
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

/// The folder above; of a bare name, the current one.
pub fn parent(path: &Path) -> &Path {
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

/// A path that differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The path below the folder.
    pub path: String,
    /// `is missing`, `differs` or `does not belong there`.
    pub how: &'static str,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.how)
    }
}

/// How a folder differs from a tree, in the order of the paths.
pub fn differences(tree: &Tree, place: &Path) -> Result<Vec<Difference>, StoreError> {
    let mut found = BTreeSet::new();
    if place.exists() {
        list(place, "", &mut found)?;
    }
    let mut differences = Vec::new();
    let mut add = |path: &str, how| {
        differences.push(Difference {
            path: path.to_owned(),
            how,
        });
    };
    for (path, piece) in tree.files() {
        if !found.remove(path) {
            add(path, "is missing");
        } else if !is(&place.join(path), piece)? {
            add(path, "differs");
        }
    }
    for path in &found {
        add(path, "does not belong there");
    }
    differences.sort();
    Ok(differences)
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
