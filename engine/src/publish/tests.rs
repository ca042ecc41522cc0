//! Publishing into real directories. A disk that is really full is the end-to-end tests' business: it needs a mount.

mod hostile;
mod order;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::directory::Directory;
use super::staged::{Staged, fill};
use super::{MAX_BYTES, PublishError, current};
use crate::contract::Digest;
use crate::machine::PublishedFile;
use crate::merge::ConfigFile::{self, Functions, Resources, Routing};

fn files(texts: &[(ConfigFile, &str)]) -> BTreeMap<ConfigFile, String> {
    let texts = texts.iter().map(|(file, text)| (*file, (*text).to_owned()));
    texts.collect()
}

/// The digests of the files that stand there.
fn standing(out: &Path) -> BTreeMap<ConfigFile, Digest> {
    let digests = ConfigFile::ALL.into_iter().filter_map(|file| {
        let path = out.join(file.file_name());
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        is_file.then(|| (file, Digest::of(fs::read(&path).unwrap())))
    });
    digests.collect()
}

/// Publishes what was merged into the files as they are.
fn publish_within(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
    wait: Duration,
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    super::publish_within(out, files, &standing(out), wait)
}

fn publish(
    out: &Path,
    files: &BTreeMap<ConfigFile, String>,
) -> Result<BTreeMap<ConfigFile, PublishedFile>, PublishError> {
    publish_within(out, files, super::LOCK_WAIT)
}

fn three() -> BTreeMap<ConfigFile, String> {
    files(&[(Functions, "f\n"), (Routing, "r\n"), (Resources, "s\n")])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Everything in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    (folder, out)
}

#[test]
fn a_missing_directory_is_made_and_filled() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/b/out");
    let published = publish(&out, &three()).unwrap();
    assert_eq!(
        names(&out),
        ["functions.yml", "resources.yml", "routing.yml"]
    );
    assert_eq!(mode(&out), 0o755);
    for (file, text) in three() {
        let path = out.join(file.file_name());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(mode(&path), 0o644);
        assert!(published[&file].written);
        assert_eq!(published[&file].digest, Digest::of(&text));
    }
    assert_eq!(current(&out).unwrap(), three());
}

#[test]
fn a_file_that_holds_the_bytes_is_not_touched() {
    let (_folder, out) = folder();
    publish(&out, &three()).unwrap();
    let inode = |name: &str| fs::metadata(out.join(name)).unwrap().ino();
    let (functions, routing) = (inode("functions.yml"), inode("routing.yml"));
    let published = publish(&out, &files(&[(Functions, "f\n"), (Routing, "x\n")])).unwrap();
    assert!(!published[&Functions].written);
    assert!(published[&Routing].written);
    assert_eq!(published.len(), 2);
    assert_eq!(inode("functions.yml"), functions);
    assert_ne!(inode("routing.yml"), routing);
    assert_eq!(
        fs::read_to_string(out.join("resources.yml")).unwrap(),
        "s\n"
    );
}

#[rstest]
#[case(0o600)]
#[case(0o640)]
#[case(0o664)]
fn the_mode_of_the_replaced_file_is_kept(#[case] expected: u32) {
    let (_folder, out) = folder();
    let target = out.join("functions.yml");
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, Permissions::from_mode(expected)).unwrap();
    publish(&out, &three()).unwrap();
    assert_eq!(mode(&target), expected);
}

#[test]
fn the_mode_of_an_existing_directory_and_other_files_stay() {
    let (_folder, out) = folder();
    fs::set_permissions(&out, Permissions::from_mode(0o2770)).unwrap();
    fs::write(out.join("other.yml"), "x").unwrap();
    publish(&out, &three()).unwrap();
    assert_eq!(mode(&out), 0o2770);
    assert_eq!(fs::read_to_string(out.join("other.yml")).unwrap(), "x");
}

fn make_symlink(path: &Path) {
    symlink("elsewhere.yml", path).unwrap();
}

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn make_directory(path: &Path) {
    fs::create_dir(path).unwrap();
}

#[rstest]
#[case(make_symlink as fn(&Path), "a symlink")]
#[case(make_fifo as fn(&Path), "a FIFO")]
#[case(make_directory as fn(&Path), "a directory")]
fn a_target_that_is_no_regular_file_is_refused_before_anything_changes(
    #[case] make: fn(&Path),
    #[case] kind: &str,
) {
    let (_folder, out) = folder();
    fs::write(out.join("resources.yml"), "old").unwrap();
    fs::write(out.join("elsewhere.yml"), "old").unwrap();
    // The last of the three that are looked at.
    make(&out.join("routing.yml"));
    let before = names(&out);
    for result in [publish(&out, &three()).map(drop), current(&out).map(drop)] {
        let error = result.unwrap_err();
        let expected = format!(
            "`{}/routing.yml` is {kind}, not a regular file",
            out.display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().starts_with("move `"), "{}", error.hint());
    }
    assert_eq!(names(&out), before);
    assert_eq!(
        fs::read_to_string(out.join("resources.yml")).unwrap(),
        "old"
    );
    assert_eq!(
        fs::read_to_string(out.join("elsewhere.yml")).unwrap(),
        "old"
    );
}

#[test]
fn an_output_directory_that_is_a_file_is_refused() {
    let (_folder, out) = folder();
    let file = out.join("file");
    fs::write(&file, "x").unwrap();
    let expected = format!("`{}` is a file, not a directory", file.display());
    let error = publish(&file, &three()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let error = current(&file).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let error = publish(&file.join("below"), &three()).unwrap_err();
    assert!(error.to_string().starts_with("cannot look at `"), "{error}");
}

#[test]
fn an_output_directory_may_be_a_symlink_to_one() {
    let (folder, out) = folder();
    let link = folder.path().join("link");
    symlink(&out, &link).unwrap();
    publish(&link, &three()).unwrap();
    assert_eq!(current(&out).unwrap(), three());
}

#[test]
fn temporary_files_of_a_killed_run_are_removed() {
    let (_folder, out) = folder();
    fs::write(out.join(".artifactctl-publish-functions.yml"), "half").unwrap();
    fs::write(out.join("precious"), "kept").unwrap();
    symlink("precious", out.join(".artifactctl-publish-routing.yml")).unwrap();
    publish(&out, &three()).unwrap();
    assert_eq!(
        names(&out),
        ["functions.yml", "precious", "resources.yml", "routing.yml"]
    );
    assert_eq!(fs::read_to_string(out.join("precious")).unwrap(), "kept");
}

#[test]
fn a_run_that_fails_before_its_first_rename_changes_nothing() {
    let (_folder, out) = folder();
    fs::write(out.join("functions.yml"), "old").unwrap();
    fs::create_dir(out.join(".artifactctl-publish-routing.yml")).unwrap();
    let before = names(&out);
    let error = publish(&out, &three()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot remove the stale file `"),
        "{error}"
    );
    assert_eq!(names(&out), before);
    assert_eq!(
        fs::read_to_string(out.join("functions.yml")).unwrap(),
        "old"
    );
}

#[test]
fn a_staged_file_leaves_its_target_alone_until_it_is_committed() {
    let (_folder, out) = folder();
    let target = out.join("functions.yml");
    fs::write(&target, "old").unwrap();
    let directory = Directory::open(&out).unwrap();
    let staged = Staged::write(&directory, "functions.yml", "new", false).unwrap();
    assert_eq!(names(&out).len(), 2);
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    drop(staged);
    assert_eq!(names(&out), ["functions.yml"]);
    let staged = Staged::write(&directory, "functions.yml", "new", false).unwrap();
    staged.commit().unwrap();
    assert_eq!(names(&out), ["functions.yml"]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
}

#[test]
fn a_rename_that_fails_names_the_target_and_leaves_no_temporary_file() {
    let (_folder, out) = folder();
    let target = out.join("functions.yml");
    let directory = Directory::open(&out).unwrap();
    let staged = Staged::write(&directory, "functions.yml", "new", false).unwrap();
    fs::create_dir(&target).unwrap();
    let error = staged.commit().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot replace `{}`", target.display())
    );
    assert_eq!(names(&out), ["functions.yml"]);
}

#[test]
fn a_full_disk_is_named_with_the_file_and_what_to_do() {
    let mut full = File::options().write(true).open("/dev/full").unwrap();
    let error = fill(&mut full, "text", Path::new("out/.tmp")).unwrap_err();
    assert_eq!(error.to_string(), "cannot write `out/.tmp`");
    assert_eq!(
        error.hint(),
        "free some space where `out/.tmp` is, then repeat the command"
    );
    assert!(error.is_retryable());
}

#[rstest]
#[case(rustix::io::Errno::ACCESS, "let this user write")]
#[case(rustix::io::Errno::PERM, "let this user write")]
#[case(rustix::io::Errno::ROFS, "mount the file system")]
#[case(rustix::io::Errno::DQUOT, "free some space")]
#[case(rustix::io::Errno::BUSY, "`out/f` is mounted by itself")]
#[case(rustix::io::Errno::IO, "check the disk")]
#[case(rustix::io::Errno::NAMETOOLONG, "make `out/f` accessible")]
fn every_refusal_of_the_system_has_a_next_step(
    #[case] errno: rustix::io::Errno,
    #[case] expected: &str,
) {
    let error = PublishError::io("write", Path::new("out/f"), errno.into());
    assert!(error.hint().starts_with(expected), "{}", error.hint());
}

#[test]
fn a_held_lock_is_waited_for_within_bounds_and_its_holder_named() {
    let (_folder, out) = folder();
    let holder = File::open(&out).unwrap();
    holder.try_lock().unwrap();
    let error = publish_within(&out, &three(), Duration::ZERO).unwrap_err();
    let PublishError::Busy {
        holder: Some(named),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(
        named.starts_with(&format!("process {}", std::process::id())),
        "{named}"
    );
    assert!(
        error.hint().starts_with("wait for process "),
        "{}",
        error.hint()
    );
    assert_eq!(names(&out), [""; 0]);
    assert_eq!(
        current(&out).unwrap(),
        files(&[]),
        "readers do not take the lock"
    );

    let waiting = {
        let out = out.clone();
        thread::spawn(move || publish_within(&out, &three(), Duration::from_secs(60)).map(drop))
    };
    drop(holder);
    waiting.join().unwrap().unwrap();
    assert_eq!(current(&out).unwrap(), three());
}

#[test]
fn of_publishes_at_once_that_were_merged_into_the_same_one_is_published_whole() {
    let (_folder, out) = folder();
    let runs: Vec<_> = ["1", "2", "3", "4"]
        .into_iter()
        .map(|text| {
            let out = out.clone();
            let texts = files(&[(Functions, text), (Routing, text), (Resources, text)]);
            thread::spawn(move || super::publish(&out, &texts, &BTreeMap::new()).map(drop))
        })
        .collect();
    let ended = runs.into_iter().map(|run| run.join().unwrap());
    let refused: Vec<_> = ended.filter_map(Result::err).collect();
    assert_eq!(refused.len(), 3);
    for error in refused {
        assert!(matches!(error, PublishError::Changed { .. }), "{error:?}");
    }
    let found = current(&out).unwrap();
    assert_eq!(found[&Functions], found[&Routing]);
    assert_eq!(found[&Functions], found[&Resources]);
    assert_eq!(names(&out).len(), 3);
}

#[test]
fn nothing_stands_in_a_directory_that_is_not_there() {
    let (_folder, out) = folder();
    assert_eq!(current(&out.join("missing")).unwrap(), files(&[]));
}

#[test]
fn what_is_no_text_or_too_large_is_not_read() {
    let (_folder, out) = folder();
    let path = out.join("functions.yml");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(
        current(&out).unwrap_err(),
        PublishError::NotUtf8 { .. }
    ));
    File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
    let error = current(&out).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{}` is larger than 67108864 bytes", path.display())
    );
    assert!(!error.is_retryable());
}

#[rstest]
#[case::edited(Some("r\n"), Some("edited\n"))]
#[case::made(None, Some("made\n"))]
#[case::removed(Some("r\n"), None)]
fn a_file_that_was_changed_since_the_merge_is_not_overwritten(
    #[case] merged_into: Option<&str>,
    #[case] found: Option<&str>,
) {
    let (_folder, out) = folder();
    let path = out.join("routing.yml");
    let standing = merged_into.map(|text| (Routing, Digest::of(text)));
    if let Some(text) = found {
        fs::write(&path, text).unwrap();
    }
    let files = files(&[(Functions, "f\n"), (Routing, "merged\n")]);
    let refused = super::publish(&out, &files, &standing.into_iter().collect()).unwrap_err();
    assert!(matches!(&refused, PublishError::Changed { path: named } if *named == path));
    assert!(refused.is_retryable());
    let names = names(&out);
    assert_eq!(
        names,
        found.map(|_| "routing.yml").into_iter().collect::<Vec<_>>()
    );
    assert_eq!(fs::read_to_string(&path).ok().as_deref(), found);
}

#[test]
fn a_file_that_is_already_as_it_is_to_be_was_published_before() {
    let (_folder, out) = folder();
    fs::write(out.join("routing.yml"), "merged\n").unwrap();
    let files = files(&[(Functions, "f\n"), (Routing, "merged\n")]);
    let published = super::publish(&out, &files, &BTreeMap::new()).unwrap();
    assert!(published[&Functions].written && !published[&Routing].written);
}

#[test]
fn a_directory_that_cannot_be_published_into_is_known_before() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert!(super::check(&out).is_ok(), "it would be made");
    assert!(!out.exists(), "and is not made by looking");
    fs::create_dir(&out).unwrap();
    assert!(super::check(&out).is_ok());
    fs::set_permissions(&out, Permissions::from_mode(0o777)).unwrap();
    let refused = super::check(&out).unwrap_err();
    assert!(matches!(refused, PublishError::Everybodys { .. }));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [&file, &file.join("out")] {
        let refused = super::check(path).unwrap_err();
        assert!(
            matches!(refused, PublishError::NotADirectory { .. }),
            "{refused}"
        );
    }
}
