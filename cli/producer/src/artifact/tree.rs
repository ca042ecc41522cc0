//! A folder in the making: what every file of it will be.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files by their path, `/` between parts, in the order of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, TreeFile>);

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeFile {
    /// Bytes that are made or unpacked.
    Bytes {
        /// The whole content.
        content: Arc<[u8]>,
        /// Mode 0755 instead of 0644.
        executable: bool,
    },
    /// A copy of a file.
    Copy {
        /// The file.
        from: PathBuf,
        /// Mode 0755 instead of 0644.
        executable: bool,
    },
    /// A symbolic link that stays in the folder.
    Link(String),
}

impl TreeFile {
    /// A text file.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Bytes {
            content: text.into().into_bytes().into(),
            executable: false,
        }
    }

    /// The same file, executable.
    #[must_use]
    pub fn executable(self) -> Self {
        match self {
            Self::Bytes { content, .. } => Self::Bytes {
                content,
                executable: true,
            },
            Self::Copy { from, .. } => Self::Copy {
                from,
                executable: true,
            },
            Self::Link(to) => Self::Link(to),
        }
    }
}

impl Tree {
    /// Puts a file in; one that is there already is replaced.
    pub fn put(&mut self, path: impl Into<String>, piece: TreeFile) {
        self.0.insert(path.into(), piece);
    }

    /// Puts a whole tree below a folder.
    pub fn put_below(&mut self, folder: &str, tree: Self) {
        for (path, piece) in tree.0 {
            self.put(format!("{folder}/{path}"), piece);
        }
    }

    /// The same files below a folder.
    #[must_use]
    pub fn below(self, folder: &str) -> Self {
        let mut below = Self::default();
        below.put_below(folder, self);
        below
    }

    /// Every file, in the order of the paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &TreeFile)> {
        self.0.iter().map(|(path, piece)| (path.as_str(), piece))
    }

    /// The paths, in their order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The names at the top, each once, with whether it is a folder.
    pub fn top(&self) -> BTreeMap<&str, bool> {
        self.paths()
            .map(|path| match path.split_once('/') {
                Some((folder, _)) => (folder, true),
                None => (path, false),
            })
            .collect()
    }

    /// A file.
    pub fn get(&self, path: &str) -> Option<&TreeFile> {
        self.0.get(path)
    }

    /// Takes a file out.
    pub fn take(&mut self, path: &str) -> Option<TreeFile> {
        self.0.remove(path)
    }

    /// Leaves out folders at the top.
    pub fn leave_out(&mut self, folders: &[&str]) {
        self.0.retain(|path, _| {
            let top = path.split_once('/').map(|(top, _)| top);
            !top.is_some_and(|top| folders.contains(&top))
        });
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
