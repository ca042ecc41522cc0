//! What stands in the place of a file or folder, and where links lead.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rstest::rstest;

use super::{Digest, PathBuf, World, one};

#[rstest]
#[case("svc-a/config/functions.yml")]
#[case("svc-a/config/routing.yml")]
fn a_mandatory_file_that_is_missing_is_named_at_its_entry(#[case] file: &str) {
    let world = World::new();
    world.remove(file);

    assert_eq!(world.found(), one("missing-file", "m/artifact.yml", 7, 25));
    assert_eq!(
        world.violations()[0].place.excerpt,
        "    runtime_config_dir: config"
    );
    assert!(world.violations()[0].message.ends_with("is missing"));
}

#[test]
fn a_missing_root_or_config_dir_is_one_violation() {
    let world = World::new();
    fs::rename(world.path("svc-a"), world.path("elsewhere")).unwrap();
    fs::rename(world.path("svc-b/config"), world.path("svc-b/other")).unwrap();

    let mut expected = one("missing-file", "m/artifact.yml", 6, 20);
    expected.extend(one("missing-file", "m/artifact.yml", 9, 25));
    assert_eq!(world.found(), expected);
}

#[test]
fn a_file_in_place_of_a_directory_is_named() {
    let world = World::new();
    fs::remove_dir_all(world.path("svc-a")).unwrap();
    world.write("svc-a", "");
    fs::remove_dir_all(world.path("svc-b/config")).unwrap();
    world.write("svc-b/config", "");

    let mut expected = one("not-a-directory", "m/artifact.yml", 6, 20);
    expected.extend(one("not-a-directory", "m/artifact.yml", 9, 25));
    assert_eq!(world.found(), expected);
}

#[rstest]
#[case::directory("svc-a/config/functions.yml", "not-a-file")]
#[case::optional_directory("svc-a/config/resources.yml", "not-a-file")]
fn a_directory_in_place_of_a_file_is_named(#[case] file: &str, #[case] rule: &str) {
    let world = World::new();
    let path = world.path(file);
    fs::remove_file(&path).ok();
    fs::create_dir(path).unwrap();

    assert_eq!(world.found(), one(rule, "m/artifact.yml", 7, 25));
}

#[test]
fn a_fifo_is_refused_without_waiting() {
    let world = World::new();
    world.remove("svc-a/config/routing.yml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.path("svc-a/config/routing.yml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();

    assert_eq!(world.found(), one("not-a-file", "m/artifact.yml", 7, 25));
    assert!(world.violations()[0].message.contains("a FIFO"));
}

#[test]
fn a_socket_is_refused() {
    let world = World::new();
    world.remove("svc-a/functions/svc-a/Dockerfile");
    let _socket = UnixListener::bind(world.path("svc-a/functions/svc-a/Dockerfile")).unwrap();

    assert_eq!(
        world.found(),
        one("not-a-file", "m/../svc-a/functions/svc-a/Dockerfile", 0, 0)
    );
}

#[test]
fn a_symlink_out_of_the_root_is_refused() {
    let world = World::new();
    world.write("secret.yml", "routes: []\n");
    world.remove("svc-a/config/routing.yml");
    symlink("../../secret.yml", world.path("svc-a/config/routing.yml")).unwrap();

    assert_eq!(world.found(), one("outside-root", "m/artifact.yml", 7, 25));
}

#[test]
fn a_config_dir_that_leads_out_of_the_root_is_refused() {
    let world = World::new();
    fs::rename(world.path("svc-a/config"), world.path("outside")).unwrap();
    symlink(world.path("outside"), world.path("svc-a/config")).unwrap();

    assert_eq!(world.found(), one("outside-root", "m/artifact.yml", 7, 25));
}

#[rstest]
#[case::relative("../real/routing.yml")]
#[case::absolute("")]
fn a_symlink_that_stays_in_the_root_is_followed(#[case] target: &str) {
    let world = World::new();
    world.write(
        "svc-a/real/routing.yml",
        "routes: [{path: /linked, function: svc-a}]\n",
    );
    world.remove("svc-a/config/routing.yml");
    let target = match target {
        "" => world.path("svc-a/real/routing.yml"),
        target => PathBuf::from(target),
    };
    symlink(target, world.path("svc-a/config/routing.yml")).unwrap();

    let artifact = world.load().unwrap();

    assert_eq!(
        artifact.entries[0].digests["routing.yml"],
        Digest::of("routes: [{path: /linked, function: svc-a}]\n")
    );
}

#[test]
fn the_artifact_root_itself_may_be_a_symlink() {
    let world = World::new();
    fs::rename(world.path("svc-a"), world.path("real")).unwrap();
    symlink("real", world.path("svc-a")).unwrap();

    assert!(world.load().unwrap().entries[0].root.ends_with("real"));
}

#[test]
fn symlinks_in_a_circle_are_named() {
    let world = World::new();
    world.remove("svc-a/config/routing.yml");
    symlink("b", world.path("svc-a/config/routing.yml")).unwrap();
    symlink("routing.yml", world.path("svc-a/config/b")).unwrap();

    assert_eq!(world.found(), one("symlink-loop", "m/artifact.yml", 7, 25));
}

#[test]
fn a_symlink_to_nothing_is_missing() {
    let world = World::new();
    world.remove("svc-a/config/routing.yml");
    symlink("nothing", world.path("svc-a/config/routing.yml")).unwrap();

    assert_eq!(world.found(), one("missing-file", "m/artifact.yml", 7, 25));
}

#[test]
fn a_file_without_permission_is_unreadable() {
    let world = World::new();
    let file = world.path("svc-a/config/routing.yml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();

    // The superuser reads whatever it likes.
    if fs::File::open(&file).is_ok() {
        assert!(world.load().is_ok());
    } else {
        assert_eq!(world.found(), one("unreadable", "m/artifact.yml", 7, 25));
    }
}

#[test]
fn a_symlink_into_runtime_base_is_refused() {
    let world = World::new();
    fs::create_dir(world.path("svc-a/runtime-base")).unwrap();
    fs::rename(
        world.path("svc-a/config"),
        world.path("svc-a/runtime-base/config"),
    )
    .unwrap();
    symlink("runtime-base/config", world.path("svc-a/config")).unwrap();

    assert_eq!(world.found(), one("runtime-base", "m/artifact.yml", 7, 25));
}

#[test]
fn a_root_that_leads_into_the_runtime_base_of_another_entry_is_refused() {
    let world = World::new();
    fs::create_dir(world.path("svc-a/runtime-base")).unwrap();
    fs::rename(world.path("svc-b"), world.path("svc-a/runtime-base/svc-b")).unwrap();
    symlink("svc-a/runtime-base/svc-b", world.path("svc-b")).unwrap();

    assert_eq!(world.found(), one("runtime-base", "m/artifact.yml", 8, 20));
}

#[test]
fn a_broken_runtime_base_is_never_looked_at() {
    let world = World::new();
    symlink("runtime-base", world.path("svc-a/runtime-base")).unwrap();
    world.write("svc-b/runtime-base/functions.yml", b"\xff\x00");

    assert!(world.load().is_ok());
}
