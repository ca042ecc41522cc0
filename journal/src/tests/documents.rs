//! Documents on disk and through the socket: small, checked, mended.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append_each, folder, own, stream};
use crate::transfer::{self, ImportError};
use crate::{
    Damage, DamageKind, EventLog, Hash, Journal, MemoryStore, PAYLOAD_MAX, SledStore, Store,
    StoreError, chain,
};

#[test]
fn a_document_of_text_takes_less_room_on_disk_than_it_has_bytes() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let document = b"  environment: { GREETING: hello }\n".repeat(1_000);
    let hash = owned.store().put_document(&document).unwrap();
    let file = folder(&root).join("store/documents").join(hash.to_string());
    assert!(fs::metadata(file).unwrap().len() < document.len() as u64 / 10);
}

#[test]
fn documents_come_through_the_socket_and_without_an_owner() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    let large: Vec<u8> = (0..=255).cycle().take(PAYLOAD_MAX).collect();
    let hashes = [&large[..], b"small"].map(|bytes| owned.store().put_document(bytes).unwrap());
    let reader = Journal::read(root.path(), &stream()).unwrap();
    let all = owned.store().documents(None, 9).unwrap();
    let check = || {
        assert_eq!(reader.document(&hashes[0]).unwrap().as_ref(), Some(&large));
        assert_eq!(reader.document(&hashes[1]).unwrap().unwrap(), b"small");
        assert_eq!(reader.document(&Hash::of(b"none")).unwrap(), None);
        assert_eq!(reader.documents(None, usize::MAX).unwrap(), all);
        assert_eq!(reader.documents(Some(&all[0]), 9).unwrap(), all[1..]);
    };
    check();
    drop(owned);
    check();
}

#[rstest]
#[case::changed(|file: &Path| {
    let mut bytes = fs::read(file).unwrap();
    bytes[5] ^= 1;
    fs::write(file, bytes).unwrap();
})]
#[case::cut(|file: &Path| fs::write(file, &fs::read(file).unwrap()[..9]).unwrap())]
#[case::empty(|file: &Path| fs::write(file, "").unwrap())]
#[case::of_another_form(|file: &Path| fs::write(file, b"\x07document").unwrap())]
#[case::another(|file: &Path| fs::write(file, b"\0another").unwrap())]
fn a_changed_document_is_found_and_the_next_that_keeps_it_mends_it(#[case] harm: fn(&Path)) {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), stream()).unwrap();
    let hash = store.put_document(b"a document").unwrap();
    harm(&folder.path().join("documents").join(hash.to_string()));
    let expected = Damage {
        sequence: 0,
        what: DamageKind::Document(hash),
    };
    assert!(matches!(
        store.document(&hash),
        Err(StoreError::Damaged(damage)) if damage == expected
    ));
    let report = chain::verify(&store, None).unwrap();
    assert_eq!((report.documents, report.damage), (0, Some(expected)));
    store.put_document(b"a document").unwrap();
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
}

#[test]
fn a_document_that_unpacks_to_more_than_any_may_have_is_damage() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), stream()).unwrap();
    let hash = store.put_document(&vec![0; PAYLOAD_MAX]).unwrap();
    let file = folder.path().join("documents").join(hash.to_string());
    let mut bomb = vec![1];
    let mut encoder = flate2::write::DeflateEncoder::new(&mut bomb, flate2::Compression::default());
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), PAYLOAD_MAX as u64 * 4),
        &mut encoder,
    )
    .unwrap();
    encoder.finish().unwrap();
    fs::write(file, bomb).unwrap();
    assert!(matches!(store.document(&hash), Err(StoreError::Damaged(_))));
}

fn exported(store: &MemoryStore) -> Vec<u8> {
    let mut lines = Vec::new();
    transfer::export(store, &mut lines).unwrap();
    lines
}

/// Two events and two documents.
fn with_documents() -> MemoryStore {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1, 2]);
    store.put_document(b"functions: {}\n").unwrap();
    store.put_document(&[0, 159, 146, 150]).unwrap();
    store
}

#[test]
fn documents_are_the_same_after_export_and_import() {
    let store = with_documents();
    let lines = exported(&store);
    let text = String::from_utf8(lines.clone()).unwrap();
    assert!(text.lines().last().unwrap().starts_with("{\"format\":2,"));
    let copy = MemoryStore::new(stream());
    transfer::import(&copy, Cursor::new(&lines)).unwrap();
    let hashes = store.documents(None, 9).unwrap();
    assert_eq!(copy.documents(None, 9).unwrap(), hashes);
    for hash in &hashes {
        assert_eq!(copy.document(hash).unwrap(), store.document(hash).unwrap());
    }
    assert_eq!(exported(&copy), lines);
    let report = transfer::verify(Cursor::new(&lines), None, |_| {}).unwrap();
    assert_eq!(
        (report.documents, report.events, report.damage),
        (2, 2, None)
    );
    let root = TempDir::new().unwrap();
    Journal::import(
        root.path(),
        &stream(),
        super::rig::holder("ada"),
        Cursor::new(&lines),
    )
    .unwrap();
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(chain::verify(&reader, None).unwrap().documents, 2);
}

#[test]
fn an_export_without_documents_is_one_that_older_tools_read() {
    let store = MemoryStore::new(stream());
    append_each(&store, &[1]);
    let text = String::from_utf8(exported(&store)).unwrap();
    assert!(text.lines().last().unwrap().starts_with("{\"format\":1,"));
}

/// Changes the lines of an export: two events, two documents, the head.
type Change = fn(&mut Vec<String>);

#[rstest]
#[case::a_document_less(|lines: &mut Vec<String>| drop(lines.remove(3)), 0)]
#[case::no_document(|lines: &mut Vec<String>| drop(lines.drain(2..4)), 3)]
#[case::another_order(|lines: &mut Vec<String>| lines.swap(2, 3), 4)]
#[case::twice(|lines: &mut Vec<String>| lines.insert(3, lines[2].clone()), 4)]
#[case::before_an_event(|lines: &mut Vec<String>| lines.swap(1, 2), 3)]
#[case::other_bytes(|lines: &mut Vec<String>| lines[2] = lines[2].replace("64\":\"", "64\":\"AAAA"), 3)]
#[case::another_spelling(|lines: &mut Vec<String>| lines[2] = lines[2].replace(',', ", "), 3)]
#[case::another_format(|lines: &mut Vec<String>| lines[4] = lines[4].replace("\"format\":2", "\"format\":1"), 5)]
#[case::a_newer_format(|lines: &mut Vec<String>| lines[4] = lines[4].replace("\"format\":2", "\"format\":3"), 5)]
fn a_change_of_a_document_in_an_export_is_named(#[case] change: Change, #[case] line: u64) {
    let text = String::from_utf8(exported(&with_documents())).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let changed = lines.join("\n") + "\n";
    let store = MemoryStore::new(stream());
    let imported = transfer::import(&store, Cursor::new(changed));
    match imported {
        Err(ImportError::Line { line: named, .. }) => {
            assert_eq!(named, line);
            assert_eq!(store.head().unwrap().sequence, 0);
            assert_eq!(store.documents(None, 9).unwrap(), []);
        }
        // Which documents there must be say the events.
        Ok(_) => assert_eq!(line, 0),
        Err(error) => panic!("{error}"),
    }
}
