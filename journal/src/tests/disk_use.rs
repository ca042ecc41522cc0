//! What a target's journal takes is told without opening it.

use std::fs;

use tempfile::TempDir;

use super::rig::{append_each, own, stream};
use crate::{DiskUse, Journal, Store, StreamId};

#[test]
fn documents_are_counted_once_and_as_they_are_kept() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let empty = Journal::disk_use(root.path(), &stream()).unwrap();
    assert_eq!((empty.documents, empty.document_bytes), (0, 0));
    for _ in 0..2 {
        owned.store().put_document(&vec![b'x'; 100_000]).unwrap();
    }
    owned.store().put_document(b"short").unwrap();
    let folder = root.path().join("shop/dev/store/documents");
    // A draft that was cut off is no document.
    fs::write(folder.join(format!("{}.part", "0".repeat(64))), [0; 500]).unwrap();
    let found = Journal::disk_use(root.path(), &stream()).unwrap();
    assert_eq!(found.documents, 2);
    assert!((7..1000).contains(&found.document_bytes), "{found:?}");
    assert!(found.total_bytes > empty.total_bytes, "{found:?}");
}

#[test]
fn a_target_without_a_journal_takes_nothing() {
    let root = TempDir::new().unwrap();
    let nobody = StreamId::new("no", "body").unwrap();
    let found = Journal::disk_use(root.path(), &nobody).unwrap();
    assert_eq!(found, DiskUse::default());
    assert!(Journal::free_bytes(&root.path().join("not/made/yet")).unwrap() > 0);
}
