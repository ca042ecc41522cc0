//! A last record that is only there in part: the power went while the log was written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, copy, draft, draft_of, stream};
use crate::{Damage, DamageKind, EventLog, SledStore, StoreError, chain, scan};

const LOG: &str = "sled/db";

/// A store of three events and the same with a fourth, as a power cut leaves them: nobody has closed either.
struct Last {
    without: TempDir,
    with: TempDir,
}

impl Last {
    /// The last event has a payload of so many bytes.
    fn of(payload: usize) -> Self {
        let folder = in_memory();
        let store = SledStore::open(folder.path(), stream()).unwrap();
        append_each(&store, &[1, 1, 2]);
        let kept = || {
            let kept = in_memory();
            copy(folder.path(), kept.path());
            kept
        };
        let without = kept();
        append(&store, vec![draft_of(2, vec![b'.'; payload])]);
        let with = kept();
        Self { without, with }
    }

    /// Where the last record lies in the log: where its bytes are others than before.
    fn cuts(&self) -> std::ops::Range<usize> {
        let [without, with] =
            [&self.without, &self.with].map(|of| fs::read(of.path().join(LOG)).unwrap());
        let differs = |&at: &usize| without.get(at) != with.get(at);
        let first = (0..with.len()).find(differs).unwrap();
        let last = (0..with.len()).rfind(differs).unwrap();
        let cuts = first..last + 1;
        assert!(cuts.len() > 100, "the record is there: {cuts:?}");
        cuts
    }

    /// The store with the last record cut off where the log is so long; the rest is gone, or holds what the disk had there.
    fn cut(&self, length: usize, rest: Option<u8>) -> TempDir {
        let cut = in_memory();
        copy(self.with.path(), cut.path());
        let log = OpenOptions::new()
            .write(true)
            .open(cut.path().join(LOG))
            .unwrap();
        match rest {
            None => log.set_len(length as u64).unwrap(),
            Some(byte) => {
                let rest = vec![byte; self.cuts().end - length];
                log.write_all_at(&rest, length as u64).unwrap();
            }
        }
        cut
    }
}

/// A folder that no disk is asked to keep, where the system has one: the power goes on paper here.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

/// The events of a store that opens, which must be whole.
fn whole(folder: &Path) -> Result<u64, StoreError> {
    let store = SledStore::open(folder, stream())?;
    assert_eq!(chain::verify(&store, None)?.damage, None);
    Ok(scan(&store, 1).map(Result::unwrap).count() as u64)
}

#[rstest]
#[case::at_any_byte(40, 1, None)]
#[case::with_zeros_behind(40, 7, Some(0))]
#[case::with_other_bytes_behind(40, 7, Some(0xff))]
#[case::in_any_piece(60_000, 997, None)]
#[case::in_any_piece_with_zeros_behind(60_000, 997, Some(0))]
fn a_record_that_was_not_acknowledged_may_be_cut_off_anywhere(
    #[case] payload: usize,
    #[case] step: usize,
    #[case] rest: Option<u8>,
) {
    let last = Last::of(payload);
    for length in last.cuts().step_by(step) {
        let cut = last.cut(length, rest);
        // The head apart is written when the record is durable, and so it is the old one.
        fs::copy(last.without.path().join("head"), cut.path().join("head")).unwrap();
        let store = SledStore::open(cut.path(), stream())
            .unwrap_or_else(|error| panic!("cut at {length}: {error:?}"));
        let events = store.head().unwrap().sequence;
        assert!(
            (3..=4).contains(&events),
            "cut at {length}: {events} events"
        );
        append(&store, vec![draft(2, "goes on")]);
        drop(store);
        assert_eq!(whole(cut.path()).unwrap(), events + 1, "cut at {length}");
    }
}

/// sled writes a snapshot of where its log ends when it opens a store.
#[rstest]
#[case::begun(&[])]
#[case::half_written(&[1; 60])]
fn a_snapshot_that_was_not_finished_is_passed_over(#[case] bytes: &[u8]) {
    let last = Last::of(40);
    // The names of snapshots sort by where the log ended: this one comes behind any other.
    let unfinished = last
        .with
        .path()
        .join("sled/snap.00000000FFFFFFFF.generating");
    fs::write(&unfinished, bytes).unwrap();
    assert_eq!(whole(last.with.path()).unwrap(), 4);
    assert!(!unfinished.exists());
}

/// A file that sled was cut off from while it made it is a damaged one to it.
#[test]
fn a_store_that_was_not_finished_is_made_anew() {
    let folder = in_memory();
    let unfinished = folder.path().join("sled.new");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("conf"), "segment_size: 524").unwrap();
    append_each(&SledStore::open(folder.path(), stream()).unwrap(), &[1]);
    assert_eq!(whole(folder.path()).unwrap(), 1);
    assert!(!unfinished.exists());
}

#[rstest]
#[case::at_any_byte(40, 1, None)]
#[case::with_zeros_behind(40, 7, Some(0))]
#[case::with_other_bytes_behind(40, 7, Some(0xff))]
#[case::in_any_piece(60_000, 997, None)]
#[case::in_any_piece_with_zeros_behind(60_000, 997, Some(0))]
fn an_acknowledged_record_that_is_cut_off_is_missed_by_name(
    #[case] payload: usize,
    #[case] step: usize,
    #[case] rest: Option<u8>,
) {
    let lost = Damage {
        sequence: 4,
        what: DamageKind::LostTail(4),
    };
    let last = Last::of(payload);
    for length in last.cuts().step_by(step) {
        let cut = last.cut(length, rest);
        match whole(cut.path()) {
            // What was cut off were the very bytes that stand there.
            Ok(events) => assert_eq!(events, 4, "cut at {length}"),
            Err(StoreError::Damaged(damage)) => assert_eq!(damage, lost, "cut at {length}"),
            Err(error) => panic!("cut at {length}: {error:?}"),
        }
        let reading = SledStore::open_to_read(cut.path(), stream()).unwrap();
        let damage = chain::verify(&reading, None).unwrap().damage;
        assert!(
            damage.is_none_or(|damage| damage == lost),
            "cut at {length}"
        );
        assert!(reading.head().unwrap().sequence >= 3, "cut at {length}");
    }
}
