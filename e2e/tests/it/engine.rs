//! Finding and starting an engine, and what is said when there is none.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use e2e::command;
use e2e::engine::{LABEL_RUN, Origin, TestEngine};
use e2e::images::BuildContext;

fn e2e(arguments: &[&str], configure: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_e2e"));
    command.args(arguments);
    configure(&mut command);
    command::output(&mut command).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_running_engine_is_found_and_used() {
    let engine = TestEngine::shared();
    let output = e2e(&["doctor"], |command| {
        command.env("DOCKER_HOST", engine.docker_host());
    });
    assert!(output.status.success(), "{}", text(&output.stderr));
    let address = format!("address {}", engine.docker_host());
    assert!(text(&output.stdout).contains(&address));
    assert!(text(&output.stdout).contains(&engine.versions().unwrap()));
}

#[test]
fn an_address_nobody_answers_at_is_an_error_and_no_engine_is_started_instead() {
    for (address, expected) in [
        (
            "unix:///nowhere/docker.sock",
            "no engine answers at `/nowhere/docker.sock`",
        ),
        ("tcp://127.0.0.1:1", "`DOCKER_HOST` is `tcp://127.0.0.1:1`"),
    ] {
        let output = e2e(&["doctor"], |command| {
            command.env("DOCKER_HOST", address);
        });
        assert!(!output.status.success());
        assert!(
            text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty());
    }
}

/// Without root it must not come to that, and the refusal must say so.
#[test]
fn an_engine_that_does_not_come_up_is_reported_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("dockerd");
    std::fs::write(
        &engine,
        "#!/bin/sh\necho 'no cgroups in this sandbox' >&2\nexit 1\n",
    )
    .unwrap();
    std::fs::set_permissions(&engine, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = e2e(&["up", "--own-engine"], |command| {
        command.env("PATH", format!("{}:{path}", folder.path().display()));
        command.env("TMPDIR", folder.path());
    });
    let said = text(&output.stderr);
    assert!(!output.status.success());
    if !rustix::process::geteuid().is_root() {
        assert!(said.contains("needs root"), "{said}");
        return;
    }
    assert!(said.contains("no cgroups in this sandbox"), "{said}");
    let left = std::fs::read_dir(folder.path()).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    left.retain(|path| *path != engine);
    let [log] = left.as_slice() else {
        panic!("only the log is kept: {left:?}");
    };
    assert!(said.contains(&*log.to_string_lossy()), "{said}");
}

#[test]
fn everything_that_is_built_carries_the_run() {
    let engine = TestEngine::shared();
    let reference = format!("e2e-empty:{}", engine.run_id());
    let mut context = BuildContext::new("FROM scratch\nCOPY empty /\n").unwrap();
    context.add("empty", b"", 0o644).unwrap();
    context.build(engine, &reference, &[].into()).unwrap();
    let only = format!("label={LABEL_RUN}={}", engine.run_id());
    let mut list = engine.docker();
    list.args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    let listed = command::run(list.args(["--filter", &only])).unwrap();
    assert!(listed.lines().any(|line| line == reference), "{listed}");
}

/// What an engine says to a build with this builder, of an image with a step that runs.
fn build_with_a_step(engine: &TestEngine, builder: &str) -> String {
    let busybox = command::find_program("busybox").unwrap();
    let mut context =
        BuildContext::new("FROM scratch\nCOPY busybox /bin/sh\nRUN test 42 = 42\n").unwrap();
    context.add_program("busybox", &busybox).unwrap();
    let tar = context.into_tar().unwrap();
    let reference = format!("e2e-step-{builder}:{}", engine.run_id());
    let label = format!("%7B%22{LABEL_RUN}%22:%22{}%22%7D", engine.run_id());
    let mut stream = UnixStream::connect(engine.socket()).unwrap();
    let head = format!(
        "POST /build?version={builder}&t={reference}&labels={label}&rm=1&forcerm=1 HTTP/1.0\r\n\
         Content-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        tar.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&tar).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

/// A step joins the default network; an engine without one lets the steps of one builder run only.
#[test]
fn steps_of_builds_run_on_an_engine_of_our_own() {
    if !rustix::process::geteuid().is_root() {
        let refusal = TestEngine::start().unwrap_err().to_string();
        assert!(refusal.contains("needs root"), "{refusal}");
        return;
    }
    let started =
        (*TestEngine::shared().origin() == Origin::Found).then(|| TestEngine::start().unwrap());
    let engine = started.as_ref().unwrap_or(TestEngine::shared());
    for builder in ["1", "2"] {
        let said = build_with_a_step(engine, builder);
        assert!(said.contains("Successfully tagged"), "{builder}: {said}");
    }
}
