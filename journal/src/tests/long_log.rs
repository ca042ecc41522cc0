//! A log that is too long to be remembered as a whole: looking at it takes nothing away either.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, copy, draft_of, files, look, stream};
use crate::store::log_backup::{REMEMBERED, SEGMENT, WHOLE};
use crate::{Damage, SledStore};

/// Appends large events until the log is longer than so many bytes.
pub(crate) fn fill(store: &SledStore, folder: &Path, longer_than: u64) {
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

/// A bit of the log that is the other way round.
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

/// Asserts that files are what they were. Of the log sled may have overwritten segments that hold nothing any more, with zeros. When
/// it began to fill one of them anew, nothing is put back of a log that is whole, and only its events can be compared.
#[track_caller]
fn assert_kept(before: &Files, folder: &Path, words: &str, is_whole: bool) {
    let after = files(folder);
    let segment = usize::try_from(SEGMENT).unwrap();
    let log = folder.join("sled/db");
    let (was, is) = (&before[&log], &after[&log]);
    let zeroed = |piece: &[u8]| piece.iter().all(|byte| *byte == 0);
    let pieces = was.chunks(segment).zip(is.chunks(segment));
    let written = pieces.enumerate();
    let written = written.filter(|(_, (was, is))| was != is && !zeroed(is));
    let written: Vec<usize> = written.map(|(number, _)| number).collect();
    if is_whole && (!written.is_empty() || was.len() > is.len()) {
        return;
    }
    assert!(
        written.is_empty(),
        "{words}: segments {written:?} were written to"
    );
    assert_eq!(was.len(), is.len(), "{words}: the log is longer or shorter");
    assert!(before.keys().eq(after.keys()), "{words}: other files");
    for (path, bytes) in before.iter().filter(|(path, _)| **path != log) {
        assert!(
            *bytes == after[path],
            "{words}: {} was written to",
            path.display()
        );
    }
}

/// Makes the files what they were.
fn make_as(before: &Files, folder: &Path) {
    let now = files(folder);
    for path in now.keys().filter(|path| !before.contains_key(*path)) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in before
        .iter()
        .filter(|(path, bytes)| now.get(*path) != Some(bytes))
    {
        std::fs::write(path, bytes).unwrap();
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
    let events = look(left.path()).expect("it is whole");
    assert_kept(&before, left.path(), "whole", true);
    // As it is from here on: sled may have moved something.
    let before = files(left.path());
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
            let looked = look(left.path());
            let is_whole = looked.is_ok();
            match looked {
                Ok(read) => assert!(read == events, "{words}: other events"),
                Err(Damage { .. }) => named += 1,
            }
            assert_kept(&harmed, left.path(), &words, is_whole);
            if is_whole {
                make_as(&before, left.path());
            } else {
                flipped.flip();
            }
        }
        let read = look(left.path()).unwrap();
        assert!(read == events, "events were lost by looking, {segment}");
        make_as(&before, left.path());
    }
    assert!(named > 3, "{named} of them were found");
}

/// The places of the newest segments in a log's file, as many as are remembered, by what their headers say.
fn newest(log: &[u8]) -> Vec<usize> {
    let segment = usize::try_from(SEGMENT).unwrap();
    let place_in_log = |place: usize| {
        let header = log[place + 4..place + 12].try_into().unwrap();
        u64::from_le_bytes(header) ^ (u64::MAX >> 1)
    };
    let mut places: Vec<_> = (0..log.len()).step_by(segment).collect();
    places.sort_by_key(|place| std::cmp::Reverse(place_in_log(*place)));
    places.truncate(usize::try_from(REMEMBERED / SEGMENT).unwrap());
    places
}

/// More than is remembered, and nobody has opened it since: all that is remembered is put back. To what is older sled may have written.
#[test]
fn of_a_log_that_no_owner_ever_opened_again_the_newest_part_is_put_back() {
    let left = left(Left::Killed, REMEMBERED + 4 * SEGMENT);
    let length = left.path().join("sled/db").metadata().unwrap().len();
    let harm = |back: u64| {
        let tried = TempDir::new().unwrap();
        copy(left.path(), tried.path());
        Flipped::new(tried.path(), length - back * SEGMENT + SEGMENT / 2);
        let mut before = files(tried.path());
        // Not every segment holds something.
        let named = look(tried.path()).is_err();
        let mut after = files(tried.path());
        if named {
            let log = tried.path().join("sled/db");
            let (was, is) = (before.remove(&log).unwrap(), after.remove(&log).unwrap());
            assert!(
                before.keys().eq(after.keys()),
                "{back} segments back: {:?}, were {:?}",
                after.keys(),
                before.keys()
            );
            for (path, bytes) in &before {
                assert!(
                    *bytes == after[path],
                    "{back} segments back: {} was written to",
                    path.display()
                );
            }
            assert_eq!(was.len(), is.len(), "{back} segments back");
            for place in newest(&was) {
                let end = was.len().min(place + usize::try_from(SEGMENT).unwrap());
                let kept = was[place..end] == is[place..end];
                assert!(kept, "{back} segments back: {place} was written to");
            }
        }
        named
    };
    let named = (8..64).step_by(2).filter(|back| harm(*back)).count();
    assert!(named > 0, "nothing with megabytes behind it was found");
}
