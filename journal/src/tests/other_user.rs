//! Two users and one journal: a read by one never keeps the other out.
//!
//! The second user is a number without a name. Only root can become it; for anybody else both users are the same one, and what is
//! compared (numbers, owners, modes and bytes of files) is compared all the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use tempfile::TempDir;

use super::long_log::fill;
use super::rig::{append_each, folder, holder, own, stream};
use crate::store::log_backup::WHOLE;
use crate::{EventLog, Journal};

const OTHER: u32 = 12_001;

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a folder and all that is in it to the other user.
pub(super) fn give_away(path: &Path) {
    if !is_root() {
        return;
    }
    lchown(path, Some(OTHER), Some(OTHER)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// What matters of a file: its owner and mode, and its bytes.
pub(super) type Kept = (u32, u32, u32, Vec<u8>);

pub(super) fn kept(folder: &Path) -> BTreeMap<PathBuf, Kept> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if is.is_dir() {
            found.extend(kept(&path));
        } else if is.is_file() {
            bytes = fs::read(&path).unwrap();
        }
        found.insert(path, (is.uid(), is.gid(), is.mode(), bytes));
    }
    found
}

const ROLE: &str = "JOURNAL_TEST_ROLE";

/// Runs this test again as the other user, who reads or appends.
#[track_caller]
fn as_other(root: &Path, role: &str) {
    let exe = std::env::current_exe().unwrap();
    let mut command = if is_root() {
        let (id, mut command) = (OTHER.to_string(), Command::new("setpriv"));
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
        command.arg(exe);
        command
    } else {
        Command::new(exe)
    };
    let ran = command
        .args(["--exact", "tests::other_user::the_other_user"])
        .env(ROLE, format!("{role}={}", root.display()))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{role}: {ran:?}");
}

#[test]
fn the_other_user() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    let role = role.into_string().unwrap();
    let (role, root) = role.split_once('=').unwrap();
    if role == "append" {
        let owned = Journal::own(Path::new(root), &stream(), holder("other")).unwrap();
        append_each(owned.store(), &[1]);
    } else {
        let reader = Journal::read(Path::new(root), &stream()).unwrap();
        assert!(reader.head().unwrap().sequence > 0);
    }
}

#[rstest]
#[case::short(0)]
#[case::long(WHOLE + 1)]
fn a_journal_is_the_same_after_somebody_else_has_read_it(#[case] longer_than: u64) {
    let root = TempDir::new().unwrap();
    let owned = own(&root);
    append_each(owned.store(), &[1, 1]);
    if longer_than > 0 {
        fill(owned.store(), &folder(&root).join("store"), longer_than);
    }
    drop(owned);
    give_away(root.path());
    let before = kept(root.path());
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert!(reader.head().unwrap().sequence > 1);
    drop(reader);
    let after = kept(root.path());
    let names = |kept: &BTreeMap<PathBuf, Kept>| kept.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for (path, kept) in &before {
        assert!(*kept == after[path], "{} is another", path.display());
    }
    as_other(root.path(), "append");
}

#[test]
fn what_root_appends_stays_its_owners() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1]);
    give_away(root.path());
    as_other(root.path(), "append");
    append_each(own(&root).store(), &[1]);
    as_other(root.path(), "append");
    let reader = Journal::read(root.path(), &stream()).unwrap();
    assert_eq!(reader.head().unwrap().sequence, 4);
}

/// Nothing in the folder can be written by who reads it, and there is no owner.
#[test]
fn a_journal_that_may_only_be_read_can_be_read() {
    let root = TempDir::new().unwrap();
    append_each(own(&root).store(), &[1, 1]);
    open_to_all(root.path(), 0o555, 0o444);
    as_other(root.path(), "read");
    open_to_all(root.path(), 0o755, 0o644);
}

fn open_to_all(path: &Path, folders: u32, files: u32) {
    let mode = if path.is_dir() { folders } else { files };
    if folders == 0o755 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            open_to_all(&entry.unwrap().path(), folders, files);
        }
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[rstest]
#[case::for_one_user(0o700, 0o700, 0o600)]
#[case::for_a_group(0o2770, 0o2770, 0o660)]
#[case::for_one_user_where_a_group_may_write(0o770, 0o700, 0o600)]
fn every_file_is_for_those_who_share_the_folder(
    #[case] top: u32,
    #[case] folders: u32,
    #[case] files: u32,
) {
    let root = TempDir::new().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(top)).unwrap();
    for _ in 0..2 {
        let owned = own(&root);
        append_each(owned.store(), &[1, 1]);
        crate::Store::put_document(owned.store(), b"document").unwrap();
        super::rig::append(
            owned.store(),
            vec![super::rig::draft_of(1, vec![1; 70_000])],
        );
        let check = || {
            for (path, (.., mode, _)) in kept(root.path()) {
                let expected = if path.is_dir() { folders } else { files };
                assert_eq!(mode & 0o7777, expected, "{}", path.display());
            }
        };
        check();
        drop(owned);
        check();
    }
}

/// Two members of a group that shares a journal take turns.
#[test]
fn members_of_a_group_share_a_journal() {
    let root = TempDir::new().unwrap();
    if is_root() {
        lchown(root.path(), None, Some(OTHER)).unwrap();
    }
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o2770)).unwrap();
    for turn in 0..2 {
        append_each(own(&root).store(), &[1]);
        as_other(root.path(), "read");
        as_other(root.path(), "append");
        let reader = Journal::read(root.path(), &stream()).unwrap();
        assert_eq!(reader.head().unwrap().sequence, 2 * (turn + 1));
    }
}
