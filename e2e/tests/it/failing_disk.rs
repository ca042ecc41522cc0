//! A disk that fails: a call of the tool on a file fails with an error of the disk, as `strace` injects it.
//!
//! Whatever call it is: the command says which file and what next, tries nothing again, and never says of an event that it is
//! kept when it is not; the journal is whole; nothing is half published; and the same command goes on when the disk is well.
//! Not here: disks that are full by themselves (`disk`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::process::{Ran, hints_of, run, said_of};
use crate::rig::Rig;

/// More calls of a kind than a deploy of configuration makes.
const CALLS: usize = 40;

/// Calls that fail.
struct Strike<'a> {
    /// Each a call, and which of them, counted in each thread; `2+` is the second and all later ones.
    calls: &'a [(&'a str, &'a str)],
    error: &'a str,
    /// The file; none is any file.
    file: Option<PathBuf>,
}

/// A deploy of configuration whose calls are struck, and how many were.
struct Struck {
    rig: Rig<'static>,
    ran: Ran,
    count: usize,
    trace: String,
}

impl Struck {
    fn deploy(rig: Rig<'static>, strike: &Strike<'_>) -> Self {
        let trace = rig.folder().join("trace");
        let plain = rig.request("deploy", &[]);
        let mut traced = Command::new(e2e::packages::strace().unwrap());
        let names: Vec<_> = strike.calls.iter().map(|(call, _)| *call).collect();
        traced.args(["-f", "-e", &format!("trace={}", names.join(","))]);
        for (call, when) in strike.calls {
            let error = strike.error;
            traced.args(["-e", &format!("inject={call}:error={error}:when={when}")]);
        }
        if let Some(file) = &strike.file {
            traced.arg("-P").arg(file);
        }
        traced.arg("-o").arg(&trace);
        traced.arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => traced.env(name, value),
                None => traced.env_remove(name),
            };
        }
        let ran = run(&mut traced);
        let trace = std::fs::read_to_string(trace).unwrap();
        let count = trace.matches("(INJECTED)").count();
        Self {
            rig,
            ran,
            count,
            trace,
        }
    }

    /// How many calls of a kind there were.
    fn calls(&self, call: &str) -> usize {
        self.trace.matches(&format!(" {call}(")).count()
    }

    /// The kinds of all events that the journal has; none when it has no deploy.
    fn kept(&self) -> String {
        let shown = self.rig.run(&["show", "latest", "--format", "json"]);
        if shown.code == Some(0) {
            shown.kinds()
        } else {
            String::new()
        }
    }

    /// What must hold whatever was struck. Says what the journal had kept.
    fn assert_sound(&self) -> String {
        let Ran { code, stderr, .. } = &self.ran;
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(matches!(code, Some(0 | 7 | 9)), "{code:?}: {stderr}");
        if *code != Some(0) {
            assert!(self.count > 0, "{stderr}");
            for error in self.ran.objects("error") {
                assert!(!error["hints"].as_array().unwrap().is_empty(), "{error}");
                let message = error.to_string();
                assert!(!message.contains("let this user"), "{message}");
            }
        }
        let verified = self.rig.run(&["verify"]);
        let whole = verified.code == Some(0) || verified.stderr.contains("no deploy");
        assert!(whole, "{verified:?}");
        let (said, kept) = (self.ran.kinds(), self.kept());
        assert!(kept.starts_with(&said), "said `{said}`, kept `{kept}`");
        kept
    }

    /// The same command, with a disk that is well.
    fn assert_goes_on(&self) {
        self.rig.deploy(&[]).ended(0);
        assert!(self.kept().ends_with("Applied"));
        assert_eq!(self.rig.run(&["verify"]).code, Some(0));
        assert_published(&self.rig);
    }
}

fn rig() -> Rig<'static> {
    Rig::without_builds(&["alpha"])
}

/// Exactly the two files of the artifact, whole, and no temporary one beside them.
fn assert_published(rig: &Rig<'_>) {
    let published = rig.published();
    let names: Vec<_> = published.keys().map(String::as_str).collect();
    assert_eq!(names, ["functions.yml", "routing.yml"]);
    assert!(published["functions.yml"].contains(&rig.payload.reference("alpha")));
    assert!(published["routing.yml"].contains("/alpha"));
}

/// The folder of the target in the journal of a rig.
fn target(rig: &Rig<'_>) -> PathBuf {
    rig.journal.join(rig.stack.project()).join("dev")
}

/// The calls that make events durable, each in turn: the disk reports a failure once, and what it is about is lost.
#[rstest]
fn a_journal_that_cannot_be_made_durable_stops_the_deploy(
    #[values("fdatasync", "pwrite64", "sync_file_range")] call: &str,
) {
    let mut stopped = 0;
    for number in 1..=CALLS {
        let strike = Strike {
            calls: &[(call, &number.to_string())],
            error: "EIO",
            file: None,
        };
        let struck = Struck::deploy(rig(), &strike);
        if struck.count == 0 {
            struck.ran.ended(0);
            assert!(stopped > 0, "no `{call}` matters");
            return;
        }
        struck.assert_sound();
        stopped += usize::from(struck.ran.code != Some(0));
        struck.assert_goes_on();
    }
    panic!("more than {CALLS} calls of `{call}`");
}

/// A disk that has died stays so, and closing the log meets that too.
#[test]
fn a_log_whose_disk_dies_is_closed_without_a_fuss() {
    let deploy = |ours: usize, of_sled: usize| {
        let rig = rig();
        let log = target(&rig).join("store/sled/db");
        let (ours, of_sled) = (format!("{ours}+"), format!("{of_sled}+"));
        let strike = Strike {
            calls: &[("fdatasync", &ours), ("fsync", &of_sled)],
            error: "EIO",
            file: Some(log),
        };
        Struck::deploy(rig, &strike)
    };
    let healthy = deploy(1000, 1000);
    assert_eq!((healthy.count, healthy.ran.code), (0, Some(0)));
    let syncs = healthy.calls("fdatasync");
    assert!(syncs > 4, "an append syncs: {syncs}");
    for number in 1..=syncs {
        let struck = deploy(number, 1);
        assert!(struck.count > 0);
        struck.assert_sound();
        struck.assert_goes_on();
    }
}

/// Each folder of the journal, when a file that was made in it cannot be made to stay.
#[rstest]
#[case::journal(2, "")]
#[case::project(1, "")]
#[case::target(0, "")]
#[case::store(0, "store")]
#[case::log(0, "store/sled")]
fn a_folder_that_cannot_be_made_durable_is_an_error_before_anything_happens(
    #[case] up: usize,
    #[case] below: &str,
) {
    let rig = rig();
    let target = target(&rig);
    let path = target.ancestors().nth(up).unwrap().join(below);
    let strike = Strike {
        calls: &[("fsync", "1+")],
        error: "EIO",
        file: Some(path.components().collect()),
    };
    let struck = Struck::deploy(rig, &strike);
    assert!(struck.count > 0);
    assert_eq!(struck.assert_sound(), "");
    assert_eq!(struck.ran.code, Some(9));
    struck.ran.said("hint: see what is wrong with the disk");
    assert_eq!(struck.rig.mutating(), [""; 0]);
    struck.assert_goes_on();
}

/// Each file of the journal, when there is no room to make or to write it: nothing has happened yet.
#[rstest]
#[case::target("mkdir", "")]
#[case::lock("openat", "lock")]
#[case::holder("pwrite64", "lock")]
#[case::store_lock("openat", "store.lock")]
#[case::head("openat", "store/head")]
#[case::head_written("pwrite64", "store/head")]
#[case::settings("openat", "store/sled/conf")]
#[case::log("openat", "store/sled/db")]
#[case::log_written("pwrite64", "store/sled/db")]
fn no_room_for_a_file_of_the_journal_is_an_error_before_anything_happens(
    #[case] call: &str,
    #[case] file: &str,
) {
    let rig = rig();
    let file = target(&rig).join(file);
    let strike = Strike {
        calls: &[(call, "1+")],
        error: "ENOSPC",
        file: Some(file.components().collect()),
    };
    let struck = Struck::deploy(rig, &strike);
    assert!(struck.count > 0);
    assert_eq!(struck.assert_sound(), "");
    struck
        .ran
        .said("hint: free some space where the journal is");
    assert_eq!(struck.ran.code, Some(9));
    assert_eq!(struck.rig.published(), BTreeMap::new());
    assert_eq!(struck.rig.mutating(), [""; 0]);
    struck.assert_goes_on();
}

/// A file of the output directory.
fn in_out(rig: &Rig<'_>, file: &str) -> PathBuf {
    rig.out.join(Path::new(file))
}

/// Each call of a publication on each of its files. The deploy fails with an event that names the file, and goes on later.
#[rstest]
#[case::first_made("openat", ".artifactctl-publish-functions.yml")]
#[case::second_made("openat", ".artifactctl-publish-routing.yml")]
#[case::first_written("write", ".artifactctl-publish-functions.yml")]
#[case::second_written("write", ".artifactctl-publish-routing.yml")]
#[case::mode("fchmod", ".artifactctl-publish-functions.yml")]
#[case::first_durable("fsync", ".artifactctl-publish-functions.yml")]
#[case::second_durable("fsync", ".artifactctl-publish-routing.yml")]
#[case::first_renamed("renameat", ".artifactctl-publish-functions.yml")]
#[case::second_renamed("renameat", ".artifactctl-publish-routing.yml")]
#[case::folder("fsync", "")]
fn a_publication_that_the_disk_fails_is_recorded_and_completed_later(
    #[case] call: &str,
    #[case] file: &str,
    #[values("ENOSPC", "EIO")] error: &str,
) {
    let rig = rig();
    std::fs::create_dir(&rig.out).unwrap();
    // Names are made and renamed relative to the directory's descriptor; strace then sees the name alone.
    let file = match call {
        "openat" | "renameat" => PathBuf::from(file),
        _ => in_out(&rig, file),
    };
    let strike = Strike {
        calls: &[(call, "1+")],
        error,
        file: Some(file.components().collect()),
    };
    let struck = Struck::deploy(rig, &strike);
    assert!(struck.count > 0);
    let kept = struck.assert_sound();
    assert!(kept.ends_with("Merged Failed"), "{kept}");
    assert_eq!(struck.ran.code, Some(7));
    let failed = struck.ran.payload("Failed");
    assert_eq!(failed["kind"], "publish");
    let message = said_of(&failed);
    assert!(
        message.contains(&*struck.rig.out.to_string_lossy()),
        "{message}"
    );
    let words = match error {
        "EIO" => "Input/output error",
        _ => "No space left on device",
    };
    assert!(message.contains(words), "{message}");
    assert!(!hints_of(&failed).is_empty(), "{failed}");
    struck.assert_goes_on();
}

/// Data goes nowhere: that is said, with the exit code of an error, and what was recorded stays.
#[rstest]
fn an_output_that_takes_no_data_is_an_error(#[values("deploy", "history", "export")] word: &str) {
    let rig = rig();
    rig.deploy(&[]).ended(0);
    let mut command = match word {
        "deploy" => rig.request("deploy", &[]),
        word => rig.command(&[word]),
    };
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command.stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(rig.run(&["verify"]).code, Some(0));
}
