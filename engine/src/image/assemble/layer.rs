//! A layer that is new: its entries, and writing it as a compressed archive whose bytes depend on nothing else.

use std::io::{self, Read, Write};

use flate2::{Compression, GzBuilder};

use super::index::XATTR;
use super::tree::{FileContent, NodeKind, TreeNode};
use crate::contract::{Digest, Hasher};

/// The level of compression. Another one is another digest of every layer.
const LEVEL: u32 = 6;
/// Says in a header which system wrote it: unknown, so that no host shows.
const UNKNOWN_SYSTEM: u8 = 255;

/// A layer to be written: entries in the order of their paths, each folder before what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLayer {
    /// The entries.
    pub entries: Vec<NewEntry>,
    /// The time of every entry, in seconds since 1970.
    pub epoch: u64,
}

/// One entry of a layer to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// From the root, without `/` at its ends.
    pub path: String,
    /// What it is, whose it is, and where its bytes come from.
    pub node: TreeNode,
}

/// A layer that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// The digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The digest of what was written.
    pub digest: Digest,
    /// Number of bytes that were written.
    pub size: u64,
}

/// Knows the bytes of files.
pub trait ContentSource {
    /// Opens the bytes of a file. A reader whose bytes are not those that were meant fails at its end.
    fn open(&mut self, content: &FileContent) -> io::Result<Box<dyn Read + '_>>;
}

impl NewLayer {
    /// Two layers with the same key are the same bytes, so that it is enough to write and to upload one of them.
    pub fn key(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.part("layer", LEVEL.to_string().as_bytes());
        hasher.part("epoch", self.epoch.to_string().as_bytes());
        for NewEntry { path, node } in &self.entries {
            hasher.part("path", path.as_bytes());
            let owner = format!("{:o} {} {}", node.mode, node.uid, node.gid);
            hasher.part("owner", owner.as_bytes());
            for (name, value) in &node.xattrs {
                hasher.part(name, value);
            }
            match &node.kind {
                NodeKind::Directory => hasher.part("directory", b""),
                NodeKind::Special => hasher.part("special", b""),
                NodeKind::Symlink { target } => hasher.part("symlink", target.as_bytes()),
                NodeKind::File { size, content } => {
                    hasher.part("size", size.to_string().as_bytes());
                    content_key(&mut hasher, content);
                }
            }
        }
        hasher.finish()
    }

    /// Writes the layer, file by file.
    pub fn write(
        &self,
        source: &mut dyn ContentSource,
        sink: &mut dyn Write,
    ) -> io::Result<WrittenLayer> {
        let packed = Hashed::new(sink);
        let encoder = GzBuilder::new()
            .operating_system(UNKNOWN_SYSTEM)
            .write(packed, Compression::new(LEVEL));
        let mut archive = tar::Builder::new(Hashed::new(encoder));
        for entry in &self.entries {
            self.append(&mut archive, entry, source)?;
        }
        let unpacked = archive.into_inner()?;
        let diff_id = unpacked.hasher.finish();
        let packed = unpacked.inner.finish()?;
        Ok(WrittenLayer {
            diff_id,
            digest: packed.hasher.finish(),
            size: packed.size,
        })
    }

    fn append<W: Write>(
        &self,
        archive: &mut tar::Builder<W>,
        NewEntry { path, node }: &NewEntry,
        source: &mut dyn ContentSource,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(node.mode);
        header.set_uid(node.uid);
        header.set_gid(node.gid);
        header.set_mtime(self.epoch);
        header.set_size(0);
        let (path, kind) = match &node.kind {
            NodeKind::Directory => (format!("{path}/"), tar::EntryType::Directory),
            NodeKind::File { .. } => (path.clone(), tar::EntryType::Regular),
            NodeKind::Symlink { .. } => (path.clone(), tar::EntryType::Symlink),
            NodeKind::Special => {
                let message = format!("`{path}` is a device or a pipe, which no layer of ours has");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        header.set_entry_type(kind);
        let mut extensions: Vec<(String, Vec<u8>)> = Vec::new();
        if !path.is_ascii() || header.set_path(&path).is_err() {
            extensions.push(("path".to_owned(), path.into_bytes()));
        }
        if let NodeKind::Symlink { target } = &node.kind
            && (!target.is_ascii() || header.set_link_name_literal(target).is_err())
        {
            extensions.push(("linkpath".to_owned(), target.clone().into_bytes()));
        }
        for (name, value) in &node.xattrs {
            extensions.push((format!("{XATTR}{name}"), value.clone()));
        }
        if !extensions.is_empty() {
            self.extend(archive, &extensions)?;
        }
        let NodeKind::File { size, content } = &node.kind else {
            header.set_cksum();
            return archive.append(&header, io::empty());
        };
        header.set_size(*size);
        header.set_cksum();
        let mut reader = source.open(content)?;
        let mut exact = Exact {
            reader: &mut *reader,
            left: *size,
        };
        archive.append(&header, &mut exact)?;
        exact.end()
    }

    /// Writes what the next entry's header has no room for.
    fn extend<W: Write>(
        &self,
        archive: &mut tar::Builder<W>,
        extensions: &[(String, Vec<u8>)],
    ) -> io::Result<()> {
        let records: Vec<u8> = extensions.iter().flat_map(record).collect();
        let mut header = tar::Header::new_ustar();
        header.set_path("extensions")?;
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.epoch);
        header.set_size(records.len() as u64);
        header.set_cksum();
        archive.append(&header, records.as_slice())
    }
}

/// One extension: its own length, the key and the value.
fn record((key, value): &(String, Vec<u8>)) -> Vec<u8> {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

fn content_key(hasher: &mut Hasher, content: &FileContent) {
    match content {
        FileContent::Context { digest, .. } => hasher.part("file", digest.as_str().as_bytes()),
        FileContent::Layer { layer, path } => {
            hasher.part("layer", layer.as_str().as_bytes());
            hasher.part("member", path.as_bytes());
        }
        FileContent::Inline(bytes) => hasher.part("inline", bytes),
    }
}

/// Counts and hashes what goes through it.
struct Hashed<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
            size: 0,
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads a file of a known size: less is an error here, more is one at the end.
struct Exact<'a> {
    reader: &'a mut dyn Read,
    left: u64,
}

impl Exact<'_> {
    fn end(self) -> io::Result<()> {
        match self.reader.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a file is larger than it was",
            )),
        }
    }
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
