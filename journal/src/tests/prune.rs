//! Prunes: what is kept verifies from where it begins, what went is told by name, and a changed checkpoint is damage.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, copy, draft, files, folder, holder, id, own, stream};
use crate::transfer::{self, BackupReader, BackupWriter, ImportError};
use crate::{
    Comparison, Damage, DamageKind, EventLog, Hash, Head, Journal, MemoryStore, Overlay,
    PruneError, PruneOrder, ReadError, Store, StoreError, StoredEvent, chain, scan, scan_all,
};

/// Deploys of a target that is pruned, an event each.
const DEPLOYS: [u64; 6] = [1, 1, 2, 2, 3, 3];

/// A journal with three deploys and two documents, of which the first events name one each.
fn journal(root: &TempDir) -> Vec<StoredEvent> {
    let owned = own(root);
    append_each(owned.store(), &DEPLOYS);
    for document in ["that goes", "that is kept"] {
        owned.store().put_document(document.as_bytes()).unwrap();
    }
    scan_all(owned.store()).map(Result::unwrap).collect()
}

fn reader(root: &TempDir) -> crate::Reader {
    Journal::read(root.path(), &stream()).unwrap()
}

/// Prunes up to an event; the event that says so is of deploy `number`.
fn order(root: &TempDir, until: u64, number: u64) -> PruneOrder {
    let reader = reader(root);
    let last = crate::event(&reader, until).unwrap().unwrap();
    PruneOrder {
        expected: reader.head().unwrap(),
        checkpoint: last.header.head(),
        documents: [Hash::of(b"that is kept")].into(),
        added: vec![b"that is new".to_vec()],
        event: draft(number, "pruned"),
    }
}

fn prune(root: &TempDir, until: u64, number: u64) -> Head {
    let order = order(root, until, number);
    Journal::prune(root.path(), &stream(), holder("ada"), order).unwrap()
}

fn damage(root: &Path) -> Option<Damage> {
    let reader = match Journal::read_damaged(root, &stream()) {
        Err(ReadError::Store(StoreError::Damaged(damage))) => return Some(damage),
        reader => reader.unwrap(),
    };
    let refused = match Journal::read(root, &stream()).map(|reader| reader.head()) {
        Err(ReadError::Store(StoreError::Damaged(damage)))
        | Ok(Err(StoreError::Damaged(damage))) => Some(damage),
        Ok(_) => None,
        Err(error) => panic!("{error:?}"),
    };
    let report = chain::verify(&reader, None).unwrap();
    report.damage.or(refused)
}

fn is_pruned<T: std::fmt::Debug>(read: Result<T, StoreError>, until: u64) {
    let error = read.unwrap_err();
    assert!(
        matches!(&error, StoreError::Pruned { until: said, .. } if *said == until),
        "{error:?}"
    );
}

#[test]
fn what_is_kept_verifies_from_the_checkpoint_and_goes_on() {
    let root = TempDir::new().unwrap();
    let before = journal(&root);
    let head = prune(&root, 2, 9);
    let kept = reader(&root);
    assert_eq!(kept.checkpoint().unwrap(), before[1].header.head());
    let events: Vec<StoredEvent> = scan_all(&kept).map(Result::unwrap).collect();
    assert_eq!(events[..4], before[2..]);
    assert_eq!((events.len(), kept.head().unwrap()), (5, head));
    for sequence in [1, 2] {
        is_pruned(crate::event(&kept, sequence), 2);
        is_pruned(scan(&kept, sequence).next().unwrap(), 2);
    }
    let starts: Vec<u64> = [1, 2, 3]
        .into_iter()
        .map(|deploy| kept.deploy_start(id(deploy)).unwrap().unwrap_or(0))
        .collect();
    assert_eq!(starts, [0, 3, 5]);
    let firsts = kept.latest_deploys(None, 9).unwrap();
    assert_eq!(firsts, [(7, id(9)), (5, id(3)), (3, id(2))]);
    let mut documents = [Hash::of(b"that is kept"), Hash::of(b"that is new")];
    documents.sort_unstable();
    assert_eq!(kept.documents(None, 9).unwrap(), documents);
    let report = chain::verify(&kept, None).unwrap();
    assert_eq!((report.events, report.deploys, report.damage), (5, 3, None));
    assert_eq!(report.checkpoint, Some(before[1].header.head()));
    drop(kept);

    // A second prune begins where the first ended, and both times somebody appends behind it.
    append_each(own(&root).store(), &[4, 4]);
    prune(&root, 7, 10);
    append_each(own(&root).store(), &[5]);
    let kept = reader(&root);
    let report = chain::verify(&kept, None).unwrap();
    assert_eq!((report.events, report.deploys, report.damage), (4, 3, None));
    is_pruned(crate::event(&kept, 7), 7);
    let left: Vec<_> = fs::read_dir(folder(&root))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|name| name == "store.importing"),
        "{left:?}"
    );
}

#[test]
fn a_noted_head_is_looked_for_where_it_can_be() {
    let root = TempDir::new().unwrap();
    let before = journal(&root);
    prune(&root, 2, 9);
    let kept = reader(&root);
    let noted = |event: &StoredEvent| chain::verify(&kept, Some(&event.header.head()));
    is_pruned(noted(&before[0]), 2);
    for event in &before[1..] {
        assert_eq!(noted(event).unwrap().damage, None);
    }
    let other = Head {
        sequence: 2,
        hash: Hash::of(b"other"),
    };
    let damage = chain::verify(&kept, Some(&other)).unwrap().damage;
    assert_eq!(damage.unwrap().what, DamageKind::OtherHead);
}

#[rstest]
#[case::somebody_appended(|order: &mut PruneOrder| order.expected.sequence -= 1)]
#[case::of_another_history(|order: &mut PruneOrder| order.checkpoint.hash = Hash::of(b"other"))]
#[case::not_there(|order: &mut PruneOrder| order.checkpoint.sequence = 99)]
#[case::a_document_is_gone(|order: &mut PruneOrder| order.documents = [Hash::of(b"gone")].into())]
#[case::of_a_deploy_that_was(|order: &mut PruneOrder| order.event.deploy = id(2))]
fn what_does_not_fit_leaves_the_journal_as_it_was(#[case] harm: fn(&mut PruneOrder)) {
    let root = TempDir::new().unwrap();
    let before = journal(&root);
    let mut order = order(&root, 2, 9);
    harm(&mut order);
    Journal::prune(root.path(), &stream(), holder("ada"), order).unwrap_err();
    let kept = reader(&root);
    let events: Vec<StoredEvent> = scan_all(&kept).map(Result::unwrap).collect();
    assert_eq!((events, damage(root.path())), (before, None));
    drop(kept);
    prune(&root, 2, 9);
}

#[test]
fn somebody_who_owns_the_target_is_not_pruned_away() {
    let root = TempDir::new().unwrap();
    journal(&root);
    let order = order(&root, 2, 9);
    let owned = own(&root);
    let refused = Journal::prune(root.path(), &stream(), holder("bob"), order);
    assert!(matches!(refused, Err(PruneError::Own(_))), "{refused:?}");
    append_each(owned.store(), &[4]);
}

#[test]
fn every_change_of_the_checkpoint_is_damage() {
    let root = TempDir::new().unwrap();
    let before = journal(&root);
    prune(&root, 2, 9);
    let path = folder(&root).join("store/checkpoint");
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), 72);
    let found = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        damage(root.path())
    };
    for place in 0..whole.len() {
        let mut harmed = whole.clone();
        harmed[place] ^= 1;
        let what = found(&harmed).map(|damage| damage.what);
        assert_eq!(what, Some(DamageKind::Checkpoint), "byte {place}");
    }
    for length in [0, 8, 71] {
        assert_eq!(
            found(&whole[..length]).unwrap().what,
            DamageKind::Checkpoint
        );
    }
    // Somebody who can compute the check: behind another event, or behind another hash.
    let other = |sequence, hash| {
        let head = Head { sequence, hash };
        crate::store::checkpoint_record(&head, &stream())
    };
    assert!(found(&other(3, before[2].header.hash)).is_some());
    assert!(found(&other(1, before[0].header.hash)).is_some());
    assert!(found(&other(2, before[0].header.hash)).is_some());
    fs::remove_file(&path).unwrap();
    assert!(damage(root.path()).is_some());
    assert_eq!(found(&whole), None);
}

/// What a kill leaves between the mark and the exchange, and behind the exchange.
#[test]
fn the_mark_takes_the_store_of_before_and_after_and_no_other() {
    let (root, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    journal(&root);
    let saved = elsewhere.path().join("store");
    copy(&folder(&root).join("store"), &saved);
    prune(&root, 2, 9);
    prune(&root, 4, 10);
    assert_eq!(damage(root.path()), None);
    let store = folder(&root).join("store");
    let put = |from: &Path| {
        fs::remove_dir_all(&store).unwrap();
        copy(from, &store);
    };
    put(&saved);
    assert_eq!(damage(root.path()), None, "the store of before");
    let other = TempDir::new().unwrap();
    append_each(own(&other).store(), &[7, 7]);
    put(&folder(&other).join("store"));
    assert_eq!(damage(root.path()).unwrap().what, DamageKind::OtherHead);
}

#[test]
fn what_came_with_an_import_is_still_somebody_elses() {
    let (root, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    journal(&there);
    let mut export = Vec::new();
    transfer::export(&reader(&there), &mut export).unwrap();
    let head = Journal::import(root.path(), &stream(), holder("ada"), Cursor::new(export));
    assert_eq!(head.unwrap().sequence, 6);
    append_each(own(&root).store(), &[4]);
    prune(&root, 2, 9);
    assert_eq!(Journal::imported_until(root.path(), &stream()).unwrap(), 6);
    journal_without_import();
}

/// Where nothing was imported nothing is noted.
fn journal_without_import() {
    let root = TempDir::new().unwrap();
    journal(&root);
    prune(&root, 2, 9);
    assert_eq!(Journal::imported_until(root.path(), &stream()).unwrap(), 0);
}

fn exported(root: &TempDir) -> Vec<u8> {
    let mut export = Vec::new();
    transfer::export(&reader(root), &mut export).unwrap();
    export
}

#[test]
fn an_export_begins_with_the_checkpoint_and_every_change_of_it_is_found() {
    let root = TempDir::new().unwrap();
    journal(&root);
    prune(&root, 2, 9);
    let export = exported(&root);
    let text = String::from_utf8(export.clone()).unwrap();
    assert!(
        text.starts_with("{\"checkpoint\":{\"sequence\":2,\"hash\":\""),
        "{text}"
    );
    assert!(
        text.lines().last().unwrap().starts_with("{\"format\":3,"),
        "{text}"
    );
    let report = transfer::verify(Cursor::new(&export), None, |_| ()).unwrap();
    assert_eq!((report.events, report.damage), (5, None));
    let there = TempDir::new().unwrap();
    let head = Journal::import(there.path(), &stream(), holder("ada"), Cursor::new(&export));
    assert_eq!(head.unwrap(), reader(&root).head().unwrap());
    assert_eq!(damage(there.path()), None);
    assert_eq!(exported(&there), export);

    let is_refused = |harmed: &[u8]| {
        let checked = transfer::check(Cursor::new(harmed)).is_err();
        let verified = transfer::verify(Cursor::new(harmed), None, |_| ());
        let found = !matches!(&verified, Ok(report) if report.damage.is_none());
        assert_eq!(checked, found);
        found
    };
    let first = text.find('\n').unwrap();
    for place in 0..=first {
        let mut harmed = export.clone();
        harmed[place] ^= 1;
        assert!(is_refused(&harmed), "byte {place}");
    }
    let lines: Vec<&str> = text.lines().collect();
    // Which documents an event names is for others to know.
    let is_ours = |line: &usize| !lines[*line].starts_with("{\"document\"");
    for line in (0..lines.len()).filter(is_ours) {
        let mut harmed = lines.clone();
        harmed.remove(line);
        assert!(
            is_refused((harmed.join("\n") + "\n").as_bytes()),
            "without line {line}"
        );
        let mut harmed = lines.clone();
        harmed.insert(line, lines[0]);
        assert!(
            is_refused((harmed.join("\n") + "\n").as_bytes()),
            "twice, at line {line}"
        );
    }
    // The line of a damage is told as its event.
    let harmed = text.replacen("event 4", "event 5", 1);
    let report = transfer::verify(Cursor::new(harmed), None, |_| ()).unwrap();
    assert_eq!(report.damage.unwrap().sequence, 5);
    // Nothing behind a checkpoint is no journal.
    let nothing = [
        lines[0],
        &lines
            .last()
            .unwrap()
            .replace("\"sequence\":7", "\"sequence\":2"),
    ];
    assert!(is_refused((nothing.join("\n") + "\n").as_bytes()));
}

fn backup(log: &dyn EventLog) -> Vec<u8> {
    let made_at = "2026-11-30T09:00:00Z".parse().unwrap();
    let mut writer = BackupWriter::begin(Vec::new(), made_at, "0.1.0", &[stream()]).unwrap();
    writer.add(log, |_| {}).unwrap();
    writer.finish().unwrap()
}

/// How a journal stands to a backup; it is restored where something of it is missing.
fn restored(root: &TempDir, backup: &[u8]) -> Comparison {
    let open = || BackupReader::open(backup).unwrap();
    let compared = Journal::compare_backup(root.path(), open(), |_| true, |_| {}).unwrap();
    Journal::restore_backup(root.path(), open(), &compared, &holder("ada"), |_| {}).unwrap();
    compared[0].here
}

#[test]
fn restores_between_a_pruned_journal_and_backups_of_before_and_after() {
    let root = TempDir::new().unwrap();
    journal(&root);
    let old = backup(&reader(&root));
    let beginning = MemoryStore::new(stream());
    append_each(&beginning, &DEPLOYS[..3]);
    let pruned_part = MemoryStore::new(stream());
    append_each(&pruned_part, &DEPLOYS[..1]);
    prune(&root, 2, 9);
    let head = reader(&root).head().unwrap();
    // Backups of before bring nothing back, and are no other history.
    let kept = files(&folder(&root).join("store"));
    for (backup, here) in [
        (&old, Comparison::Longer(head)),
        (&backup(&beginning), Comparison::Longer(head)),
        (&backup(&pruned_part), Comparison::Pruned(head)),
        (
            &backup(&MemoryStore::new(stream())),
            Comparison::Longer(head),
        ),
    ] {
        assert_eq!(restored(&root, backup), here);
    }
    assert_eq!(files(&folder(&root).join("store")), kept);
    let new = backup(&reader(&root));
    assert_eq!(restored(&root, &new), Comparison::Same);
    // The backup of after goes where nothing is, and completes what was behind it.
    let empty = TempDir::new().unwrap();
    assert_eq!(restored(&empty, &new), Comparison::Absent);
    let behind = TempDir::new().unwrap();
    journal(&behind);
    let before = reader(&behind).head().unwrap();
    assert_eq!(restored(&behind, &new), Comparison::Beginning(before));
    for root in [&empty, &behind] {
        assert_eq!(damage(root.path()), None);
        assert_eq!(exported(root), transfer_of(&new));
    }
    let at_checkpoint = TempDir::new().unwrap();
    append_each(own(&at_checkpoint).store(), &DEPLOYS[..2]);
    let here = reader(&at_checkpoint).head().unwrap();
    assert_eq!(restored(&at_checkpoint, &new), Comparison::Beginning(here));
    // Where both have nothing in common nobody can tell.
    let apart = TempDir::new().unwrap();
    append_each(own(&apart).store(), &DEPLOYS[..1]);
    let here = reader(&apart).head().unwrap();
    assert_eq!(restored(&apart, &new), Comparison::Apart(here));
    let other = TempDir::new().unwrap();
    append_each(own(&other).store(), &[1, 8]);
    assert_eq!(restored(&other, &new), Comparison::Other { sequence: 2 });
}

/// The export in a backup of one target.
fn transfer_of(backup: &[u8]) -> Vec<u8> {
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(backup)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    (lines[1..lines.len() - 1].join("\n") + "\n").into_bytes()
}

#[test]
fn a_lost_journal_comes_back_from_a_backup_of_before_each_of_its_prunes() {
    let root = TempDir::new().unwrap();
    journal(&root);
    let mut backups = vec![backup(&reader(&root))];
    for (until, number) in [(2, 9), (4, 10)] {
        prune(&root, until, number);
        backups.push(backup(&reader(&root)));
    }
    for backup in backups {
        fs::remove_dir_all(folder(&root).join("store")).unwrap();
        assert_eq!(restored(&root, &backup), Comparison::Absent);
        assert_eq!(damage(root.path()), None);
        assert_eq!(exported(&root), transfer_of(&backup));
    }
}

#[test]
fn a_reader_goes_on_through_a_prune_and_an_owner_serves_what_it_says() {
    let root = TempDir::new().unwrap();
    journal(&root);
    let through = reader(&root);
    assert_eq!(
        crate::event(&through, 1).unwrap().unwrap().header.sequence,
        1
    );
    prune(&root, 2, 9);
    is_pruned(crate::event(&through, 1), 2);
    assert_eq!(through.head().unwrap().sequence, 7);
    let owned = own(&root);
    is_pruned(crate::event(&through, 2), 2);
    assert_eq!(through.checkpoint().unwrap().sequence, 2);
    assert_eq!(scan_all(&through).count(), 5);
    let overlay = Overlay::new(owned.store()).unwrap();
    append(&overlay, vec![draft(11, "plan")]);
    is_pruned(crate::event(&overlay, 2), 2);
    assert_eq!(scan_all(&overlay).count(), 6);
    assert!(overlay.begin_behind(&through.head().unwrap()).is_err());
}

#[test]
fn a_store_with_events_begins_where_it_begins() {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1]);
    let head = store.head().unwrap();
    assert!(store.begin_behind(&head).is_err());
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    assert!(own(&root).store().begin_behind(&head).is_err());
    assert!(!folder(&root).join("store/checkpoint").exists());
    let into = transfer::import(&store, Cursor::new(Vec::new()));
    assert!(matches!(into, Err(ImportError::NotEmpty { .. })));
}
