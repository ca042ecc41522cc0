//! A store that is gone, empty or older than its head: every reader and owner says so, and nothing is made where the evidence is.

use std::fs;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append_each, copy, files, folder, holder, own, stream};
use crate::{Damage, DamageKind, EventLog, Journal, OwnError, ReadError, StoreError};

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

#[rstest]
#[case::the_store(|at: &Path| remove(&at.join("store")), 0, DamageKind::Gone)]
#[case::sleds_folder(|at: &Path| remove(&at.join("store/sled")), 0, DamageKind::Gone)]
#[case::sleds_log(|at: &Path| remove(&at.join("store/sled/db")), 0, DamageKind::Gone)]
#[case::the_log_and_the_head(|at: &Path| {
    remove(&at.join("store/sled"));
    remove(&at.join("store/head"));
}, 0, DamageKind::Gone)]
#[case::the_log_and_the_mark(|at: &Path| {
    remove(&at.join("store/sled"));
    remove(&at.join("begun"));
}, 1, DamageKind::LostTail(4))]
#[case::the_log_and_the_mark_and_a_byte_of_the_head(|at: &Path| {
    remove(&at.join("store/sled"));
    remove(&at.join("begun"));
    let mut head = fs::read(at.join("store/head")).unwrap();
    head[3] ^= 4;
    fs::write(at.join("store/head"), head).unwrap();
}, 0, DamageKind::KeptHeadDamaged)]
#[case::all_but_an_empty_head(|at: &Path| {
    remove(&at.join("store/sled"));
    fs::write(at.join("store/head"), "").unwrap();
}, 0, DamageKind::Gone)]
#[case::the_head(|at: &Path| remove(&at.join("store/head")), 4, DamageKind::KeptHeadMissing)]
fn a_store_without(#[case] harm: fn(&Path), #[case] sequence: u64, #[case] what: DamageKind) {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1, 1, 1, 1]);
    harm(&folder(&root));
    is_refused(&root, &Damage { sequence, what });
}

/// Nobody reads or owns it, and no file is made or changed by trying.
#[track_caller]
fn is_refused(root: &TempDir, expected: &Damage) {
    let before = files(&folder(root));
    for _ in 0..2 {
        let read = Journal::read(root.path(), &stream());
        let Err(ReadError::Store(StoreError::Damaged(damage))) = read else {
            panic!("{read:?}");
        };
        assert_eq!(damage, *expected);
        assert_eq!(Journal::targets(root.path()).unwrap(), [stream()]);
        let after = files(&folder(root));
        assert!(
            before == after,
            "{:?} and {:?}",
            before.keys(),
            after.keys()
        );
        let owned = Journal::own(root.path(), &stream(), holder("ada"));
        let Err(OwnError::Store(StoreError::Damaged(damage))) = owned else {
            panic!("{owned:?}");
        };
        assert_eq!(damage, *expected);
        let after = files(&folder(root));
        assert!(
            before == after,
            "{:?} and {:?}",
            before.keys(),
            after.keys()
        );
    }
}

#[test]
fn a_store_that_is_older_than_its_head_is_read_by_nobody_but_who_asks_for_what_is_left() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1, 1]);
    let older = TempDir::new().unwrap();
    copy(&folder(&root).join("store/sled"), older.path());
    append_each(own(&root).store(), &[1, 1]);
    remove(&folder(&root).join("store/sled"));
    copy(older.path(), &folder(&root).join("store/sled"));
    is_refused(
        &root,
        &Damage {
            sequence: 3,
            what: DamageKind::LostTail(4),
        },
    );
    let left = Journal::read_damaged(root.path(), &stream()).unwrap();
    assert_eq!(left.events(1, 9).unwrap().len(), 2);
}

#[test]
fn another_chain_in_the_place_of_the_store_is_found() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    append_each(own(&root).store(), &[1, 1]);
    append_each(own(&other).store(), &[2, 2]);
    remove(&folder(&root).join("store"));
    copy(&folder(&other).join("store"), &folder(&root).join("store"));
    is_refused(
        &root,
        &Damage {
            sequence: 1,
            what: DamageKind::OtherHead,
        },
    );
}

#[test]
fn a_journal_from_before_there_was_a_mark_gets_one_from_its_next_owner() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    remove(&folder(&root).join("begun"));
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
    assert!(!folder(&root).join("begun").exists(), "a reader makes none");
    drop(reader);
    drop(own(&root));
    assert!(folder(&root).join("begun").exists());
}

#[test]
fn reading_a_target_that_was_never_begun_makes_nothing() {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(folder(&root).join("store")).unwrap();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 0);
    drop(reader);
    assert_eq!(files(&folder(&root)).len(), 0);
}
