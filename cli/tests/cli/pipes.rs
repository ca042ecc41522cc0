//! Standard output that nobody reads, and no colour where nobody sees it.

use std::process::Stdio;

use rstest::rstest;

use crate::support::Machine;

/// Runs a command whose standard output is closed before it begins.
fn unread(machine: &Machine, args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = machine
        .command(args)
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[rstest]
#[case(&["--help"])]
#[case(&["history"])]
#[case(&["history", "--format", "json"])]
#[case(&["show"])]
#[case(&["export"])]
#[case(&["completions", "bash"])]
fn a_reader_that_closed_the_pipe_is_no_failure(#[case] args: &[&str]) {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    assert_eq!(unread(&machine, args), (Some(0), String::new()));
}

#[test]
fn a_failure_stays_one_when_nobody_reads_it() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let (code, stderr) = unread(
        &machine,
        &["assert", "latest", "Requested", "--format", "json"],
    );
    assert_eq!(code, Some(10), "{stderr}");
}

#[rstest]
#[case(&["show", "--help"])]
#[case(&["show"])]
#[case(&["show", "nothing"])]
#[case(&["manifest", "validate", "--artifact", "nowhere.yml"])]
#[case(&["resume", "-vvv"])]
fn a_pipe_gets_no_colour(#[case] args: &[&str]) {
    let ran = Machine::with_journal("deploy-incompatible.jsonl").run(args);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'));
}
