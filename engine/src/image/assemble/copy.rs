//! COPY and ADD, by the rules of `BuildKit`: which files a source means, where they go, what becomes of what is there.

use super::rootfs::{Owner, Rootfs};
use super::tree::{NodeKind, TreeNode, clean};
use crate::image::glob;

/// One COPY or ADD, its words expanded.
pub(super) struct Copying<'a> {
    /// The files that are copied from.
    pub(super) from: &'a Rootfs<'a>,
    /// Whose the copies are; none keeps the owners.
    pub(super) owner: Option<Owner>,
    /// Which mode they get; none keeps the modes.
    pub(super) mode: Option<u32>,
    /// Where they go: absolute, with a `/` at its end when it is a folder.
    pub(super) destination: String,
}

/// The paths that a source means: itself, or what its wildcards match.
pub(super) fn matches(from: &Rootfs<'_>, source: &str) -> Result<Vec<String>, String> {
    let source = clean(source);
    if !is_wild(&source) {
        return Ok(vec![source]);
    }
    let parts: Vec<&str> = source.split('/').collect();
    let plain = parts.iter().take_while(|part| !is_wild(part)).count();
    let folder = from.resolve(&parts[..plain].join("/"))?;
    if !from.is_there(&folder) {
        return Err(format!("`/{}` is not there", folder.escape_debug()));
    }
    let patterns = &parts[plain..];
    let skip = if folder.is_empty() {
        0
    } else {
        folder.len() + 1
    };
    let mut found = Vec::new();
    for path in from.below(&folder) {
        let names: Vec<&str> = path[skip..].split('/').collect();
        if names.len() != patterns.len() {
            continue;
        }
        let mut all = true;
        for (pattern, name) in patterns.iter().zip(names) {
            let fits = glob::part(pattern, name).ok_or("a wildcard is malformed")?;
            all &= fits;
        }
        if all {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_wild(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

impl Copying<'_> {
    /// Copies what stands at a path; of a folder, what it holds.
    pub(super) fn copy(&self, source: &str, to: &mut Rootfs<'_>) -> Result<(), String> {
        let owner = self.owner.unwrap_or_default();
        let folder = match self.destination.rsplit_once('/') {
            Some((folder, _)) => folder,
            None => "",
        };
        to.make_folders(&to.resolve(folder)?, owner)?;
        let mut destination = to.resolve(&self.destination)?;
        let found = self.from.resolve(source)?;
        if !self.from.is_there(&found) {
            return Err(format!("`{}` is not there", source.escape_debug()));
        }
        if self.from.is_directory(&found) {
            to.make_folders(&destination, owner)?;
            return self.copy_below(&found, &destination, to);
        }
        if to.is_directory(&destination) {
            let name = source.rsplit('/').next().unwrap_or(source);
            destination = join(&destination, name);
        }
        // A link may have led to where nothing is yet.
        let above = destination.rsplit_once('/').map_or("", |(above, _)| above);
        to.make_folders(above, owner)?;
        self.copy_node(&found, &destination, to)
    }

    fn copy_below(
        &self,
        folder: &str,
        destination: &str,
        to: &mut Rootfs<'_>,
    ) -> Result<(), String> {
        for name in self.from.names(folder) {
            self.copy_node(&join(folder, &name), &join(destination, &name), to)?;
        }
        Ok(())
    }

    /// Copies one node as it is, a folder with everything below it. No link is followed, here or there.
    fn copy_node(
        &self,
        source: &str,
        destination: &str,
        to: &mut Rootfs<'_>,
    ) -> Result<(), String> {
        let Some(node) = self.from.get(source) else {
            return Err(format!(
                "`/{}` has no entry of its own",
                source.escape_debug()
            ));
        };
        let is_directory = node.kind == NodeKind::Directory;
        if to.is_there(destination) && to.is_directory(destination) != is_directory {
            let destination = destination.escape_debug();
            return Err(if is_directory {
                format!("`/{destination}` is no folder, and a folder would take its place")
            } else {
                format!("`/{destination}` is a folder, and a file would take its place")
            });
        }
        if node.kind == NodeKind::Special {
            return Err(format!(
                "`/{}` is a device or a pipe",
                source.escape_debug()
            ));
        }
        to.put(destination, self.copied(node));
        if is_directory {
            self.copy_below(source, destination, to)?;
        }
        Ok(())
    }

    fn copied(&self, node: &TreeNode) -> TreeNode {
        let mut copy = node.clone();
        if let Some(owner) = self.owner {
            (copy.uid, copy.gid) = (owner.uid, owner.gid);
        }
        match (self.mode, &copy.kind) {
            (Some(_), NodeKind::Symlink { .. }) | (None, _) => {}
            (Some(mode), _) => copy.mode = copy.mode & !0o777 | mode,
        }
        copy
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
