//! A journal that is removed is gone as a whole, and what anybody else needs stays.

use std::fs;

use tempfile::TempDir;

use super::rig::{append_each, holder, own, stream};
use crate::{EventLog, Journal, OwnError, ReadError, RemoveError, StreamId};

#[test]
fn a_removed_journal_is_gone_and_its_target_begins_anew() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1, 2]);
    let head = owned.store().head().unwrap();
    let refused = Journal::remove(root.path(), &stream(), holder("ada"), &head);
    assert!(matches!(refused, Err(RemoveError::Own(OwnError::Held(_)))));
    drop(owned);
    let other = StreamId::new("shop", "prod").unwrap();
    drop(Journal::own(root.path(), &other, holder("ada")).unwrap());
    // A removal that was cut left its folder.
    fs::create_dir_all(root.path().join("shop/~dev/store")).unwrap();

    Journal::remove(root.path(), &stream(), holder("ada"), &head).unwrap();
    assert!(!root.path().join("shop/dev").exists());
    assert!(!root.path().join("shop/~dev").exists());
    assert!(root.path().join("shop/prod").exists(), "others stay");
    let read = Journal::read(root.path(), &stream());
    assert!(matches!(read, Err(ReadError::Absent { .. })));
    let owned = own(&root);
    assert_eq!(owned.store().head().unwrap().sequence, 0);
    append_each(owned.store(), &[1]);
}

#[test]
fn a_journal_that_went_on_is_not_removed() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let before = owned.store().head().unwrap();
    append_each(owned.store(), &[2]);
    let after = owned.store().head().unwrap();
    drop(owned);
    let refused = Journal::remove(root.path(), &stream(), holder("ada"), &before);
    assert!(
        matches!(refused, Err(RemoveError::Changed { sequence }) if sequence == after.sequence)
    );
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap(), after);
    assert_eq!(Journal::targets(root.path()).unwrap(), [stream()]);
}
