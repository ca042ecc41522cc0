//! How many entries the central directory of an archive lists, those with one name counted apart.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// What each entry of the directory begins with.
const SIGNATURE: &[u8; 4] = b"PK\x01\x02";

/// The part of an entry that has a fixed size.
const FIXED: usize = 46;

/// Where the sizes of the rest stand in it: name, extra field, comment.
const SIZES: [usize; 3] = [28, 30, 32];

/// Counts the entries from here on, to one more than so many.
pub(super) fn entries(mut archive: impl Read + Seek, start: u64, max: usize) -> io::Result<usize> {
    archive.seek(SeekFrom::Start(start))?;
    let mut count = 0;
    let mut fixed = [0; FIXED];
    while count <= max {
        match archive.read_exact(&mut fixed) {
            Ok(()) if fixed.starts_with(SIGNATURE) => count += 1,
            // The end of the directory is another record, which may be shorter.
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let rest: i64 = SIZES
            .iter()
            .map(|at| i64::from(u16::from_le_bytes([fixed[*at], fixed[at + 1]])))
            .sum();
        archive.seek_relative(rest)?;
    }
    Ok(count)
}
