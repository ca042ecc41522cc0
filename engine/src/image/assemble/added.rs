//! Whether a file that ADD names is an archive, which builders unpack.

use std::io::{self, Read};

use flate2::read::GzDecoder;

/// How many bytes the header of an archive's member has.
const HEADER: usize = 512;
/// The first bytes of compressed files: bzip2, xz, zstd.
const COMPRESSED: [&[u8]; 3] = [b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];

/// What a file is to ADD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// A file like any other.
    Plain,
    /// An archive, or what may be one.
    Archive,
}

impl Added {
    /// Looks at the beginning of a file.
    pub fn of(mut file: impl Read) -> io::Result<Self> {
        let first = beginning(&mut file)?;
        if COMPRESSED.iter().any(|magic| first.starts_with(magic)) {
            return Ok(Self::Archive);
        }
        let header = if first.starts_with(&[0x1f, 0x8b]) {
            // A damaged one is for the builder to refuse.
            match beginning(&mut GzDecoder::new(first.as_slice().chain(file))) {
                Ok(header) => header,
                Err(_) => return Ok(Self::Archive),
            }
        } else {
            first
        };
        Ok(if is_header(&header) {
            Self::Archive
        } else {
            Self::Plain
        })
    }
}

fn beginning(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether these bytes are a member's header: their sum is the one that they name.
fn is_header(bytes: &[u8]) -> bool {
    let Ok(block) = <&[u8; HEADER]>::try_from(bytes) else {
        return false;
    };
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    header.cksum().is_ok_and(|named| named == sum)
}
