//! What only the store on disk does: it survives, it syncs once an append, and one process holds it.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{
    append, append_each, copy, draft, draft_of, id, newer_major, newer_minor, stream,
};
use crate::store::sled::open_db;
use crate::{
    AppendError, Damage, DamageKind, EventLog, NewEvent, SUPPORTED, SledStore, Store, StoreError,
    StoredHead, chain, scan,
};

fn open(folder: &TempDir) -> SledStore {
    SledStore::open(folder.path(), stream()).unwrap()
}

#[test]
fn events_are_there_after_closing_and_opening() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append_each(&store, &[1, 1, 2]);
    append(&store, vec![draft_of(2, vec![7; 100_000])]);
    let before: Vec<_> = scan(&store, 1).map(Result::unwrap).collect();
    drop(store);
    let store = open(&folder);
    let after: Vec<_> = scan(&store, 1).map(Result::unwrap).collect();
    assert_eq!(before, after);
    assert_eq!(store.head().unwrap(), before[3].header.head());
    append(&store, vec![draft(2, "goes on"), draft(3, "next")]);
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
}

#[test]
fn a_store_can_be_opened_as_soon_as_it_is_closed() {
    let folder = TempDir::new().unwrap();
    for deploy in 0..100 {
        append(&open(&folder), vec![draft(deploy, "x")]);
    }
    assert_eq!(open(&folder).head().unwrap().sequence, 100);
}

#[test]
fn a_store_that_is_let_go_a_moment_later_is_waited_for() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let log = fs::File::open(folder.path().join("sled/db")).unwrap();
    log.lock().unwrap();
    let letting_go = thread::spawn(move || {
        // Long enough that the first try fails, and far shorter than the patience of the one that waits.
        thread::sleep(Duration::from_millis(60));
        drop(log);
    });
    append_each(&open(&folder), &[1]);
    letting_go.join().unwrap();
}

#[test]
fn a_second_process_is_told_that_the_store_is_busy() {
    let folder = TempDir::new().unwrap();
    let _held = open(&folder);
    let second = SledStore::open(folder.path(), stream());
    assert!(matches!(second, Err(StoreError::Busy { path }) if path.ends_with("sled")));
}

#[test]
fn an_append_is_one_sync() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append(&store, vec![draft(1, "first")]);
    let before = store.syncs();
    append_each(&store, &[1, 1, 2, 3, 3]);
    append(&store, (0..200).map(|_| draft(3, "batch")).collect());
    append(&store, vec![draft_of(3, vec![1; 60_000])]);
    assert_eq!(store.syncs() - before, 7);
}

const STRACED: &str = "JOURNAL_TEST_STRACED_FOLDER";

/// Runs itself under strace, with 10 appends and with 30: the difference is the appends' own.
#[test]
fn the_kernel_sees_one_fdatasync_an_append() {
    if let Ok(folder) = std::env::var(STRACED) {
        let (folder, appends) = folder.split_once('=').unwrap();
        let store = SledStore::open(Path::new(folder), stream()).unwrap();
        append_each(&store, &vec![1; appends.parse().unwrap()]);
        return;
    }
    let traced = |appends: usize| {
        let folder = TempDir::new().unwrap();
        let trace = folder.path().join("trace");
        let ran = Command::new("strace")
            .args(["-f", "-e", "trace=fsync,fdatasync", "-o"])
            .arg(&trace)
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::sled_store::the_kernel_sees_one_fdatasync_an_append",
            ])
            .env(
                STRACED,
                format!("{}={appends}", folder.path().join("s").display()),
            )
            .output();
        match ran {
            Ok(output) if output.status.success() => Some(
                fs::read_to_string(trace)
                    .unwrap()
                    .matches("fdatasync(")
                    .count(),
            ),
            // Without strace, or where tracing is forbidden, the counter inside the store has to do.
            Ok(_) | Err(_) => None,
        }
    };
    let counted = |appends: usize| {
        let folder = TempDir::new().unwrap();
        let store = open(&folder);
        append_each(&store, &vec![1; appends]);
        usize::try_from(store.syncs()).unwrap()
    };
    let syncs = |appends| traced(appends).unwrap_or_else(|| counted(appends));
    assert_eq!(syncs(30) - syncs(10), 20);
}

#[test]
fn sled_never_spills_a_leaf_into_a_file_of_its_own() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for number in 0..120 {
        append(
            &store,
            vec![draft_of(1, vec![number; crate::PAYLOAD_INLINE_MAX])],
        );
    }
    drop(store);
    let spilled = fs::read_dir(folder.path().join("sled/blobs"))
        .unwrap()
        .count();
    assert_eq!(spilled, 0);
    assert_eq!(chain::verify(&open(&folder), None).unwrap().events, 120);
}

#[test]
fn only_this_user_can_enter_the_folders() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("a/b");
    let store = SledStore::open(&target, stream()).unwrap();
    append(&store, vec![draft_of(1, vec![1; 100_000])]);
    for made in ["a", "a/b", "a/b/sled", "a/b/payloads"] {
        let mode = fs::metadata(folder.path().join(made))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{made}");
    }
}

#[test]
fn what_was_appended_is_there_after_a_kill_at_any_time() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for appended in 1..60 {
        append(
            &store,
            vec![draft(appended / 7, "x"), draft(appended / 7, "y")],
        );
        let killed = TempDir::new().unwrap();
        copy(folder.path(), killed.path());
        let killed = open(&killed);
        assert_eq!(killed.head().unwrap(), store.head().unwrap());
        assert_eq!(chain::verify(&killed, None).unwrap().damage, None);
    }
}

#[test]
fn a_head_that_lags_is_brought_up_when_the_store_is_opened() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append_each(&store, &[1, 1]);
    let lagging = fs::read(folder.path().join("head")).unwrap();
    append_each(&store, &[1]);
    let head = store.head().unwrap();
    drop(store);
    fs::write(folder.path().join("head"), lagging).unwrap();
    let reading = SledStore::open_to_read(folder.path(), stream()).unwrap();
    assert_eq!(chain::verify(&reading, None).unwrap().damage, None);
    drop(reading);
    assert_eq!(open(&folder).kept_head().unwrap(), StoredHead::Head(head));
}

#[test]
fn a_store_that_lost_its_tail_is_refused_and_verify_says_so() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append_each(&store, &[1, 1]);
    let short = TempDir::new().unwrap();
    copy(folder.path(), short.path());
    append_each(&store, &[1, 1]);
    drop(store);
    fs::copy(folder.path().join("head"), short.path().join("head")).unwrap();
    let lost = Damage {
        sequence: 3,
        what: DamageKind::LostTail(4),
    };
    let refused = SledStore::open(short.path(), stream());
    assert!(matches!(refused, Err(StoreError::Damaged(damage)) if damage == lost));
    let reading = SledStore::open_to_read(short.path(), stream()).unwrap();
    assert_eq!(chain::verify(&reading, None).unwrap().damage, Some(lost));
}

#[rstest]
#[case::missing(|head: &Path| fs::remove_file(head).unwrap(), DamageKind::KeptHeadMissing)]
#[case::changed(|head: &Path| {
    let mut bytes = fs::read(head).unwrap();
    bytes[10] ^= 1;
    fs::write(head, bytes).unwrap();
}, DamageKind::KeptHeadDamaged)]
#[case::grown(|head: &Path| {
    let mut bytes = fs::read(head).unwrap();
    bytes.push(0);
    fs::write(head, bytes).unwrap();
}, DamageKind::KeptHeadDamaged)]
fn a_damaged_head_apart_is_found(#[case] harm: fn(&Path), #[case] what: DamageKind) {
    let folder = TempDir::new().unwrap();
    append_each(&open(&folder), &[1, 1]);
    harm(&folder.path().join("head"));
    let expected = Damage { sequence: 2, what };
    let refused = SledStore::open(folder.path(), stream());
    assert!(matches!(refused, Err(StoreError::Damaged(damage)) if damage == expected));
    let reading = SledStore::open_to_read(folder.path(), stream()).unwrap();
    assert_eq!(
        chain::verify(&reading, None).unwrap().damage,
        Some(expected)
    );
}

#[rstest]
#[case::missing(|file: &Path| fs::remove_file(file).unwrap(), DamageKind::PayloadMissing)]
#[case::changed(|file: &Path| {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(b"!", 99_999).unwrap();
}, DamageKind::PayloadChanged)]
#[case::longer(|file: &Path| {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(b"!", 100_000).unwrap();
}, DamageKind::PayloadChanged)]
fn a_damaged_large_payload_is_found(#[case] harm: fn(&Path), #[case] what: DamageKind) {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append_each(&store, &[1, 1]);
    let events = append(&store, vec![draft_of(1, vec![b'.'; 100_000])]);
    append_each(&store, &[1]);
    let name = events[0].header.payload_hash.to_string();
    harm(&folder.path().join("payloads").join(name));
    let damage = chain::verify(&store, None).unwrap().damage;
    assert_eq!(damage, Some(Damage { sequence: 3, what }));
}

#[test]
fn a_large_payload_is_kept_once_and_mended_by_the_next_append_of_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    append(
        &store,
        vec![
            draft_of(1, vec![b'.'; 100_000]),
            draft_of(1, vec![b'.'; 100_000]),
        ],
    );
    let files: Vec<_> = fs::read_dir(folder.path().join("payloads"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1);
    fs::write(files[0].as_ref().unwrap().path(), "torn").unwrap();
    append(&store, vec![draft_of(1, vec![b'.'; 100_000])]);
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
}

#[test]
fn a_newer_minor_can_be_read_and_not_appended_to() {
    let folder = TempDir::new().unwrap();
    let schema = newer_minor();
    let newer = SledStore::open_supporting(folder.path(), stream(), schema).unwrap();
    append(
        &newer,
        vec![NewEvent {
            schema,
            ..draft(1, "x")
        }],
    );
    drop(newer);
    let store = open(&folder);
    assert_eq!(store.events(1, 9).unwrap()[0].header.schema, schema);
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
    let refused = store.append(&store.head().unwrap(), vec![draft(1, "y")]);
    assert!(matches!(refused, Err(AppendError::Schema { last, .. }) if last == schema));
}

#[test]
fn a_newer_major_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let schema = newer_major();
    let newer = SledStore::open_supporting(folder.path(), stream(), schema).unwrap();
    append(
        &newer,
        vec![NewEvent {
            schema,
            ..draft(1, "x")
        }],
    );
    drop(newer);
    let refused = SledStore::open(folder.path(), stream()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "event 1 of `shop/dev` has schema {schema}, newer than schema {SUPPORTED}, the newest that this build reads; use the tool that wrote it"
        )
    );
}

/// Changes the tree behind the store's back.
fn tamper(folder: &TempDir, change: impl FnOnce(&::sled::Db)) {
    let db = open_db(&folder.path().join("sled")).unwrap();
    change(&db);
    db.flush().unwrap();
}

fn key(kind: u8, sequence: u64, rest: &[u8]) -> Vec<u8> {
    [&[kind], &sequence.to_be_bytes()[..], rest].concat()
}

#[rstest]
#[case::removed(|db: &::sled::Db| drop(db.remove(key(b'f', 2, &[0, 0]))), 2)]
#[case::first_removed(|db: &::sled::Db| drop(db.remove(key(b'f', 1, &[0, 0]))), 1)]
#[case::last_removed(|db: &::sled::Db| drop(db.remove(key(b'f', 5, &[0, 0]))), 5)]
#[case::duplicated(|db: &::sled::Db| {
    let two = db.get(key(b'f', 2, &[0, 0])).unwrap().unwrap();
    db.insert(key(b'f', 3, &[0, 0]), two).unwrap();
}, 3)]
#[case::grown(|db: &::sled::Db| drop(db.insert(key(b'f', 4, &[0, 1]), b"x")), 4)]
#[case::index_removed(|db: &::sled::Db| drop(db.remove(key(b's', 4, &[]))), 4)]
#[case::index_added(|db: &::sled::Db| drop(db.insert(key(b's', 2, &[]), id(9).as_bytes())), 5)]
#[case::index_moved(|db: &::sled::Db| {
    let key = [&b"d"[..], id(2).as_bytes()].concat();
    db.insert(key, &5_u64.to_be_bytes()).unwrap();
}, 4)]
fn a_change_behind_the_store_is_found(#[case] change: fn(&::sled::Db), #[case] sequence: u64) {
    let folder = TempDir::new().unwrap();
    append_each(&open(&folder), &[1, 1, 1, 2, 2]);
    tamper(&folder, change);
    let store = SledStore::open_to_read(folder.path(), stream()).unwrap();
    let damage = chain::verify(&store, None).unwrap().damage.unwrap();
    assert_eq!(damage.sequence, sequence, "{damage}");
}
