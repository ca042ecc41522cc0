//! An artifact on disk: put there as a whole (`draft`), or compared with what is there.

mod draft;
mod file;
mod parallel;
mod separate_manifest;
#[cfg(test)]
mod tests;
mod working_folder;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use draft::ASIDE;
pub use draft::Draft;
pub use separate_manifest::{SeparateManifest, present};
use working_folder::{DRAFT, beside};

use super::tree::{Tree, TreeFile};
use super::{CONFIG, read};

/// The name of the manifest in the folder of an artifact.
pub const MANIFEST: &str = "artifact.yml";

/// Why an artifact could not be written or compared.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
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

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> WriteError + '_ {
    move |source| WriteError::Write {
        path: path.to_owned(),
        source,
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> WriteError + '_ {
    move |source| WriteError::Read {
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
fn replaceable(place: &Path) -> Result<(), WriteError> {
    let not_ours = |found: &str| WriteError::NotAnArtifact {
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
pub fn differences(tree: &Tree, place: &Path) -> Result<Vec<Difference>, WriteError> {
    let mut found = BTreeSet::new();
    if place.exists() {
        list(place, "", &mut found)?;
    }
    let mut differences = Vec::new();
    let mut there = Vec::new();
    let mut add = |path: &str, how| {
        differences.push(Difference {
            path: path.to_owned(),
            how,
        });
    };
    for (path, piece) in tree.files() {
        if found.remove(path) {
            there.push((path, piece));
        } else {
            add(path, "is missing");
        }
    }
    let is_same = parallel::on_each(&there, |(path, piece)| is(&place.join(path), piece))?;
    for ((path, _), is_same) in there.iter().zip(is_same) {
        if !is_same {
            add(path, "differs");
        }
    }
    for path in &found {
        add(path, "does not belong there");
    }
    differences.sort();
    Ok(differences)
}

/// Whether a folder is what a tree says. The first difference ends it, and so does what cannot be read.
pub fn is_same(tree: &Tree, place: &Path) -> bool {
    let mut found = BTreeSet::new();
    if !place.is_dir() || list(place, "", &mut found).is_err() {
        return false;
    }
    let files: Vec<(&str, &TreeFile)> = tree.files().collect();
    files.len() == found.len()
        && files.iter().all(|(path, _)| found.contains(*path))
        && parallel::on_each(&files, |(path, piece)| match is(&place.join(path), piece) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(()),
        })
        .is_ok()
}

fn list(folder: &Path, below: &str, found: &mut BTreeSet<String>) -> Result<(), WriteError> {
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
fn is(path: &Path, piece: &TreeFile) -> Result<bool, WriteError> {
    let meta = fs::symlink_metadata(path).map_err(unreadable(path))?;
    let is_file = |executable: bool, length: u64| {
        meta.is_file()
            && meta.permissions().mode() & 0o777 == mode(executable)
            && meta.len() == length
    };
    match piece {
        TreeFile::Link(target) => Ok(meta.is_symlink()
            && fs::read_link(path).map_err(unreadable(path))? == Path::new(target)),
        TreeFile::Bytes {
            content,
            executable,
        } => {
            if !is_file(*executable, content.len() as u64) {
                return Ok(false);
            }
            let there = File::open(path).map_err(unreadable(path))?;
            has_same_bytes(&there, path, &mut &content[..], path)
        }
        TreeFile::Copy { from, executable } => {
            let mut source = read::open(from).map_err(unreadable(from))?;
            let length = source.metadata().map_err(unreadable(from))?.len();
            if !is_file(*executable, length) {
                return Ok(false);
            }
            let there = File::open(path).map_err(unreadable(path))?;
            has_same_bytes(&there, path, &mut source, from)
        }
    }
}

/// Bytes that are compared at once.
const PIECE: usize = 64 << 10;

/// Whether two readers give the same bytes, of which only a piece is in memory. The second is one of a file, or of its bytes.
fn has_same_bytes(
    mut left: &File,
    left_path: &Path,
    right: &mut impl io::Read,
    right_path: &Path,
) -> Result<bool, WriteError> {
    thread_local! {
        static BUFFERS: RefCell<[Vec<u8>; 2]> = RefCell::new([vec![0; PIECE], vec![0; PIECE]]);
    }
    BUFFERS.with_borrow_mut(|[left_buffer, right_buffer]| {
        loop {
            let read = filled(&mut left, left_buffer).map_err(unreadable(left_path))?;
            let other = filled(right, right_buffer).map_err(unreadable(right_path))?;
            if left_buffer[..read] != right_buffer[..other] {
                return Ok(false);
            }
            if read < PIECE {
                return Ok(true);
            }
        }
    })
}

/// Reads until a buffer is full, or nothing is left.
fn filled(from: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match from.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
