//! Code, layers and hooks as they lie on disk: a folder, or an archive.
//!
//! Here: which files there are, and that nothing outside of the folder is reached. Not here: what becomes of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::archive::{ArchiveError, Archives};
use super::tree::{Tree, TreeFile, stays_inside};

/// Folders that are no part of any code: they hold what tools made, and differ from machine to machine.
pub(crate) const LEFT_OUT: [&str; 3] = [".aws-sam", ".git", "__pycache__"];

/// How many files one folder may have.
const MAX_FILES: usize = 100_000;

/// Bytes of the code of a function, a layer or hooks: four times what AWS Lambda takes unpacked, since sources are built here.
pub(crate) const MAX_CODE: u64 = 1 << 30;

/// Bytes of the context of an image: as much as an image of AWS Lambda may have.
pub(crate) const MAX_CONTEXT: u64 = 10 << 30;

/// How many of the largest entries a message names.
const NAMED: usize = 3;

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
    #[error(
        "`{}` has {} MiB, and at most {} MiB are taken; move out what is no code of the function: {largest}",
        path.display(), bytes >> 20, max >> 20
    )]
    TooLarge {
        path: PathBuf,
        bytes: u64,
        max: u64,
        /// The largest entries, with their sizes.
        largest: String,
    },
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
        piece: TreeFile,
    },
}

/// Takes what a path names, of at most `max` bytes. Whatever lies at `except` (the artifact itself) is left out.
pub(crate) fn gather(
    path: &Path,
    except: &[PathBuf],
    archives: &Archives,
    max: u64,
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
            sizes: BTreeMap::new(),
        };
        walk.folder(&real, "", 0)?;
        bounded(path, &walk.sizes, max)?;
        return Ok(Gathered::Files(walk.tree));
    }
    if !kind.is_file() {
        return Err(GatherError::Special(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    bounded(
        path,
        &BTreeMap::from([(name.into_owned(), kind.len())]),
        max,
    )?;
    if has_extension(path, "jar") {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| GatherError::NotUtf8(path.to_owned()))?;
        let piece = TreeFile::Copy {
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

/// Refuses what is larger than so many bytes, and names what is largest in it.
fn bounded(path: &Path, sizes: &BTreeMap<String, u64>, max: u64) -> Result<(), GatherError> {
    let bytes = sizes
        .values()
        .fold(0, |sum: u64, size| sum.saturating_add(*size));
    if bytes <= max {
        return Ok(());
    }
    let mut sorted: Vec<(&String, &u64)> = sizes.iter().collect();
    sorted.sort_by(|left, right| right.1.cmp(left.1));
    let largest: Vec<String> = sorted
        .iter()
        .filter(|(_, size)| **size >> 20 > 0)
        .take(NAMED)
        .map(|(name, size)| format!("`{name}` ({} MiB)", *size >> 20))
        .collect();
    Err(GatherError::TooLarge {
        path: path.to_owned(),
        bytes,
        max,
        largest: largest.join(", "),
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
        TreeFile::Copy {
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
    /// Bytes of the entries at the top.
    sizes: BTreeMap<String, u64>,
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
                let meta = entry.metadata().map_err(unreadable)?;
                let top = inside.split('/').next().unwrap_or_default();
                match self.sizes.get_mut(top) {
                    Some(size) => *size = size.saturating_add(meta.len()),
                    None => drop(self.sizes.insert(top.to_owned(), meta.len())),
                }
                TreeFile::Copy {
                    from: path,
                    executable: meta.permissions().mode() & 0o111 != 0,
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
    fn link(&self, path: &Path, inside: &str) -> Result<TreeFile, GatherError> {
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
        Ok(TreeFile::Link(text.to_owned()))
    }

    fn shown(&self, inside: &str) -> PathBuf {
        self.shown.join(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a hole takes no room on the disk.
    fn large(path: &Path, bytes: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(bytes).unwrap();
    }

    fn refused(path: &Path) -> String {
        let gathered = gather(path, &[], &Archives::default(), MAX_CODE);
        gathered.unwrap_err().to_string()
    }

    #[test]
    fn a_folder_that_is_too_large_names_its_largest_entries() {
        let folder = tempfile::tempdir().unwrap();
        let code = folder.path().join("code");
        large(&code.join("app.py"), 10);
        large(&code.join("models/one.bin"), 900 << 20);
        large(&code.join("models/two/two.bin"), 900 << 20);
        large(&code.join("data.csv"), 8 << 30);
        large(&code.join("docs/a.pdf"), 3 << 20);

        let message = refused(&code);

        let end = "has 9995 MiB, and at most 1024 MiB are taken; move out what is no code of the function: \
            `data.csv` (8192 MiB), `models` (1800 MiB), `docs` (3 MiB)";
        assert!(message.ends_with(end), "{message}");
        let context = gather(&code, &[], &Archives::default(), MAX_CONTEXT);
        assert!(matches!(context, Ok(Gathered::Files(_))));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["app.jar", "app.zip", "app.py"] {
            let path = folder.path().join(name);
            large(&path, 8 << 30);
            let message = refused(&path);
            assert!(message.contains("has 8192 MiB"), "{message}");
        }
    }

    #[test]
    fn folders_without_end_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d/".repeat(MAX_DEPTH + 1));
        fs::create_dir_all(deep).unwrap();
        assert!(refused(folder.path()).contains("nested more than"));
    }

    #[test]
    fn nothing_but_files_is_code() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        for path in [folder.path(), &pipe, Path::new("/dev/zero")] {
            assert!(refused(path).contains("neither a file nor a folder"));
        }
    }
}
