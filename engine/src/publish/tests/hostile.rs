//! An output directory that others have a hand in: planted names, links, moved paths, and readers who must stay.

use super::*;
use crate::publish::publish_watched;
use crate::publish::staged::{Reader, lost_reader};

#[test]
fn a_planted_temporary_name_writes_nowhere_else() {
    let (folder, out) = folder();
    let precious = folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    for between in ["", "between-"] {
        for file in ConfigFile::ALL {
            let planted = format!(".artifactctl-publish-{between}{}", file.file_name());
            symlink(&precious, out.join(planted)).unwrap();
        }
    }
    publish(&out, &three()).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
    assert_eq!(names(&out).len(), 3);
}

#[test]
fn a_name_that_is_planted_after_the_stale_ones_went_is_an_error() {
    let (folder, out) = folder();
    let precious = folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    symlink(&precious, out.join(".artifactctl-publish-functions.yml")).unwrap();
    let directory = Directory::open(&out).unwrap();
    let error = Staged::write(&directory, "functions.yml", "new", false).unwrap_err();
    assert!(error.to_string().starts_with("cannot make `"), "{error}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
}

#[test]
fn a_path_that_leads_elsewhere_meanwhile_gets_nothing_and_is_named() {
    let (folder, out) = folder();
    let (aside, elsewhere) = (folder.path().join("aside"), folder.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let error = publish_watched(
        &out,
        &three(),
        &BTreeMap::new(),
        Duration::ZERO,
        &mut |file| {
            if file == Resources {
                fs::rename(&out, &aside).unwrap();
                symlink(&elsewhere, &out).unwrap();
            }
        },
    );
    let error = error.unwrap_err();
    assert!(matches!(&error, PublishError::Moved { path } if *path == out));
    assert!(error.is_retryable());
    assert_eq!(names(&elsewhere), [""; 0]);
    assert_eq!(names(&aside).len(), 3);
}

#[rstest]
#[case(0o777, true)]
#[case(0o1777, true)]
#[case(0o2775, false)]
#[case(0o755, false)]
fn a_directory_that_everybody_writes_to_is_refused(#[case] mode: u32, #[case] is_refused: bool) {
    let (_folder, out) = folder();
    fs::set_permissions(&out, Permissions::from_mode(mode)).unwrap();
    let refused = publish(&out, &three()).err();
    assert_eq!(refused.is_some(), is_refused);
    if let Some(error) = refused {
        assert!(error.hint().contains("chmod o-w"), "{}", error.hint());
        assert_eq!(names(&out), [""; 0]);
    }
}

/// Whoever could read still can: everybody, the group, the owner.
#[rstest]
#[case::everybody(0o644, false, false, None)]
#[case::the_group_stays(0o640, false, true, None)]
#[case::the_group_goes(0o640, true, false, Some(Reader::Group))]
#[case::the_owner_goes(0o600, false, true, Some(Reader::Owner))]
#[case::both_stay(0o600, true, true, None)]
#[case::nobody_reads_by_the_group(0o600, true, false, None)]
fn a_replaced_file_loses_no_reader(
    #[case] mode: u32,
    #[case] has_owner: bool,
    #[case] has_group: bool,
    #[case] expected: Option<Reader>,
) {
    assert_eq!(lost_reader(mode, has_owner, has_group), expected);
}

#[test]
fn a_new_file_has_the_group_of_a_setgid_directory_and_a_replaced_one_its_own() {
    let (_folder, out) = folder();
    let own = fs::metadata(&out).unwrap().gid();
    let other = rustix::process::getgroups().unwrap().into_iter();
    let mut other = other
        .map(rustix::process::Gid::as_raw)
        .filter(|gid| *gid != own);
    // A user without a second group cannot give a file to one; root can, to any.
    let group = if rustix::process::geteuid().is_root() {
        Some(own + 1)
    } else {
        other.next()
    };
    let shared = group.unwrap_or(own);
    std::os::unix::fs::chown(&out, None, Some(shared)).unwrap();
    fs::set_permissions(&out, Permissions::from_mode(0o2770)).unwrap();
    fs::write(out.join("functions.yml"), "old").unwrap();
    std::os::unix::fs::chown(out.join("functions.yml"), None, Some(own)).unwrap();
    fs::set_permissions(out.join("functions.yml"), Permissions::from_mode(0o640)).unwrap();

    publish(&out, &three()).unwrap();

    let found = |name: &str| fs::metadata(out.join(name)).unwrap();
    assert_eq!(found("routing.yml").gid(), shared);
    assert_eq!(
        (
            found("functions.yml").gid(),
            mode(&out.join("functions.yml"))
        ),
        (own, 0o640)
    );
}
