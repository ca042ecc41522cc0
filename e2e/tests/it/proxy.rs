//! The proxy in front of a real engine.

use std::process::Command;
use std::time::Duration;

use e2e::command;
use e2e::engine::TestEngine;
use e2e::images::BuildContext;
use e2e::proxy::{FaultEffect, InjectedFault, Proxy};
use rstest::rstest;

const LIMIT: Duration = Duration::from_secs(20);

struct Rig {
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let engine = TestEngine::shared();
        let folder = tempfile::tempdir_in(engine.folder()).unwrap();
        Self {
            proxy: Proxy::start(engine.socket(), folder.path()).unwrap(),
            _folder: folder,
        }
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_HOST", self.proxy.docker_host());
        docker.args(arguments);
        docker
    }

    fn strike(&self, endpoint: &str, effect: FaultEffect) {
        self.proxy.inject(InjectedFault {
            endpoint: endpoint.to_owned(),
            skip: 0,
            effect,
        });
    }

    fn endpoints(&self) -> Vec<String> {
        let mutating = self.proxy.mutating();
        mutating.iter().map(e2e::proxy::Request::endpoint).collect()
    }
}

fn volume_exists(name: &str) -> bool {
    let only = format!("name=^{name}$");
    let mut list = TestEngine::shared().docker();
    let listed = command::run(list.args(["volume", "ls", "-q", "--filter", &only]));
    !listed.unwrap().is_empty()
}

fn volume_name(case: &str) -> String {
    format!("{}-{case}", TestEngine::shared().run_id())
}

fn run_label() -> String {
    format!(
        "{}={}",
        e2e::engine::LABEL_RUN,
        TestEngine::shared().run_id()
    )
}

/// An image with nothing but a shell, for programs that talk.
fn shell_image(rig: &Rig) -> String {
    let reference = format!("e2e-shell:{}", TestEngine::shared().run_id());
    let busybox = command::find_program("busybox").unwrap();
    let mut context = BuildContext::new("FROM scratch\nCOPY busybox /busybox\n").unwrap();
    context.add_program("busybox", &busybox).unwrap();
    let mut build = rig.docker(&["build", "--quiet", "--label", &run_label()]);
    build.args(["--tag", &reference, "-"]);
    command::run_with_input(&mut build, &context.into_tar().unwrap()).unwrap();
    reference
}

#[test]
fn uploads_and_upgraded_connections_pass_byte_for_byte() {
    let rig = Rig::new();
    let image = shell_image(&rig);
    let said: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut run = rig.docker(&["run", "--rm", "--interactive", "--label", &run_label()]);
    run.args([&image, "/busybox", "sha256sum"]);
    let heard = command::run_with_input(&mut run, &said).unwrap();
    let expected = command::run_with_input(&mut Command::new("sha256sum"), &said).unwrap();
    assert_eq!(heard, expected);
    let seen = rig.endpoints();
    for endpoint in ["POST /build", "POST /containers/create"] {
        assert!(seen.iter().any(|seen| seen == endpoint), "{seen:?}");
    }
}

#[test]
fn reading_is_recorded_and_does_not_count_as_changing() {
    let rig = Rig::new();
    command::run(&mut rig.docker(&["ps"])).unwrap();
    let all: Vec<_> = rig.proxy.requests();
    assert!(
        all.iter()
            .any(|seen| seen.endpoint() == "GET /containers/json")
    );
    assert_eq!(rig.proxy.mutating(), []);
    rig.proxy.clear();
    assert_eq!(rig.proxy.requests(), []);
}

/// Whether the engine has done its work afterwards tells the faults apart; the client fails in each.
#[rstest]
#[case::request_lost("request-lost", FaultEffect::DropRequest, false)]
#[case::answer_lost("answer-lost", FaultEffect::DropAnswer, true)]
#[case::refused("refused", FaultEffect::Answer(500, "out of paper".to_owned()), false)]
fn a_fault_strikes_one_request(
    #[case] name: &str,
    #[case] effect: FaultEffect,
    #[case] done: bool,
) {
    let rig = Rig::new();
    let name = volume_name(name);
    let create = ["volume", "create", "--label", &run_label(), &name];
    rig.strike("POST /volumes/create", effect.clone());
    let error = command::run(&mut rig.docker(&create))
        .unwrap_err()
        .to_string();
    if let FaultEffect::Answer(_, message) = effect {
        assert!(error.contains(&message), "{error}");
    }
    assert_eq!(volume_exists(&name), done);
    assert_eq!(rig.endpoints(), ["POST /volumes/create"]);

    command::run(&mut rig.docker(&create)).unwrap();
    assert!(volume_exists(&name), "the second one passes");
}

#[test]
fn a_held_request_waits_until_it_is_released() {
    let rig = Rig::new();
    let name = volume_name("held");
    rig.strike("POST /volumes/create", FaultEffect::Hold);
    let mut create = rig.docker(&["volume", "create", "--label", &run_label(), &name]);
    let mut child = create.stdout(std::process::Stdio::null()).spawn().unwrap();
    assert!(rig.proxy.wait_for("POST /volumes/create", LIMIT));
    assert!(!volume_exists(&name));
    rig.proxy.release();
    assert!(child.wait().unwrap().success());
    assert!(volume_exists(&name));
}

#[test]
fn a_fault_lets_as_many_requests_by_as_it_is_told() {
    let rig = Rig::new();
    rig.proxy.inject(InjectedFault {
        endpoint: "GET /containers/json".to_owned(),
        skip: 1,
        // A connection that closes would not do: clients may repeat a `GET` by themselves.
        effect: FaultEffect::Answer(500, "out of paper".to_owned()),
    });
    let outcomes: Vec<bool> = (0..3)
        .map(|_| command::run(&mut rig.docker(&["ps"])).is_ok())
        .collect();
    assert_eq!(outcomes, [true, false, true]);
}

#[test]
fn a_fault_can_be_meant_for_requests_with_a_word_in_their_query() {
    let rig = Rig::new();
    rig.strike(
        "GET /containers/json?all=1",
        FaultEffect::Answer(500, "out of paper".to_owned()),
    );
    command::run(&mut rig.docker(&["ps"])).unwrap();
    command::run(&mut rig.docker(&["ps", "--all"])).unwrap_err();
    command::run(&mut rig.docker(&["ps", "--all"])).unwrap();
}
