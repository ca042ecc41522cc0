//! Links in the place of the journal's own files: whoever may write to its folder chooses no file of another user's.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::other_user::kept;
use super::rig::{append_each, folder, holder, own, stream};
use crate::{Journal, OwnError, ReadError, SledStore, transfer};

/// What a link leads to.
#[derive(Debug, Clone, Copy)]
enum Victim {
    File,
    Folder,
    /// Nothing, which may be made.
    Nothing,
}

/// Puts a link in the place of a file or folder of a journal.
fn plant(place: &Path, victim: &Path) {
    if place.is_dir() {
        fs::remove_dir_all(place).unwrap();
    } else if place.symlink_metadata().is_ok() {
        fs::remove_file(place).unwrap();
    }
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink(victim, place).unwrap();
}

fn is_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[rstest]
#[case::project("..", Victim::Folder)]
#[case::target(".", Victim::Folder)]
#[case::lock("lock", Victim::File)]
#[case::lock_that_is_made("lock", Victim::Nothing)]
#[case::store_lock("store.lock", Victim::File)]
#[case::mark("begun", Victim::File)]
#[case::unfinished_mark("begun.part", Victim::Nothing)]
#[case::store("store", Victim::Folder)]
#[case::head("store/head", Victim::File)]
#[case::head_that_is_made("store/head", Victim::Nothing)]
#[case::payloads("store/payloads", Victim::Folder)]
#[case::documents("store/documents", Victim::Folder)]
#[case::document("store/documents/x.part", Victim::Nothing)]
#[case::sled("store/sled", Victim::Folder)]
#[case::log("store/sled/db", Victim::File)]
#[case::settings("store/sled/conf", Victim::File)]
#[case::snapshot("store/sled/snap.0000000000000001", Victim::File)]
#[case::import("store.importing", Victim::Folder)]
fn a_link_in_the_place_of_a_file_of_the_journal_is_not_followed(
    #[case] place: &str,
    #[case] victim: Victim,
) {
    let (root, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let owned = own(&root);
    append_each(owned.store(), &[1, 1]);
    let mut export = Vec::new();
    transfer::export(owned.store(), &mut export).unwrap();
    drop(owned);
    let there = elsewhere.path().join("victim");
    match victim {
        Victim::File => fs::write(&there, "not yours").unwrap(),
        Victim::Folder => {
            fs::create_dir(&there).unwrap();
            fs::write(there.join("file"), "not yours").unwrap();
        }
        Victim::Nothing => {}
    }
    let target = folder(&root);
    let place = match place {
        ".." => target.parent().unwrap().to_owned(),
        "." => target,
        name => target.join(name),
    };
    plant(&place, &there);
    let before = kept(elsewhere.path());

    let refused = Journal::own(root.path(), &stream(), holder("ada")).unwrap_err();
    assert!(
        matches!(&refused, OwnError::Io { path, source } if *path == place && is_loop(source)),
        "{refused:?}"
    );
    Journal::import(root.path(), &stream(), holder("ada"), Cursor::new(&export)).unwrap_err();
    match Journal::read(root.path(), &stream()) {
        Err(ReadError::Io { path, source }) => assert!(path == place && is_loop(&source)),
        // Behind the link there is no journal.
        Err(ReadError::Absent { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(kept(elsewhere.path()) == before);
}

/// A link that is put there between the look at the folder and the opening of a file is not followed either.
#[rstest]
#[case::head("head")]
fn the_head_is_opened_without_following_a_link(#[case] name: &str) {
    let (made, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    append_each(&SledStore::open(made.path(), stream()).unwrap(), &[1]);
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "not yours").unwrap();
    plant(&made.path().join(name), &victim);
    let before = kept(elsewhere.path());
    SledStore::open(made.path(), stream()).unwrap_err();
    assert!(kept(elsewhere.path()) == before);
}
