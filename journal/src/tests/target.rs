//! One owner at a time, readers always: in this process, and across processes that are killed.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, draft, draft_of, id, sequences, stream};
use crate::exchange;
use crate::{
    Facts, Holder, ImportIntoError, Journal, Kept, MemoryStore, OwnError, Owned, ReadError, Reader,
    StoreError, StreamId, chain, scan,
};

fn holder(actor: &str) -> Holder {
    Holder {
        actor: actor.to_owned(),
        pid: std::process::id(),
        host: "forge".to_owned(),
        boot_id: "b007".to_owned(),
        since: Timestamp::from_millisecond(1_780_000_000_000).unwrap(),
        deploy: Some(id(1)),
    }
}

fn own(root: &TempDir) -> Owned {
    Journal::own(root.path(), &stream(), holder("ada")).unwrap()
}

fn folder(root: &TempDir) -> PathBuf {
    root.path().join("shop/dev")
}

#[test]
fn a_second_owner_is_refused_at_once_with_the_holders_name() {
    let root = TempDir::new().unwrap();
    let mut owned = own(&root);
    let asked = Instant::now();
    let refused = Journal::own(root.path(), &stream(), holder("grace"));
    assert!(matches!(refused, Err(OwnError::Held(found)) if found == holder("ada")));
    assert!(
        asked.elapsed() < Duration::from_millis(200),
        "{:?}",
        asked.elapsed()
    );
    owned.set_deploy(id(7)).unwrap();
    let refused = Journal::own(root.path(), &stream(), holder("grace"));
    assert!(matches!(refused, Err(OwnError::Held(found)) if found.deploy == Some(id(7))));
}

#[test]
fn another_target_can_be_owned_meanwhile() {
    let root = TempDir::new().unwrap();
    let _dev = own(&root);
    let prod = StreamId::new("shop", "prod").unwrap();
    let prod = Journal::own(root.path(), &prod, holder("grace")).unwrap();
    append_each(prod.store(), &[1]);
}

#[test]
fn a_clean_end_leaves_nothing_behind_for_the_next_owner() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    assert_eq!(owned.previous(), None);
    append_each(owned.store(), &[1]);
    drop(owned);
    assert!(!folder(&root).join("socket").exists());
    let next = own(&root);
    assert_eq!(next.previous(), None);
    assert_eq!(next.store().head().unwrap().sequence, 1);
}

#[test]
fn an_owner_that_ended_in_a_panic_is_named_to_the_next() {
    let root = TempDir::new().unwrap();
    let path = root.path().to_owned();
    let panicked = thread::spawn(move || {
        let _owned = Journal::own(&path, &stream(), holder("ada")).unwrap();
        std::panic::panic_any("as a test asks");
    });
    assert!(panicked.join().is_err());
    assert_eq!(own(&root).previous(), Some(&holder("ada")));
}

#[test]
fn a_reader_sees_what_its_owner_appends() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.facts(1, 9).unwrap(), []);
    for appended in 1..=20 {
        append_each(owned.store(), &[appended / 5]);
        assert_eq!(reader.head().unwrap(), owned.store().head().unwrap());
        assert_eq!(sequences(&reader, appended, 9), [appended]);
    }
    same(&reader, owned.store());
    assert_eq!(chain::verify(&reader, None).unwrap().damage, None);
}

#[test]
fn a_reader_without_an_owner_reads_the_store_itself() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1, 1, 2]);
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(sequences(&reader, 1, 9), [1, 2, 3]);
    assert_eq!(chain::verify(&reader, None).unwrap().damage, None);
    assert_eq!(fs::metadata(folder(&root).join("lock")).unwrap().len(), 0);
}

/// Compares everything that can be asked.
fn same(left: &dyn Facts, right: &dyn Facts) {
    assert_eq!(left.head().unwrap(), right.head().unwrap());
    assert_eq!(left.kept_head().unwrap(), right.kept_head().unwrap());
    assert!(
        scan(left, 1)
            .map(Result::unwrap)
            .eq(scan(right, 1).map(Result::unwrap))
    );
    let deploys = right.latest_deploys(None, 99).unwrap();
    assert_eq!(left.latest_deploys(None, 99).unwrap(), deploys);
    assert_eq!(left.latest_deploys(None, 2).unwrap(), deploys[..2]);
    assert_eq!(
        left.latest_deploys(Some(deploys[0].0), 99).unwrap(),
        deploys[1..]
    );
    for (first, deploy) in deploys {
        assert_eq!(left.deploy_start(deploy).unwrap(), Some(first));
    }
    assert_eq!(left.deploy_start(id(99)).unwrap(), None);
}

#[test]
fn large_payloads_and_long_pages_come_through_the_socket() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append(
        owned.store(),
        vec![draft_of(1, vec![3; crate::PAYLOAD_MAX])],
    );
    append(
        owned.store(),
        vec![draft_of(1, vec![4; 65_537]), draft_of(1, vec![5; 65_536])],
    );
    for deploy in 2..40 {
        append(
            owned.store(),
            (0..200).map(|_| draft(deploy, "x")).collect(),
        );
    }
    let reader = Journal::read(root.path(), &stream()).unwrap();
    same(&reader, owned.store());
}

#[test]
fn a_reader_goes_on_through_every_change_of_owner() {
    let root = TempDir::new().unwrap();
    drop(own(&root));
    let reader = Journal::read(root.path(), &stream()).unwrap();
    for appended in 1..=6 {
        let owned = own(&root);
        append_each(owned.store(), &[1]);
        assert_eq!(reader.head().unwrap().sequence, appended);
        drop(owned);
        assert_eq!(reader.head().unwrap().sequence, appended);
        assert_eq!(sequences(&reader, appended, 9), [appended]);
    }
}

#[test]
fn a_busy_reader_lets_an_owner_in() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    for _ in 0..30 {
        append(owned.store(), (0..200).map(|_| draft(1, "x")).collect());
    }
    drop(owned);
    let (stop, stopped) = mpsc::channel::<()>();
    let path = root.path().to_owned();
    let (started, ready) = mpsc::channel();
    let reading = thread::spawn(move || {
        let reader = Journal::read(&path, &stream()).unwrap();
        let mut verified = 0;
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            assert_eq!(chain::verify(&reader, None).unwrap().damage, None);
            verified += 1;
            started.send(()).unwrap();
        }
        verified
    });
    ready.recv().unwrap();
    for round in 0..5 {
        let asked = Instant::now();
        let owned = own(&root);
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
        append(owned.store(), vec![draft(1, &round.to_string())]);
    }
    drop(stop);
    assert!(reading.join().unwrap() > 0);
}

#[test]
fn an_idle_reader_lets_other_readers_in() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1, 2]);
    let readers: Vec<_> = (0..4)
        .map(|_| Journal::read(root.path(), &stream()).unwrap())
        .collect();
    for reader in &readers {
        assert_eq!(reader.head().unwrap().sequence, 2);
    }
}

#[test]
fn a_reader_never_makes_an_owner_think_the_target_is_held() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    let path = root.path().to_owned();
    let (stop, stopped) = mpsc::channel::<()>();
    let reading = thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let reader = Journal::read(&path, &stream()).unwrap();
            assert!(reader.head().unwrap().sequence > 0);
        }
    });
    for _ in 0..30 {
        drop(own(&root));
    }
    drop(stop);
    reading.join().unwrap();
}

#[test]
fn somebody_who_keeps_the_door_makes_an_owner_wait_two_seconds_and_then_say_so() {
    let root = TempDir::new().unwrap();
    drop(own(&root));
    let door = fs::File::open(folder(&root).join("door")).unwrap();
    door.lock().unwrap();
    let asked = Instant::now();
    let refused = Journal::own(root.path(), &stream(), holder("ada"));
    assert!(matches!(refused, Err(OwnError::Busy { path }) if path.ends_with("door")));
    assert!(asked.elapsed() >= Duration::from_secs(2));
    drop(door);
    assert_eq!(own(&root).previous(), None);
}

#[test]
fn what_is_not_there_is_absent_and_not_made() {
    let root = TempDir::new().unwrap();
    let refused = Journal::read(root.path(), &stream());
    assert!(matches!(refused, Err(ReadError::Absent { .. })));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    assert_eq!(Journal::targets(&root.path().join("none")).unwrap(), []);
}

#[test]
fn every_target_is_listed_under_the_name_it_was_given() {
    let root = TempDir::new().unwrap();
    let names = [
        ("..", "dev"),
        ("a/b", "ü"),
        ("shop", "dev"),
        ("shop", "prod"),
    ];
    let mut targets: Vec<_> = names
        .iter()
        .map(|(project, env)| StreamId::new(*project, *env).unwrap())
        .collect();
    for target in &targets {
        drop(Journal::own(root.path(), target, holder("ada")).unwrap());
    }
    fs::create_dir_all(root.path().join("not a target/dev/store")).unwrap();
    fs::create_dir_all(root.path().join("shop/empty")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let mut listed = Journal::targets(root.path()).unwrap();
    listed.sort();
    targets.sort();
    assert_eq!(listed, targets);
}

#[test]
fn a_socket_is_found_below_a_path_that_is_longer_than_its_address() {
    let root = TempDir::new().unwrap();
    let deep = root.path().join("d".repeat(150)).join("e".repeat(150));
    let owned = Journal::own(&deep, &stream(), holder("ada")).unwrap();
    append_each(owned.store(), &[1]);
    let reader = Journal::read(&deep, &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
}

#[test]
fn only_this_user_can_connect_and_enter() {
    let root = TempDir::new().unwrap();
    let _owned = own(&root);
    let mode = |name| {
        fs::metadata(folder(&root).join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!([mode("."), mode("store")], [0o700; 2]);
    assert_eq!([mode("socket"), mode("lock"), mode("door")], [0o600; 3]);
}

#[test]
fn a_socket_of_a_dead_owner_is_replaced() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    let socket = folder(&root).join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
    drop(reader);
    let _owned = own(&root);
    assert_eq!(
        Journal::read(root.path(), &stream())
            .unwrap()
            .head()
            .unwrap()
            .sequence,
        1
    );
}

#[rstest]
#[case::nonsense(b"GET / HTTP/1.1\r\n\r\n".to_vec())]
#[case::endless(vec![b'x'; 100_000])]
#[case::huge_limit(b"{\"facts\":{\"from\":0,\"limit\":18446744073709551615}}\n".to_vec())]
#[case::nothing(Vec::new())]
fn an_owner_outlives_what_is_said_to_it(#[case] said: Vec<u8>) {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1, 1]);
    let mut connection = UnixStream::connect(folder(&root).join("socket")).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // The owner may hang up before it was told all.
    drop(connection.write_all(&said));
    drop(connection.shutdown(std::net::Shutdown::Write));
    drop(connection.read_to_end(&mut Vec::new()));
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 2);
}

#[test]
fn readers_that_say_nothing_do_not_keep_an_owner_from_ending() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let silent: Vec<_> = (0..10)
        .map(|_| UnixStream::connect(folder(&root).join("socket")).unwrap())
        .collect();
    let asked = Instant::now();
    drop(owned);
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    drop(silent);
}

/// Answers every question with the same bytes, as a broken or hostile owner would.
fn answering(socket: &Path, answer: Vec<u8>) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut connection = connection;
            drop(connection.write_all(&answer));
        }
    });
}

#[rstest]
#[case::facts_it_does_not_send(b"\0\0\0\x0b{\"facts\":3}".to_vec())]
#[case::another_answer(b"\0\0\0\x14{\"latest_deploys\":[]}".to_vec())]
#[case::too_long(b"\xff\xff\xff\xff".to_vec())]
#[case::nothing(Vec::new())]
fn a_reader_outlives_what_an_owner_answers(#[case] answer: Vec<u8>) {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    answering(&folder(&root).join("socket"), answer);
    let patience = Duration::from_millis(100);
    let reader = Reader::open_patiently(root.path(), &stream(), patience);
    assert!(matches!(reader, Err(ReadError::Busy { .. })));
}

#[test]
fn a_store_error_crosses_the_socket() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let facts = append(owned.store(), vec![draft_of(1, vec![1; 100_000])]);
    let payload = facts[0].header.payload_hash.to_string();
    fs::remove_file(folder(&root).join("store/payloads").join(payload)).unwrap();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
    assert!(matches!(
        reader.facts(1, 1),
        Err(StoreError::Damaged(damage)) if damage.sequence == 1
    ));
}

#[test]
fn an_import_makes_a_journal_or_nothing() {
    let source = MemoryStore::new(stream());
    append_each(&source, &[1, 1, 2]);
    append(&source, vec![draft_of(2, vec![1; 100_000])]);
    let mut export = Vec::new();
    exchange::export(&source, &mut export).unwrap();

    let root = TempDir::new().unwrap();
    let import = |bytes: &[u8]| {
        Journal::import(
            root.path(),
            &stream(),
            holder("ada"),
            Cursor::new(bytes.to_vec()),
        )
    };
    let refused = import(&export[..export.len() - 1]);
    assert!(matches!(refused, Err(ImportIntoError::Import(_))));
    assert_eq!(Journal::targets(root.path()).unwrap(), []);
    // What an import that was killed leaves.
    fs::create_dir_all(folder(&root).join("store.importing/sled")).unwrap();
    fs::write(folder(&root).join("store.importing/sled/db"), "torn").unwrap();

    assert_eq!(import(&export).unwrap(), source.head().unwrap());
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(chain::verify(&reader, None).unwrap().facts, 4);
    assert_eq!(
        reader.kept_head().unwrap(),
        Kept::Head(source.head().unwrap())
    );
    drop(reader);
    let refused = import(&export);
    assert!(matches!(
        refused,
        Err(ImportIntoError::Import(
            exchange::ImportError::NotEmpty { .. }
        ))
    ));
    assert_eq!(own(&root).previous(), None);
}

const OWNING: &str = "JOURNAL_TEST_OWNING_ROOT";

/// Runs this test again as a process of its own, which owns the target and appends until it is killed.
fn spawn_owner(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::target::a_killed_owner_is_taken_over",
            "--nocapture",
        ])
        .env(OWNING, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"owned\n") {
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        said.push(byte[0]);
    }
    child
}

#[test]
fn a_killed_owner_is_taken_over() {
    if let Some(root) = std::env::var_os(OWNING) {
        let owned = Journal::own(Path::new(&root), &stream(), holder("child")).unwrap();
        std::io::stdout().write_all(b"owned\n").unwrap();
        // It is killed long before; but should its parent die, it ends.
        append_each(owned.store(), &vec![1; 20_000]);
        return;
    }
    let root = TempDir::new().unwrap();
    let mut appended = 0;
    for round in 0..3 {
        let mut child = spawn_owner(root.path());
        let reader = Journal::read(root.path(), &stream()).unwrap();
        while reader.head().unwrap().sequence < appended + 20 {}
        let seen = reader.head().unwrap();
        let refused = Journal::own(root.path(), &stream(), holder("ada"));
        assert!(matches!(refused, Err(OwnError::Held(found)) if found.pid == child.id()));
        child.kill().unwrap();
        child.wait().unwrap();

        let owned = own(&root);
        let previous = owned.previous().unwrap();
        assert_eq!(
            (previous.actor.as_str(), previous.pid),
            ("child", child.id())
        );
        let head = owned.store().head().unwrap();
        assert!(
            head.sequence >= seen.sequence,
            "what was seen is there, round {round}"
        );
        assert_eq!(chain::verify(&reader, Some(&seen)).unwrap().damage, None);
        appended = head.sequence;
    }
}
