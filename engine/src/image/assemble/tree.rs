//! The files of a base image: its layers folded one over the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::{GROUP, LayerIndex, LayerMember, MemberKind, PASSWD};
use crate::contract::Digest;

/// The files of an image, by path: from the root, without `/` at its ends. The root itself has no entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileTree {
    pub(super) nodes: BTreeMap<String, TreeNode>,
    texts: BTreeMap<String, String>,
}

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeNode {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits, with set-user, set-group and sticky.
    pub mode: u32,
    /// The number of its user.
    pub uid: u64,
    /// The number of its group.
    pub gid: u64,
    /// Extended attributes, by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a node of a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder.
    Directory,
    /// A file.
    File {
        /// Number of its bytes.
        size: u64,
        /// Where they are.
        content: FileContent,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
    /// A device or a pipe: it is there, and is never copied.
    Special,
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// A file of the context.
    Context {
        /// Its path in the context.
        path: String,
        /// The digest of its bytes.
        digest: Digest,
    },
    /// A file of a base's layer.
    Layer {
        /// The digest of the layer as the registry has it.
        layer: Arc<Digest>,
        /// The member's path.
        path: String,
    },
    /// These bytes.
    Inline(Vec<u8>),
}

impl TreeNode {
    /// A folder that comes into being.
    pub(super) const fn folder(uid: u64, gid: u64) -> Self {
        Self {
            kind: NodeKind::Directory,
            mode: 0o755,
            uid,
            gid,
            xattrs: BTreeMap::new(),
        }
    }
}

impl FileTree {
    /// Puts a layer over what the layers below it made. `digest` is the layer's, as the registry has it.
    pub fn apply_layer(&mut self, digest: &Digest, index: &LayerIndex) {
        let layer = Arc::new(digest.clone());
        // What a layer removes is of the layers below, wherever in the layer it says so.
        for member in &index.members {
            match member.kind {
                MemberKind::Removed => {
                    self.remove(&member.path);
                    self.remove_below(&member.path);
                }
                MemberKind::Emptied => self.remove_below(&member.path),
                MemberKind::Directory
                | MemberKind::File { .. }
                | MemberKind::HardLink { .. }
                | MemberKind::Symlink { .. }
                | MemberKind::Special => {}
            }
        }
        for member in &index.members {
            if let Some(node) = self.node(member, &layer) {
                self.put(member, node, &index.texts);
            }
        }
    }

    /// The node at a path, links not followed.
    pub fn get(&self, path: &str) -> Option<&TreeNode> {
        self.nodes.get(path)
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// The text of `etc/passwd`, when it is a file.
    pub fn passwd(&self) -> Option<&str> {
        self.texts.get(PASSWD).map(String::as_str)
    }

    /// The text of `etc/group`, when it is a file.
    pub fn group(&self) -> Option<&str> {
        self.texts.get(GROUP).map(String::as_str)
    }

    fn node(&self, member: &LayerMember, layer: &Arc<Digest>) -> Option<TreeNode> {
        let kind = match &member.kind {
            MemberKind::Directory => NodeKind::Directory,
            MemberKind::File { size } => NodeKind::File {
                size: *size,
                content: FileContent::Layer {
                    layer: Arc::clone(layer),
                    path: member.path.clone(),
                },
            },
            MemberKind::Symlink { target } => NodeKind::Symlink {
                target: target.clone(),
            },
            MemberKind::Special => NodeKind::Special,
            // It is the same file, with the owner and the mode that its first name has.
            MemberKind::HardLink { target } => return self.nodes.get(target).cloned(),
            MemberKind::Removed | MemberKind::Emptied => return None,
        };
        Some(TreeNode {
            kind,
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            xattrs: member.xattrs.clone(),
        })
    }

    fn put(&mut self, member: &LayerMember, node: TreeNode, texts: &BTreeMap<String, String>) {
        let path = &member.path;
        if path.is_empty() {
            return;
        }
        for (end, _) in path.match_indices('/') {
            self.ensure_folder(&path[..end]);
        }
        if node.kind != NodeKind::Directory {
            self.remove_below(path);
        }
        self.texts.remove(path);
        if let (NodeKind::File { .. }, Some(text)) = (&node.kind, texts.get(path)) {
            self.texts.insert(path.clone(), text.clone());
        }
        self.nodes.insert(path.clone(), node);
    }

    /// A folder that no layer names comes into being as whatever unpacks the layer makes it.
    fn ensure_folder(&mut self, path: &str) {
        let is_folder = |node: &TreeNode| node.kind == NodeKind::Directory;
        if !self.nodes.get(path).is_some_and(is_folder) {
            self.texts.remove(path);
            self.nodes.insert(path.to_owned(), TreeNode::folder(0, 0));
        }
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        self.texts.remove(path);
    }

    fn remove_below(&mut self, folder: &str) {
        let below: Vec<String> = below(&self.nodes, folder)
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.remove(&path);
        }
    }
}

/// Everything below a folder, in the order of paths.
pub(super) fn below<'a, T>(
    nodes: &'a BTreeMap<String, T>,
    folder: &str,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    nodes
        .range(prefix.clone()..)
        .take_while(move |(path, _)| path.starts_with(&prefix))
}

/// A path from the root: no `/` at its ends, no empty part, no `.`; `..` stops at the root.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
