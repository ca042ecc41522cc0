//! Code, layers and hooks as they lie on disk: a folder, or an archive.
//!
//! Here: which files there are, and that nothing outside of the folder is reached. Not here: what becomes of them.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::archive::{ArchiveError, Archives};
use super::tree::{Piece, Tree};

/// Folders that are no part of any code: they hold what tools made, and differ from machine to machine.
pub(crate) const LEFT_OUT: [&str; 3] = [".aws-sam", ".git", "__pycache__"];

/// How many files one folder may have.
const MAX_FILES: usize = 100_000;

/// How deep folders may be nested.
const MAX_DEPTH: usize = 64;

/// Why code could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatherError {
    #[error("`{}` does not exist", .0.display())]
    Missing(PathBuf),
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the link `{}` leads out of `{}`", link.display(), root.display())]
    LeadsOut { link: PathBuf, root: PathBuf },
    #[error("the link `{}` leads nowhere", .0.display())]
    Dangling(PathBuf),
    #[error("`{}` is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    #[error("the name of `{}` is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    #[error("`{}` has more than {MAX_FILES} files", .0.display())]
    TooMany(PathBuf),
    #[error("`{}` is nested more than {MAX_DEPTH} folders deep", .0.display())]
    TooDeep(PathBuf),
    #[error("cannot unpack `{}`", path.display())]
    Archive { path: PathBuf, source: ArchiveError },
}

/// What a path turned out to be.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// A folder, or an archive that was unpacked.
    Files(Tree),
    /// A jar, which a runtime takes as it is.
    Jar {
        /// The file's name.
        name: String,
        /// The file.
        piece: Piece,
    },
}

/// Takes what a path names. Whatever lies at `except` (the artifact itself) is left out.
pub(crate) fn gather(
    path: &Path,
    except: &[PathBuf],
    archives: &Archives,
) -> Result<Gathered, GatherError> {
    let unreadable = |source| GatherError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(GatherError::Missing(path.to_owned()));
        }
        Err(source) => return Err(unreadable(source)),
    };
    let kind = fs::metadata(&real).map_err(unreadable)?;
    if kind.is_dir() {
        let mut walk = Walk {
            root: &real,
            shown: path,
            except,
            tree: Tree::default(),
            count: 0,
        };
        walk.folder(&real, "", 0)?;
        return Ok(Gathered::Files(walk.tree));
    }
    if !kind.is_file() {
        return Err(GatherError::Special(path.to_owned()));
    }
    if has_extension(path, "jar") {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| GatherError::NotUtf8(path.to_owned()))?;
        let piece = Piece::Copy {
            from: real,
            executable: false,
        };
        let name = name.to_owned();
        return Ok(Gathered::Jar { name, piece });
    }
    if !is_archive(&real).map_err(unreadable)? {
        return single(path, real, &fs::metadata(path).map_err(unreadable)?);
    }
    archives
        .unpacked(&real)
        .map(Gathered::Files)
        .map_err(|source| GatherError::Archive {
            path: path.to_owned(),
            source,
        })
}

/// Whether a file is a zip archive, or is meant to be one.
fn is_archive(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut begin)?;
    Ok(has_extension(path, "zip") || begin == *b"PK\x03\x04" || begin == *b"PK\x05\x06")
}

/// A file that is no archive lies alone at the root of the code, as `sam package` packs it.
fn single(path: &Path, real: PathBuf, kind: &fs::Metadata) -> Result<Gathered, GatherError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| GatherError::NotUtf8(path.to_owned()))?;
    let mut tree = Tree::default();
    let executable = kind.permissions().mode() & 0o111 != 0;
    tree.put(
        name,
        Piece::Copy {
            from: real,
            executable,
        },
    );
    Ok(Gathered::Files(tree))
}

/// Whether a path ends with this extension, in any case.
pub(crate) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

struct Walk<'a> {
    /// The folder, with all links resolved.
    root: &'a Path,
    /// The folder as the user named it.
    shown: &'a Path,
    except: &'a [PathBuf],
    tree: Tree,
    count: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> Result<(), GatherError> {
        if depth > MAX_DEPTH {
            return Err(GatherError::TooDeep(self.shown(below)));
        }
        let unreadable = |source| GatherError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if self.except.contains(&path) {
                continue;
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(GatherError::NotUtf8(path));
            };
            let kind = entry.file_type().map_err(unreadable)?;
            let inside = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            if kind.is_dir() {
                if !LEFT_OUT.contains(&name) {
                    self.folder(&path, &inside, depth + 1)?;
                }
                continue;
            }
            let piece = if kind.is_symlink() {
                self.link(&path, &inside)?
            } else if kind.is_file() {
                let mode = entry.metadata().map_err(unreadable)?.permissions().mode();
                Piece::Copy {
                    from: path,
                    executable: mode & 0o111 != 0,
                }
            } else {
                return Err(GatherError::Special(path));
            };
            self.count += 1;
            if self.count > MAX_FILES {
                return Err(GatherError::TooMany(self.shown.to_owned()));
            }
            self.tree.put(inside, piece);
        }
        Ok(())
    }

    /// A link that leads to something in the folder, on a way that never leaves it, so that it does so in every copy.
    fn link(&self, path: &Path, inside: &str) -> Result<Piece, GatherError> {
        let unreadable = |source| GatherError::Unreadable {
            path: self.shown(inside),
            source,
        };
        let to = fs::read_link(path).map_err(unreadable)?;
        let leads_out = || GatherError::LeadsOut {
            link: self.shown(inside),
            root: self.shown.to_owned(),
        };
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(GatherError::Dangling(self.shown(inside)));
            }
            Err(source) => return Err(unreadable(source)),
        };
        let depth = inside.matches('/').count();
        if !real.starts_with(self.root) || !stays_inside(&to, depth) {
            return Err(leads_out());
        }
        let text = to
            .to_str()
            .ok_or_else(|| GatherError::NotUtf8(to.clone()))?;
        Ok(Piece::Link(text.to_owned()))
    }

    fn shown(&self, inside: &str) -> PathBuf {
        self.shown.join(inside)
    }
}

/// Whether a link's text, read in a folder so deep, names nothing above the root. It may go up only at its beginning: behind
/// a name, which may be a link itself, `..` would lead elsewhere than it seems.
pub(super) fn stays_inside(to: &Path, depth: usize) -> bool {
    let mut up = 0;
    let mut named = false;
    for part in to.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::ParentDir if named => return false,
            Component::ParentDir => up += 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    up <= depth
}
