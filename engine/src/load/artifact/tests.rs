use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

/// An artifact of two entries beside its manifest.
struct World {
    dir: TempDir,
}

const MANIFEST: &str = "schema_version: 1
project: p
env: e
mode: docker
artifacts:
  - artifact_root: ../svc-a
    runtime_config_dir: config
  - artifact_root: ../svc-b
    runtime_config_dir: ./x/../config
";

impl World {
    fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        world.write("m/artifact.yml", MANIFEST);
        for svc in ["svc-a", "svc-b"] {
            world.write(
                &format!("{svc}/config/functions.yml"),
                format!("functions:\n  {svc}: {{image: reg/{svc}}}\n"),
            );
            world.write(&format!("{svc}/config/routing.yml"), "routes: []\n");
        }
        world.write("svc-a/functions/svc-a/Dockerfile", "FROM scratch\n");
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn load(&self) -> Result<Artifact, LoadError> {
        artifact(&self.path("m/artifact.yml"))
    }

    fn violations(&self) -> Vec<Violation> {
        match self.load() {
            Err(LoadError::Violations(violations)) => violations,
            other => panic!("no violations: {other:?}"),
        }
    }

    /// Rule, file relative to the world, line and column of each violation.
    fn found(&self) -> Vec<(String, String, u32, u32)> {
        self.violations()
            .into_iter()
            .map(|v| {
                let file = Path::new(&v.place.file)
                    .strip_prefix(self.dir.path())
                    .unwrap()
                    .display()
                    .to_string();
                (v.rule, file, v.place.line, v.place.column)
            })
            .collect()
    }
}

fn one(rule: &str, file: &str, line: u32, column: u32) -> Vec<(String, String, u32, u32)> {
    vec![(rule.to_owned(), file.to_owned(), line, column)]
}

#[test]
fn a_complete_artifact_is_loaded() {
    let world = World::new();
    world.write("svc-b/config/resources.yml", "s3: []\n");

    let artifact = world.load().unwrap();

    assert_eq!(artifact.manifest_path, world.path("m/artifact.yml"));
    assert_eq!(artifact.warnings, []);
    let [a, b] = artifact.entries.as_slice() else {
        panic!("two entries")
    };
    let real = fs::canonicalize(world.dir.path()).unwrap();
    assert_eq!(a.root, real.join("svc-a"));
    assert_eq!(a.config_dir, real.join("svc-a/config"));
    assert_eq!(a.source, r#"["root","../svc-a"]"#);
    assert_eq!(a.images[0].dockerfile.as_deref(), Some("FROM scratch\n"));
    assert_eq!((a.images[0].place.line, a.images[0].place.column), (2, 18));
    assert_eq!(a.resources, None);
    assert_eq!(b.config_dir, real.join("svc-b/config"));
    assert_eq!(b.images[0].dockerfile, None);
    assert!(b.resources.is_some());
    assert_eq!(b.digests["resources.yml"], Digest::of("s3: []\n"));
    let builds: Vec<_> = artifact
        .builds()
        .iter()
        .map(|(_, image)| image.function.as_str())
        .collect();
    assert_eq!(builds, ["svc-a"]);
}

#[test]
fn the_last_entry_that_has_a_function_decides_whether_it_is_built() {
    let world = World::new();
    world.write(
        "svc-b/config/functions.yml",
        "functions: {svc-a: {image: elsewhere}}",
    );

    assert!(world.load().unwrap().builds().is_empty());
}

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
    world.write("svc-a/real/routing.yml", "routes: [{path: /linked}]\n");
    world.remove("svc-a/config/routing.yml");
    let target = match target {
        "" => world.path("svc-a/real/routing.yml"),
        target => PathBuf::from(target),
    };
    symlink(target, world.path("svc-a/config/routing.yml")).unwrap();

    let artifact = world.load().unwrap();

    assert_eq!(
        artifact.entries[0].digests["routing.yml"],
        Digest::of("routes: [{path: /linked}]\n")
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

#[rstest]
#[case::syntax("functions: [\n", "syntax", 1, 12)]
#[case::duplicate("functions: {}\nfunctions: {}\n", "duplicate-key", 2, 1)]
#[case::nul("functions: {}\n\0", "control-character", 2, 1)]
#[case::not_utf8("functions: {}\n# \u{e9}", "not-utf8", 2, 3)]
#[case::second("functions: {}\n---\n", "second-document", 2, 1)]
#[case::empty("", "wrong-kind", 1, 1)]
#[case::climbing("functions:\n  ../x: {}\n", "bad-function-name", 2, 3)]
fn what_is_wrong_in_a_file_is_named_at_its_place(
    #[case] text: &str,
    #[case] rule: &str,
    #[case] line: u32,
    #[case] column: u32,
) {
    let world = World::new();
    let mut bytes = text.as_bytes().to_vec();
    if rule == "not-utf8" {
        bytes.pop();
    }
    world.write("svc-a/config/functions.yml", bytes);

    assert_eq!(
        world.found(),
        one(rule, "m/../svc-a/config/functions.yml", line, column)
    );
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let world = World::new();
    world.write("svc-a/config/functions.yml", vec![b' '; 9 << 20]);
    world.write("svc-a/functions/svc-a/Dockerfile", "");
    world.write(
        "svc-b/functions/svc-b/Dockerfile",
        vec![b'#'; (1 << 20) + 1],
    );

    let mut expected = one("too-large", "m/artifact.yml", 7, 25);
    expected.extend(one(
        "too-large",
        "m/../svc-b/functions/svc-b/Dockerfile",
        0,
        0,
    ));
    assert_eq!(world.found(), expected);
}

#[test]
fn a_dockerfile_that_is_not_utf8_is_refused() {
    let world = World::new();
    world.write("svc-a/functions/svc-a/Dockerfile", b"FROM scratch\n\xff");

    assert_eq!(
        world.found(),
        one("not-utf8", "m/../svc-a/functions/svc-a/Dockerfile", 2, 1)
    );
}

#[test]
fn all_violations_of_all_files_come_at_once() {
    let world = World::new();
    world.write(
        "m/artifact.yml",
        MANIFEST.replace("mode: docker", "mode: x"),
    );
    world.write("svc-a/config/functions.yml", "functions: 1\n");
    world.write("svc-a/config/routing.yml", "routes: 1\n");
    world.remove("svc-b/config/functions.yml");
    world.write("svc-b/config/resources.yml", "s3: 1\n");

    let rules: Vec<_> = world.found().into_iter().map(|(rule, ..)| rule).collect();

    assert_eq!(
        rules,
        [
            "bad-mode",
            "wrong-kind",
            "wrong-kind",
            "missing-file",
            "wrong-kind"
        ]
    );
}

#[test]
fn a_manifest_that_cannot_be_read_is_told_apart_from_one_that_is_wrong() {
    let world = World::new();
    let problem = |path: &str| match artifact(&world.path(path)) {
        Err(LoadError::Unreadable { problem, .. }) => problem.rule().name(),
        other => panic!("{other:?}"),
    };

    assert_eq!(problem("m/other.yml"), "missing-file");
    assert_eq!(problem("m"), "not-a-file");
    assert_eq!(problem("m/artifact.yml/x"), "not-a-directory");
    world.write("m/artifact.yml", b"a: \xff");
    assert_eq!(world.found(), one("not-utf8", "m/artifact.yml", 1, 4));
    world.write("m/artifact.yml", vec![b' '; 9 << 20]);
    assert_eq!(world.found(), one("too-large", "m/artifact.yml", 0, 0));
}

#[test]
fn warnings_of_payload_files_are_kept() {
    let world = World::new();
    world.write("svc-b/config/routing.yml", "routes: [{method: GET}]\n");

    let warnings = world.load().unwrap().warnings;

    assert_eq!(
        (warnings.len(), warnings[0].rule.as_str()),
        (1, "route-without-path")
    );
}

#[rstest]
#[case("m/artifact.yml", &MANIFEST.replace("env: e", "env: f"))]
#[case("svc-a/config/functions.yml", "functions: {}\n")]
#[case("svc-b/config/routing.yml", "routes: [ ]\n")]
#[case("svc-b/config/resources.yml", "s3: []\n")]
#[case("svc-a/functions/svc-a/Dockerfile", "FROM scratch\n#\n")]
#[case("svc-b/functions/svc-b/Dockerfile", "FROM scratch\n")]
fn the_digest_follows_every_file(#[case] file: &str, #[case] text: &str) {
    let world = World::new();
    let before = world.load().unwrap().digest;

    world.write(file, text);

    assert_ne!(world.load().unwrap().digest, before);
}

#[rstest]
#[case("m/artifact.yml", &format!("# note\n{MANIFEST}generated_at: 2026-02-20T00:00:00Z\n"))]
#[case("svc-a/functions/other/Dockerfile", "FROM scratch\n")]
#[case("svc-a/runtime-base/x", "x")]
fn the_digest_does_not_follow_what_is_no_part_of_the_artifact(
    #[case] file: &str,
    #[case] text: &str,
) {
    let world = World::new();
    let before = world.load().unwrap().digest;

    world.write(file, text);

    assert_eq!(world.load().unwrap().digest, before);
}

#[test]
fn further_inputs_change_the_digest() {
    let artifact = World::new().load().unwrap();
    let inputs = |name: &str, text: &str| {
        artifact.digest_with(&BTreeMap::from([(name.to_owned(), Digest::of(text))]))
    };

    assert_eq!(artifact.digest_with(&BTreeMap::new()), artifact.digest);
    assert_eq!(inputs("f", "x"), inputs("f", "x"));
    assert_ne!(inputs("f", "x"), inputs("f", "y"));
    assert_ne!(inputs("f", "x"), inputs("g", "x"));
    assert_ne!(inputs("f", "x"), artifact.digest);
}

#[test]
fn nothing_below_a_root_is_changed() {
    let world = World::new();
    let listing = || {
        let mut names: Vec<_> = fs::read_dir(world.path("svc-a/config"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.file_name(),
                    entry.metadata().unwrap().modified().unwrap(),
                )
            })
            .collect();
        names.sort();
        names
    };
    let before = listing();

    world.load().unwrap();

    assert_eq!(listing(), before);
}
