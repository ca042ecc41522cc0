use super::*;
use tempfile::TempDir;

fn tree(word: &str) -> Tree {
    let mut tree = Tree::default();
    tree.put("shop/config/functions.yml", TreeFile::text(word));
    tree.put("shop/functions/a/src/run", TreeFile::text("x").executable());
    tree.put(
        "shop/functions/a/src/link",
        TreeFile::Link("run".to_owned()),
    );
    tree
}

fn write(place: &Path, word: &str) -> Result<(), WriteError> {
    let draft = Draft::begin(place)?;
    draft.write(&tree(word))?;
    draft.publish(None)
}

fn word(place: &Path) -> String {
    fs::read_to_string(place.join("shop/config/functions.yml")).unwrap()
}

/// What lies in a folder, sorted.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_artifact_is_put_in_its_place_and_nothing_stays_beside_it() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("build");
    for word in ["one", "two"] {
        write(&place, word).unwrap();
        assert_eq!(differences(&tree(word), &place).unwrap(), []);
        assert_eq!(names(&folder), ["build"]);
    }
    let draft = Draft::begin(&place).unwrap();
    draft.write(&tree("three")).unwrap();
    drop(draft);
    assert_eq!(
        (word(&place).as_str(), names(&folder)),
        ("two", vec!["build".to_owned()])
    );
}

#[test]
fn what_a_killed_run_left_in_its_draft_is_in_no_artifact() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("build");
    let left = folder.path().join(".build.esb-draft/shop/functions/old");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), "").unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join(".build.esb-draft/link")).unwrap();
    write(&place, "one").unwrap();
    assert_eq!(differences(&tree("one"), &place).unwrap(), []);
    assert_eq!(names(&folder), ["build"]);
}

/// Below a folder that others may write to, links could be planted between two steps.
#[test]
fn a_folder_for_drafts_that_others_may_write_to_is_refused() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("build");
    let planted = folder.path().join(".build.esb-draft");
    let precious = folder.path().join("precious");
    fs::create_dir(&planted).unwrap();
    fs::write(&precious, "kept").unwrap();
    std::os::unix::fs::symlink(&precious, planted.join("artifact.yml")).unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = write(&place, "one").unwrap_err();
    assert!(
        matches!(refused, WriteError::NotOurs { mode: 0o777, .. }),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
    assert!(!place.exists());
}

#[test]
fn a_folder_for_drafts_belongs_to_this_user_alone() {
    for (owner, mode, expected) in [
        (7, 0o40755, true),
        (7, 0o40700, true),
        (8, 0o40755, false),
        (0, 0o40755, false),
        (7, 0o40775, false),
        (7, 0o40757, false),
    ] {
        assert_eq!(
            working_folder::is_ours(owner, mode, 7),
            expected,
            "{owner} {mode:o}"
        );
    }
}

#[test]
fn a_name_that_is_there_already_is_not_written_through() {
    let folder = TempDir::new().unwrap();
    let precious = folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    let draft = Draft::begin(&folder.path().join("build")).unwrap();
    let planted = draft.path().join("shop/config");
    fs::create_dir_all(&planted).unwrap();
    std::os::unix::fs::symlink(&precious, planted.join("functions.yml")).unwrap();
    draft.write(&tree("one")).unwrap_err();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
}

#[test]
fn an_artifact_that_had_stepped_aside_goes_back_or_away() {
    let folder = TempDir::new().unwrap();
    let (place, aside) = (
        folder.path().join("build"),
        folder.path().join(".build.esb-old"),
    );
    write(&place, "one").unwrap();
    fs::rename(&place, &aside).unwrap();
    drop(Draft::begin(&place).unwrap());
    assert_eq!(
        (word(&place).as_str(), names(&folder)),
        ("one", vec!["build".to_owned()])
    );
    write(&aside, "older").unwrap();
    drop(Draft::begin(&place).unwrap());
    assert_eq!(
        (word(&place).as_str(), names(&folder)),
        ("one", vec!["build".to_owned()])
    );
}

#[test]
fn a_link_is_compared_as_a_link_and_a_file_as_a_file() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("build");
    let source = place.join("shop/functions/a/src");
    let differs = |name: &str| {
        let found = differences(&tree("one"), &place).unwrap();
        let path = format!("shop/functions/a/src/{name}");
        let how = "differs";
        assert_eq!(found, [Difference { path, how }]);
    };
    write(&place, "one").unwrap();
    fs::remove_file(source.join("link")).unwrap();
    fs::write(source.join("link"), "x").unwrap();
    differs("link");
    fs::remove_file(source.join("link")).unwrap();
    std::os::unix::fs::symlink("other", source.join("link")).unwrap();
    differs("link");
    write(&place, "one").unwrap();
    fs::rename(source.join("run"), folder.path().join("run")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("run"), source.join("run")).unwrap();
    differs("run");
}

#[test]
fn two_do_not_write_one_artifact() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("build");
    let first = Draft::begin(&place).unwrap();
    assert!(matches!(Draft::begin(&place), Err(WriteError::Busy(_))));
    first.write(&tree("one")).unwrap();
    first.publish(None).unwrap();
    assert_eq!(word(&place), "one");
    write(&place, "two").unwrap();
}

#[test]
fn a_link_in_the_place_of_a_draft_is_not_followed() {
    let folder = TempDir::new().unwrap();
    let precious = folder.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis"), "").unwrap();
    std::os::unix::fs::symlink(&precious, folder.path().join(".build.esb-draft")).unwrap();
    let refused = write(&folder.path().join("build"), "one").unwrap_err();
    assert!(matches!(refused, WriteError::Read { .. }), "{refused:?}");
    assert!(precious.join("thesis").exists());
}
