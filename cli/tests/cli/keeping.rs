//! Keeping journals: what they take, backups, and what becomes of a backup elsewhere.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::outputs::a_week;
use crate::support::{Machine, Ran, TARGET};

const OTHER: &str = "esb-dev/prod";

/// A machine with a week of deploys of one target, and another target that somebody held.
pub(crate) fn kept() -> Machine {
    let machine = Machine::fresh();
    a_week(&machine);
    let held = machine.run(&["lock", "hold", OTHER, "--new", "-m", "a word"]);
    assert_eq!(held.code, 0, "{}", held.stderr);
    assert_eq!(machine.run(&["lock", "release", OTHER]).code, 0);
    machine
}

pub(crate) fn ended(ran: &Ran, code: i32) -> &Ran {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    ran
}

/// The objects of JSON lines of a type.
pub(crate) fn objects(ran: &Ran, kind: &str) -> Vec<serde_json::Value> {
    let lines = ran.stdout.lines();
    let objects = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    objects.filter(|object| object["type"] == kind).collect()
}

/// Makes a backup of a machine, and hands it to another that has none.
fn handed_over(from: &Machine) -> Machine {
    ended(&from.run(&["journal", "backup", "all.backup"]), 0);
    let to = Machine::fresh();
    fs::copy(from.work().join("all.backup"), to.work().join("all.backup")).unwrap();
    to
}

#[test]
fn stats_count_what_is_kept() {
    let machine = kept();
    let ran = machine.run(&["journal", "stats", "--format", "json"]);
    let all = objects(ended(&ran, 0), "stats");
    let targets: Vec<_> = all
        .iter()
        .map(|one| one["target"].as_str().unwrap())
        .collect();
    assert_eq!(targets, [TARGET, OTHER]);
    let (week, held) = (&all[0], &all[1]);
    assert_eq!((&week["deploys"], &held["deploys"]), (&6.into(), &0.into()));
    assert_eq!(week["since"], "2026-02-20T09:00:00Z");
    assert_eq!(week["unfinished"], serde_json::Value::Null);
    let number = |name: &str| week[name].as_u64().unwrap();
    let documents = fs::read_dir(machine.journal().join("store/documents")).unwrap();
    let sizes = documents.map(|file| file.unwrap().metadata().unwrap().len());
    let sizes: Vec<u64> = sizes.collect();
    assert_eq!(number("documents"), sizes.len() as u64);
    assert_eq!(number("document_bytes"), sizes.iter().sum::<u64>());
    assert!(number("documents") > 2);
    let verified = machine.run(&["verify", TARGET, "--format", "json"]);
    assert_eq!(objects(&verified, "verified")[0]["events"], week["events"]);
    assert!(number("event_bytes") > 300 * number("events"));
    assert!(number("disk_bytes") > number("event_bytes"));

    let text = ended(&machine.run(&["journal", "stats"]), 0).stdout.clone();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(
        lines[1].starts_with("esb-dev/dev ") && lines[1].contains(" 6 "),
        "{text}"
    );
    assert!(
        lines[3].starts_with("all ") && lines[3].ends_with(" 2026-02-20"),
        "{text}"
    );
    let one = ended(&machine.run(&["journal", "stats", OTHER]), 0)
        .stdout
        .clone();
    assert_eq!(one.lines().count(), 2, "{one}");
}

#[test]
fn stats_name_the_deploy_that_is_unfinished() {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let ran = machine.run(&["journal", "stats"]);
    assert!(
        ended(&ran, 0)
            .stdout
            .trim_end()
            .ends_with("esb-dev/dev: deploy 8fce is unfinished"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_backup_is_restored_on_another_machine_as_it_was() {
    let from = kept();
    let to = handed_over(&from);
    let before = to.run(&["journal", "restore", "all.backup", "--dry-run"]);
    assert!(
        ended(&before, 0)
            .stdout
            .contains("esb-dev/dev: would be restored, with ")
    );
    assert!(!to.root().exists(), "a dry run writes nothing");
    let ran = to.run(&["journal", "restore", "all.backup", "--format", "json"]);
    let restored = objects(ended(&ran, 0), "restored");
    assert!(
        restored.iter().all(|one| one["how"] == "created"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("from one journal only"),
        "{}",
        ran.stderr
    );
    let questions: [&[&str]; 6] = [
        &["history", "--long"],
        &["show", "latest", "--target", TARGET, "-v"],
        &["diff", "latest~1", "latest", "--target", TARGET],
        &["verify"],
        &["export", TARGET],
        &["lock", "status"],
    ];
    for question in questions {
        let (here, there) = (from.run(question), to.run(question));
        let there = from.named(&ended(&there, 0).stdout);
        assert_eq!(there, here.stdout, "{question:?}");
    }
    let again = to.run(&["journal", "restore", "all.backup"]);
    assert!(
        ended(&again, 0)
            .stdout
            .contains("esb-dev/prod: nothing to restore: all of its 2 events are here")
    );
    assert_eq!(again.stderr, "");
}

#[test]
fn a_backup_is_written_to_standard_output_and_read_from_standard_input() {
    let from = kept();
    let backup = from
        .command(&["journal", "backup", "-", TARGET])
        .output()
        .unwrap();
    assert_eq!(backup.status.code(), Some(0));
    let words = String::from_utf8(backup.stderr).unwrap();
    assert!(words.contains("backed up 1 target"), "{words}");
    let to = Machine::fresh();
    let mut restoring = to.command(&["journal", "restore", "-"]);
    let mut restoring = restoring
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    restoring
        .stdin
        .take()
        .unwrap()
        .write_all(&backup.stdout)
        .unwrap();
    let ran = to.ran(restoring.wait_with_output().unwrap());
    assert!(
        ended(&ran, 0)
            .stdout
            .starts_with("esb-dev/dev: restored, with ")
    );
    assert_eq!(
        from.named(&to.run(&["export"]).stdout),
        from.run(&["export", TARGET]).stdout
    );
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_that_is_asked_for() {
    let machine = kept();
    let file = machine.work().join("all.backup");
    fs::write(&file, "precious").unwrap();
    let refused = machine.run(&["journal", "backup", "all.backup"]);
    assert!(
        ended(&refused, 5)
            .stderr
            .contains("hint: `--force` replaces it")
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    ended(
        &machine.run(&["journal", "backup", "--force", "all.backup"]),
        0,
    );
    ended(
        &Machine::fresh().run(&["journal", "restore", file.to_str().unwrap()]),
        0,
    );
    ended(&machine.run(&["journal", "backup", "."]), 2);
    let names = |machine: &Machine| fs::read_dir(machine.work()).unwrap().count();
    let before = names(&machine);
    let log = machine.journal().join("store/documents");
    let document = fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(document).unwrap();
    let damaged = machine.run(&["journal", "backup", "--force", "all.backup"]);
    assert!(
        ended(&damaged, 8).stderr.contains("target `esb-dev/dev`: "),
        "{}",
        damaged.stderr
    );
    assert!(
        damaged.stderr.contains("is not there"),
        "{}",
        damaged.stderr
    );
    assert_eq!(names(&machine), before, "no draft is left");
    ended(
        &Machine::fresh().run(&["journal", "restore", file.to_str().unwrap()]),
        0,
    );
    ended(
        &machine.run(&["journal", "backup", "prod.backup", OTHER]),
        0,
    );
}

#[test]
fn a_target_with_another_history_keeps_all_of_a_backup_out() {
    let from = kept();
    let to = handed_over(&from);
    let held = to.run(&["lock", "hold", OTHER, "--new", "-m", "mine"]);
    ended(&held, 0);
    let refused = to.run(&["journal", "restore", "all.backup"]);
    let words = "target `esb-dev/prod` has another history: its event 1 is not the backup's";
    assert!(
        ended(&refused, 5).stderr.contains(words),
        "{}",
        refused.stderr
    );
    assert_eq!(to.run(&["status", TARGET]).code, 5, "nothing was restored");
    ended(&to.run(&["journal", "restore", "all.backup", TARGET]), 0);
    ended(
        &to.run(&["journal", "restore", "all.backup", "--journal", "other"]),
        0,
    );
}

#[test]
fn a_journal_that_a_backup_goes_on_behind_is_completed() {
    let from = kept();
    let to = handed_over(&from);
    ended(&to.run(&["journal", "restore", "all.backup"]), 0);
    let held = ["lock", "hold", OTHER, "-m", "again"];
    ended(&from.run(&held), 0);
    ended(
        &from.run(&["journal", "backup", "--force", "all.backup"]),
        0,
    );
    fs::copy(from.work().join("all.backup"), to.work().join("all.backup")).unwrap();
    let ran = to.run(&["journal", "restore", "all.backup"]);
    assert!(
        ended(&ran, 0)
            .stdout
            .contains("esb-dev/prod: completed from event 3 to event 3"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        to.run(&["lock", "status"]).stdout,
        from.run(&["lock", "status"]).stdout
    );
    // The other way round it has everything, and more.
    ended(&to.run(&["lock", "release", OTHER]), 0);
    let ran = to.run(&["journal", "restore", "all.backup"]);
    let words = "esb-dev/prod: nothing to restore: its 3 events are here, and 1 more";
    assert!(ended(&ran, 0).stdout.contains(words), "{}", ran.stdout);
    // By now both went on.
    ended(&from.run(&["lock", "release", OTHER]), 0);
    ended(
        &from.run(&["journal", "backup", "--force", "all.backup"]),
        0,
    );
    fs::copy(from.work().join("all.backup"), to.work().join("all.backup")).unwrap();
    ended(&to.run(&["journal", "restore", "all.backup"]), 5);
}

/// Between backup and restore it may have gone on: nobody knows which of its effects are done.
#[test]
fn an_unfinished_deploy_that_was_restored_can_only_be_abandoned() {
    let from = Machine::with_journal("deploy-killed.jsonl");
    let to = handed_over(&from);
    let ran = to.run(&["journal", "restore", "all.backup"]);
    assert!(
        ended(&ran, 0)
            .stdout
            .contains("deploy 8fce is unfinished and cannot be resumed"),
        "{}",
        ran.stdout
    );
    let resumed = to.run(&["resume"]);
    assert!(
        ended(&resumed, 5).stderr.contains("can only be abandoned"),
        "{}",
        resumed.stderr
    );
    let doctor = to.run(&["journal", "doctor"]);
    assert!(
        ended(&doctor, 5)
            .stdout
            .contains("it came with an import or a restore"),
        "{}",
        doctor.stdout
    );
    ended(&to.run(&["abandon"]), 0);
    ended(&to.run(&["journal", "doctor"]), 0);
}

#[test]
fn what_is_no_whole_backup_is_refused_with_the_next_step() {
    let from = kept();
    let to = handed_over(&from);
    let whole = fs::read(to.work().join("all.backup")).unwrap();
    let file = to.work().join("bad.backup");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let ran = to.run(&["journal", "restore", "bad.backup"]);
        assert!(!to.root().exists(), "nothing is written");
        ended(&ran, 8).stderr.clone()
    };
    let cut = refused(&whole[..whole.len() / 2]);
    assert!(
        cut.contains("the backup was cut or changed") && cut.contains("hint: take another backup"),
        "{cut}"
    );
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 4;
    assert!(refused(&flipped).contains("hint: take another backup"));
    let export = from.run(&["export", TARGET]).stdout;
    assert!(refused(export.as_bytes()).contains("hint: `artifactctl import` reads what"));
    let missing = to.run(&["journal", "restore", "none.backup"]);
    assert!(
        ended(&missing, 2)
            .stderr
            .contains("cannot read the backup `none.backup`")
    );
    let not_held = to.run(&["journal", "restore", "all.backup", "esb-dev/qa"]);
    assert!(
        ended(&not_held, 5)
            .stderr
            .contains("hint: it holds esb-dev/dev, esb-dev/prod")
    );
    ended(&to.run(&["journal", "restore", "all.backup", "qa"]), 2);
    ended(&to.run(&["journal", "backup", "empty.backup"]), 5);
    assert!(!to.work().join("empty.backup").exists());
}

#[test]
fn a_damaged_journal_is_not_restored_over() {
    let from = kept();
    let to = handed_over(&from);
    ended(&to.run(&["journal", "restore", "all.backup"]), 0);
    let head = to.journal().join("store/head");
    let mut bytes = fs::read(&head).unwrap();
    bytes[3] ^= 1;
    fs::write(&head, bytes).unwrap();
    let refused = to.run(&["journal", "restore", "all.backup"]);
    let words = "move its folder out of the journal";
    assert!(
        ended(&refused, 8).stderr.contains(words),
        "{}",
        refused.stderr
    );
    fs::rename(to.journal(), to.work().join("evidence")).unwrap();
    ended(&to.run(&["journal", "restore", "all.backup"]), 0);
    assert_eq!(
        from.named(&to.run(&["export", TARGET]).stdout),
        from.run(&["export", TARGET]).stdout
    );
}
