//! Documents that events name by hash: one file each, named by the SHA-256 of the document's bytes, on disk before an event names it.
//!
//! A file is one byte that says how the rest is written, and the rest: the bytes as they are, or compressed (DEFLATE) where that
//! is shorter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::chain::{Damage, DamageKind};
use crate::disk::{Disk, NO_LINK, inherit_access};
use crate::envelope::PAYLOAD_MAX;
use crate::hash::Hash;
use crate::store::StoreError;

/// The bytes follow as they are.
const PLAIN: u8 = 0;
/// The bytes follow compressed.
const DEFLATED: u8 = 1;

/// The folder of documents.
#[derive(Debug)]
pub(crate) struct Documents {
    folder: PathBuf,
}

impl Documents {
    /// Documents below this folder; it is made when the first one is kept.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a document, durably. A file that is there already and whole is made durable; a torn one is replaced.
    pub(crate) fn keep(&self, disk: &Disk, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = Hash::of(bytes);
        let path = self.path(&hash);
        disk.make_folder(&self.folder)
            .map_err(StoreError::io(&self.folder))?;
        if let Ok(Some(_)) = self.read(&hash) {
            let file = File::open(&path).map_err(StoreError::io(&path))?;
            disk.sync(&file).map_err(StoreError::io(&path))?;
        } else {
            let part = path.with_extension("part");
            write(disk, &part, bytes).map_err(StoreError::io(&part))?;
            fs::rename(&part, &path).map_err(StoreError::io(&path))?;
        }
        disk.sync_folder(&self.folder)
            .map_err(StoreError::io(&self.folder))?;
        Ok(hash)
    }

    /// Reads a document and checks it against its hash; none when it is not there.
    pub(crate) fn read(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(hash);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        let mut stored = Vec::new();
        file.take(PAYLOAD_MAX as u64 + 2)
            .read_to_end(&mut stored)
            .map_err(StoreError::io(&path))?;
        decode(&stored)
            .filter(|bytes| Hash::of(bytes) == *hash)
            .map(Some)
            .ok_or_else(|| Damage::at(0, DamageKind::Document(*hash)).into())
    }

    /// The hashes after one of them, in their order. A name that is no hash is passed over: a draft that was cut off.
    pub(crate) fn list(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Hash>, StoreError> {
        let failed = |source| StoreError::io(&self.folder)(source);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut hashes = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if let Some(hash) = name.to_str().and_then(|name| name.parse::<Hash>().ok())
                && after.is_none_or(|after| hash > *after)
            {
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        hashes.truncate(limit);
        Ok(hashes)
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}

fn write(disk: &Disk, part: &Path, bytes: &[u8]) -> io::Result<()> {
    let stored = encode(bytes)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(NO_LINK)
        .open(part)?;
    inherit_access(part)?;
    file.write_all(&stored)?;
    disk.sync(&file)
}

/// Bytes of the file that a document is kept in.
pub(crate) fn document_size(bytes: &[u8]) -> io::Result<u64> {
    Ok(encode(bytes)?.len() as u64)
}

fn encode(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::default());
    encoder.write_all(bytes)?;
    let deflated = encoder.finish()?;
    if deflated.len() <= bytes.len() {
        return Ok(deflated);
    }
    let mut plain = Vec::with_capacity(bytes.len() + 1);
    plain.push(PLAIN);
    plain.extend_from_slice(bytes);
    Ok(plain)
}

/// The document in a file; none when the file is not one that was written here, or its document is longer than any may be.
fn decode(stored: &[u8]) -> Option<Vec<u8>> {
    let (form, rest) = stored.split_first()?;
    match *form {
        PLAIN => Some(rest.to_vec()),
        DEFLATED => {
            let mut bytes = Vec::new();
            let bounded = DeflateDecoder::new(rest).take(PAYLOAD_MAX as u64 + 1);
            { bounded }.read_to_end(&mut bytes).ok()?;
            (bytes.len() <= PAYLOAD_MAX).then_some(bytes)
        }
        _ => None,
    }
}
