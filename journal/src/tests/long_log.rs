//! A log that is too long to be remembered as a whole: looking at it takes nothing away either.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, copy, draft_of, files, look, stream};
use crate::store::evidence::{REMEMBERED, SEGMENT, WHOLE};
use crate::{Damage, SledStore};

/// Appends large facts until the log is longer than so many bytes.
fn fill(store: &SledStore, folder: &Path, longer_than: u64) {
    let log = folder.join("sled/db");
    for number in 0_u8.. {
        append(store, vec![draft_of(1, vec![number; 60_000]); 4]);
        if log.metadata().unwrap().len() > longer_than {
            return;
        }
    }
}

/// Bytes of files by their path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How a long log was left.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// Its owner, who made all of it, was killed.
    Killed,
    /// Another owner has opened it since, appended some more, and was killed.
    KilledLater,
    /// Another owner came and went.
    Settled,
}

fn left(left: Left, longer_than: u64) -> TempDir {
    let made = TempDir::new().unwrap();
    let open = || SledStore::open(made.path(), stream()).unwrap();
    let mut store = open();
    fill(&store, made.path(), longer_than);
    if let Left::KilledLater | Left::Settled = left {
        drop(store);
        store = open();
    }
    if let Left::KilledLater = left {
        fill(&store, made.path(), 2 * SEGMENT);
    }
    if let Left::Settled = left {
        drop(store);
        return made;
    }
    let killed = TempDir::new().unwrap();
    copy(made.path(), killed.path());
    killed
}

/// A bit of the log that is the other way round for as long as this lives.
struct Flipped(File, u64);

impl Flipped {
    fn new(folder: &Path, place: u64) -> Self {
        let mut log = OpenOptions::new();
        let log = log.read(true).write(true).open(folder.join("sled/db"));
        let flipped = Self(log.unwrap(), place);
        flipped.flip();
        flipped
    }

    fn flip(&self) {
        let mut byte = [0];
        self.0.read_exact_at(&mut byte, self.1).unwrap();
        self.0.write_all_at(&[byte[0] ^ 1], self.1).unwrap();
    }
}

impl Drop for Flipped {
    fn drop(&mut self) {
        self.flip();
    }
}

/// Asserts that files are what they were. Of the log sled may have overwritten segments that hold nothing any more, with zeros.
#[track_caller]
fn assert_kept(before: &Files, folder: &Path, words: &str) {
    let after = files(folder);
    assert!(before.keys().eq(after.keys()), "{words}: other files");
    for (path, bytes) in before {
        let kept = &after[path];
        let segment = usize::try_from(SEGMENT).unwrap();
        let pieces = bytes.chunks(segment).zip(kept.chunks(segment));
        let is_log = path.ends_with("sled/db");
        let same = |was: &[u8], is: &[u8]| was == is || is_log && is.iter().all(|byte| *byte == 0);
        let whole = bytes.len() == kept.len() && pieces.into_iter().all(|(was, is)| same(was, is));
        assert!(whole, "{words}: {} was written to", path.display());
    }
}

/// Of every third segment and of the last its header, its first message and its middle.
#[rstest]
#[case::killed(Left::Killed)]
#[case::killed_later(Left::KilledLater)]
#[case::settled(Left::Settled)]
fn a_changed_bit_of_a_long_log_is_named_and_takes_nothing_away(#[case] how: Left) {
    let left = left(how, WHOLE + 4 * SEGMENT);
    let before = files(left.path());
    let facts = look(left.path()).expect("it is whole");
    assert_kept(&before, left.path(), "whole");
    let length = left.path().join("sled/db").metadata().unwrap().len();
    assert!(length > WHOLE);
    let mut named = 0;
    let step = usize::try_from(3 * SEGMENT).unwrap();
    let last = (length - 1) / SEGMENT * SEGMENT;
    for segment in (0..length).step_by(step).chain([last]) {
        let places = [5, 40, SEGMENT / 2].map(|within| segment + within);
        for place in places.into_iter().filter(|place| *place < length) {
            let words = format!("a bit at {place}");
            let flipped = Flipped::new(left.path(), place);
            let harmed = files(left.path());
            match look(left.path()) {
                Ok(read) => assert!(read == facts, "{words}: other facts"),
                Err(Damage { .. }) => named += 1,
            }
            assert_kept(&harmed, left.path(), &words);
            drop(flipped);
        }
        let read = look(left.path()).unwrap();
        assert!(read == facts, "facts were lost by looking, {segment}");
    }
    assert!(named > 3, "{named} of them were found");
}

/// More than is remembered, and nobody has opened it since: what is behind the damage is put back as far as it is.
#[test]
fn of_a_log_that_no_owner_ever_opened_again_the_newest_part_is_put_back() {
    let left = left(Left::Killed, REMEMBERED + 4 * SEGMENT);
    let length = left.path().join("sled/db").metadata().unwrap().len();
    let harm = |back: u64| {
        let flipped = Flipped::new(left.path(), length - back * SEGMENT + SEGMENT / 2);
        let harmed = files(left.path());
        // Not every segment holds something.
        let named = look(left.path()).is_err();
        assert_kept(&harmed, left.path(), &format!("{back} segments back"));
        drop(flipped);
        named
    };
    let named = (8..64).step_by(4).find(|back| harm(*back));
    assert!(
        named.is_some(),
        "nothing with megabytes behind it was found"
    );
    assert!(look(left.path()).is_ok(), "facts were lost by looking");
}
