//! The bytes of files that go into a new layer.
//!
//! A file of the context is opened and proved as a build's is (`context`). A file of a base is taken out of its layer first.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use super::base_images::unpacked;
use crate::contract::Digest;
use crate::docker::context::{self, Context, ContextError, Opened, Verified};
use crate::docker::registry::{Blob, Spool};
use crate::image::InputFile;
use crate::image::assemble::{ContentSource, FileContent, NewLayer, NodeKind, extract};
use crate::load::Root;

/// Files of layers, by layer and path.
pub(super) type Members = BTreeMap<(Digest, String), Blob>;

/// The files that a layer takes from bases, by the layers of these.
pub(super) fn wanted(layer: &NewLayer) -> BTreeMap<Digest, BTreeSet<String>> {
    let mut wanted: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
    for entry in &layer.entries {
        if let NodeKind::File {
            content: FileContent::Layer { layer, path },
            ..
        } = &entry.node.kind
        {
            let of_layer = wanted.entry(layer.as_ref().clone()).or_default();
            of_layer.insert(path.clone());
        }
    }
    wanted
}

/// Takes files out of a layer.
pub(super) fn take(layer: &Blob, paths: &BTreeSet<String>) -> io::Result<Members> {
    let mut taken = Members::new();
    let wanted: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    extract(unpacked(layer), &wanted, &mut |path, file| {
        let mut spool = Spool::default();
        io::copy(file, &mut spool)?;
        taken.insert((layer.digest.clone(), path.to_owned()), spool.finish());
        Ok(())
    })?;
    Ok(taken)
}

/// The files of a context and of bases.
pub(super) struct Contents<'a> {
    root: Root,
    files: BTreeMap<&'a str, &'a InputFile>,
    members: &'a Members,
    /// Why a file of the context is not what was meant.
    pub(super) failed: Option<ContextError>,
}

impl<'a> Contents<'a> {
    pub(super) fn of(context: &'a Context, members: &'a Members) -> Result<Self, ContextError> {
        let files = context.files.iter();
        Ok(Self {
            root: context.open()?,
            files: files.map(|file| (file.path.as_str(), file)).collect(),
            members,
            failed: None,
        })
    }
}

impl ContentSource for Contents<'_> {
    fn open(&mut self, content: &FileContent) -> io::Result<Box<dyn Read + '_>> {
        let absent = |what: &str| io::Error::new(io::ErrorKind::NotFound, what.to_owned());
        match content {
            FileContent::Context { path, .. } => {
                let file = self.files.get(path.as_str());
                let file = *file.ok_or_else(|| absent(path))?;
                match context::open(&self.root, file) {
                    Ok(Opened::File { reader, .. }) => Ok(Box::new(Proved {
                        reader: Some(reader),
                        failed: &mut self.failed,
                    })),
                    Ok(Opened::Directory | Opened::Symlink { .. }) => Err(absent(path)),
                    Err(error) => {
                        self.failed = Some(error);
                        Err(absent(path))
                    }
                }
            }
            FileContent::Layer { layer, path } => {
                let key = (Arc::unwrap_or_clone(Arc::clone(layer)), path.clone());
                let member = self.members.get(&key).ok_or_else(|| absent(path))?;
                Ok(Box::new(member.reader()))
            }
            FileContent::Inline(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
        }
    }
}

/// A file of the context. At its end it fails when its bytes were not those that were hashed.
struct Proved<'a> {
    reader: Option<Verified<'a>>,
    failed: &'a mut Option<ContextError>,
}

impl Read for Proved<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.reader else {
            return Ok(0);
        };
        let read = reader.read(buffer);
        if matches!(read, Ok(read) if read > 0) || buffer.is_empty() {
            return read;
        }
        let proved = self.reader.take().expect("it is there until its end");
        match proved.verify(Ok(())) {
            Ok(()) => read,
            Err(error) => {
                *self.failed = Some(error);
                Err(io::Error::other("a file of the context is another one"))
            }
        }
    }
}
