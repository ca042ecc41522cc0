//! Artifacts on disk: what is loaded, and what is wrong in files. Where paths lead is in `paths`, what is the same artifact in `digest`.

mod complete;
mod digest;
mod paths;
mod typos;

use std::fs;
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
