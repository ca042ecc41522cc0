//! Damage, enumerated: every byte of exports, of stored rows, and of the files below the store.
//!
//! The sweeps over files take a byte in so many; `JOURNAL_SWEEP_STEP=1` takes all of them (docs/guide/journal.md).

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use rstest::rstest;
use tempfile::TempDir;

use super::other_user::{give_away, kept};
use super::rig::{append_each, copy, files, id, look, stream};
use crate::{
    Damage, DamageKind, EventLog, Head, MemoryStore, SledStore, StoreError, StoredEvent,
    VerifyReport, chain, transfer,
};

/// One byte in so many; the common sizes of records have no part in it.
fn step(usual: usize) -> usize {
    let asked = std::env::var("JOURNAL_SWEEP_STEP").ok();
    asked.map_or(usual, |step| step.parse().expect("a number of bytes"))
}

/// What can happen to one byte.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(u8),
    Remove,
    Double,
    SwapWithNext,
    CutHere,
}

impl Harm {
    /// All of them; of the bits one, which changes with the place.
    fn all(place: usize) -> [Self; 5] {
        [
            Self::Flip(1 << (place % 8)),
            Self::Remove,
            Self::Double,
            Self::SwapWithNext,
            Self::CutHere,
        ]
    }

    /// The bytes afterwards; none when it changes nothing.
    fn apply(self, bytes: &[u8], place: usize) -> Option<Vec<u8>> {
        let mut harmed = bytes.to_vec();
        match self {
            Self::Flip(bit) => harmed[place] ^= bit,
            Self::Remove => drop(harmed.remove(place)),
            Self::Double => harmed.insert(place, bytes[place]),
            Self::SwapWithNext => {
                if place + 1 == bytes.len() {
                    return None;
                }
                harmed.swap(place, place + 1);
            }
            Self::CutHere => harmed.truncate(place),
        }
        (harmed != bytes).then_some(harmed)
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/journals/v1");
    fs::read(folder.join(name)).unwrap()
}

/// The first bad event, as verifying the export names it; none when it is whole.
fn named(export: &[u8]) -> Option<u64> {
    let store = MemoryStore::new(stream());
    let imported = transfer::import(&store, Cursor::new(export));
    match transfer::verify(Cursor::new(export), None, |_| ()) {
        Ok(VerifyReport { damage: None, .. }) => None,
        Ok(VerifyReport {
            damage: Some(damage),
            ..
        }) => {
            assert!(imported.is_err(), "{damage}");
            Some(damage.sequence)
        }
        // So early that it does not say whose events it holds.
        Err(transfer::ImportError::Line { line, .. }) => Some(line),
        Err(error) => panic!("{error}"),
    }
}

#[rstest]
#[case::three_events("envelope-three-facts.jsonl", 3)]
#[case::odd_payloads("envelope-odd-payloads.jsonl", 7)]
#[case::incompatible("deploy-incompatible.jsonl", 7)]
#[case::killed("deploy-killed.jsonl", 23)]
fn whatever_happens_to_a_byte_of_an_export_is_named(#[case] name: &str, #[case] usual: usize) {
    let export = fixture(name);
    assert_eq!(named(&export), None);
    for place in (0..export.len()).step_by(step(usual)) {
        for harm in Harm::all(place) {
            let Some(harmed) = harm.apply(&export, place) else {
                continue;
            };
            // The line, and so the event, in which the first byte differs. A line that ends twice is followed by an empty one.
            let same = export.iter().zip(&harmed).take_while(|(was, is)| was == is);
            let differs = same.count();
            let line = export[..differs].split(|byte| *byte == b'\n').count() as u64;
            assert_eq!(named(&harmed), Some(line), "{harm:?} at byte {place}");
        }
    }
}

/// Every line removed, put elsewhere as well, and swapped with every other; every end cut off.
#[rstest]
#[case::resumed("deploy-failed-resumed.jsonl")]
#[case::superseded("deploy-superseded.jsonl")]
#[case::two_deploys("envelope-two-deploys.jsonl")]
fn whatever_happens_to_a_line_of_an_export_is_named(#[case] name: &str) {
    let export = String::from_utf8(fixture(name)).unwrap();
    let lines: Vec<&str> = export.lines().collect();
    let named = |lines: &[&str]| named(format!("{}\n", lines.join("\n")).as_bytes());
    for first in 0..lines.len() {
        let sequence = Some(first as u64 + 1);
        let mut removed = lines.clone();
        removed.remove(first);
        assert_eq!(named(&removed), sequence, "line {first} removed");
        if first > 0 {
            assert_eq!(named(&lines[..first]), sequence, "cut at {first}");
        }
        for second in 0..=lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(second, lines[first]);
            // Beside itself, the second of the two is the one too many.
            let place = if second == first { second + 1 } else { second };
            assert_eq!(
                named(&doubled),
                Some(place as u64 + 1),
                "{first} at {second}"
            );
            if second > first && second < lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(first, second);
                assert_eq!(named(&swapped), sequence, "{first} and {second} swapped");
            }
        }
    }
}

/// A cut that was given a head of its own is whole by itself: only a noted head finds it.
#[test]
fn an_export_that_was_cut_and_closed_again_is_found_by_a_noted_head() {
    let whole = MemoryStore::new(stream());
    append_each(&whole, &[1, 1, 2]);
    let noted = whole.head().unwrap();
    let shorter = MemoryStore::new(stream());
    append_each(&shorter, &[1, 1]);
    let mut export = Vec::new();
    transfer::export(&shorter, &mut export).unwrap();
    let verify = |noted| transfer::verify(Cursor::new(&export), noted, |_| ()).unwrap();
    assert_eq!(verify(None).damage, None);
    let lost = Damage::at(3, DamageKind::LostTail(3));
    assert_eq!(verify(Some(&noted)).damage, Some(lost));
    let other = Head {
        sequence: 1,
        ..noted
    };
    let differs = Damage::at(1, DamageKind::OtherHead);
    assert_eq!(verify(Some(&other)).damage, Some(differs));
}

/// The first bad event of a store that is open; none when it is whole.
fn first_bad(store: &SledStore) -> Option<u64> {
    match chain::verify(store, None) {
        Ok(report) => report.damage.map(|damage| damage.sequence),
        // A record that begins with another byte may be one of a newer layout; it is named as that.
        Err(StoreError::Newer { sequence, .. }) => Some(sequence),
        Err(error) => panic!("{error}"),
    }
}

/// Five events of two deploys, open to be read, and its rows: key, value, and the event that is bad when the row is.
#[expect(clippy::type_complexity, reason = "rows as sled gives them")]
fn rows() -> (TempDir, SledStore, Vec<(Vec<u8>, Vec<u8>, u64)>) {
    let folder = TempDir::new().unwrap();
    append_each(
        &SledStore::open(folder.path(), stream()).unwrap(),
        &[1, 1, 1, 2, 2],
    );
    let store = SledStore::open_to_read(folder.path(), stream()).unwrap();
    let rows = store.db().iter().map(Result::unwrap).map(|(key, value)| {
        let first = match key[0] {
            b'd' => {
                if key[1..] == id(1).as_bytes()[..] {
                    1
                } else {
                    4
                }
            }
            _ => u64::from_be_bytes(key[1..9].try_into().unwrap()),
        };
        (key.to_vec(), value.to_vec(), first)
    });
    let rows = rows.collect();
    (folder, store, rows)
}

#[test]
fn whatever_happens_to_a_stored_row_is_found_at_its_event() {
    let (_folder, store, rows) = rows();
    assert_eq!((first_bad(&store), rows.len()), (None, 9));
    let db = store.db();
    for (key, value, sequence) in &rows {
        let place_of = |what: &str| format!("{what} of {:?}", String::from_utf8_lossy(key));
        for place in 0..value.len() {
            for harm in Harm::all(place) {
                if let Some(harmed) = harm.apply(value, place) {
                    db.insert(key, harmed).unwrap();
                    let words = place_of(&format!("{harm:?} at {place}"));
                    assert_eq!(first_bad(&store), Some(*sequence), "{words}");
                }
            }
        }
        db.remove(key).unwrap();
        assert_eq!(
            first_bad(&store),
            Some(*sequence),
            "{}",
            place_of("removal")
        );
        for place in 0..key.len() {
            for harm in Harm::all(place) {
                let Some(other) = harm.apply(key, place) else {
                    continue;
                };
                // A row that lands on another one takes its place.
                let there = rows.iter().find(|(key, ..)| *key == other);
                let first = there.map_or(*sequence, |(.., there)| *sequence.min(there));
                db.insert(&other, value.as_slice()).unwrap();
                let words = place_of(&format!("{harm:?} at {place} of the key"));
                assert_eq!(first_bad(&store), Some(first), "{words}");
                match there {
                    Some((_, value, _)) => drop(db.insert(&other, value.as_slice()).unwrap()),
                    None => drop(db.remove(&other).unwrap()),
                }
            }
        }
        db.insert(key, value.as_slice()).unwrap();
    }
    assert_eq!(first_bad(&store), None);
}

#[test]
fn events_that_were_swapped_or_doubled_are_found_at_the_first_of_them() {
    let (_folder, store, rows) = rows();
    let events: Vec<_> = rows.iter().filter(|(key, ..)| key[0] == b'f').collect();
    for (key, value, sequence) in &events {
        for (other_key, other, other_sequence) in &events {
            if key == other_key {
                continue;
            }
            store.db().insert(key, other.as_slice()).unwrap();
            assert_eq!(first_bad(&store), Some(*sequence));
            store.db().insert(other_key, value.as_slice()).unwrap();
            let first = sequence.min(other_sequence);
            assert_eq!(first_bad(&store), Some(*first));
            store.db().insert(key, value.as_slice()).unwrap();
            store.db().insert(other_key, other.as_slice()).unwrap();
        }
    }
}

#[test]
fn a_row_that_leads_to_another_deploy_leads_nowhere() {
    let (_folder, store, _) = rows();
    let row = [&b"d"[..], id(9).as_bytes()].concat();
    store.db().insert(row, &4_u64.to_be_bytes()).unwrap();
    assert_eq!(store.deploy_start(id(9)).unwrap(), None);
    assert_eq!(store.deploy_start(id(2)).unwrap(), Some(4));
}

/// How a store was left.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// Its owner was killed.
    Killed,
    /// Its owner ended.
    Closed,
    /// Another owner came and went, so that sled has taken stock of its log.
    Settled,
}

fn left(left: Left) -> TempDir {
    let made = TempDir::new().unwrap();
    let store = SledStore::open(made.path(), stream()).unwrap();
    append_each(&store, &[1, 1, 2, 2, 2]);
    match left {
        Left::Killed => {
            let killed = TempDir::new().unwrap();
            copy(made.path(), killed.path());
            return killed;
        }
        Left::Closed => drop(store),
        Left::Settled => {
            drop(store);
            drop(SledStore::open(made.path(), stream()).unwrap());
        }
    }
    made
}

/// sled checks what it reads, recovers what it can, and panics on the rest. Whatever it does: the events are all there, or the damage is named,
/// and the files stay as they were found.
#[rstest]
#[case::killed(Left::Killed)]
#[case::closed(Left::Closed)]
#[case::settled(Left::Settled)]
fn whatever_happens_to_a_byte_of_the_files_is_named_and_the_files_stay(#[case] how: Left) {
    let left = left(how);
    let events = look(left.path()).unwrap();
    assert_eq!(events.len(), 5);
    for (path, bytes) in files(left.path()) {
        let name = path.strip_prefix(left.path()).unwrap();
        // Behind what was written the log holds nothing but zeros.
        let written = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 64);
        let usual = if bytes.len() > 1000 { 101 } else { 5 };
        for place in (0..bytes.len().min(written)).step_by(step(usual)) {
            for harm in Harm::all(place) {
                let Some(harmed) = harm.apply(&bytes, place) else {
                    continue;
                };
                let words = format!("{harm:?} at byte {place} of {}", name.display());
                assert_named(left.path(), &events, &[(name, harmed)], &words);
            }
        }
    }
}

/// Reads a copy of a store, which is another user's, in which files have other bytes: the events are all there, or the damage is
/// named; and every file has the bytes, the owner and the mode that it had.
#[track_caller]
fn assert_named(left: &Path, events: &[StoredEvent], harmed: &[(&Path, Vec<u8>)], words: &str) {
    let copied = TempDir::new().unwrap();
    copy(left, copied.path());
    for (name, bytes) in harmed {
        fs::write(copied.path().join(name), bytes).unwrap();
    }
    give_away(copied.path());
    let before = kept(copied.path());
    match look(copied.path()) {
        Ok(read) => assert!(read == events, "{words}: other events"),
        Err(Damage { sequence, what }) => {
            assert!(sequence <= 5, "{words}: event {sequence}, {what}");
            let named = what.to_string();
            let whole = sequence == 0;
            // Where the head is harmed as well, it is what is named.
            let is_head = harmed.iter().any(|(name, _)| name.ends_with("head"));
            let is_named = named.contains("/sled/") || is_head;
            assert!(!whole || is_named, "{words}: {named}");
        }
    }
    assert!(kept(copied.path()) == before, "{words}: written to");
}

/// Two bytes, in each pair of the files.
#[rstest]
#[case::killed(Left::Killed)]
#[case::closed(Left::Closed)]
#[case::settled(Left::Settled)]
fn whatever_happens_to_two_bytes_of_the_files_is_named_and_the_files_stay(#[case] how: Left) {
    let left = left(how);
    let events = look(left.path()).unwrap();
    let files = files(left.path());
    let written = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    for (first_path, first) in &files {
        for (second_path, second) in &files {
            let name = |path: &Path| path.strip_prefix(left.path()).unwrap().to_owned();
            let (first_name, second_name) = (name(first_path), name(second_path));
            // Places that lie apart, and meet different parts of each pair.
            for part in 0..8 {
                let place = |bytes: &[u8], turn: usize| written(bytes) * (part * turn % 8) / 8;
                let (at, other) = (place(first, 3), place(second, 5));
                let mut harmed = first.clone();
                let Some(byte) = harmed.get_mut(at) else {
                    continue;
                };
                *byte ^= 0x10;
                let mut both = if first_path == second_path {
                    harmed.clone()
                } else {
                    second.clone()
                };
                let Some(byte) = both.get_mut(other) else {
                    continue;
                };
                *byte ^= 0x81;
                let words = format!(
                    "byte {at} of {} and byte {other} of {}",
                    first_name.display(),
                    second_name.display()
                );
                let changes = [
                    (first_name.as_path(), harmed),
                    (second_name.as_path(), both),
                ];
                assert_named(left.path(), &events, &changes, &words);
            }
        }
    }
}

/// An owner is refused, and leaves as much as it found.
#[test]
fn an_owner_that_is_refused_leaves_a_damaged_store_as_it_was() {
    let left = left(Left::Killed);
    let log = left.path().join("sled/db");
    let mut bytes = fs::read(&log).unwrap();
    // sled makes its log longer than what it holds.
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let before = files(left.path());
    let refused = SledStore::open(left.path(), stream());
    assert!(matches!(refused, Err(StoreError::Damaged(_))));
    assert!(files(left.path()) == before);
}
