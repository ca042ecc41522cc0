use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rstest::rstest;
use tempfile::TempDir;

use super::*;

struct World {
    dir: TempDir,
}

impl World {
    /// A root with two functions and a `runtime-base`.
    fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for file in [
            "functions/a/app.py",
            "functions/a/lib/x.py",
            "functions/a/lib/y.txt",
            "functions/b/app.py",
            "layers/z.zip",
            "runtime-base/secret",
        ] {
            world.write(file, file);
        }
        world
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    fn inputs(&self, sources: &[&str]) -> Result<Vec<InputFile>, InputError> {
        let sources: Vec<String> = sources.iter().map(|&source| source.to_owned()).collect();
        inputs(self.dir.path(), "a", &sources)
    }

    fn paths(&self, sources: &[&str]) -> Vec<String> {
        self.inputs(sources)
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect()
    }
}

#[rstest]
#[case(&["functions/a/app.py"], &["functions/a/app.py"])]
#[case(&["/functions//./a/../b/app.py"], &["functions/b/app.py"])]
#[case(&["../../functions/b"], &["functions/b", "functions/b/app.py"])]
#[case(&["functions/a/lib/"], &["functions/a/lib", "functions/a/lib/x.py", "functions/a/lib/y.txt"])]
#[case(&["functions/*/app.py"], &["functions/a/app.py", "functions/b/app.py"])]
#[case(&["functions/a/lib/*.p?"], &["functions/a/lib/x.py"])]
#[case(&["functions/[a]/l*"], &["functions/a/lib", "functions/a/lib/x.py", "functions/a/lib/y.txt"])]
#[case(&["layers/z.zip", "layers", "layers/*"], &["layers", "layers/z.zip"])]
#[case(&["functions/b/**"], &["functions/b", "functions/b/app.py"])]
#[case(&["functions/a/app.py/x"], &[])]
#[case(&["nothing", "functions/c/*", "no*"], &[])]
#[case(&["runtime-base"], &[])]
#[case(&["runtime-base/*", "runtime-*", "x/../runtime-base/secret", "runtime-base/**"], &[])]
#[case(&[], &[])]
fn sources_reach_what_copy_would_take(#[case] sources: &[&str], #[case] expected: &[&str]) {
    assert_eq!(World::new().paths(sources), expected);
}

#[rstest]
#[case(".")]
#[case("/")]
#[case("")]
#[case("*")]
fn the_whole_root_is_everything_but_runtime_base(#[case] source: &str) {
    assert_eq!(
        World::new().paths(&[source]),
        [
            "functions",
            "functions/a",
            "functions/a/app.py",
            "functions/a/lib",
            "functions/a/lib/x.py",
            "functions/a/lib/y.txt",
            "functions/b",
            "functions/b/app.py",
            "layers",
            "layers/z.zip",
        ]
    );
}

#[test]
fn a_file_has_its_digest_size_and_normalised_mode() {
    let world = World::new();
    let mode = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("functions/a/app.py", 0o700);
    mode("functions/b/app.py", 0o666);

    let files = world.inputs(&["functions/*/app.py"]).unwrap();

    assert_eq!(
        files[0],
        InputFile {
            path: "functions/a/app.py".to_owned(),
            mode: 0o755,
            content: InputContent::File {
                digest: Digest::of("functions/a/app.py"),
                size: 18,
            },
        }
    );
    assert_eq!(files[1].mode, 0o644);
}

#[test]
fn a_large_file_is_hashed_in_pieces() {
    let world = World::new();
    let text = "0123456789".repeat(20_000);
    world.write("big", &text);

    let files = world.inputs(&["big"]).unwrap();

    assert_eq!(
        files[0].content,
        InputContent::File {
            digest: Digest::of(&text),
            size: 200_000,
        }
    );
}

#[test]
fn a_symlink_in_a_directory_is_recorded_and_not_read() {
    let world = World::new();
    world.link("functions/a/lib/link", "../app.py");
    world.link("functions/a/lib/out", "/etc/passwd");

    let files = world.inputs(&["functions/a/lib"]).unwrap();

    let links: Vec<_> = files
        .iter()
        .filter(|file| file.mode == 0o777)
        .map(|file| (file.path.as_str(), &file.content))
        .collect();
    let target = |target: &str| InputContent::Symlink {
        target: target.to_owned(),
    };
    assert_eq!(
        links,
        [
            ("functions/a/lib/link", &target("../app.py")),
            ("functions/a/lib/out", &target("/etc/passwd")),
        ]
    );
    assert_eq!(files.len(), 5);
}

#[rstest]
#[case::file("link", "functions/a/app.py", &["link"], &["functions/a/app.py", "link"])]
#[case::directory("link", "./functions/a/lib", &["link/x.py"], &["functions/a/lib/x.py", "link"])]
#[case::wild("link", "functions", &["l*k/b/*"], &["functions/b/app.py", "link"])]
#[case::star_in_a_target("link", "func*/a", &["link/*"], &["link"])]
#[case::up("functions/link", "../layers/../functions/b", &["functions/link"], &["functions/b", "functions/b/app.py", "functions/link"])]
#[case::outside("link", "../x", &["link", "link/*"], &["link"])]
#[case::deep_outside("link", "functions/../../x/../y", &["link"], &["link"])]
#[case::absolute("link", "/etc", &["link/passwd"], &["link"])]
#[case::absolute_like_a_path_of_the_root("link", "/functions/b", &["link"], &["link"])]
#[case::above_the_root("link", "../layers", &["link"], &["link"])]
#[case::runtime_base("link", "runtime-base", &["link/secret", "link"], &["link"])]
#[case::hidden_runtime_base("link", "functions/../runtime-base/secret", &["link"], &["link"])]
#[case::dangling("link", "nothing", &["link"], &["link"])]
fn a_symlink_that_a_source_names_is_followed_below_the_root_only(
    #[case] link: &str,
    #[case] target: &str,
    #[case] sources: &[&str],
    #[case] expected: &[&str],
) {
    let world = World::new();
    world.link(link, target);

    assert_eq!(world.paths(sources), expected);
}

#[test]
fn a_parent_behind_a_symlink_is_the_parent_of_its_target() {
    let world = World::new();
    world.link("lib", "functions/a/lib");
    world.link("link", "lib/../app.py");

    assert_eq!(
        world.paths(&["link"]),
        ["functions/a/app.py", "lib", "link"]
    );
}

#[test]
fn symlinks_in_a_circle_are_refused() {
    let world = World::new();
    world.link("one", "two");
    world.link("two", "one");

    let error = world.inputs(&["one"]).unwrap_err();

    assert!(matches!(
        error,
        InputError::Unusable {
            problem: Problem::SymlinkLoop,
            ..
        }
    ));
}

#[test]
fn symlinks_cannot_make_a_source_endless() {
    let world = World::new();
    for name in 0..30 {
        world.link(&format!("functions/l{name}"), ".");
    }
    let source = format!("functions/{}x", "l*/".repeat(30));

    let error = inputs_within(
        world.dir.path(),
        "a",
        &[source],
        InputLimits {
            count: 100,
            bytes: 100,
        },
    )
    .unwrap_err();

    assert!(matches!(error, InputError::TooMuch { .. }), "{error}");
}

#[test]
fn a_fifo_is_refused_without_waiting() {
    let world = World::new();
    let fifo = world.path("functions/a/pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, fifo, FileType::Fifo, mode, 0).unwrap();

    let error = world.inputs(&["functions/a"]).unwrap_err();

    assert_eq!(
        error.to_string(),
        "the build input `functions/a/pipe` of the function `a` is a FIFO, not a file"
    );
    assert!(world.inputs(&["functions/b"]).is_ok());
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;

    let world = World::new();
    fs::write(world.path("layers").join(OsStr::from_bytes(b"\xff")), "").unwrap();

    assert!(matches!(
        world.inputs(&["layers"]).unwrap_err(),
        InputError::NotUtf8 { .. }
    ));
}

#[rstest]
#[case(InputLimits { count: 4, bytes: 1000 }, true)]
#[case(InputLimits { count: 3, bytes: 1000 }, false)]
#[case(InputLimits { count: 4, bytes: 59 }, true)]
#[case(InputLimits { count: 4, bytes: 58 }, false)]
fn inputs_are_bounded(#[case] limits: InputLimits, #[case] fits: bool) {
    let world = World::new();
    let sources = [
        "functions/a/app.py".to_owned(),
        "functions/a/lib".to_owned(),
    ];

    assert_eq!(
        inputs_within(world.dir.path(), "a", &sources, limits).is_ok(),
        fits
    );
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let world = World::new();
    fs::create_dir_all(world.path(&"d/".repeat(200))).unwrap();

    for source in ["d".to_owned(), "d/".repeat(200)] {
        assert!(matches!(
            world.inputs(&[&source]).unwrap_err(),
            InputError::TooMuch { .. }
        ));
    }
}

#[test]
fn a_root_that_is_not_there_is_refused() {
    assert!(inputs(Path::new("/nothing/here"), "a", &[]).is_err());
}
