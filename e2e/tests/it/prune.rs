//! A prune that is killed at each of its system calls: the journal is as it was, or as it is to be, and never in between.
//!
//! `strace` kills the program as it makes the call. And the images that nothing names since, on a real registry.
//! Not here: what is kept and what goes (the journal's and the engine's tests).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::artifactctl;
use e2e::packages;
use tempfile::TempDir;

use crate::process::Ran;
use crate::rig::Rig;

/// The calls that change what is on the disk.
const CALLS: &str =
    "mkdir,openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat2,unlink,unlinkat,rmdir";
/// Calls of one kind that are tried: of more of them only some.
const TRIED: usize = 8;

/// A machine with a journal, and nothing else.
struct Machine {
    folder: TempDir,
    program: PathBuf,
}

impl Machine {
    /// Of four deploys.
    fn new() -> Self {
        let machine = Self {
            folder: TempDir::new().unwrap(),
            program: artifactctl::build().unwrap(),
        };
        let export = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures/journals/v2/deploy-changed.jsonl");
        machine.ended(&["import", export.to_str().unwrap()]);
        machine
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("ARTIFACTCTL_JOURNAL", self.folder.path().join("journal"))
            .env("HOME", self.folder.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(&self.program).args(words).output().unwrap()
    }

    fn ended(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Prunes under `strace`, which is told what to do. Returns the calls that it saw.
    fn traced(&self, told: &str) -> String {
        let trace = self.folder.path().join("trace");
        let mut traced = self.command(&packages::strace().unwrap());
        traced.args(["-f", "-e", &format!("trace={CALLS}"), "-e", told, "-o"]);
        traced.arg(&trace).arg(&self.program).args(PRUNE);
        traced.output().unwrap();
        std::fs::read_to_string(trace).unwrap()
    }
}

const PRUNE: [&str; 5] = ["journal", "prune", "--keep-deploys", "2", "--yes"];

/// How often each call is made, in the thread that makes it most often: `strace` counts in each by itself.
fn counted(trace: &str) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let named = CALLS.split(',').find(|name| {
            call.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('('))
        });
        if let Some(name) = named {
            *counts.entry((thread, name)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), count) in counts {
        let known: &mut usize = most.entry(name).or_default();
        *known = count.max(*known);
    }
    most
}

#[test]
fn a_prune_that_is_killed_at_any_call_leaves_the_journal_of_before_or_of_after() {
    let whole = Machine::new();
    let before = whole.ended(&["export"]);
    let counts = counted(&whole.traced("signal=none"));
    let after = whole.ended(&["export"]);
    assert!(after.starts_with("{\"checkpoint\":"), "{after}");
    assert_eq!(counts.get("renameat2"), Some(&1), "{counts:?}");
    let events = |export: &str| -> Vec<String> {
        let lines = export
            .lines()
            .filter(|line| line.starts_with("{\"stream\""));
        lines.map(str::to_owned).collect()
    };
    let (mut as_before, mut as_after) = (0, 0);
    for (call, count) in counts {
        for number in (1..=count).step_by(count.div_ceil(TRIED)) {
            let machine = Machine::new();
            machine.traced(&format!("inject={call}:signal=KILL:when={number}"));
            let told = format!("killed at {call} {number} of {count}");
            let verified = machine.run(&["verify"]);
            assert!(verified.status.success(), "{told}: {verified:?}");
            let left = machine.ended(&["export"]);
            if left == before {
                as_before += 1;
            } else {
                as_after += 1;
                assert!(left.starts_with("{\"checkpoint\":"), "{told}: {left}");
                let kept = events(&left);
                assert_eq!(kept.len(), events(&after).len(), "{told}");
                assert_eq!(
                    kept[..kept.len() - 1],
                    events(&after)[..kept.len() - 1],
                    "{told}"
                );
                let last = &kept[kept.len() - 1];
                assert!(last.contains("\"kind\":\"Pruned\""), "{told}: {last}");
            }
            // It goes on from either, and so does everything else.
            machine.ended(&PRUNE);
            machine.ended(&["lock", "hold", "-m", "behind it"]);
            machine.ended(&["lock", "release"]);
            machine.ended(&["verify"]);
        }
    }
    assert!(as_before > 20 && as_after > 2, "{as_before}, {as_after}");
}

#[test]
fn images_that_no_kept_deploy_names_are_deleted_from_the_registry() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    // The journal remembers eight images of a function besides the one in effect.
    for number in 1..11 {
        rig.payload.answer("alpha", &format!("word {number}"));
        rig.deploy(&[]).ended(0);
    }
    let before = rig.tags("alpha");
    let live = before["1"].clone();
    rig.run(&["journal", "prune", "--keep-deploys", "1", "--yes"])
        .ended(0);
    let images = ["journal", "prune", "--images", "--format", "json"];
    let would = rig.run(&[&images[..], &["--dry-run"]].concat()).ended(0);
    assert_eq!(rig.tags("alpha"), before, "a dry run deletes nothing");
    let done = rig.run(&[&images[..], &["--yes"]].concat()).ended(0);
    let of = |ran: &Ran| -> BTreeSet<String> {
        let lines = ran.objects("pruned_image").into_iter();
        let deleted = lines.filter(|line| line["how"] == "deleted");
        let image = |line: serde_json::Value| line["image"].as_str().unwrap().to_owned();
        deleted.map(image).collect()
    };
    let deleted = of(&done);
    assert!(!deleted.is_empty(), "{}", done.stdout);
    assert_eq!(of(&would), deleted);

    let after = rig.tags("alpha");
    assert_eq!(after["1"], live);
    for image in &deleted {
        let (_, digest) = image.split_once('@').unwrap();
        assert!(before.values().any(|one| one == digest), "{image}");
        assert!(!after.values().any(|one| one == digest), "{image}");
    }
    // What is in effect is whole, and nothing of it is made again.
    rig.proxy.clear();
    let again = rig.deploy(&[]).ended(0);
    assert_eq!(again.object("applied")["built"], 0);
    assert_eq!(rig.builds(), Vec::<String>::new());
    rig.run(&["verify"]).ended(0);
    rig.run(&["status", "--exit-code"]).ended(0);
    let gone = rig.run(&[&images[..], &["--yes"]].concat()).ended(0);
    assert_eq!(of(&gone), BTreeSet::new(), "{}", gone.stdout);
}
