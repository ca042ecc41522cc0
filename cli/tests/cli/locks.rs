//! Who may use a target: a person's hold, and an owner that ended without letting go.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rstest::rstest;

use crate::support::{Machine, TARGET, frozen};

const PATTERN: &str = "Requested Observed CompatChecked Merged ImageBuilt+ Applied";

/// A moment and a hash change with every run.
fn masked(text: &str) -> String {
    let dots = |c: char| if c.is_ascii_digit() { '.' } else { c };
    let words = text.split(' ').map(|word| match word.split_once(':') {
        Some((sequence, hash)) if hash.trim().len() == 64 => format!("{sequence}:HEAD\n"),
        _ if word.starts_with("20") || word.contains('Z') && word.contains(':') => {
            word.chars().map(dots).collect()
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn hold(machine: &Machine, because: &str) {
    let args = [
        "lock",
        "hold",
        TARGET,
        "-m",
        because,
        "--actor",
        "sato@laptop",
        "--new",
    ];
    let held = machine.run(&args);
    assert_eq!(held.code, 0, "{}", held.stderr);
    assert!(
        masked(&held.stdout).starts_with(&format!(
            "{TARGET}: on hold by sato@laptop since ....-..-.."
        )),
        "{}",
        held.stdout
    );
}

#[test]
fn a_target_that_was_never_deployed_to_is_held_only_when_that_is_said() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let mistyped = machine.run(&["lock", "hold", "esb-dev/deb", "-m", "mine"]);
    assert_eq!(mistyped.code, 5, "{}", mistyped.stderr);
    for said in [
        "targets with a journal here: esb-dev/dev",
        "`--new` holds a target",
    ] {
        assert!(mistyped.stderr.contains(said), "{}", mistyped.stderr);
    }
    let status = machine.run(&["status", "--format", "json"]).stdout;
    assert!(!status.contains("esb-dev/deb"), "{status}");
    let held = machine.run(&["lock", "hold", "esb-dev/deb", "-m", "mine", "--new"]);
    assert_eq!(held.code, 0, "{}", held.stderr);
}

#[test]
fn while_a_person_holds_a_target_nothing_begins_and_everything_can_be_read() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    hold(&machine, "the database is being moved");
    let artifact = machine.artifact();
    let deploy = [
        "deploy",
        "--artifact",
        artifact,
        "--out",
        "out",
        "--move-out",
    ];
    let refused = machine.run(&deploy);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let said = masked(&refused.stderr);
    assert!(
        said.contains("target `esb-dev/dev` is on hold by sato@laptop since ....-..-.. ..:..:..Z: the database is being moved")
            && said.contains("hint: `artifactctl lock release esb-dev/dev` ends the hold"),
        "{said}"
    );
    let again = machine.run(&["lock", "hold", "-m", "mine"]);
    assert_eq!(again.code, 5);
    assert!(again.stderr.contains("on hold by sato@laptop"));

    let status = machine.run(&["status"]).stdout;
    assert!(status.contains("esb-dev/dev: applied") && status.contains("on hold by sato@laptop"));
    assert!(
        machine
            .run(&["lock", "status"])
            .stdout
            .contains("on hold by")
    );
    let json = machine.run(&["status", "--format", "json"]).stdout;
    assert!(json.contains(r#""hold":{"actor":"sato@laptop""#), "{json}");
    // What is called the latest deploy is a deploy, and it went as it went.
    assert!(
        machine
            .run(&["show"])
            .stdout
            .contains("applied: 3 of 3 files written")
    );
    assert_eq!(machine.run(&["assert", "latest", PATTERN]).code, 0);
    assert_eq!(machine.run(&["verify"]).code, 0);

    let release = ["lock", "release", "-m", "moved", "--actor", "mori@build-7"];
    let refused = machine.run(&release);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("is on hold by sato@laptop")
            && refused
                .stderr
                .contains("hint: `--yes` releases what somebody else holds"),
        "{}",
        refused.stderr
    );
    let released = machine.run(&[&release[..], &["--yes"]].concat());
    assert_eq!(released.code, 0, "{}", released.stderr);
    assert!(
        released
            .stdout
            .starts_with("esb-dev/dev: released, was on hold by sato@laptop since"),
        "{}",
        released.stdout
    );
    let history = masked(&machine.run(&["history"]).stdout);
    let newest = history.lines().find(|line| line.contains("held")).unwrap();
    assert!(
        newest.contains("by sato@laptop: the database is being moved; released by mori@build-7 at"),
        "{history}"
    );
    assert_eq!(machine.run(&["lock", "release"]).code, 5);
    // Nothing keeps a deploy any more, but for the engine that is not there.
    assert_eq!(machine.run(&deploy).code, 9);
    assert_eq!(machine.run(&["verify"]).code, 0);
}

#[test]
fn a_hold_stops_an_unfinished_deploy_and_is_one_of_its_events() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    hold(&machine, "looking into it");
    // The artifact that was recorded is not on this machine, but the hold comes first.
    for command in ["resume", "abandon"] {
        let refused = machine.run(&[command]);
        assert_eq!(refused.code, 5, "{command}: {}", refused.stderr);
        let said = masked(&refused.stderr);
        assert!(
            said.contains("target `esb-dev/dev` is on hold by sato@laptop since ....-..-.. ..:..:..Z: looking into it")
                && said.contains("hint: `artifactctl lock release esb-dev/dev` ends the hold"),
            "{command}: {said}"
        );
    }
    let status = masked(&machine.run(&["status"]).stdout);
    let steps: Vec<_> = status.lines().filter(|line| line.contains('`')).collect();
    assert_eq!(
        steps,
        ["  next        end the hold with `artifactctl lock release esb-dev/dev`"],
        "{status}"
    );
    assert!(
        status.contains("on hold by sato@laptop since ....-..-.. ..:..:..Z: looking into it"),
        "{status}"
    );
    let shown = machine.run(&["show"]).stdout;
    assert!(shown.contains("held: looking into it"), "{shown}");
    assert_eq!(machine.run(&["lock", "release", "--yes"]).code, 0);
    let status = machine.run(&["status"]).stdout;
    assert!(
        status.contains("go on with `artifactctl resume"),
        "{status}"
    );
    assert_eq!(machine.run(&["abandon"]).code, 0);
    assert_eq!(machine.run(&["verify"]).code, 0);
    let json = machine.run(&["history", "--format", "json"]).stdout;
    assert_eq!(json.lines().count(), 1, "{json}");
}

#[test]
fn a_target_can_be_held_before_its_first_deploy() {
    let machine = Machine::fresh();
    hold(&machine, "not before Monday");
    let status = machine.run(&["status"]);
    assert!(
        status.stdout.contains("esb-dev/dev: no deploy"),
        "{}",
        status.stdout
    );
    assert_eq!(machine.run(&["show"]).code, 5);
    let refused = machine.run(&["deploy", "--artifact", machine.artifact(), "--out", "out"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let nothing = machine.run(&["lock", "release", "esb-dev/prod"]);
    assert_eq!(nothing.code, 5);
    assert!(
        !machine.root().join("esb-dev/prod").exists(),
        "nothing is made"
    );
}

/// A holder that is written into a lock that nobody has did not end by itself.
#[test]
fn an_owner_that_did_not_let_go_is_recorded_by_the_next_append() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let lock = machine.journal().join("lock");
    let lost = r#"{"actor":"mori@build-7","pid":4711,"host":"build-7","boot_id":"b007","since":"2026-02-20T09:00:00Z","deploy":null}"#;
    fs::write(&lock, lost).unwrap();
    // Reading records nothing, and neither does who is refused.
    assert_eq!(machine.run(&["status"]).code, 0);
    assert_eq!(machine.run(&["lock", "release"]).code, 5);
    assert_eq!(machine.run(&["abandon"]).code, 0);
    let shown = machine.run(&["show"]).stdout;
    assert!(
        shown.contains(
            "taken over: mori@build-7 (process 4711 on build-7) held it since 2026-02-20T09:00:00Z"
        ),
        "{shown}"
    );
    let at = |what: &str| shown.find(what).unwrap();
    assert!(at("taken over:") < at("abandoned:"));
    assert_eq!(fs::read_to_string(&lock).unwrap(), "");
    assert_eq!(machine.run(&["verify"]).code, 0);
    let json = machine.run(&["history", "--format", "json"]).stdout;
    assert!(json.contains(r#""taken_over":1"#), "{json}");
}

#[test]
fn a_watch_prints_what_is_recorded_and_ends_with_the_deploy() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let mut watch = machine
        .command(&["watch", "--exit-code"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    // The deploy that is under way is shown from its beginning.
    for _ in 0..5 {
        lines
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains("  2026-02-20"))
            .unwrap()
            .unwrap();
    }
    assert_eq!(machine.run(&["abandon", "-m", "not needed"]).code, 0);
    assert!(lines.any(|line| line.unwrap().contains("abandoned: given up: not needed")));
    let ended = watch.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("was abandoned"));
}

#[test]
fn a_watch_waits_for_the_first_deploy_when_that_is_said() {
    let machine = Machine::fresh();
    let mut watch = machine
        .command(&["watch", TARGET, "--new", "--from", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(watch.stderr.take().unwrap()).lines();
    assert_eq!(
        said.next().unwrap().unwrap(),
        "`esb-dev/dev` has no journal yet; waiting for its first deploy"
    );
    let imported = machine.run(&["import", &frozen("deploy-applied.jsonl")]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("applied: 3 of 3 files")));
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(130));
}

/// The hold ends while the deploy waits; the engine that is not there ends the deploy.
#[test]
fn a_deploy_waits_for_a_target_on_hold_and_says_for_whom() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    hold(&machine, "the database is being moved");
    let artifact = machine.artifact();
    let mut args = vec!["deploy", "--artifact", artifact, "--out", "out"];
    args.push("--move-out");
    let mut waiting = machine
        .command(&[&args[..], &["--wait=10m"]].concat())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let line = said
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.starts_with("waiting for"))
        .unwrap();
    for words in [
        "waiting for `esb-dev/dev`, at most 10m; Ctrl-C ends the wait:",
        "on hold by sato@laptop since",
        "the database is being moved",
    ] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(machine.run(&["lock", "release", "--yes"]).code, 0);
    assert_eq!(waiting.wait().unwrap().code(), Some(9), "it went on");

    hold(&machine, "again");
    let refused = machine.run(&[&args[..], &["--wait=1s"]].concat());
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("; waited 1s for it"),
        "{}",
        refused.stderr
    );
    let interrupted = machine
        .command(&[&args[..], &["--wait"]].concat())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut interrupted = interrupted;
    let mut said = BufReader::new(interrupted.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("waiting for")));
    let pid = rustix::process::Pid::from_child(&interrupted);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(interrupted.wait().unwrap().code(), Some(130));
    assert!(said.any(|line| line.unwrap().contains("interrupted while waiting for")));
}

#[test]
fn a_watch_begins_where_it_is_told_and_ends_quietly_when_it_is_stopped() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let mut watch = machine
        .command(&["watch", TARGET, "--from", "8", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for sequence in [8, 9] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(&format!("\"sequence\":{sequence}")), "{line}");
    }
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = watch.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(130), &b""[..]));
}

/// A terminal that is gone ends the wait; whoever started it with `nohup` has it go on.
#[rstest]
#[case::heard("exec \"$@\"", true)]
#[case::ignored("trap '' HUP; exec \"$@\"", false)]
fn a_terminal_that_is_gone_stops_what_does_not_ignore_it(#[case] shell: &str, #[case] ends: bool) {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    hold(&machine, "the database is being moved");
    let artifact = machine.artifact();
    let deploy = machine.command(&[
        "deploy",
        "--artifact",
        artifact,
        "--out",
        "out",
        "--move-out",
    ]);
    let bare = machine.command(&[]);
    let mut waiting = std::process::Command::new("/bin/sh")
        .args(["-c", shell, "sh"])
        .arg(bare.get_program())
        .args(deploy.get_args())
        .arg("--wait=10m")
        .env_clear()
        .envs(
            bare.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(bare.get_current_dir().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("waiting for")));
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    if ends {
        assert_eq!(waiting.wait().unwrap().code(), Some(130));
        return;
    }
    // It goes on as soon as the hold ends, and meets the engine that is not there.
    assert_eq!(machine.run(&["lock", "release", "--yes"]).code, 0);
    assert_eq!(waiting.wait().unwrap().code(), Some(9));
}
