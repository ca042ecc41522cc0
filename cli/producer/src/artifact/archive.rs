//! Zip archives of code and layers, unpacked into memory under limits.
//!
//! Nothing is written here, so that no entry can reach the disk by a name of its own.

mod directory;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::tree::{Tree, TreeFile, stays_inside};

/// What an archive may unpack to, in bytes: as much as AWS Lambda takes of a function with its layers (250 MiB).
const MAX_UNPACKED: u64 = 250 << 20;

/// What all archives of one run may unpack to, in bytes: they are held in memory.
const MAX_TOGETHER: u64 = 1 << 30;

/// How many entries an archive may have.
const MAX_ENTRIES: usize = 100_000;

/// What the list of entries may take, in bytes: it is read as a whole. A name has 64 KiB at most.
const MAX_DIRECTORY: u64 = 32 << 20;

/// The longest target of a symbolic link.
const MAX_LINK: u64 = 4096;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it is no zip archive that this tool reads")]
    Zip(#[source] ZipError),
    #[error("its entry `{}` cannot be unpacked", name.escape_debug())]
    Entry { name: String, source: ZipError },
    #[error("its entry `{}` is damaged", name.escape_debug())]
    Damaged { name: String, source: io::Error },
    #[error("its entry `{}` is encrypted", .0.escape_debug())]
    Encrypted(String),
    #[error("the entry `{}` leads out of the archive", .0.escape_debug())]
    LeadsOut(String),
    #[error("its entry `{}` is neither a file nor a folder", .0.escape_debug())]
    Special(String),
    #[error("the entry `{}` is both a file and a folder", .0.escape_debug())]
    TwoKinds(String),
    #[error("two entries are named `{}`", .0.escape_debug())]
    Twice(String),
    #[error("it has {0} entries of which some have one name")]
    Duplicates(usize),
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooMany,
    #[error("its list of entries has more than {} MiB", MAX_DIRECTORY >> 20)]
    LongDirectory,
    #[error("it unpacks to more than {} MiB", MAX_UNPACKED >> 20)]
    TooLarge,
    #[error("all archives together unpack to more than {} MiB", MAX_TOGETHER >> 20)]
    TooLargeTogether,
}

/// The archives of one run. Each is unpacked once, however many functions use it.
#[derive(Debug)]
pub struct Archives {
    unpacked: RefCell<BTreeMap<PathBuf, Tree>>,
    left: Cell<u64>,
}

impl Default for Archives {
    fn default() -> Self {
        Self {
            unpacked: RefCell::default(),
            left: Cell::new(MAX_TOGETHER),
        }
    }
}

impl Archives {
    /// The files of an archive. Modes become 0644 or 0755; times are dropped.
    pub(super) fn unpacked(&self, path: &Path) -> Result<Tree, ArchiveError> {
        if let Some(tree) = self.unpacked.borrow().get(path) {
            return Ok(tree.clone());
        }
        let left = self.left.get();
        let unpacked = unpack(path, MAX_UNPACKED.min(left));
        if left < MAX_UNPACKED && matches!(unpacked, Err(ArchiveError::TooLarge)) {
            return Err(ArchiveError::TooLargeTogether);
        }
        let (tree, size) = unpacked?;
        self.left.set(left - size);
        let mut known = self.unpacked.borrow_mut();
        known.insert(path.to_owned(), tree.clone());
        Ok(tree)
    }
}

/// Unpacks an archive to no more than so many bytes; how many there are is told too.
fn unpack(path: &Path, max: u64) -> Result<(Tree, u64), ArchiveError> {
    // What is parsed is held in memory, so that its bound comes first.
    let announced = directory::announced(BufReader::new(File::open(path)?))?;
    if announced.entries > MAX_ENTRIES as u64 {
        return Err(ArchiveError::TooMany);
    }
    if announced.bytes > MAX_DIRECTORY {
        return Err(ArchiveError::LongDirectory);
    }
    let mut archive =
        ZipArchive::new(BufReader::new(File::open(path)?)).map_err(ArchiveError::Zip)?;
    let listed = directory::entries(
        BufReader::new(File::open(path)?),
        archive.central_directory_start(),
        MAX_ENTRIES,
    )?;
    if listed > MAX_ENTRIES {
        return Err(ArchiveError::TooMany);
    }
    // The reader keeps one entry of each name: another tool may keep the other one.
    if listed != archive.len() {
        return Err(ArchiveError::Duplicates(listed));
    }
    let mut tree = Tree::default();
    let mut left = max;
    for index in 0..archive.len() {
        let raw = archive.by_index_raw(index).map_err(ArchiveError::Zip)?;
        let (written, encrypted) = (raw.name().to_owned(), raw.encrypted());
        drop(raw);
        if encrypted {
            return Err(ArchiveError::Encrypted(written));
        }
        let name = inside(&written).ok_or_else(|| ArchiveError::LeadsOut(written.clone()))?;
        let entry = archive
            .by_index(index)
            .map_err(|source| ArchiveError::Entry {
                name: written.clone(),
                source,
            })?;
        if entry.is_dir() || name.is_empty() {
            continue;
        }
        let (piece, size) = piece(entry, &name, written, left)?;
        left -= size;
        if tree.get(&name).is_some() {
            return Err(ArchiveError::Twice(name));
        }
        tree.put(name, piece);
    }
    one_kind_each(&tree)?;
    Ok((tree, max - left))
}

/// What an entry holds, and how many bytes it takes of those that are left.
fn piece(
    mut entry: ZipFile<'_, impl Read>,
    name: &str,
    written: String,
    left: u64,
) -> Result<(TreeFile, u64), ArchiveError> {
    const KIND: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    let mode = entry.unix_mode().unwrap_or(FILE | 0o644);
    let is_link = entry.is_symlink();
    if !is_link && !matches!(mode & KIND, 0 | FILE) {
        return Err(ArchiveError::Special(written));
    }
    // The size that an entry claims is no evidence: what it really gives is counted.
    let limit = if is_link { MAX_LINK.min(left) } else { left };
    let mut content = Vec::new();
    (&mut entry)
        .take(limit + 1)
        .read_to_end(&mut content)
        .map_err(|source| ArchiveError::Damaged {
            name: written.clone(),
            source,
        })?;
    let size = content.len() as u64;
    if size > limit {
        return Err(if is_link && limit == MAX_LINK {
            ArchiveError::LeadsOut(written)
        } else {
            ArchiveError::TooLarge
        });
    }
    if !is_link {
        let piece = TreeFile::Bytes {
            content: content.into(),
            executable: mode & 0o111 != 0,
        };
        return Ok((piece, size));
    }
    let depth = name.matches('/').count();
    match String::from_utf8(content) {
        Ok(to) if stays_inside(Path::new(&to), depth) => Ok((TreeFile::Link(to), size)),
        Ok(_) | Err(_) => Err(ArchiveError::LeadsOut(written)),
    }
}

/// An entry's name as a path in the archive, whichever way its slashes lean; none when it is absolute (of a drive, too), goes up,
/// or is no name of a Unix file.
fn inside(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let drive = name.as_bytes().get(1) == Some(&b':');
    let up = name.split('/').any(|part| part == "..");
    if drive || up || name.starts_with('/') || name.contains('\0') {
        return None;
    }
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    Some(parts.join("/"))
}

/// A path that is a file cannot have files below it, nor can a link: writing through one would follow it.
fn one_kind_each(tree: &Tree) -> Result<(), ArchiveError> {
    for path in tree.paths() {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(file) = above.into_iter().find(|folder| tree.get(folder).is_some()) {
            return Err(ArchiveError::TwoKinds(file.to_owned()));
        }
    }
    Ok(())
}
