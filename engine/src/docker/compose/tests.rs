//! The arguments Compose gets, and what becomes of its output.

use rstest::rstest;
use tokio::process::Command;

use super::{ComposeCall, common, ended_badly, prebuild, run, watch};
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
#[case::alone(false, &["--profile", "deploy", "run", "--rm", "--no-deps", "provisioner"])]
#[case::with_deps(true, &["--profile", "deploy", "run", "--rm", "provisioner"])]
fn the_provisioner_is_built_and_then_run(#[case] with_deps: bool, #[case] arguments: &[&str]) {
    assert_eq!(prebuild(), ["--profile", "deploy", "build", "provisioner"]);
    assert_eq!(run(with_deps), arguments);
}

#[tokio::test]
async fn both_outputs_are_read_to_their_end() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo out; echo err >&2; printf 'no end'; exit 3"]);
    let mut lines = Vec::new();
    let status = watch(command, |line| lines.push(line.to_owned()))
        .await
        .unwrap();
    lines.sort();
    assert_eq!(lines, ["err", "no end", "out"]);
    let fault = ended_badly("`docker compose run`", Some("shop"), status);
    assert_eq!(fault.message, "`docker compose run` ended with exit code 3");
    assert!(fault.hint.unwrap().contains("--compose-project shop"));
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
        longest = longest.max(line.len());
        first.get_or_insert(line.to_owned());
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
