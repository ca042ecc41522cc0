//! A disk that keeps what it was asked to keep, and of everything else whatever a power cut leaves.
//!
//! Nothing but a sync makes a change last: the bytes of a file by a sync of the file, names by a sync of their folder.
//! Changes that were not synced last or not, each by itself, and a write may last in part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::trace::Call;

/// Folders (without bytes) and files.
pub(super) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// How many changes are tried in every combination; of more, those that a cut is most likely to leave.
const EVERY_COMBINATION: usize = 6;
/// What a disk writes at once.
const SECTOR: usize = 512;

/// A file or folder, however it is named.
type Node = usize;
const ROOT: Node = 0;

#[derive(Debug, Clone)]
enum Change {
    /// A name in a folder is that of a node.
    Name(Node, PathBuf, Node),
    /// A name in a folder is gone.
    NoName(Node, PathBuf),
    /// A name is that of a node, and another, which it had, is gone.
    Rename((Node, PathBuf), (Node, PathBuf), Node),
    /// Two names of a folder each have the node that the other had.
    Exchange(Node, (PathBuf, Node), (PathBuf, Node)),
    Write(Node, usize, Vec<u8>),
    Length(Node, usize),
}

impl Change {
    /// The file or folder whose sync makes it last.
    fn lasts_with(&self) -> Node {
        match *self {
            Self::Name(node, ..)
            | Self::NoName(node, _)
            | Self::Rename(_, (node, _), _)
            | Self::Exchange(node, ..)
            | Self::Write(node, ..)
            | Self::Length(node, _) => node,
        }
    }
}

/// Calls are counted from 1; what was there before them was made by none.
const BEFORE: usize = 0;

/// A change, the number of the call that made it, and that of the call that made it last.
#[derive(Debug)]
struct Made {
    change: Change,
    by: usize,
    lasts_from: Option<usize>,
}

/// What a power cut leaves of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Whole,
    Nothing,
    /// The first bytes of a write.
    First(usize),
    /// The length that a write gave the file, and not its bytes: where it was longer before, they are the old ones.
    Length,
}

/// A folder and everything that was done to it.
#[derive(Debug)]
pub(super) struct Disk {
    changes: Vec<Made>,
    /// Whether a node is a folder.
    folders: Vec<bool>,
    calls: usize,
}

impl Disk {
    /// A disk with a folder `root` as it was before, and the calls that came then.
    pub(super) fn new(root: &Path, before: &Tree, calls: &[Call]) -> Self {
        let mut disk = Self {
            changes: Vec::new(),
            folders: vec![true],
            calls: calls.len(),
        };
        let mut names = BTreeMap::from([(root.to_owned(), ROOT)]);
        for (path, bytes) in before {
            let node = disk.make(&mut names, &root.join(path), bytes.is_none(), BEFORE);
            if let Some(bytes) = bytes {
                disk.change(BEFORE, Change::Write(node, 0, bytes.clone()));
            }
        }
        for made in &mut disk.changes {
            made.lasts_from = Some(BEFORE);
        }
        for (number, call) in (1..).zip(calls) {
            disk.call(&mut names, number, call);
        }
        disk
    }

    fn change(&mut self, by: usize, change: Change) {
        let lasts_from = None;
        self.changes.push(Made {
            change,
            by,
            lasts_from,
        });
    }

    fn make(
        &mut self,
        names: &mut BTreeMap<PathBuf, Node>,
        path: &Path,
        folder: bool,
        by: usize,
    ) -> Node {
        if let Some(node) = names.get(path) {
            return *node;
        }
        let node = self.folders.len();
        self.folders.push(folder);
        let (parent, name) = place(names, path);
        self.change(by, Change::Name(parent, name, node));
        names.insert(path.to_owned(), node);
        node
    }

    fn call(&mut self, names: &mut BTreeMap<PathBuf, Node>, by: usize, call: &Call) {
        match call {
            Call::Open(path) => drop(self.make(names, path, false, by)),
            Call::MakeFolder(path) => drop(self.make(names, path, true, by)),
            Call::Write {
                path,
                offset,
                bytes,
            } => self.change(by, Change::Write(names[path], *offset, bytes.clone())),
            Call::SetLength(path, length) => self.change(by, Change::Length(names[path], *length)),
            Call::Rename(from, to) => {
                let node = names[from];
                let places = (place(names, from), place(names, to));
                self.change(by, Change::Rename(places.0, places.1, node));
                let moved: Vec<_> = names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect();
                names.retain(|path, _| !path.starts_with(to));
                for path in moved {
                    let Some(node) = names.remove(&path) else {
                        continue;
                    };
                    let below = path.strip_prefix(from).expect("it starts like this");
                    let moved = if below.as_os_str().is_empty() {
                        to.clone()
                    } else {
                        to.join(below)
                    };
                    names.insert(moved, node);
                }
            }
            Call::Exchange(one, other) => {
                let (at, one_name) = place(names, one);
                let (same, other_name) = place(names, other);
                assert_eq!(at, same, "they lie in one folder");
                let nodes = (names[one], names[other]);
                let exchange = Change::Exchange(at, (one_name, nodes.0), (other_name, nodes.1));
                self.change(by, exchange);
                let moved = |path: PathBuf| {
                    let under =
                        |from: &Path, to: &Path| Some(to.join(path.strip_prefix(from).ok()?));
                    // Joining nothing leaves a slash behind, which no path of a call has.
                    let exchanged = under(one, other).or_else(|| under(other, one));
                    exchanged.map_or(path.clone(), |path| path.components().collect())
                };
                *names = std::mem::take(names)
                    .into_iter()
                    .map(|(path, node)| (moved(path), node))
                    .collect();
            }
            Call::Remove(path) => {
                // A socket was not made by a call that is read.
                if names.remove(path).is_some() {
                    let (parent, name) = place(names, path);
                    self.change(by, Change::NoName(parent, name));
                }
            }
            Call::Sync(path, since) => {
                let synced = names[path];
                for made in &mut self.changes {
                    if made.change.lasts_with() == synced && made.by <= *since {
                        made.lasts_from.get_or_insert(by);
                    }
                }
            }
            Call::Say(_) => {}
        }
    }

    /// What a power cut may leave after each number of calls.
    pub(super) fn after_each_call(&self) -> impl Iterator<Item = (usize, BTreeSet<Tree>)> {
        (0..=self.calls).map(|done| (done, self.after(done)))
    }

    /// What a power cut may leave after so many calls.
    fn after(&self, done: usize) -> BTreeSet<Tree> {
        let made = self.changes.iter().take_while(|made| made.by <= done);
        let made = made.count();
        let pending: Vec<usize> = (0..made)
            .filter(|&index| {
                self.changes[index]
                    .lasts_from
                    .is_none_or(|from| from > done)
            })
            .collect();
        let mut trees = BTreeSet::new();
        for left in self.leavings(&pending) {
            let mut whole = vec![Left::Whole; made];
            for (&index, left) in pending.iter().zip(left) {
                whole[index] = left;
            }
            trees.insert(self.tree(&whole));
        }
        trees
    }

    /// What may be left of the changes that nothing has made last.
    fn leavings(&self, pending: &[usize]) -> Vec<Vec<Left>> {
        let count = pending.len();
        let each = |left: &dyn Fn(usize) -> Left| (0..count).map(left).collect::<Vec<_>>();
        let kept = |keep: bool| if keep { Left::Whole } else { Left::Nothing };
        let mut leavings = Vec::new();
        if count <= EVERY_COMBINATION {
            leavings.extend((0..1_usize << count).map(|set| each(&|at| kept(set >> at & 1 == 1))));
        } else {
            let node = |at: usize| self.changes[pending[at]].change.lasts_with();
            for one in 0..=count {
                leavings.push(each(&|at| kept(at < one)));
                leavings.push(each(&|at| kept(at != one)));
                leavings.push(each(&|at| kept(at == one)));
            }
            for one in 0..count {
                leavings.push(each(&|at| kept(node(at) == node(one))));
                leavings.push(each(&|at| kept(node(at) != node(one))));
            }
        }
        // A write that is cut off where a sector ends, after all before it, or alone; and one of which only the length lasts.
        for (one, &index) in pending.iter().enumerate() {
            let Change::Write(_, offset, bytes) = &self.changes[index].change else {
                continue;
            };
            let ends = (1..bytes.len()).filter(|length| (offset + length) % SECTOR == 0);
            for left in ends.map(Left::First).chain([Left::Length]) {
                let others: [&dyn Fn(usize) -> Left; 3] =
                    [&|at| kept(at < one), &|_| Left::Nothing, &|_| Left::Whole];
                for other in others {
                    leavings.push(each(&|at| if at == one { left } else { other(at) }));
                }
            }
        }
        leavings
    }

    /// The folder, from what is left of each of the first changes.
    fn tree(&self, left: &[Left]) -> Tree {
        let mut names: BTreeMap<(Node, &Path), Node> = BTreeMap::new();
        let mut contents: BTreeMap<Node, Vec<u8>> = BTreeMap::new();
        for (made, &left) in self.changes.iter().zip(left) {
            if left == Left::Nothing {
                continue;
            }
            match &made.change {
                Change::Name(folder, name, node) => drop(names.insert((*folder, name), *node)),
                Change::NoName(folder, name) => drop(names.remove(&(*folder, name.as_path()))),
                Change::Rename(from, to, node) => {
                    names.remove(&(from.0, from.1.as_path()));
                    names.insert((to.0, &to.1), *node);
                }
                Change::Exchange(folder, one, other) => {
                    names.insert((*folder, &one.0), other.1);
                    names.insert((*folder, &other.0), one.1);
                }
                Change::Length(node, length) => {
                    contents.entry(*node).or_default().resize(*length, 0);
                }
                Change::Write(node, offset, bytes) => {
                    let content = contents.entry(*node).or_default();
                    let bytes = match left {
                        Left::First(length) => &bytes[..length],
                        Left::Whole | Left::Length | Left::Nothing => bytes,
                    };
                    let end = offset + bytes.len();
                    if content.len() < end {
                        content.resize(end, 0);
                    }
                    if left != Left::Length {
                        content[*offset..end].copy_from_slice(bytes);
                    }
                }
            }
        }
        let mut tree = Tree::new();
        let mut folders = vec![(ROOT, PathBuf::new())];
        while let Some((folder, path)) = folders.pop() {
            let within = names
                .range((folder, Path::new(""))..)
                .take_while(|((of, _), _)| *of == folder);
            for ((_, name), &node) in within {
                let path = path.join(name);
                if self.folders[node] {
                    folders.push((node, path.clone()));
                    tree.insert(path, None);
                } else {
                    let content = contents.get(&node).cloned().unwrap_or_default();
                    tree.insert(path, Some(content));
                }
            }
        }
        tree
    }
}

fn place(names: &BTreeMap<PathBuf, Node>, path: &Path) -> (Node, PathBuf) {
    let (parent, name) = (path.parent(), path.file_name());
    let (parent, name) = parent.zip(name).expect("it lies in a folder");
    (names[parent], PathBuf::from(name))
}

/// Reads a folder.
pub(super) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path.clone());
                tree.insert(path, None);
            } else if kind.is_file() {
                tree.insert(path, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    tree
}

/// Writes a folder.
pub(super) fn write(root: &Path, tree: &Tree) {
    fs::create_dir_all(root).unwrap();
    for (path, bytes) in tree {
        match bytes {
            None => fs::create_dir(root.join(path)).unwrap(),
            Some(bytes) => fs::write(root.join(path), bytes).unwrap(),
        }
    }
}
