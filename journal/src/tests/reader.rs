//! Readers: from the owner's socket or from the store, through changes of owner, and against what is said on the socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{
    append, append_each, draft, draft_of, folder, holder, id, own, sequences, stream,
};
use crate::{EventLog, Journal, ReadError, Reader, StoreError, chain, scan};

#[test]
fn a_reader_sees_what_its_owner_appends() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.events(1, 9).unwrap(), []);
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
fn same(left: &dyn EventLog, right: &dyn EventLog) {
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
    let asked = Instant::now();
    let readers: Vec<_> = (0..4)
        .map(|_| Journal::read(root.path(), &stream()).unwrap())
        .collect();
    for reader in &readers {
        assert_eq!(reader.head().unwrap().sequence, 2);
    }
    // Each waits for the one before to be idle, and not for its turn to end.
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
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
fn a_socket_is_found_below_a_path_that_is_longer_than_its_address() {
    let root = TempDir::new().unwrap();
    let deep = root.path().join("d".repeat(150)).join("e".repeat(150));
    let owned = Journal::own(&deep, &stream(), holder("ada")).unwrap();
    append_each(owned.store(), &[1]);
    let reader = Journal::read(&deep, &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
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
#[case::huge_limit(b"{\"events\":{\"from\":0,\"limit\":18446744073709551615}}\n".to_vec())]
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
    // Connections are accepted in their order: once this one is answered, the silent ones are waited for.
    let reader = Journal::read(root.path(), &stream()).unwrap();
    reader.head().unwrap();
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
#[case::events_it_does_not_send(b"\0\0\0\x0b{\"events\":3}".to_vec())]
#[case::another_answer(b"\0\0\0\x14{\"latest_deploys\":[]}".to_vec())]
#[case::too_long(b"\xff\xff\xff\xff".to_vec())]
#[case::nothing(Vec::new())]
fn a_reader_outlives_what_an_owner_answers(#[case] answer: Vec<u8>) {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    answering(&folder(&root).join("socket"), answer);
    let patience = Duration::from_millis(100);
    let reader = Reader::open_patiently(root.path(), &stream(), patience, false);
    assert!(matches!(reader, Err(ReadError::Busy { .. })));
}

/// What an owner that is stopped looks like: its lock has its name, its socket takes connections, and nobody accepts them.
#[rstest]
#[case::that_takes_connections(0)]
#[case::whose_connections_are_all_taken(300)]
fn readers_of_an_owner_that_is_stopped_name_it_after_two_seconds(#[case] waiting: usize) {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    let named = serde_json::to_vec(&holder("ada")).unwrap();
    fs::write(folder(&root).join("lock"), named).unwrap();
    let socket = folder(&root).join("socket");
    let _stopped = UnixListener::bind(&socket).unwrap();
    let taken: Vec<_> = (0..waiting)
        .map_while(|_| {
            let waiting = rustix::net::socket_with(
                rustix::net::AddressFamily::UNIX,
                rustix::net::SocketType::STREAM,
                rustix::net::SocketFlags::NONBLOCK,
                None,
            )
            .unwrap();
            let address = rustix::net::SocketAddrUnix::new(&socket).unwrap();
            rustix::net::connect(&waiting, &address).ok()?;
            Some(waiting)
        })
        .collect();
    let asked = Instant::now();
    let silent = Journal::read(root.path(), &stream());
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    let Err(ReadError::Store(StoreError::Silent { holder: named, .. })) = silent else {
        panic!("{silent:?}");
    };
    assert_eq!(named.as_deref(), Some(&holder("ada")));
    drop(taken);
}

#[test]
fn readers_of_one_journal_do_not_wait_for_each_others_answers() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let reader = Journal::read(root.path(), &stream()).unwrap();
    drop(owned);
    // An owner that answers the second connection and not the first.
    drop(fs::remove_file(folder(&root).join("socket")));
    let listener = UnixListener::bind(folder(&root).join("socket")).unwrap();
    let (accepted, first_asks) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (_first, _) = listener.accept().unwrap();
            accepted.send(()).unwrap();
            let (mut second, _) = listener.accept().unwrap();
            second
                .write_all(b"\0\0\0\x15{\"deploy_start\":null}")
                .unwrap();
        });
        let first = scope.spawn(|| reader.head());
        first_asks.recv().unwrap();
        assert_eq!(reader.deploy_start(id(9)).unwrap(), None);
        // The owner is gone by now, and the store answers.
        assert_eq!(first.join().unwrap().unwrap().sequence, 1);
    });
}

#[test]
fn a_store_error_crosses_the_socket() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let events = append(owned.store(), vec![draft_of(1, vec![1; 100_000])]);
    let payload = events[0].header.payload_hash.to_string();
    fs::remove_file(folder(&root).join("store/payloads").join(payload)).unwrap();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 1);
    assert!(matches!(
        reader.events(1, 1),
        Err(StoreError::Damaged(damage)) if damage.sequence == 1
    ));
}

#[test]
fn a_reader_names_the_owner_for_as_long_as_there_is_one() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    owned.set_deploy(id(7)).unwrap();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    let named = reader.holder().unwrap().unwrap();
    assert_eq!((named.actor.as_str(), named.deploy), ("ada", Some(id(7))));
    drop(owned);
    assert_eq!(reader.holder().unwrap(), None);
}
