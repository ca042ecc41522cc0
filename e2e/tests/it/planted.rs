//! A hostile local user plants links in the folders that another user's command works in. Whatever the command does, it changes no
//! file outside of them.
//!
//! The command runs as root, who could change any file; the user is a number without a name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::workspace;
use rstest::rstest;

use crate::refusal::{Bench, program, run};

const HOSTILE: u32 = 61_235;

/// Owner, mode and bytes of everything below a folder.
fn state(folder: &Path) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let is = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if is.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if is.is_file() {
            bytes = fs::read(&path).unwrap();
        }
        found.insert(path, (is.uid(), is.gid(), is.mode(), bytes));
    }
    found
}

/// Root's own files, to which a link may lead.
struct Victims {
    folder: tempfile::TempDir,
}

impl Victims {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "root's\n").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(
            folder.path().join("folder/functions.yml"),
            "functions: {}\n",
        )
        .unwrap();
        Self { folder }
    }

    fn state(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
        state(self.folder.path())
    }

    /// Puts a link to one of them in a place, whose folders and itself are the hostile user's.
    fn plant(&self, below: &Path, place: &str, victim: &str) {
        let path = below.join(place);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        symlink(self.folder.path().join(victim), &path).unwrap();
        lchown(&path, Some(HOSTILE), Some(HOSTILE)).unwrap();
        let mut folder = Some(parent);
        while let Some(own) = folder.filter(|folder| folder.starts_with(below)) {
            lchown(own, Some(HOSTILE), Some(HOSTILE)).unwrap();
            fs::set_permissions(own, fs::Permissions::from_mode(0o755)).unwrap();
            folder = own.parent();
        }
    }
}

fn assert_root() {
    let is_root = rustix::process::geteuid().is_root();
    assert!(
        is_root,
        "this test is about what root does for another user; run it as root"
    );
}

#[rstest]
fn a_link_in_a_journal_changes_no_file_elsewhere(
    #[values(
        ("esb-dev", "folder"), ("esb-dev/dev", "folder"), ("esb-dev/dev/lock", "file"),
        ("esb-dev/dev/lock", "none"), ("esb-dev/dev/store.lock", "file"), ("esb-dev/dev/socket", "file"),
        ("esb-dev/dev/begun", "file"), ("esb-dev/dev/begun.part", "none"), ("esb-dev/dev/store", "folder"),
        ("esb-dev/dev/store/head", "file"), ("esb-dev/dev/store/head", "none"),
        ("esb-dev/dev/store/sled", "folder"), ("esb-dev/dev/store/sled/db", "file"),
        ("esb-dev/dev/store/sled/conf", "none"), ("esb-dev/dev/store/documents", "folder"),
        ("esb-dev/dev/store/payloads", "folder"), ("esb-dev/dev/store.importing", "folder")
    )]
    planted: (&str, &str),
    #[values(true, false)] has_deploys: bool,
) {
    assert_root();
    let (bench, victims) = (Bench::new(), Victims::new());
    if has_deploys {
        run(&mut bench.deploy());
    }
    victims.plant(&bench.journal(), planted.0, planted.1);
    let before = victims.state();
    let commands: [&[&str]; 6] = [
        &["status"],
        &["history"],
        &["verify"],
        &["export"],
        &[
            "deploy",
            "--artifact",
            "artifact/artifact.yml",
            "--out",
            "out",
        ],
        &["lock", "hold", "esb-dev/dev", "--new", "--reason", "mine"],
    ];
    for words in commands {
        let said = run(&mut bench.command(words));
        assert!(!said.stderr.contains("panicked"), "{words:?}: {said:?}");
        assert_eq!(victims.state(), before, "{words:?}: {said:?}");
    }
    let socket = planted.0.ends_with("socket");
    let said = run(&mut bench.deploy());
    // A socket is replaced, link or not; at any other link the command stops, and says where it is.
    assert!(socket || said.stderr.contains("link"), "{said:?}");
}

/// Below an artifact that is generated, at any depth, and in the place of drafts.
#[rstest]
fn a_link_among_drafts_changes_no_file_elsewhere(
    #[values(
        (".build.esb-draft", "folder"), (".build.esb-draft/shop", "folder"),
        (".build.esb-draft/shop/config", "folder"), (".build.esb-draft/shop/config/functions.yml", "file"),
        (".build.esb-draft/shop/functions", "folder"), (".build.esb-draft/artifact.yml", "none"),
        (".build.esb-old", "folder"), ("build", "folder"), ("build/shop", "folder"),
        ("build/shop/config/functions.yml", "file")
    )]
    planted: (&str, &str),
) {
    assert_root();
    let folder = tempfile::tempdir().unwrap();
    let victims = Victims::new();
    victims.plant(folder.path(), planted.0, planted.1);
    let before = victims.state();
    for _ in 0..2 {
        let mut esb = Command::new(program().with_file_name("esb"));
        esb.args(["artifact", "generate", "--template"]);
        esb.arg(workspace::fixture("sam/shop.yaml"));
        esb.args(["--output", "build", "--tag", "1"]);
        let said = run(esb.current_dir(folder.path()));
        assert!(!said.stderr.contains("panicked"), "{said:?}");
        assert_eq!(victims.state(), before, "{said:?}");
    }
}
