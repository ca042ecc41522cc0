//! A journal that is moved, removed or replaced while it has an owner: the owner is told before it does anything more.

use std::fs;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::rig::{append, append_each, copy, draft, folder, own, stream};
use crate::{AppendError, EventLog, Journal, OwnError, Store, StoreError};

/// Copies a folder aside, and removes or moves the original away.
fn replace(path: &Path) {
    let aside = path.with_extension("aside");
    copy(path, &aside);
    fs::rename(path, path.with_extension("was")).unwrap();
    fs::rename(aside, path).unwrap();
}

#[rstest]
#[case::root_moved(|root: &Path| fs::rename(root.join("shop"), root.join("moved")).unwrap())]
#[case::target_removed(|root: &Path| fs::remove_dir_all(root.join("shop/dev")).unwrap())]
#[case::target_replaced(|root: &Path| {
    // A socket cannot be copied.
    fs::remove_file(root.join("shop/dev/socket")).unwrap();
    replace(&root.join("shop/dev"));
})]
#[case::store_removed(|root: &Path| fs::remove_dir_all(root.join("shop/dev/store")).unwrap())]
#[case::store_replaced(|root: &Path| replace(&root.join("shop/dev/store")))]
#[case::log_removed(|root: &Path| fs::remove_file(root.join("shop/dev/store/sled/db")).unwrap())]
#[case::lock_removed(|root: &Path| fs::remove_file(root.join("shop/dev/lock")).unwrap())]
#[case::parent_is_a_file(|root: &Path| {
    fs::remove_dir_all(root.join("shop")).unwrap();
    fs::write(root.join("shop"), "").unwrap();
})]
fn an_owner_is_told_that_its_journal_is_not_where_it_was(#[case] harm: fn(&Path)) {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    owned.still_owns().unwrap();
    harm(root.path());
    assert!(matches!(
        owned.still_owns(),
        Err(OwnError::Store(StoreError::Moved { .. }))
    ));
    let head = owned.store().head().unwrap();
    let refused = owned.store().append(&head, vec![draft(1, "unseen")]);
    assert!(matches!(
        refused,
        Err(AppendError::Store(StoreError::Moved { .. }))
    ));
    let refused = owned.store().put_document(b"unseen");
    assert!(matches!(
        refused,
        Err(AppendError::Store(StoreError::Moved { .. }))
    ));
    assert_eq!(owned.store().head().unwrap(), head);
}

#[test]
fn a_journal_that_is_put_back_can_be_appended_to() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    let away = root.path().join("away");
    fs::rename(folder(&root), &away).unwrap();
    owned.still_owns().unwrap_err();
    fs::rename(&away, folder(&root)).unwrap();
    owned.still_owns().unwrap();
    append_each(owned.store(), &[1]);
}

#[test]
fn an_owner_whose_journal_was_moved_leaves_the_next_owners_socket_alone() {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1]);
    fs::rename(folder(&root), root.path().join("away")).unwrap();
    let next = own(&root);
    append(next.store(), vec![draft(2, "of another chain")]);
    drop(owned);
    assert!(folder(&root).join("socket").exists());
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap(), next.store().head().unwrap());
}
