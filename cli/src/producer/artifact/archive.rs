//! Zip archives of code and layers, unpacked into memory under limits.
//!
//! Nothing is written here, so that no entry can reach the disk by a name of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::gather::stays_inside;
use super::tree::{Piece, Tree};

/// What an archive may unpack to, in bytes: as much as AWS Lambda takes of a function with its layers (250 MiB).
pub(crate) const MAX_UNPACKED: u64 = 250 << 20;

/// How many entries an archive may have.
const MAX_ENTRIES: usize = 100_000;

/// The longest target of a symbolic link.
const MAX_LINK: u64 = 4096;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it is no zip archive that this tool reads")]
    Zip(#[from] ZipError),
    #[error("the entry `{}` leads out of the archive", .0.escape_debug())]
    LeadsOut(String),
    #[error("the entry `{}` is both a file and a folder", .0.escape_debug())]
    TwoKinds(String),
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooMany,
    #[error("it unpacks to more than {} MiB", MAX_UNPACKED >> 20)]
    TooLarge,
}

/// Unpacks a zip archive. Modes become 0644 or 0755; times are dropped; a later entry of a name replaces an earlier one.
pub(crate) fn unpack(path: &Path) -> Result<Tree, ArchiveError> {
    let mut archive = ZipArchive::new(io::BufReader::new(File::open(path)?))?;
    if archive.len() > MAX_ENTRIES {
        return Err(ArchiveError::TooMany);
    }
    let mut tree = Tree::default();
    let mut left = MAX_UNPACKED;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let written = entry.name().to_owned();
        let name = inside(&written).ok_or_else(|| ArchiveError::LeadsOut(written.clone()))?;
        if entry.is_dir() || name.is_empty() {
            continue;
        }
        // The size that an entry claims is no evidence: what it really gives is counted.
        let limit = if entry.is_symlink() { MAX_LINK } else { left };
        let mut content = Vec::new();
        (&mut entry).take(limit + 1).read_to_end(&mut content)?;
        let size = content.len() as u64;
        if size > limit {
            return Err(ArchiveError::TooLarge);
        }
        left -= size.min(left);
        let piece = if entry.is_symlink() {
            let to =
                String::from_utf8(content).map_err(|_| ArchiveError::LeadsOut(written.clone()))?;
            let depth = name.matches('/').count();
            if !stays_inside(Path::new(&to), depth) {
                return Err(ArchiveError::LeadsOut(written));
            }
            Piece::Link(to)
        } else {
            let mode = entry.unix_mode().unwrap_or_default();
            Piece::Bytes {
                content: content.into(),
                executable: mode & 0o111 != 0,
            }
        };
        tree.put(name, piece);
    }
    one_kind_each(&tree)?;
    Ok(tree)
}

/// An entry's name as a path in the archive; none when it is absolute, goes up, or is no name of a Unix file.
fn inside(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let bad =
        name.starts_with('/') || name.contains('\0') || name.split('/').any(|part| part == "..");
    if bad {
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
