//! Backups: what is restored is what was there, nothing of one that is not whole is believed, and no history is replaced by another.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, draft, draft_of, files, holder, newer_minor, own, stream};
use crate::transfer::{
    BackupError, BackupReader, BackupWriter, ImportError, LINE_MAX, LineProblem,
};
use crate::{
    ComparedTarget, Comparison, EventLog, Hash, Head, Journal, MemoryStore, RestoreError, Store,
    StoredEvent, StreamId, chain, scan,
};

/// Most documents that a test has: one page of them.
const DOCUMENTS_MAX: usize = 4096;

fn other() -> StreamId {
    StreamId::new("shop", "prod").unwrap()
}

/// What is kept of a target.
type Content = (Vec<StoredEvent>, BTreeMap<Hash, Vec<u8>>);

fn content(events: &dyn EventLog) -> Content {
    let documents = events.documents(None, DOCUMENTS_MAX).unwrap().into_iter();
    let documents = documents.map(|hash| (hash, events.document(&hash).unwrap().unwrap()));
    (
        scan(events, 1).map(Result::unwrap).collect(),
        documents.collect(),
    )
}

fn read(root: &Path, stream: &StreamId) -> Content {
    let reader = Journal::read(root, stream).unwrap();
    assert_eq!(chain::verify(&reader, None).unwrap().damage, None);
    content(&reader)
}

/// A backup of these logs.
fn backup(logs: &[&dyn EventLog]) -> Vec<u8> {
    let targets: Vec<StreamId> = logs.iter().map(|log| log.stream().clone()).collect();
    let made_at = "2026-11-30T09:00:00Z".parse().unwrap();
    let mut writer = BackupWriter::begin(Vec::new(), made_at, "0.1.0", &targets).unwrap();
    for log in logs {
        assert_eq!(
            writer.add(*log, |_| {}).unwrap(),
            log.head().unwrap(),
            "of a log that nobody writes to"
        );
    }
    writer.finish().unwrap()
}

/// Two targets with documents, a payload that is no JSON, and one that is kept apart.
fn two() -> [MemoryStore; 2] {
    let first = MemoryStore::new(stream());
    append_each(&first, &[1, 1, 2]);
    first.put_document(b"who owns what").unwrap();
    first.put_document(&[7; 9000]).unwrap();
    append(&first, vec![draft_of(3, vec![0xff; 70_000])]);
    let second = MemoryStore::new(other());
    append_each(&second, &[9]);
    [first, second]
}

/// The beginning of the first of the two.
fn beginning() -> MemoryStore {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1, 1]);
    store
}

fn compare(root: &Path, backup: &[u8]) -> Result<Vec<ComparedTarget>, BackupError> {
    let compared = Journal::compare_backup(root, BackupReader::open(backup)?, |_| true, |_| {});
    compared.map_err(|error| {
        let RestoreError::Backup(error) = error else {
            panic!("{error:?}");
        };
        error
    })
}

/// Restores everything that is missing, and says how each target stood before.
fn restore(root: &Path, backup: &[u8]) -> Result<Vec<Comparison>, BackupError> {
    let compared = compare(root, backup)?;
    let reader = BackupReader::open(backup).unwrap();
    let mut restored = 0;
    Journal::restore_backup(root, reader, &compared, &holder("ada"), |_| restored += 1).unwrap();
    let missing = compared.iter().filter(|one| one.is_missing_events());
    assert_eq!(restored, missing.count());
    Ok(compared.iter().map(|one| one.here).collect())
}

/// The text of a backup, and a backup of a text.
fn text(backup: &[u8]) -> String {
    std::io::read_to_string(GzDecoder::new(backup)).unwrap()
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The same lines with the last one as it must be.
fn closed(text: &str) -> Vec<u8> {
    let lines = text.lines().count();
    let last = format!(
        "{{\"lines\":{lines},\"sha256\":\"{}\"}}\n",
        Hash::of(text.as_bytes())
    );
    compressed((text.to_owned() + &last).as_bytes())
}

/// A backup without its last line, as text.
fn open_text(backup: &[u8]) -> String {
    let text = text(backup);
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    text[..last].to_owned()
}

#[test]
fn what_is_restored_is_what_was_there() {
    let logs = two();
    let backup = backup(&[&logs[0], &logs[1]]);
    let root = TempDir::new().unwrap();
    assert_eq!(
        restore(root.path(), &backup).unwrap(),
        [Comparison::Absent, Comparison::Absent]
    );
    for log in &logs {
        assert_eq!(read(root.path(), log.stream()), content(log));
    }
    // What it asks for was asked for elsewhere, or before.
    let until = Journal::imported_until(root.path(), &stream()).unwrap();
    assert_eq!(until, logs[0].head().unwrap().sequence);
    assert_eq!(
        restore(root.path(), &backup).unwrap(),
        [Comparison::Same, Comparison::Same]
    );
    append_each(own(&root).store(), &[4]);
    let head = Journal::read(root.path(), &stream())
        .unwrap()
        .head()
        .unwrap();
    let after = restore(root.path(), &backup).unwrap();
    assert_eq!(after[0], Comparison::Longer(head));
    assert_eq!(read(root.path(), &stream()).0.len(), 5);
}

#[test]
fn a_target_whose_history_is_the_beginning_is_completed() {
    let logs = two();
    let root = TempDir::new().unwrap();
    assert_eq!(
        restore(root.path(), &backup(&[&beginning()])).unwrap(),
        [Comparison::Absent]
    );
    let head = beginning().head().unwrap();
    let compared = restore(root.path(), &backup(&[&logs[0]])).unwrap();
    assert_eq!(compared, [Comparison::Beginning(head)]);
    assert_eq!(read(root.path(), &stream()), content(&logs[0]));
    assert!(!root.path().join("shop/dev/store.importing").exists());
    append_each(own(&root).store(), &[4]);
    assert_eq!(read(root.path(), &stream()).0.len(), 5);
}

#[test]
fn a_target_with_another_history_is_told_and_stays() {
    let logs = two();
    let root = TempDir::new().unwrap();
    let here = MemoryStore::new(stream());
    append_each(&here, &[1, 5, 6, 7, 8, 9]);
    for length in [1, 6] {
        let here = MemoryStore::new(stream());
        append_each(&here, &[5, 6, 7, 8, 9, 10][..length]);
        let root = TempDir::new().unwrap();
        restore(root.path(), &backup(&[&here])).unwrap();
        let before = files(root.path());
        let compared = compare(root.path(), &backup(&[&logs[0]])).unwrap();
        let sequence = (length as u64).min(4);
        assert_eq!(compared[0].here, Comparison::Other { sequence });
        assert!(!compared[0].is_missing_events());
        assert_eq!(before.len(), files(root.path()).len());
    }
    // Only some of the events are the same.
    restore(root.path(), &backup(&[&here])).unwrap();
    let compared = compare(root.path(), &backup(&[&logs[0]])).unwrap();
    assert_eq!(compared[0].here, Comparison::Other { sequence: 4 });
}

#[test]
fn a_store_that_was_lost_is_restored_from_its_own_history_alone() {
    let logs = two();
    let root = TempDir::new().unwrap();
    restore(root.path(), &backup(&[&logs[0]])).unwrap();
    fs::remove_dir_all(root.path().join("shop/dev/store")).unwrap();
    let stranger = MemoryStore::new(stream());
    append_each(&stranger, &[5]);
    let backup_of_stranger = backup(&[&stranger]);
    let compared = compare(root.path(), &backup_of_stranger).unwrap();
    let reader = BackupReader::open(&*backup_of_stranger).unwrap();
    Journal::restore_backup(root.path(), reader, &compared, &holder("ada"), |_| {}).unwrap_err();
    assert!(Journal::read(root.path(), &stream()).is_err());
    restore(root.path(), &backup(&[&logs[0]])).unwrap();
    assert_eq!(read(root.path(), &stream()), content(&logs[0]));
}

/// A bit of the file that says nothing (the end of a compressed block has some) may change nothing.
#[test]
fn every_cut_and_every_changed_byte_is_found_or_changes_nothing() {
    let store = beginning();
    store.put_document(b"who owns what").unwrap();
    let other = &two()[1];
    let backup = backup(&[&store, other]);
    let root = TempDir::new().unwrap();
    let whole = compare(root.path(), &backup).unwrap();
    for end in 0..backup.len() {
        compare(root.path(), &backup[..end]).unwrap_err();
    }
    let mut found = 0;
    for place in 0..backup.len() {
        let mut changed = backup.clone();
        changed[place] ^= 1 << (place % 8);
        match compare(root.path(), &changed) {
            Ok(compared) => assert_eq!(compared, whole, "byte {place}"),
            Err(_) => found += 1,
        }
    }
    // The header of gzip has a time, a system and hints; a repetition is the same wherever it is taken from.
    let silent = backup.len() - found;
    assert!(silent <= backup.len() / 20, "{silent} of {}", backup.len());
    let longer = [&backup[..], b"\0"].concat();
    assert!(matches!(
        compare(root.path(), &longer),
        Err(BackupError::Corrupt(_))
    ));
    let twice = [&backup[..], &backup[..]].concat();
    compare(root.path(), &twice).unwrap_err();
    assert_eq!(files(root.path()).len(), 0, "nothing was written");
}

#[rstest]
#[case::a_line_less(|text: String| text.replacen(&line(&text, 2), "", 1))]
#[case::a_line_twice(|text: String| { let line = line(&text, 2); text.replacen(&line, &line.repeat(2), 1) })]
#[case::a_target_less(|text: String| text.replacen(",\"shop/prod\"", "", 1))]
#[case::targets_swapped(|text: String| text.replacen("[\"shop/dev\",\"shop/prod\"]", "[\"shop/prod\",\"shop/dev\"]", 1))]
#[case::a_name_that_leaves_the_folder(|text: String| text.replace("shop/prod", "../../prod"))]
#[case::a_path(|text: String| text.replace("shop/prod", "/etc/prod"))]
fn lines_that_were_changed_are_found(#[case] change: fn(String) -> String) {
    let logs = two();
    let before = open_text(&backup(&[&logs[0], &logs[1]]));
    compare(TempDir::new().unwrap().path(), &closed(&before)).unwrap();
    let changed = change(before.clone());
    assert_ne!(changed, before);
    let root = TempDir::new().unwrap();
    let refused = compare(root.path(), &closed(&changed));
    assert!(
        matches!(refused, Err(BackupError::Import(ImportError::Line { .. }))),
        "{refused:?}"
    );
    assert_eq!(files(root.path()).len(), 0);
}

/// What no chain and no hash of a document holds, the last line does.
#[rstest]
#[case::another_time(|text: String| text.replacen("09:00:00Z\",\"tool", "10:00:00Z\",\"tool", 1))]
#[case::a_document_less(|text: String| text.replacen(&line(&text, 6), "", 1))]
#[case::another_number(|text: String| text.replacen("{\"lines\":", "{\"lines\":1", 1))]
#[case::a_line_behind(|text: String| text + "{}\n")]
#[case::no_last_line(|text: String| text.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n")]
fn what_the_last_line_does_not_say_is_found(#[case] change: fn(String) -> String) {
    let logs = two();
    let before = text(&backup(&[&logs[0], &logs[1]]));
    assert!(line(&before, 6).starts_with("{\"document\":"), "{before}");
    compare(
        TempDir::new().unwrap().path(),
        &compressed(before.as_bytes()),
    )
    .unwrap();
    let changed = change(before.clone());
    assert_ne!(changed, before);
    let refused = compare(
        TempDir::new().unwrap().path(),
        &compressed(changed.as_bytes()),
    );
    assert!(
        matches!(refused, Err(BackupError::Import(ImportError::Line { .. }))),
        "{refused:?}"
    );
}

/// A line with its end, counted from 1.
fn line(text: &str, number: usize) -> String {
    text.split_inclusive('\n')
        .nth(number - 1)
        .unwrap()
        .to_owned()
}

/// Such names are targets, and their folders lie where those of other targets do.
#[test]
fn a_target_with_the_name_of_a_folder_above_stays_inside() {
    let above = StreamId::new("..", "..").unwrap();
    let store = MemoryStore::new(above.clone());
    append_each(&store, &[1]);
    let outside = TempDir::new().unwrap();
    let root = outside.path().join("a/journal");
    fs::create_dir_all(&root).unwrap();
    restore(&root, &backup(&[&store])).unwrap();
    assert_eq!(Journal::targets(&root).unwrap(), [above]);
    for (path, _) in files(outside.path()) {
        assert!(path.starts_with(&root), "{}", path.display());
    }
}

#[test]
fn a_line_that_does_not_end_is_not_read_to_its_end() {
    let logs = two();
    let text = open_text(&backup(&[&logs[1]]));
    let mut bomb = text.into_bytes();
    bomb.resize(bomb.len() + LINE_MAX + 1, b'x');
    let root = TempDir::new().unwrap();
    let refused = compare(root.path(), &compressed(&bomb));
    assert!(matches!(
        refused,
        Err(BackupError::Import(ImportError::Line {
            line: 4,
            problem: LineProblem::TooLong
        }))
    ));
}

#[test]
fn what_takes_room_is_counted_before_anything_is_written() {
    let store = MemoryStore::new(stream());
    append(&store, vec![draft_of(1, vec![b'0'; 2 << 20])]);
    store.put_document(&vec![0; 1 << 20]).unwrap();
    let backup = backup(&[&store]);
    assert!(backup.len() < 64 << 10, "it is small: {}", backup.len());
    let compared = compare(TempDir::new().unwrap().path(), &backup).unwrap();
    assert!(compared[0].bytes > 3 << 20);
    assert!(compared[0].bytes < 4 << 20, "documents are kept compressed");
}

#[test]
fn other_files_and_other_formats_are_told_by_name() {
    let root = TempDir::new().unwrap();
    let refused = |bytes: &[u8]| compare(root.path(), bytes).unwrap_err();
    assert!(matches!(refused(b""), BackupError::OtherFile));
    assert!(matches!(refused(b"{\"stream\":\""), BackupError::OtherFile));
    let newer = compressed(b"{\"backup\":2,\"pages\":[]}\n");
    assert!(matches!(refused(&newer), BackupError::OtherFormat(2)));
    let log = MemoryStore::supporting(stream(), newer_minor());
    let mut newer = draft(1, "x");
    newer.schema = newer_minor();
    append(&log, vec![newer]);
    assert!(matches!(
        refused(&backup(&[&log])),
        BackupError::Import(ImportError::Line {
            problem: LineProblem::NewerMinor { .. },
            ..
        })
    ));
}

#[test]
fn a_target_without_events_is_nothing_to_restore() {
    let empty = MemoryStore::new(stream());
    let root = TempDir::new().unwrap();
    let compared = restore(root.path(), &backup(&[&empty])).unwrap();
    assert_eq!(compared, [Comparison::Absent]);
    assert_eq!(files(root.path()).len(), 0);
    append_each(own(&root).store(), &[1]);
    let head = Journal::read(root.path(), &stream())
        .unwrap()
        .head()
        .unwrap();
    let compared = restore(root.path(), &backup(&[&empty])).unwrap();
    assert_eq!(compared, [Comparison::Longer(head)]);
}

/// A reader asks the owner for a page at a time while that one appends and keeps documents.
#[test]
fn a_backup_beside_an_owner_that_appends_is_a_beginning_of_what_it_recorded() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append(owned.store(), vec![draft(0, "the first")]);
    let ended = AtomicBool::new(false);
    let backups: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for number in 1..DOCUMENTS_MAX as u64 {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let document = format!("document {number}");
                let hash = owned.store().put_document(document.as_bytes()).unwrap();
                append(owned.store(), vec![draft(number, &hash.to_string())]);
            }
        });
        let mut backups = Vec::new();
        while backups.len() < 12 {
            let reader = Journal::read(root.path(), &stream()).unwrap();
            let made_at = "2026-11-30T09:00:00Z".parse().unwrap();
            let mut writer =
                BackupWriter::begin(Vec::new(), made_at, "0.1.0", &[stream()]).unwrap();
            writer.add(&reader, |_| {}).unwrap();
            backups.push(writer.finish().unwrap());
        }
        ended.store(true, Ordering::SeqCst);
        appending.join().unwrap();
        backups
    });
    let (all, _) = content(owned.store());
    let mut before = Head::empty(&stream());
    for backup in backups {
        let elsewhere = TempDir::new().unwrap();
        restore(elsewhere.path(), &backup).unwrap();
        let (events, documents) = read(elsewhere.path(), &stream());
        assert_eq!(all.get(..events.len()), Some(&events[..]));
        let last = events
            .last()
            .map_or(Head::empty(&stream()), |event| event.header.head());
        assert!(last.sequence >= before.sequence);
        before = last;
        for event in &events[1..] {
            let text = String::from_utf8(event.payload.clone()).unwrap();
            let named = documents
                .keys()
                .any(|hash| text.contains(&hash.to_string()));
            assert!(named, "{text}");
        }
    }
    assert!(before.sequence > 0);
}
