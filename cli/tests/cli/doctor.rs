//! `journal doctor`: what keeps a deploy from going on, why a journal does not open, and the next command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use rstest::rstest;
use rustix::process::geteuid;

use crate::keeping::{ended, kept, objects};
use crate::support::{Machine, TARGET};

#[test]
fn a_doctor_finds_nothing_where_all_is_well() {
    let machine = kept();
    let ran = machine.run(&["journal", "doctor"]);
    assert_eq!(ended(&ran, 0).stdout, "2 targets: all is well\n");
    let ran = machine.run(&["journal", "doctor", "--format", "json"]);
    assert_eq!(ended(&ran, 0).stdout, "");
    let fresh = Machine::fresh();
    let ran = fresh.run(&["journal", "doctor"]);
    assert_eq!(ended(&ran, 0).stdout, "");
    assert!(
        ran.stderr.contains("no deploy has been recorded"),
        "{}",
        ran.stderr
    );
}

#[test]
fn whoever_relies_on_a_journal_is_told_that_it_is_not_there() {
    let fresh = Machine::fresh();
    for command in [
        &["journal", "doctor", "--journal", "unmounted"][..],
        &["verify"],
        &["status", "--exit-code"],
    ] {
        let ran = fresh.run(command);
        let ran = ended(&ran, 9);
        assert!(
            ran.stderr.contains("no deploy has been recorded")
                && ran
                    .stderr
                    .contains("hint: see whether that is the journal, and mounted"),
            "{}",
            ran.stderr
        );
    }
}

#[rstest]
#[case::killed(
    "deploy-killed.jsonl",
    5,
    "is unfinished (",
    "`artifactctl resume esb-dev/dev` goes on with it"
)]
#[case::incompatible(
    "deploy-incompatible.jsonl",
    4,
    "deploy 8fce failed: ",
    "then `artifactctl resume esb-dev/dev`"
)]
#[case::held(
    "target-held.jsonl",
    5,
    "on hold by ",
    "artifactctl lock release esb-dev/dev"
)]
fn a_doctor_says_why_a_deploy_cannot_go_on(
    #[case] journal: &str,
    #[case] code: i32,
    #[case] cause: &str,
    #[case] next: &str,
) {
    let machine = Machine::with_journal(journal);
    let before = files(&machine);
    let ran = machine.run(&["journal", "doctor"]);
    let line = ended(&ran, code)
        .stdout
        .lines()
        .find(|line| line.contains(cause));
    let line = line.unwrap_or_else(|| panic!("{}", ran.stdout));
    assert!(
        line.starts_with("esb-dev/dev: ") && line.contains(next),
        "{line}"
    );
    let ran = machine.run(&["journal", "doctor", "--format", "json"]);
    let found = objects(ended(&ran, code), "diagnosis");
    assert!(
        found
            .iter()
            .any(|one| one["cause"].as_str().unwrap().contains(cause)),
        "{found:?}"
    );
    assert_eq!(files(&machine), before, "a doctor changes nothing");
}

/// Every file of the journal with its bytes and when it was changed.
fn files(machine: &Machine) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut found = Vec::new();
    let mut folders = vec![machine.root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let changed = fs::metadata(&path).unwrap().modified().unwrap();
                found.push((path.clone(), fs::read(&path).unwrap(), changed));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_doctor_says_why_a_journal_does_not_open() {
    let machine = kept();
    let head = machine.journal().join("store/head");
    let whole = fs::read(&head).unwrap();
    let mut bytes = whole.clone();
    bytes[3] ^= 1;
    fs::write(&head, bytes).unwrap();
    let ran = machine.run(&["journal", "doctor"]);
    let words = "`artifactctl export esb-dev/dev --damaged` takes out what is left";
    assert!(ended(&ran, 8).stdout.contains(words), "{}", ran.stdout);
    fs::write(&head, whole).unwrap();

    fs::create_dir(machine.journal().join("store.importing")).unwrap();
    let ran = machine.run(&["journal", "doctor"]);
    assert!(
        ended(&ran, 0)
            .stdout
            .contains("an import, a restore or a prune was cut"),
        "{}",
        ran.stdout
    );

    std::os::unix::fs::symlink("elsewhere", machine.journal().join("store/link")).unwrap();
    let ran = machine.run(&["journal", "doctor"]);
    assert!(
        ended(&ran, 9).stdout.contains("a journal has no links"),
        "{}",
        ran.stdout
    );
}

/// Who died with the lock is named, and where: on this machine, before its last start, or on another one.
#[rstest]
#[case::elsewhere(
    "elsewhere",
    "",
    "on elsewhere, owner since 2026-02-20 09:00:00Z, which ended there"
)]
fn a_doctor_names_an_owner_that_died(#[case] host: &str, #[case] boot: &str, #[case] words: &str) {
    let machine = kept();
    let lock = format!(
        r#"{{"actor":"ada","pid":7,"host":"{host}","boot_id":"{boot}","since":"2026-02-20T09:00:00Z","deploy":null}}"#
    );
    fs::write(machine.journal().join("lock"), lock).unwrap();
    let ran = machine.run(&["journal", "doctor"]);
    assert!(ended(&ran, 0).stdout.contains(words), "{}", ran.stdout);
    assert!(
        ran.stdout.ends_with("2 targets: all is well\n"),
        "{}",
        ran.stdout
    );
}

/// The second user is a number without a name. Only root can become it; anybody else shuts itself out.
#[test]
fn a_doctor_names_files_that_this_user_may_not_use() {
    let machine = kept();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (root, folder) = (machine.root(), machine.journal());
    mode(root.ancestors().nth(3).unwrap(), 0o755);
    let doctor = || {
        let command = machine.command(&["journal", "doctor", TARGET]);
        if !geteuid().is_root() {
            return machine.run(&["journal", "doctor", TARGET]);
        }
        let mut other = Command::new("setpriv");
        other
            .args([
                "--reuid",
                "12001",
                "--regid",
                "12001",
                "--clear-groups",
                "--",
            ])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(machine.work());
        machine.ran(other.output().unwrap())
    };
    let (cause, next) = if geteuid().is_root() {
        (
            "it belongs to user 0, and this process runs as user 12001",
            "share the journal with a group",
        )
    } else {
        ("its mode keeps this user out", "chmod -R u+rwX ")
    };
    mode(root.parent().unwrap(), 0o000);
    let shut = doctor();
    mode(root.parent().unwrap(), 0o755);
    mode(&root, 0o755);
    mode(folder.parent().unwrap(), 0o755);
    mode(&folder, 0o555);
    let unwritable = doctor();
    mode(&folder, 0o700);
    // Its own folder a user can still read.
    let (file, kept_from) = if geteuid().is_root() {
        ("/lock", "cannot be read")
    } else {
        ("", "can be read, and not deployed to")
    };
    for (ran, path, cannot) in [
        (shut, "artifactctl".to_owned(), "cannot be read"),
        (
            unwritable,
            format!("artifactctl/journal/esb-dev/dev{file}"),
            kept_from,
        ),
    ] {
        let line = ended(&ran, 9).stdout.lines().next().unwrap();
        let subject = format!("`[MACHINE]/state/{path}` {cannot}: ");
        for words in [&subject[..], cause, next] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
}
