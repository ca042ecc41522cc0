//! Owners: one at a time, named, taken over when they die; targets and imports.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::rig::{append, append_each, draft_of, folder, holder, id, own, stream};
use crate::transfer;
use crate::{
    EventLog, ImportIntoError, Journal, MemoryStore, OwnError, ReadError, StoredHead, StreamId,
    chain,
};

#[test]
fn a_second_owner_is_refused_at_once_with_the_holders_name() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let asked = Instant::now();
    let refused = Journal::own(root.path(), &stream(), holder("grace"));
    assert!(matches!(refused, Err(OwnError::Held(found)) if found == holder("ada")));
    assert!(
        asked.elapsed() < Duration::from_secs(2),
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
fn somebody_who_keeps_the_store_lock_makes_an_owner_wait_two_seconds_and_then_say_so() {
    let root = TempDir::new().unwrap();
    drop(own(&root));
    let store_lock = fs::File::open(folder(&root).join("store.lock")).unwrap();
    store_lock.lock().unwrap();
    let asked = Instant::now();
    let refused = Journal::own(root.path(), &stream(), holder("ada"));
    assert!(matches!(refused, Err(OwnError::Busy { path }) if path.ends_with("store.lock")));
    assert!(asked.elapsed() >= Duration::from_secs(2));
    drop(store_lock);
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
    assert_eq!(
        [mode("socket"), mode("lock"), mode("store.lock")],
        [0o600; 3]
    );
}

/// What follows an import is recorded here.
#[test]
fn which_events_came_with_an_import_is_known() {
    let source = MemoryStore::new(stream());
    append_each(&source, &[1, 1, 2]);
    let mut export = Vec::new();
    transfer::export(&source, &mut export).unwrap();

    let root = TempDir::new().unwrap();
    let imported = || Journal::imported_until(root.path(), &stream()).unwrap();
    assert_eq!(imported(), 0, "there is no journal");
    Journal::import(root.path(), &stream(), holder("ada"), Cursor::new(export)).unwrap();
    assert_eq!(imported(), 3);
    let owned = own(&root);
    append(owned.store(), vec![draft_of(2, vec![1; 10])]);
    assert_eq!(owned.imported_until().unwrap(), 3);
    drop(owned);
    // A note that does not read says nothing of what came with it.
    fs::write(folder(&root).join("store/imported"), "three").unwrap();
    assert_eq!(imported(), u64::MAX);
}

#[test]
fn an_import_makes_a_journal_or_nothing() {
    let source = MemoryStore::new(stream());
    append_each(&source, &[1, 1, 2]);
    append(&source, vec![draft_of(2, vec![1; 100_000])]);
    let mut export = Vec::new();
    transfer::export(&source, &mut export).unwrap();

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
    assert_eq!(chain::verify(&reader, None).unwrap().events, 4);
    assert_eq!(
        reader.kept_head().unwrap(),
        StoredHead::Head(source.head().unwrap())
    );
    drop(reader);
    let refused = import(&export);
    assert!(matches!(
        refused,
        Err(ImportIntoError::Import(
            transfer::ImportError::NotEmpty { .. }
        ))
    ));
    assert_eq!(own(&root).previous(), None);
}

#[test]
fn every_owner_that_died_is_named_until_their_ends_are_recorded() {
    let root = TempDir::new().unwrap();
    let die = |actor: &'static str| {
        let path = root.path().to_owned();
        let died = thread::spawn(move || {
            let _owned = Journal::own(&path, &stream(), holder(actor)).unwrap();
            std::panic::panic_any("as a test asks");
        });
        assert!(died.join().is_err());
    };
    ["ada", "grace", "barbara"].into_iter().for_each(die);
    let expected = ["ada", "grace", "barbara"].map(holder);
    let owned = own(&root);
    assert_eq!(owned.lost(), expected);
    drop(owned);
    assert_eq!(own(&root).lost(), expected, "nobody has recorded it");
    let owned = own(&root);
    owned.settle();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.holder().unwrap(), Some(holder("ada")));
    drop(owned);
    assert_eq!(own(&root).lost(), []);
}

#[test]
fn of_very_many_owners_that_died_the_first_and_the_newest_are_named() {
    let root = TempDir::new().unwrap();
    drop(own(&root));
    let names: Vec<_> = (0..300)
        .map(|number| holder(&format!("{number}{}", "x".repeat(200))))
        .collect();
    let text = serde_json::json!({ "holder": null, "lost": names[..100] });
    fs::write(folder(&root).join("lock"), text.to_string()).unwrap();
    let owned = own(&root);
    assert_eq!(owned.lost().len(), 32);
    assert_eq!(owned.lost().first(), names.first());
    assert_eq!(owned.lost().last(), names[..100].last());
}

#[test]
fn an_owner_that_could_not_sync_leaves_word_until_an_owner_ends_that_could() {
    let root = TempDir::new().unwrap();
    let lock = || fs::read_to_string(folder(&root).join("lock")).unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    owned.store().fail();
    drop(owned);
    assert!(lock().contains(r#""unsynced":true"#), "{}", lock());
    let next = own(&root);
    assert!(lock().contains(r#""unsynced":true"#), "until it ends well");
    assert_eq!(next.lost(), []);
    append_each(next.store(), &[1]);
    drop(next);
    assert_eq!(lock(), "");
}

const OWNING: &str = "JOURNAL_TEST_OWNING_ROOT";

/// Runs this test again as a process of its own, which owns the target and appends until it is killed.
fn spawn_owner(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::owner::a_killed_owner_is_taken_over",
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
        drop(owned);
        let owned = own(&root);
        let again = owned.previous().map(|holder| holder.pid);
        assert_eq!(again, Some(child.id()), "until it has been recorded");
        owned.settle();
        appended = head.sequence;
    }
    assert_eq!(
        own(&root).previous(),
        None,
        "a clean end after that is clean"
    );
}
