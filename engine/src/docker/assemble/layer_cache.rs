//! The indexes of layers that were read before, in files below the cache directory.
//!
//! A file is named by its layer's digest and begins with the digest of what follows, so that a damaged one counts as none. What is
//! used least goes when all of them are too large. Losing the directory costs time and nothing else.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::contract::Digest;
use crate::image::assemble::LayerIndex;

/// How many bytes all indexes have together.
const MOST: u64 = 256 << 20;

/// A folder of indexes.
#[derive(Debug, Clone)]
pub(super) struct LayerCache {
    folder: PathBuf,
    most: u64,
}

impl LayerCache {
    /// The indexes below a cache directory.
    pub(super) fn below(cache: &Path) -> Self {
        Self {
            folder: cache.join("layers"),
            most: MOST,
        }
    }

    /// The index of a layer, when it is there and whole.
    pub(super) fn read(&self, layer: &Digest) -> Option<LayerIndex> {
        let path = self.path(layer);
        let bytes = fs::read(&path).ok()?;
        let (head, index) = bytes.split_at_checked(Digest::of("").as_str().len())?;
        if head != Digest::of(index).as_str().as_bytes() {
            return None;
        }
        let index = LayerIndex::decode(index)?;
        if let Ok(file) = File::options().append(true).open(&path) {
            // It was used just now. What cannot be told to a file only makes it go earlier.
            file.set_modified(SystemTime::now()).ok();
        }
        Some(index)
    }

    /// Keeps the index of a layer.
    pub(super) fn write(&self, layer: &Digest, index: &LayerIndex) -> io::Result<()> {
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&self.folder)?;
        let index = index.encode();
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(Digest::of(&index).as_str().as_bytes())?;
        file.write_all(&index)?;
        file.persist(self.path(layer))?;
        self.shrink()
    }

    fn path(&self, layer: &Digest) -> PathBuf {
        self.folder.join(layer.hex())
    }

    /// Removes what was used least.
    fn shrink(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may have removed it.
            if let Ok(found) = entry.metadata() {
                kept.push((found.modified()?, found.len(), entry.path()));
            }
        }
        kept.sort();
        let mut size: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, bytes, path) in kept {
            if size <= self.most {
                break;
            }
            fs::remove_file(path).ok();
            size -= bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::image::assemble::{LayerMember, MemberKind};

    fn index(path: &str) -> LayerIndex {
        let member = LayerMember {
            path: path.to_owned(),
            kind: MemberKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            xattrs: std::collections::BTreeMap::new(),
        };
        LayerIndex {
            members: vec![member],
            ..LayerIndex::default()
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = LayerCache::below(folder.path());
        let [one, other] = ["1", "2"].map(Digest::of);
        cache.write(&one, &index("a")).unwrap();
        assert_eq!(cache.read(&one), Some(index("a")));
        assert_eq!(cache.read(&other), None);
    }

    #[test]
    fn a_damaged_index_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = LayerCache::below(folder.path());
        let layer = Digest::of("1");
        cache.write(&layer, &index("a")).unwrap();
        let whole = fs::read(cache.path(&layer)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(cache.path(&layer), &damaged).unwrap();
            assert_eq!(cache.read(&layer), None, "byte {at}");
            fs::write(cache.path(&layer), &whole[..at]).unwrap();
            assert_eq!(cache.read(&layer), None, "{at} bytes");
        }
    }

    #[test]
    fn what_was_used_least_goes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = LayerCache::below(folder.path());
        let layers = ["1", "2", "3"].map(Digest::of);
        let hour = Duration::from_secs(3600);
        for (layer, age) in layers[..2].iter().zip([1, 2]) {
            cache.write(layer, &index("a")).unwrap();
            let file = File::options()
                .append(true)
                .open(cache.path(layer))
                .unwrap();
            file.set_modified(SystemTime::now() - hour * age).unwrap();
        }
        let one = fs::metadata(cache.path(&layers[0])).unwrap().len();
        let cache = LayerCache {
            most: 2 * one,
            ..cache
        };
        cache.write(&layers[2], &index("a")).unwrap();
        let there = layers.each_ref().map(|layer| cache.read(layer).is_some());
        assert_eq!(there, [true, false, true]);
    }
}
