//! What a layer holds, as an index: every member's header, and the two texts that name users and groups.
//!
//! A layer is read once and its index is kept, so that an image can be assembled over a base that is not on this host.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::tree::clean;

/// How many members a layer may have.
const MAX_MEMBERS: usize = 1_000_000;
/// How long all names of a layer may be together, in bytes; folders that no member names count once.
const MAX_NAMES: usize = 256 << 20;
/// How long a path may be, in bytes, as Linux has it.
const MAX_PATH: usize = 4096;
/// How many parts a path may have.
const MAX_DEPTH: usize = 256;
/// How large a text that is kept may be, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// How large a kept index may become when it is unpacked, in bytes.
const MAX_ENCODED: u64 = 1 << 30;
/// The texts that are kept: they say which numbers users and groups have.
pub(super) const PASSWD: &str = "etc/passwd";
/// The groups.
pub(super) const GROUP: &str = "etc/group";
/// Begins the name of a member that removes something of the layers below.
const WHITEOUT: &str = ".wh.";
/// Removes everything that the layers below have in its folder.
const OPAQUE: &str = ".wh..wh..opq";
/// Begins the name of an extended attribute among the extensions of a member.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// The members of one layer, or of one archive, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerIndex {
    /// The members.
    pub members: Vec<LayerMember>,
    /// The texts of `etc/passwd` and `etc/group`, where the layer has them as files.
    pub texts: BTreeMap<String, String>,
}

/// One member of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerMember {
    /// From the root, without `/` at its ends; the root itself is empty.
    pub path: String,
    /// What it is.
    pub kind: MemberKind,
    /// Permission bits, with set-user, set-group and sticky.
    pub mode: u32,
    /// The number of its user.
    pub uid: u64,
    /// The number of its group.
    pub gid: u64,
    /// Extended attributes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a member of a layer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberKind {
    /// A folder.
    Directory,
    /// A file.
    File {
        /// Number of its bytes.
        size: u64,
    },
    /// A further name of a file.
    HardLink {
        /// The file's first name, from the root.
        target: String,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
    /// A device or a pipe.
    Special,
    /// Removes the path that the layers below have.
    Removed,
    /// Removes everything that the layers below have in this folder.
    Emptied,
}

impl LayerIndex {
    /// Reads a layer, which is an uncompressed archive. What cannot be indexed is an error that says why.
    pub fn read(layer: impl Read) -> io::Result<Self> {
        let mut index = Self::default();
        let mut names = Names::default();
        let mut extensions = Extensions::default();
        let mut archive = tar::Archive::new(layer);
        // What extends the next header is read here, since an archive may say that it is as large as it likes.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            if extensions.take(&mut entry)? {
                continue;
            }
            let Some(member) = member(&entry, std::mem::take(&mut extensions))? else {
                continue;
            };
            names.add(&member)?;
            if index.members.len() >= MAX_MEMBERS {
                return Err(invalid("has too many members"));
            }
            if let MemberKind::File { size } = member.kind
                && [PASSWD, GROUP].contains(&member.path.as_str())
                && size <= MAX_TEXT
            {
                let mut text = Vec::new();
                entry.read_to_end(&mut text)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                index.texts.insert(member.path.clone(), text);
            }
            index.members.push(member);
        }
        Ok(index)
    }

    /// The index in a compact form, to be kept.
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("an index is made of texts and numbers");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(&json).and_then(|()| encoder.finish());
        written.expect("memory takes every byte")
    }

    /// Reads the compact form; none when it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let json = GzDecoder::new(bytes).take(MAX_ENCODED);
        serde_json::from_reader(io::BufReader::new(json)).ok()
    }
}

/// What the names of a layer add up to, with the folders that only the names of others imply.
#[derive(Default)]
struct Names {
    folders: BTreeSet<String>,
    bytes: usize,
}

impl Names {
    fn add(&mut self, member: &LayerMember) -> io::Result<()> {
        let mut path = member.path.as_str();
        let target = match &member.kind {
            MemberKind::HardLink { target } | MemberKind::Symlink { target } => target.len(),
            MemberKind::Directory
            | MemberKind::File { .. }
            | MemberKind::Special
            | MemberKind::Removed
            | MemberKind::Emptied => 0,
        };
        if path.len() > MAX_PATH || target > MAX_PATH || path.split('/').count() > MAX_DEPTH {
            return Err(invalid("has a name that is too long or too deep"));
        }
        self.bytes += path.len() + target;
        while let Some((folder, _)) = path.rsplit_once('/')
            && self.folders.insert(folder.to_owned())
        {
            self.bytes += folder.len();
            path = folder;
        }
        if self.bytes > MAX_NAMES {
            return Err(invalid("has names that are too long together"));
        }
        Ok(())
    }
}

/// One member; none for what a driver keeps for itself.
fn member(
    entry: &tar::Entry<'_, impl Read>,
    extensions: Extensions,
) -> io::Result<Option<LayerMember>> {
    let header = entry.header();
    let path = extensions
        .path
        .unwrap_or_else(|| header.path_bytes().into_owned());
    let path = clean(&utf8(path)?);
    let link = extensions
        .link
        .or_else(|| header.link_name_bytes().map(Into::into));
    let link = utf8(link.unwrap_or_default())?;
    let mode = header.mode()? & 0o7777;
    let uid = extensions.uid.map_or_else(|| header.uid(), Ok)?;
    let gid = extensions.gid.map_or_else(|| header.gid(), Ok)?;
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let (path, kind) = if name == OPAQUE {
        (folder.to_owned(), MemberKind::Emptied)
    } else if let Some(removed) = name.strip_prefix(WHITEOUT) {
        if removed.starts_with(WHITEOUT) || removed.is_empty() {
            return Ok(None);
        }
        (clean(&format!("{folder}/{removed}")), MemberKind::Removed)
    } else {
        let Some(kind) = kind(entry, link)? else {
            return Ok(None);
        };
        (path, kind)
    };
    Ok(Some(LayerMember {
        path,
        kind,
        mode,
        uid,
        gid,
        xattrs: extensions.xattrs,
    }))
}

fn kind(entry: &tar::Entry<'_, impl Read>, link: String) -> io::Result<Option<MemberKind>> {
    use tar::EntryType;
    let kind = entry.header().entry_type();
    let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
    Ok(Some(if is_file {
        MemberKind::File { size: entry.size() }
    } else if kind == EntryType::Directory {
        MemberKind::Directory
    } else if kind == EntryType::Symlink {
        MemberKind::Symlink { target: link }
    } else if kind == EntryType::Link {
        let target = clean(&link);
        MemberKind::HardLink { target }
    } else if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) {
        MemberKind::Special
    } else if kind == EntryType::XGlobalHeader {
        return Ok(None);
    } else {
        return Err(invalid("has a member of an unknown kind"));
    }))
}

/// What the members before a member say of it, since its header has no room for it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl Extensions {
    /// Reads a member that extends the next one; false when it is none.
    fn take(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
        let kind = entry.header().entry_type();
        let extends =
            kind.is_pax_local_extensions() || kind.is_gnu_longname() || kind.is_gnu_longlink();
        if !extends {
            return Ok(false);
        }
        if entry.size() > MAX_TEXT {
            return Err(invalid(
                "has a member whose name or attributes are too long",
            ));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if kind.is_pax_local_extensions() {
            self.records(&bytes)?;
            return Ok(true);
        }
        let end = bytes.iter().position(|byte| *byte == 0);
        bytes.truncate(end.unwrap_or(bytes.len()));
        let long = if kind.is_gnu_longname() {
            &mut self.path
        } else {
            &mut self.link
        };
        *long = Some(bytes);
        Ok(true)
    }

    /// Records are `LENGTH KEY=VALUE` and a line feed; the length is that of the whole record.
    fn records(&mut self, mut rest: &[u8]) -> io::Result<()> {
        let malformed = || invalid("has a malformed extension");
        while !rest.is_empty() {
            let blank = rest
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(malformed)?;
            let length = std::str::from_utf8(&rest[..blank])
                .ok()
                .and_then(|text| text.parse().ok());
            let record = length.and_then(|length: usize| rest.split_at_checked(length));
            let (record, after) = record.ok_or_else(malformed)?;
            let record = record
                .get(blank + 1..)
                .and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(malformed)?;
            let sign = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(malformed)?;
            let key = String::from_utf8_lossy(&record[..sign]).into_owned();
            self.set(&key, &record[sign + 1..])?;
            rest = after;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &[u8]) -> io::Result<()> {
        let number = || {
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            number.ok_or_else(|| invalid("has an owner that is no number"))
        };
        match key {
            "path" => self.path = Some(value.to_vec()),
            "linkpath" => self.link = Some(value.to_vec()),
            "uid" => self.uid = Some(number()?),
            "gid" => self.gid = Some(number()?),
            "size" => return Err(invalid("has a file of 8 GiB or more")),
            _ if key.starts_with("GNU.sparse.") => return Err(invalid("has a file with holes")),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.insert(name.to_owned(), value.to_vec());
                }
            }
        }
        Ok(())
    }
}

fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| invalid("has a name that is not UTF-8"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the layer {why}"))
}
