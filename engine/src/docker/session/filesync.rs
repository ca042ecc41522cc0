//! How files are handed out: what there is, in order, and then the bytes of those that are asked for.
//!
//! The protocol of tonistiigi/fsutil (`wire.proto`, `stat.proto`, `send.go`): a `STAT` packet for each entry, parents before
//! what they hold, one without a stat after the last; `REQ` asks for the file of that number, `DATA` brings it, an empty one
//! ends it; `FIN` is asked and answered once all is there.

use std::collections::BTreeMap;
use std::io::Read as _;

use hyper::header::HeaderMap;
use tokio::sync::mpsc;

use crate::docker::context::{self, Context, ContextError, Opened};
use crate::image::{InputContent, InputFile};
use crate::load::Root;

/// The file by which other clients leave things out of a context.
const DOCKERIGNORE: &str = ".dockerignore";

/// Size of the pieces of a file, as the engine's own client has it (`send.go`).
const PIECE: usize = 32 << 10;

/// What a packet is (`PacketType` of `wire.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    Stat = 0,
    Req = 1,
    Data = 2,
    Fin = 3,
    Err = 4,
}

/// What goes both ways.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Packet {
    #[prost(enumeration = "Kind", tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) stat: Option<Stat>,
    #[prost(uint32, tag = "3")]
    pub(super) id: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) data: Vec<u8>,
}

/// What an entry is. Owners and times are left out: all files are root's, and from 1970.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stat {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    /// Mode bits as Go has them.
    #[prost(uint32, tag = "2")]
    pub(super) mode: u32,
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
    #[prost(string, tag = "7")]
    pub(super) linkname: String,
}

/// `ModeDir` and `ModeSymlink` of Go's `io/fs`.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;

impl Packet {
    /// Says that there will be no more; the reason is told by the command, not by the engine.
    pub(super) fn error() -> Self {
        Self {
            data: b"the build context is incomplete".to_vec(),
            ..Self::of(Kind::Err)
        }
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }
}

/// The entries that one call is for, in the order in which they are sent.
#[derive(Debug, PartialEq)]
pub(super) struct Tree(Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
enum Entry {
    /// The rewritten Dockerfile.
    Dockerfile,
    /// A folder that holds inputs without being one.
    Parent(String),
    /// One of the context's files, by its index.
    Input(usize),
}

impl Tree {
    /// What an engine asks for by name; nothing when there is no such thing.
    ///
    /// What it says it needs of a context, and what it would leave out, is not heeded: a context is what the Dockerfile reaches,
    /// and nobody takes from it. But it looks for a `.dockerignore` first, and need not be sent everything else twice.
    pub(super) fn asked_for(headers: &HeaderMap, context: &Context) -> Option<Self> {
        let wanted: Vec<_> = headers.get_all("followpaths").iter().collect();
        match headers.get("dir-name")?.as_bytes() {
            b"dockerfile" => Some(Self(vec![Entry::Dockerfile])),
            b"context" if wanted == [DOCKERIGNORE] => {
                let found = |file: &InputFile| file.path == DOCKERIGNORE;
                let found = context.files.iter().position(found);
                Some(Self(found.map(Entry::Input).into_iter().collect()))
            }
            b"context" => Some(Self::of(&context.files)),
            _ => None,
        }
    }

    fn of(files: &[InputFile]) -> Self {
        let mut entries: BTreeMap<Vec<&str>, Entry> = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            let path: Vec<&str> = file.path.split('/').collect();
            for depth in 1..path.len() {
                let parent = path[..depth].to_vec();
                let entry = || Entry::Parent(path[..depth].join("/"));
                entries.entry(parent).or_insert_with(entry);
            }
            entries.insert(path, Entry::Input(index));
        }
        Self(entries.into_values().collect())
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Hands out a tree, until all is said or somebody gives up. `say` tells whether anybody still listens.
pub(super) fn send(
    tree: &Tree,
    context: &Context,
    mut asks: mpsc::Receiver<Packet>,
    say: &mut dyn FnMut(&Packet) -> bool,
) -> Result<(), ContextError> {
    let root = context.open()?;
    let mut heard = |packet: &Packet| say(packet).then_some(()).ok_or_else(unheard);
    for entry in &tree.0 {
        heard(&Packet {
            stat: Some(stat(entry, context, &root)?),
            ..Packet::of(Kind::Stat)
        })?;
    }
    heard(&Packet::of(Kind::Stat))?;
    while let Some(packet) = asks.blocking_recv() {
        match packet.kind() {
            Kind::Req => {
                let entry = usize::try_from(packet.id)
                    .ok()
                    .and_then(|id| tree.0.get(id));
                bytes(entry, context, &root, &mut |data| {
                    heard(&Packet {
                        id: packet.id,
                        data,
                        ..Packet::of(Kind::Data)
                    })
                })?;
            }
            Kind::Fin => return heard(&Packet::of(Kind::Fin)),
            Kind::Stat | Kind::Data | Kind::Err => return Err(unheard()),
        }
    }
    Err(unheard())
}

fn unheard() -> ContextError {
    ContextError::Unheard(std::io::ErrorKind::BrokenPipe.into())
}

fn stat(entry: &Entry, context: &Context, root: &Root) -> Result<Stat, ContextError> {
    let input = match entry {
        Entry::Dockerfile => {
            return Ok(Stat {
                path: context.dockerfile_name(),
                mode: 0o644,
                size: size(context.dockerfile.len() as u64),
                ..Stat::default()
            });
        }
        Entry::Parent(path) => {
            return Ok(Stat {
                path: path.clone(),
                mode: GO_DIRECTORY | 0o755,
                ..Stat::default()
            });
        }
        Entry::Input(index) => &context.files[*index],
    };
    let mut stat = Stat {
        path: input.path.clone(),
        mode: input.mode & 0o777,
        ..Stat::default()
    };
    match &input.content {
        InputContent::File { size: bytes, .. } => stat.size = size(*bytes),
        InputContent::Directory | InputContent::Symlink { .. } => match context::open(root, input)?
        {
            Opened::Symlink { target } => {
                stat.mode = GO_SYMLINK | 0o777;
                stat.size = size(target.len() as u64);
                target.clone_into(&mut stat.linkname);
            }
            Opened::Directory | Opened::File { .. } => stat.mode |= GO_DIRECTORY,
        },
    }
    Ok(stat)
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The bytes of a file, piece by piece; the empty piece at the end comes only when they were the ones that were meant.
fn bytes(
    entry: Option<&Entry>,
    context: &Context,
    root: &Root,
    say: &mut dyn FnMut(Vec<u8>) -> Result<(), ContextError>,
) -> Result<(), ContextError> {
    match entry {
        Some(Entry::Dockerfile) => {
            for piece in context.dockerfile.as_bytes().chunks(PIECE) {
                say(piece.to_vec())?;
            }
        }
        Some(Entry::Input(index)) => {
            let Opened::File { mut reader, .. } = context::open(root, &context.files[*index])?
            else {
                return Err(unheard());
            };
            let mut buffer = vec![0; PIECE];
            let mut copy = || loop {
                match reader.read(&mut buffer) {
                    // `verify` knows of the error.
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(read) => say(buffer[..read].to_vec())?,
                }
            };
            let sent = copy();
            reader.verify(sent)?;
        }
        Some(Entry::Parent(_)) | None => return Err(unheard()),
    }
    say(Vec::new())
}
