//! The files of a stage: those of its base, and over them what its instructions have put.

use std::collections::{BTreeMap, BTreeSet};

use super::layer::{NewEntry, NewLayer};
use super::tree::{FileTree, NodeKind, TreeNode, below};

/// How many symbolic links one path may lead through.
const MAX_LINKS: usize = 255;

/// The files of a stage, or of the context.
#[derive(Debug, Clone)]
pub(super) struct Rootfs<'a> {
    base: Option<&'a FileTree>,
    put: BTreeMap<String, TreeNode>,
    /// What the instruction at work has put.
    touched: BTreeSet<String>,
}

impl<'a> Rootfs<'a> {
    pub(super) fn over(base: Option<&'a FileTree>) -> Self {
        Self {
            base,
            put: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// The base, as long as nothing was put over this path.
    pub(super) fn untouched(&self, path: &str) -> Option<&'a FileTree> {
        self.base.filter(|_| !self.put.contains_key(path))
    }

    /// The node at a path, links not followed; the root has none.
    pub(super) fn get(&self, path: &str) -> Option<&TreeNode> {
        let base = || self.base.and_then(|base| base.get(path));
        self.put.get(path).or_else(base)
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        let is_directory = |node: &TreeNode| node.kind == NodeKind::Directory;
        path.is_empty() || self.get(path).is_some_and(is_directory)
    }

    pub(super) fn is_there(&self, path: &str) -> bool {
        path.is_empty() || self.get(path).is_some()
    }

    /// The names in a folder, sorted.
    pub(super) fn names(&self, folder: &str) -> BTreeSet<String> {
        let skip = if folder.is_empty() {
            0
        } else {
            folder.len() + 1
        };
        let name = |path: &String| {
            let rest = &path[skip..];
            (!rest.contains('/')).then(|| rest.to_owned())
        };
        let of_base = self.base.into_iter();
        let of_base = of_base.flat_map(|base| below(&base.nodes, folder).map(|(path, _)| path));
        let put = below(&self.put, folder).map(|(path, _)| path);
        of_base.chain(put).filter_map(name).collect()
    }

    /// Everything below a folder, sorted.
    pub(super) fn below(&self, folder: &str) -> BTreeSet<String> {
        let of_base = self.base.into_iter();
        let of_base = of_base.flat_map(|base| below(&base.nodes, folder).map(|(path, _)| path));
        let put = below(&self.put, folder).map(|(path, _)| path);
        of_base.chain(put).cloned().collect()
    }

    /// Puts a node where its parents are folders.
    pub(super) fn put(&mut self, path: &str, node: TreeNode) {
        self.touched.insert(path.to_owned());
        self.put.insert(path.to_owned(), node);
    }

    /// Where a path leads when every link on the way is followed, its last part included. What is not there is kept as written.
    pub(super) fn resolve(&self, path: &str) -> Result<String, &'static str> {
        let mut rest: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut at: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(part),
            }
            if let Some(NodeKind::Symlink { target }) =
                self.get(&at.join("/")).map(|node| &node.kind)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err("a path leads through too many links");
                }
                at.pop();
                if target.starts_with('/') {
                    at.clear();
                }
                rest.extend(target.rsplit('/').map(str::to_owned));
            }
        }
        Ok(at.join("/"))
    }

    /// Makes a folder and those above it, where they are missing.
    pub(super) fn make_folders(&mut self, path: &str, owner: Owner) -> Result<(), String> {
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            let folder = &path[..end];
            if self.is_directory(folder) {
                continue;
            }
            if self.is_there(folder) {
                return Err(format!("`/{folder}` is no folder"));
            }
            self.put(folder, TreeNode::folder(owner.uid, owner.gid));
        }
        Ok(())
    }

    /// The layer of what was put since the last one, with the folders above each entry; none when that is nothing.
    pub(super) fn take_layer(&mut self, epoch: u64) -> Option<NewLayer> {
        let touched = std::mem::take(&mut self.touched);
        let mut paths = touched.clone();
        for path in &touched {
            paths.extend(
                path.match_indices('/')
                    .map(|(end, _)| path[..end].to_owned()),
            );
        }
        let entries: Vec<NewEntry> = paths
            .into_iter()
            .filter_map(|path| {
                let node = self.get(&path)?.clone();
                Some(NewEntry { path, node })
            })
            .collect();
        (!entries.is_empty()).then_some(NewLayer { entries, epoch })
    }
}

/// A user and a group, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Owner {
    pub(super) uid: u64,
    pub(super) gid: u64,
}
