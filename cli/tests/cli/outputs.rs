//! What a person reads: colour where it is wanted, tables, lines that nobody else can forge.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rstest::rstest;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::simulated::Stack;
use crate::support::{Machine, TARGET, frozen};

/// Two targets: one that was deployed to, one that is held.
fn two_targets() -> Machine {
    let machine = Machine::with_journal("deploy-superseded.jsonl");
    let because = "moving\ndev/qa: applied\u{1b}[2J";
    let args = ["lock", "hold", "dev/qa", "--new", "-m", because];
    assert_eq!(
        machine.run(&[&args[..], &["--actor", "ada"]].concat()).code,
        0
    );
    machine
}

#[rstest]
#[case::status("status-table", &["status"])]
#[case::history("history-table", &["history", TARGET])]
#[case::long("history-long", &["history", TARGET, "--long", "-v"])]
fn tables_are_aligned(#[case] name: &str, #[case] args: &[&str]) {
    two_targets().snapshot(name, args);
}

#[test]
fn what_was_said_about_a_hold_stays_in_its_line() {
    let machine = two_targets();
    for args in [
        &["status", "dev/qa"][..],
        &["status"],
        &["history", "dev/qa"],
        &["lock", "status", "dev/qa"],
    ] {
        let ran = machine.run(args);
        let shown = ran.stdout;
        assert!(!shown.contains("\ndev/qa: applied"), "{args:?}: {shown}");
        assert!(!shown.contains('\u{1b}'), "{args:?}: {shown}");
    }
    let refused = machine.run(&["lock", "hold", "dev/qa", "-m", "mine"]);
    assert_eq!(refused.code, 5);
    assert!(
        refused.stderr.contains(r"moving\ndev/qa: applied\u{1b}[2J"),
        "{}",
        refused.stderr
    );
}

#[rstest]
#[case::pipe(&[], false)]
#[case::forced(&[("CLICOLOR_FORCE", "1")], true)]
#[case::forced_off(&[("CLICOLOR_FORCE", "0")], false)]
#[case::never(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false)]
#[case::empty(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true)]
fn colour_is_where_it_is_wanted_and_the_words_are_the_same(
    #[case] environment: &[(&str, &str)],
    #[case] coloured: bool,
) {
    let machine = two_targets();
    for args in [&["status"][..], &["history"], &["show", "--target", TARGET]] {
        let mut command = machine.command(args);
        command.envs(environment.iter().copied());
        let shown = machine.ran(command.output().unwrap()).stdout;
        assert_eq!(shown.contains("\u{1b}["), coloured, "{args:?}: {shown}");
        let mut plain = shown;
        for sequence in ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"] {
            plain = plain.replace(&format!("\u{1b}{sequence}"), "");
        }
        let trimmed = |text: &str| {
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            lines.join("\n")
        };
        assert_eq!(trimmed(&plain), trimmed(&machine.run(args).stdout));
    }
}

#[test]
fn a_table_fits_eighty_columns() {
    let machine = two_targets();
    for args in [&["status"][..], &["history", TARGET]] {
        let shown = machine.run(args).stdout;
        for line in shown.lines().filter(|line| !line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
    }
}

#[test]
fn a_journal_that_nothing_needs_is_removed_when_that_is_agreed_to() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let remove = ["journal", "remove", TARGET];
    let asked = machine.run(&remove);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    assert!(asked.stderr.contains("hint: `--yes` agrees to it"));
    assert!(machine.journal().exists());
    let removed = machine.run(&[&remove[..], &["--yes"]].concat());
    assert_eq!(removed.code, 0, "{}", removed.stderr);
    assert_eq!(
        removed.stdout,
        "esb-dev/dev: journal removed, with 9 events\n"
    );
    assert!(!machine.root().join("esb-dev").exists());
    assert_eq!(machine.run(&[&remove[..], &["--yes"]].concat()).code, 5);
    // It begins anew, also with what it was.
    let imported = machine.run(&["import", &frozen("deploy-applied.jsonl")]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
}

#[test]
fn a_journal_that_is_needed_stays() {
    let unfinished = Machine::with_journal("deploy-killed.jsonl");
    let remove = ["journal", "remove", TARGET, "--yes", "--orphan"];
    let refused = unfinished.run(&remove);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    for words in [
        "is unfinished",
        "`artifactctl abandon esb-dev/dev` gives it up",
    ] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let hold = ["lock", "hold", TARGET, "-m", "mine", "--actor", "ada"];
    assert_eq!(unfinished.run(&hold).code, 0);
    let refused = unfinished.run(&remove);
    assert_eq!(refused.code, 5);
    assert!(
        refused.stderr.contains("on hold by ada"),
        "{}",
        refused.stderr
    );
    assert_eq!(unfinished.run(&["verify"]).code, 0);

    // Its configuration stands where it was published.
    let machine = Machine::fresh();
    let manifest = machine.artifact();
    Stack::of(&machine).deploy(manifest, "ada", None);
    let remove = ["journal", "remove", TARGET, "--yes"];
    let refused = machine.run(&remove);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    for words in [
        "published into `[MACHINE]/here/out` stands",
        "`--orphan` removes",
    ] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let removed = machine.run(&[&remove[..], &["--orphan"]].concat());
    assert_eq!(removed.code, 0, "{}", removed.stderr);
    assert!(machine.work().join("out/functions.yml").exists());
}

/// A first deploy, three that changed nothing, one that changes a function, and one that does so again, with a word about it.
pub(crate) fn a_week(machine: &Machine) {
    let manifest = machine.artifact();
    let functions = machine.work().join("artifact/svc-a/config/functions.yml");
    let text = std::fs::read_to_string(&functions).unwrap();
    let mut stack = Stack::of(machine);
    stack.deploy(manifest, "mori@build-7", None);
    for _ in 0..3 {
        stack.deploy(manifest, "mori@build-7", None);
    }
    std::fs::write(&functions, text.replace("debug", "warning")).unwrap();
    stack.deploy(manifest, "sato@laptop", None);
    std::fs::write(&functions, text.replace("debug", "error")).unwrap();
    stack.deploy(manifest, "sato@laptop", Some("quiet\nat last"));
}

#[rstest]
#[case::history("week-history", &["history"])]
#[case::some("week-history-2", &["history", "-n", "2"])]
#[case::status("week-status", &["status"])]
#[case::show("week-show", &["show"])]
#[case::all_of_it("week-show-v", &["show", "-v"])]
fn a_week_of_deploys(#[case] name: &str, #[case] args: &[&str]) {
    let machine = Machine::fresh();
    a_week(&machine);
    machine.snapshot(name, args);
}

/// What a deploy without an engine shows on a terminal of this kind, as wide as a terminal is by itself.
fn on_a_terminal(machine: &Machine, kind: &str) -> String {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let line = open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let deploy = ["deploy", "--artifact", machine.artifact(), "--out", "out"];
    let mut command = machine.command(&deploy);
    command.env("TERM", kind).stdout(Stdio::null());
    let mut deploy = command.stderr(File::from(line)).spawn().unwrap();
    // The other side of the terminal is closed with the process, which ends the reading.
    drop(command);
    let mut screen = Vec::new();
    let read = File::from(keyboard).read_to_end(&mut screen);
    assert_eq!(deploy.wait().unwrap().code(), Some(9));
    // A terminal that is closed is an error of input and output.
    assert!(read.is_err() || !screen.is_empty());
    String::from_utf8(screen).unwrap()
}

#[rstest]
#[case::plain("dumb")]
#[case::drawing("xterm")]
fn every_line_of_a_run_stays_on_a_terminal(#[case] kind: &str) {
    let machine = Machine::fresh();
    let screen = on_a_terminal(&machine, kind);
    for words in [
        "requested: artifact ",
        "error: cannot reach the Docker engine",
    ] {
        assert!(screen.contains(words), "{screen}");
    }
    let ends = |line: &str| line.contains("stopped ") && line.contains("(attempt 1)");
    assert!(screen.lines().any(ends), "{screen}");
    if kind == "dumb" {
        assert!(!screen.contains('\u{1b}'), "{screen}");
    }
}
