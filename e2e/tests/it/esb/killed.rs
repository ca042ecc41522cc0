//! `esb artifact generate`, killed at each of its calls that change the disk, where two folders can be exchanged and where not.
//!
//! `strace` kills, and refuses. Whatever the moment: the artifact is the old one or the new one, whole; its manifest, wherever it
//! lies, is the one that was made with it; and the next run leaves nothing to find.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{artifactctl, command};
use rstest::rstest;
use tempfile::TempDir;

use crate::process::{Ran, run};

/// Calls that change what is on disk, or bring it there.
const CALLS: [&str; 16] = [
    "chmod",
    "copy_file_range",
    "fchmod",
    "fsync",
    "ftruncate",
    "mkdir",
    "openat",
    "rename",
    "renameat2",
    "rmdir",
    "sendfile",
    "symlink",
    "syncfs",
    "unlink",
    "unlinkat",
    "write",
];

/// Where no two folders can be exchanged.
const NO_EXCHANGE: &str = "renameat2:error=EINVAL";

/// A kill loses nothing that was written, so these need not wait for the disk.
const SYNCS: [&str; 2] = ["fsync", "syncfs"];

const TEMPLATE: &str = "\
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: code/
      Events: {Get: {Type: Api, Properties: {Path: /hello, Method: get}}}
";

/// Every file below a folder with what it holds; none when there is no folder.
type Files = Option<BTreeMap<PathBuf, String>>;

/// A template whose artifact has been made, was changed since, and is made anew.
struct Bench {
    folder: TempDir,
    program: PathBuf,
    /// Where the manifest lies; none is with its artifact.
    manifest: Option<&'static str>,
}

/// An artifact and the manifest that lies elsewhere.
type Pair = (Files, Option<String>);

impl Bench {
    fn new(manifest: Option<&'static str>) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            program: artifactctl::build().unwrap().with_file_name("esb"),
            manifest,
        };
        std::fs::create_dir_all(bench.path("sam/code")).unwrap();
        for (name, text) in [
            ("hello.yaml", TEMPLATE),
            ("code/bootstrap", ""),
            ("code/word", ""),
        ] {
            std::fs::write(bench.path("sam").join(name), text).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the code and the template, so that the artifact and its manifest become others.
    fn change(&self) {
        std::fs::write(self.path("sam/code/word"), "changed").unwrap();
        let changed = TEMPLATE.to_owned() + "# changed\n";
        std::fs::write(self.path("sam/hello.yaml"), changed).unwrap();
    }

    fn arguments<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let words = ["artifact", "generate", "--template", "sam/hello.yaml"];
        command.args(words).args(["--output", "build"]);
        command.args(
            self.manifest
                .map(|manifest| format!("--manifest={manifest}")),
        );
        command.current_dir(self.folder.path())
    }

    fn generate(&self, more: &[&str]) -> Ran {
        let mut esb = Command::new(&self.program);
        run(self.arguments(&mut esb).args(more))
    }

    /// Generates under `strace`, and gives the trace.
    fn traced(&self, inject: &[&str]) -> (Ran, String) {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let mut traced = Command::new(e2e::packages::strace().unwrap());
        traced.args(["-f", "-e", &format!("trace={}", CALLS.join(","))]);
        for one in inject {
            traced.args(["-e", &format!("inject={one}")]);
        }
        traced.arg("-o").arg(trace.path()).arg(&self.program);
        let ran = run(self.arguments(&mut traced));
        (ran, std::fs::read_to_string(trace.path()).unwrap())
    }

    fn pair(&self) -> Pair {
        let manifest = self.manifest.map(|manifest| self.path(manifest));
        let manifest = manifest.and_then(|manifest| std::fs::read_to_string(manifest).ok());
        (files(&self.path("build")), manifest)
    }

    /// Everything but the template, as it is.
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), copy.path(), &["sam"]);
        copy
    }

    /// Everything but the template, as it was.
    fn restore(&self, copy: &TempDir) {
        for name in self.beside() {
            let path = self.path(&name);
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            } else if name != "sam" {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
        copy_all(copy.path(), self.folder.path(), &[]);
    }

    /// What lies in the folder.
    fn beside(&self) -> BTreeSet<String> {
        names(self.folder.path())
    }
}

/// Copies what lies in a folder, except for some.
fn copy_all(from: &Path, to: &Path, except: &[&str]) {
    let names = names(from).into_iter();
    for name in names.filter(|name| !except.contains(&name.as_str())) {
        let mut copy = Command::new("cp");
        command::run(copy.arg("-a").args([from.join(&name), to.join(&name)])).unwrap();
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn files(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        match files(&path) {
            Some(below) => found.extend(below),
            None => drop(found.insert(path.clone(), std::fs::read_to_string(path).unwrap())),
        }
    }
    Some(found)
}

/// The calls that change something, each with its number among the calls of its name.
fn changing(trace: &str) -> Vec<(&'static str, usize)> {
    let thread = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let main = trace.lines().next().map(thread);
    // Threads that only show that the process may have them let the C library look at the processors.
    let changes = |line: &&str| {
        CALLS.iter().any(|call| line.contains(&format!(" {call}(")))
            && (!line.contains(" openat(") || line.contains("O_CREAT"))
    };
    let others: Vec<&str> = trace
        .lines()
        .filter(|line| Some(thread(line)) != main)
        .filter(changes)
        .collect();
    assert_eq!(
        others,
        Vec::<&str>::new(),
        "calls are counted in each thread"
    );
    let mut counts = BTreeMap::new();
    let mut found = Vec::new();
    let counted = trace
        .lines()
        .filter(|line| Some(thread(line)) == main && !line.contains("(INJECTED)"));
    for line in counted {
        let is = |call: &&&str| line.contains(&format!(" {call}("));
        let Some(call) = CALLS.iter().find(is) else {
            continue;
        };
        let count = counts.entry(*call).or_insert(0);
        *count += 1;
        if *call != "openat" || line.contains("O_CREAT") {
            found.push((*call, *count));
        }
    }
    found
}

/// What a killed run leaves at some of its calls.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Old,
    New,
    /// No artifact; the next run puts the old one back.
    Nothing,
    /// An artifact without its manifest.
    NoManifest,
}

#[rstest]
#[case::exchanged(None, &[], &[Left::Old, Left::New])]
#[case::stepped_aside(None, &[NO_EXCHANGE], &[Left::Old, Left::New, Left::Nothing])]
#[case::manifest_elsewhere(Some("made.yml"), &[], &[Left::Old, Left::New, Left::NoManifest])]
#[case::manifest_elsewhere_stepped_aside(
    Some("made.yml"),
    &[NO_EXCHANGE],
    &[Left::Old, Left::New, Left::Nothing, Left::NoManifest]
)]
fn a_generate_killed_at_any_call_leaves_the_old_artifact_or_the_new_one_whole(
    #[case] manifest: Option<&'static str>,
    #[case] refused: &[&str],
    #[case] expected: &[Left],
) {
    let bench = Bench::new(manifest);
    bench.generate(&[]).ended(0);
    let (old, copy) = (bench.pair(), bench.copy());
    bench.change();
    let (ran, trace) = bench.traced(refused);
    ran.ended(0);
    let (new, whole) = (bench.pair(), bench.beside());
    assert_ne!(old, new);
    let syncs = SYNCS.map(|call| format!("{call}:retval=0"));
    let unhurried = |but: &str| -> Vec<&str> {
        let syncs = syncs.iter().filter(|sync| !sync.starts_with(but));
        syncs
            .map(String::as_str)
            .chain(refused.to_owned())
            .collect()
    };

    let mut left = BTreeSet::new();
    for (call, number) in changing(&trace) {
        let at = format!("{call} {number}");
        bench.restore(&copy);
        let kill = format!("{call}:signal=KILL:when={number}");
        let inject = [unhurried(call), vec![&kill]].concat();
        bench.traced(&inject).0.ended_by_signal();
        left.insert(match bench.pair() {
            (None, _) => Left::Nothing,
            pair if pair == old => Left::Old,
            pair if pair == new => Left::New,
            (artifact, None) => {
                assert!([&old.0, &new.0].contains(&&artifact), "{at}: {artifact:?}");
                bench.generate(&["--check"]).ended(11);
                Left::NoManifest
            }
            pair => panic!("{at}: {pair:?}"),
        });
        bench.traced(&unhurried("none")).0.ended(0);
        assert_eq!(
            (bench.pair(), bench.beside()),
            (new.clone(), whole.clone()),
            "{at}"
        );
    }
    assert!(left.iter().eq(expected), "{left:?}");
}

/// Everything is on disk before the artifact is in its place, and its name after.
#[test]
fn an_artifact_is_on_disk_before_it_changes_places() {
    let bench = Bench::new(None);
    bench.generate(&[]).ended(0);
    let old = bench.pair();
    bench.change();
    let (failed, _) = bench.traced(&["syncfs:error=EIO"]);
    failed.ended(7).said("cannot write");
    assert_eq!(bench.pair(), old);
    assert_eq!(bench.beside(), ["build", "sam"].map(str::to_owned).into());

    let (ran, trace) = bench.traced(&[]);
    ran.ended(0);
    let last = |call: &str| trace.rfind(&format!(" {call}(")).unwrap();
    assert!(
        last("fchmod").max(last("chmod")) < last("syncfs"),
        "{trace}"
    );
    assert!(last("mkdir") < last("syncfs"), "{trace}");
    assert!(last("syncfs") < last("renameat2"), "{trace}");
    assert!(
        last("renameat2") < trace.find("AT_REMOVEDIR").unwrap(),
        "{trace}"
    );
    assert!(last("renameat2") < last("fsync"), "{trace}");
}

/// What cannot be put in its place leaves the old pair as it was.
#[rstest]
fn an_artifact_that_cannot_change_places_is_left_with_its_manifest(
    #[values(None, Some("made.yml"))] manifest: Option<&'static str>,
) {
    let bench = Bench::new(manifest);
    bench.generate(&[]).ended(0);
    let (old, whole) = (bench.pair(), bench.beside());
    bench.change();
    let (failed, _) = bench.traced(&["renameat2:error=EACCES"]);
    failed
        .ended(7)
        .said("cannot write `build`\n  cause: Permission denied");
    assert_eq!((bench.pair(), bench.beside()), (old, whole));
}
