//! The arguments Compose gets, and what becomes of its output.

use std::process::Stdio;
use std::time::Duration;

use rstest::rstest;
use tokio::process::Command;

use super::output::Output;
use super::{ComposeCall, common, ended_badly, prebuild, program, run, watch};
use crate::docker::limits::Limits;
use crate::docker::redact::Line;
use crate::machine::FailureKind;

#[test]
fn every_option_reaches_compose_behind_an_equals_sign() {
    let options = ComposeCall {
        files: vec!["a.yml".to_owned(), "-b.yml".to_owned()],
        project_dir: Some("some dir".to_owned()),
        env_file: Some("$(env)".to_owned()),
        ..ComposeCall::default()
    };
    let expected = [
        "--project-name=shop-dev",
        "--file=a.yml",
        "--file=-b.yml",
        "--project-directory=some dir",
        "--env-file=$(env)",
    ];
    assert_eq!(common(Some("shop-dev"), &options).unwrap(), expected);
}

#[test]
fn without_options_only_the_project_is_named() {
    let arguments = common(Some("shop-dev"), &ComposeCall::default()).unwrap();
    assert_eq!(arguments, ["--project-name=shop-dev"]);
}

#[test]
fn a_project_that_looks_like_an_option_is_refused() {
    let fault = common(Some("--rm"), &ComposeCall::default()).unwrap_err();
    assert_eq!(fault.kind, FailureKind::Provision);
}

#[rstest]
#[case::alone(false, &["--profile", "deploy", "run", "--rm", "--no-deps", "--label", "artifactctl.provisioner=run", "provisioner"])]
#[case::with_deps(true, &["--profile", "deploy", "run", "--rm", "--label", "artifactctl.provisioner=run", "provisioner"])]
fn the_provisioner_is_built_and_then_run(#[case] with_deps: bool, #[case] arguments: &[&str]) {
    assert_eq!(prebuild(), ["--profile", "deploy", "build", "provisioner"]);
    assert_eq!(run(with_deps), arguments);
}

const MISSING: &[&str] = &["/nowhere/compose"];
const REFUSING: &[&str] = &["false"];
const SILENT: &[&str] = &["sh", "-c", "exec sleep 60", "compose"];

#[tokio::test]
async fn the_first_compose_that_answers_is_taken() {
    let answering: &[&str] = &["true"];
    let programs = [MISSING, REFUSING, answering, SILENT];
    let found = program(&programs, Duration::from_secs(60)).await;
    assert_eq!(found.unwrap(), answering);
}

#[rstest]
#[case::missing(
    MISSING,
    60_000,
    "neither `docker compose` nor `docker-compose`",
    "install"
)]
#[case::refusing(
    REFUSING,
    60_000,
    "neither `docker compose` nor `docker-compose`",
    "install"
)]
#[case::silent(SILENT, 100, "compose version`", "LIMITS=provision=")]
#[tokio::test]
async fn a_compose_that_says_nothing_is_not_called_missing(
    #[case] only: &[&str],
    #[case] limit_ms: u64,
    #[case] message: &str,
    #[case] hint: &str,
) {
    let programs = [only];
    let fault = program(&programs, Duration::from_millis(limit_ms)).await;
    let fault = fault.unwrap_err();
    assert!(fault.message.contains(message), "{}", fault.message);
    assert!(fault.hints.join("\n").contains(hint));
}

#[tokio::test]
async fn both_outputs_are_read_to_their_end() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo out; echo err >&2; printf 'no end'; exit 3"]);
    let mut lines = Vec::new();
    let status = watch(command, |line| lines.push(line.text)).await.unwrap();
    assert_eq!(lines, ["out", "err", "no end"]);
    let fault = ended_badly("`docker compose run`", Some("shop"), status);
    assert_eq!(fault.message, "`docker compose run` ended with exit code 3");
    assert!(fault.hints.join("\n").contains("--compose-project shop"));
}

#[tokio::test]
async fn output_that_is_no_text_and_has_no_end_is_bounded() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r"printf '\377\n'; head -c 1000000 /dev/zero | tr '\0' x",
    ]);
    let mut longest = 0;
    let mut first = None;
    let status = watch(command, |line| {
        longest = longest.max(line.text.len());
        first.get_or_insert(line.text);
    });
    assert!(status.await.unwrap().success());
    assert_eq!(first.unwrap(), "\u{fffd}");
    assert_eq!(longest, 64 << 10);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let command = Command::new("no-such-program-is-installed");
    assert!(watch(command, |_| ()).await.is_err());
}

/// As Compose does when this process was killed in the middle of it.
#[test]
fn a_command_comes_to_its_end_when_nobody_reads_its_output_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = Output::new().unwrap();
    let mut command = std::process::Command::new("sh");
    let mut child = command
        .args([
            "-c",
            "echo begun; cat; echo more && echo >&2 && touch ended",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(output.writer().unwrap())
        .stderr(output.writer().unwrap())
        .spawn()
        .unwrap();
    drop(command);
    let mut lines = Vec::new();
    while lines.is_empty() {
        output
            .read(&mut |line: Line| lines.push(line.text))
            .unwrap();
    }
    assert_eq!(lines, ["begun"]);
    drop(output);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("ended").exists());
}

/// As the deploy does when it is aborted: what the command has started would go on.
#[tokio::test]
async fn a_command_that_is_dropped_ends_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args([
        "-c",
        "sh -c 'echo $$ > inner.part; mv inner.part inner; exec sleep 600' & wait",
    ]);
    let inner = folder.path().join("inner");
    let begun = async {
        while !inner.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        status = watch(command, |_| ()) => panic!("it ended: {status:?}"),
        () = begun => {}
    }
    let pid = std::fs::read_to_string(inner).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let gone =
        |stat: &str| std::fs::read_to_string(stat).map_or(true, |stat| stat.contains(") Z "));
    while !gone(&stat) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A Ctrl-C on the terminal goes to the group of the deploy.
#[tokio::test]
async fn a_command_has_a_process_group_of_its_own() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$; cut -d ' ' -f 5 /proc/$$/stat"]);
    let mut lines = Vec::new();
    watch(command, |line| lines.push(line.text)).await.unwrap();
    assert_eq!(lines[0], lines[1]);
}

#[rstest]
#[case::file(ComposeCall { files: vec!["/nowhere/compose.yml".to_owned()], ..ComposeCall::default() }, "Compose file `/nowhere/compose.yml`")]
#[case::env_file(ComposeCall { env_file: Some("/nowhere/.env".to_owned()), ..ComposeCall::default() }, "environment file `/nowhere/.env`")]
#[case::folder(ComposeCall { project_dir: Some("/nowhere".to_owned()), ..ComposeCall::default() }, "project folder `/nowhere`")]
#[tokio::test]
async fn what_compose_is_called_with_is_looked_for_first(
    #[case] call: ComposeCall,
    #[case] words: &str,
) {
    let fault = super::check(None, &call, Limits::default())
        .await
        .unwrap_err();
    assert!(fault.message.contains(words), "{}", fault.message);
}
