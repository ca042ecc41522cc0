//! Documents on disk and through the socket: small, checked, mended.

use std::fs;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{folder, own, stream};
use crate::{
    Damage, DamageKind, EventLog, Hash, Journal, PAYLOAD_MAX, SledStore, Store, StoreError, chain,
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
