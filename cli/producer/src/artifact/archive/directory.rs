//! The central directory of an archive: how large it says that it is, before it is read, and how many entries it lists, those with
//! one name counted apart.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// What the record behind the directory begins with, and its fixed size. A comment of at most 64 KiB follows it.
const END: &[u8; 4] = b"PK\x05\x06";
const END_FIXED: usize = 22;
const COMMENT: u64 = 0xffff;

/// The same of the record for large archives, of which a locator right before the other one says the place.
const LARGE_END: &[u8; 4] = b"PK\x06\x06";
const LARGE_END_FIXED: usize = 56;
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_FIXED: usize = 20;

/// What an archive says of its directory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// How many entries it lists.
    pub(super) entries: u64,
    /// How many bytes it has.
    pub(super) bytes: u64,
}

/// The most that any record at the end of an archive says of a directory: which of them a reader believes is its own matter.
pub(super) fn announced(mut archive: impl Read + Seek) -> io::Result<Announced> {
    let length = archive.seek(SeekFrom::End(0))?;
    let tail = length.min(COMMENT + (END_FIXED + LOCATOR_FIXED) as u64);
    archive.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    archive.by_ref().take(tail).read_to_end(&mut bytes)?;
    let mut most = Announced::default();
    let mut note = |entries: u64, bytes: u64| {
        most.entries = most.entries.max(entries);
        most.bytes = most.bytes.max(bytes);
    };
    for (at, window) in bytes.windows(END_FIXED).enumerate() {
        if !window.starts_with(END) {
            continue;
        }
        let locator = at.checked_sub(LOCATOR_FIXED).map(|from| &bytes[from..at]);
        let Some(locator) = locator.filter(|locator| locator.starts_with(LOCATOR)) else {
            note(number(&window[10..12]), number(&window[12..16]));
            continue;
        };
        // A number that is too large for this record has all of its bits set, and stands in the other one.
        let small = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0xff);
        let own = |bytes: &[u8]| if small(bytes) { number(bytes) } else { 0 };
        note(own(&window[10..12]), own(&window[12..16]));
        archive.seek(SeekFrom::Start(number(&locator[8..16])))?;
        let mut record = [0; LARGE_END_FIXED];
        match archive.read_exact(&mut record) {
            Ok(()) if record.starts_with(LARGE_END) => {
                note(number(&record[32..40]), number(&record[40..48]));
            }
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(most)
}

/// A number of up to eight bytes, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

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
