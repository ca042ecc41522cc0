//! `journal prune`: what every command says of a pruned journal.

use std::fs;

use rstest::rstest;

use crate::keeping::{ended, objects};
use crate::outputs::a_week;
use crate::support::{Machine, TARGET, snapshot};

/// A week of six deploys, of which the last two and one more are kept.
fn pruned() -> Machine {
    let machine = Machine::fresh();
    a_week(&machine);
    let prune = [
        "journal",
        "prune",
        TARGET,
        "--keep-deploys",
        "3",
        "--yes",
        "--actor",
        "ada",
        "-m",
        "we keep three",
    ];
    ended(&machine.run(&prune), 0);
    machine
}

fn first_event(machine: &Machine) -> u64 {
    let verified = machine.run(&["verify", "--format", "json"]);
    let verified = objects(ended(&verified, 0), "verified");
    verified[0]["checkpoint"]["sequence"].as_u64().unwrap() + 1
}

#[test]
fn a_dry_run_shows_what_goes_and_touches_nothing() {
    let machine = Machine::fresh();
    a_week(&machine);
    let verify = || machine.run(&["verify"]).stdout;
    let before = verify();
    let prune = ["journal", "prune", "--keep-deploys", "3"];
    let would = machine.run(&[&prune[..], &["--dry-run", "--format", "json"]].concat());
    let would = objects(ended(&would, 0), "pruned");
    assert_eq!(
        (&would[0]["deploys"], &would[0]["dry_run"]),
        (&3.into(), &true.into())
    );
    assert_eq!(verify(), before);
    // Where nobody can be asked somebody has to agree.
    let asked = machine.run(&prune);
    assert!(
        ended(&asked, 2)
            .stderr
            .contains("hint: `--yes` agrees to it"),
        "{}",
        asked.stderr
    );
    assert_eq!(verify(), before);
    let done = machine.run(&[&prune[..], &["--yes", "--format", "json"]].concat());
    let done = objects(ended(&done, 0), "pruned");
    for same in ["checkpoint", "events", "deploys", "kept_events", "images"] {
        assert_eq!(done[0][same], would[0][same], "{same}");
    }
    let again = machine.run(&[&prune[..], &["--yes"]].concat());
    assert_eq!(ended(&again, 0).stdout, "esb-dev/dev: nothing to prune\n");
}

#[rstest]
#[case::neither(&[])]
#[case::no_age(&["--keep", "soon"])]
#[case::none(&["--keep-deploys", "0"])]
fn what_is_kept_has_to_be_said(#[case] keep: &[&str]) {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let refused = machine.run(&[&["journal", "prune", TARGET][..], keep].concat());
    ended(&refused, 2);
}

#[rstest]
#[case::unfinished("deploy-killed.jsonl", "is unfinished")]
#[case::on_hold("target-held.jsonl", "is on hold by")]
fn a_target_that_somebody_is_at_stays_as_it_is(#[case] journal: &str, #[case] words: &str) {
    let machine = Machine::with_journal(journal);
    let before = machine.run(&["verify"]).stdout;
    for flag in ["--dry-run", "--yes"] {
        let refused = machine.run(&["journal", "prune", TARGET, "--keep-deploys", "1", flag]);
        assert!(
            ended(&refused, 5).stderr.contains(words),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(machine.run(&["verify"]).stdout, before);
}

#[rstest]
#[case::dry_run("prune-dry-run", &["journal", "prune", "--keep-deploys", "1", "--dry-run"])]
#[case::verify("prune-verify", &["verify"])]
#[case::history("prune-history", &["history"])]
#[case::who("prune-history-kind", &["history", "--kind", "Pruned"])]
#[case::prune("prune-show", &["show", "PRUNE"])]
#[case::oldest("prune-show-oldest", &["show", "OLDEST"])]
#[case::status("prune-status", &["status"])]
#[case::event("prune-at-event", &["history", "--at", "5", TARGET])]
#[case::time("prune-at-time", &["history", "--at", "2026-01-01"])]
#[case::far("prune-too-far", &["show", "latest~4"])]
#[case::absent("prune-absent", &["show", "abcdef"])]
#[case::noted("prune-noted-head", &["verify", "--head", "5:0000000000000000000000000000000000000000000000000000000000000000"])]
fn what_is_said_of_a_pruned_journal(#[case] name: &str, #[case] args: &[&str]) {
    let machine = pruned();
    let history = machine.run(&["history", "--format", "json"]);
    let prune = objects(&history, "prune")[0]["prune"].clone();
    let deploys = objects(&history, "deploy");
    let oldest = deploys.last().unwrap()["deploy"].clone();
    let args: Vec<&str> = args
        .iter()
        .map(|arg| match *arg {
            "PRUNE" => prune.as_str().unwrap(),
            "OLDEST" => oldest.as_str().unwrap(),
            other => other,
        })
        .collect();
    let mut ran = machine.run(&args);
    // The id, the hash and the time of the prune are those of now.
    let id = prune.as_str().unwrap();
    let steady = |text: &str| {
        let text = text
            .replace(id, "[PRUNE]")
            .replace(&id[id.len() - 4..], "[ID]");
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        // The event itself: its sequence, then the time of day.
        let text = without(&text, "    40  ", ":.0123456789");
        without(
            &without(&text, &today, " :.0123456789Z"),
            ":",
            "0123456789abcdef",
        )
    };
    (ran.stdout, ran.stderr) = (steady(&ran.stdout), steady(&ran.stderr));
    let shown = args
        .iter()
        .map(|arg| if *arg == id { "[PRUNE]" } else { *arg });
    snapshot(name, &shown.collect::<Vec<_>>(), &ran);
}

/// A text without what begins so and goes on with these characters, where that is long.
fn without(text: &str, begin: &str, among: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(begin) {
        let behind = &rest[at + begin.len()..];
        let length = behind
            .find(|c: char| !among.contains(c))
            .unwrap_or(behind.len());
        out.push_str(&rest[..at]);
        out.push_str(if begin.len() > 1 || length == 64 {
            "[NEW]"
        } else {
            begin
        });
        rest = if begin.len() > 1 || length == 64 {
            &behind[length..]
        } else {
            behind
        };
    }
    out + rest
}

/// A copy of a pruned journal is a pruned journal, and goes on.
#[test]
fn an_export_and_a_backup_bring_it_elsewhere() {
    let machine = pruned();
    let begin = first_event(&machine);
    ended(&machine.run(&["export", "-o", "pruned.jsonl"]), 0);
    ended(&machine.run(&["journal", "backup", "pruned.backup"]), 0);
    ended(&machine.run(&["verify", "--export", "pruned.jsonl"]), 0);
    ended(&machine.run(&["replay", "pruned.jsonl"]), 0);
    ended(&machine.run(&["replay", "--all"]), 0);
    let export = fs::read_to_string(machine.work().join("pruned.jsonl")).unwrap();
    for (file, command) in [
        ("pruned.jsonl", &["import"][..]),
        ("pruned.backup", &["journal", "restore"]),
    ] {
        let there = Machine::fresh();
        fs::copy(machine.work().join(file), there.work().join(file)).unwrap();
        ended(&there.run(&[command, &[file]].concat()), 0);
        assert_eq!(first_event(&there), begin);
        assert_eq!(ended(&there.run(&["export"]), 0).stdout, export);
    }
    for format in ["cloudevents", "cdevents"] {
        ended(&machine.run(&["export", "--as", format]), 0);
    }
    // Without the event that says who pruned it it is no journal of ours.
    let lines: Vec<&str> = export.lines().collect();
    let pruned = lines
        .iter()
        .position(|line| line.contains("\"kind\":\"Pruned\""));
    let before: serde_json::Value = serde_json::from_str(lines[pruned.unwrap() - 1]).unwrap();
    let head = format!(
        "{{\"format\":3,\"stream\":\"{TARGET}\",\"head\":{{\"sequence\":{},\"hash\":{}}}}}",
        before["sequence"], before["hash"]
    );
    let documents = lines
        .iter()
        .filter(|line| line.starts_with("{\"document\""));
    let events = lines[..pruned.unwrap()].iter();
    let unsigned: Vec<&str> = events.chain(documents).copied().chain([&*head]).collect();
    fs::write(
        machine.work().join("unsigned.jsonl"),
        unsigned.join("\n") + "\n",
    )
    .unwrap();
    let there = Machine::fresh();
    let path = machine.work().join("unsigned.jsonl");
    let refused = there.run(&["import", path.to_str().unwrap()]);
    assert!(
        ended(&refused, 8)
            .stderr
            .contains("no event says that it was pruned there"),
        "{}",
        refused.stderr
    );
    let verified = machine.run(&["verify", "--export", "unsigned.jsonl"]);
    ended(&verified, 8);
}

#[test]
fn a_changed_checkpoint_is_damage_to_whoever_asks() {
    let machine = pruned();
    let path = machine.journal().join("store/checkpoint");
    let whole = fs::read(&path).unwrap();
    let mut harmed = whole.clone();
    harmed[9] ^= 1;
    fs::write(&path, harmed).unwrap();
    for command in [&["verify"][..], &["history"], &["status"], &["export"]] {
        let refused = machine.run(command);
        let words = "the record of where it begins since it was pruned is damaged";
        assert!(
            ended(&refused, 8).stderr.contains(words),
            "{}",
            refused.stderr
        );
    }
    fs::write(&path, whole).unwrap();
    ended(&machine.run(&["verify"]), 0);
}

#[test]
fn other_commands_read_what_is_left() {
    let machine = pruned();
    for command in [
        &["stacks"][..],
        &["diff", "latest~1", "latest"],
        &["diff", "latest~2", "latest"],
        &["blame", "orders-place"],
        &["journal", "doctor"],
        &["lock", "status"],
        &["assert", "Requested ... Applied"],
        &["show", "latest~2", "--documents", "--format", "json"],
    ] {
        let ran = machine.run(command);
        assert!(ran.code == 0, "{command:?}: {}{}", ran.stdout, ran.stderr);
    }
    let stats = machine.run(&["journal", "stats", "--format", "json"]);
    let stats = &objects(ended(&stats, 0), "stats")[0];
    assert_eq!(stats["deploys"], 3);
    assert_eq!(stats["pruned"].as_u64().unwrap() + 1, first_event(&machine));
}
