//! Builds by both builders of the engine: their steps run, their words are heard, and they end when they are told to.
//!
//! Not here: which image is built and when (`deploy`), signals while nothing runs in a container (`signals`).

use std::process::Command;

use e2e::command;
use e2e::proxy::{FaultEffect, InjectedFault};
use rstest::rstest;
use rustix::process::Signal;

use crate::process::{Ran, eventually, hints_of, run, said_of};
use crate::rig::{BY_ENGINE, Rig};
use crate::secrets::images::small_files;

/// Which builder the engine says it prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    Classic,
    BuildKit,
}

impl Builder {
    /// Its number in a request.
    fn version(self) -> &'static str {
        match self {
            Self::Classic => "version=1",
            Self::BuildKit => "version=2",
        }
    }

    /// Has the engine prefer it, when it is next asked who it is.
    pub(crate) fn prefer(self, rig: &Rig<'_>) {
        if self == Self::Classic {
            let format = ["version", "--format", "{{.Server.APIVersion}}"];
            let api = command::run(rig.stack.engine().docker().args(format)).unwrap();
            let effect = FaultEffect::Reply(format!(
                "HTTP/1.1 200 OK\r\nApi-Version: {}\r\nBuilder-Version: 1\r\nContent-Length: 2\r\n\
                 Connection: close\r\n\r\nOK",
                api.trim()
            ));
            let endpoint = "GET /_ping".to_owned();
            let skip = 0;
            rig.proxy.inject(InjectedFault {
                endpoint,
                skip,
                effect,
            });
        }
    }

    /// Deploys with it; every build must have been its own.
    fn deploy(self, rig: &Rig<'_>, configure: impl FnOnce(&mut Command)) -> Ran {
        self.prefer(rig);
        rig.proxy.clear();
        let mut deploy = rig.request("deploy", &BY_ENGINE);
        // What a build says is shown on a terminal, and else to whoever asks for it.
        deploy.env("ARTIFACTCTL_LOG", "debug");
        configure(&mut deploy);
        let ran = run(&mut deploy);
        self.assert_used(rig);
        ran
    }

    pub(crate) fn assert_used(self, rig: &Rig<'_>) {
        let requests = rig.proxy.requests();
        let mut builds = requests
            .iter()
            .filter(|request| request.endpoint() == "POST /build");
        let used = builds.all(|build| build.path.contains(self.version()));
        assert!(used, "{requests:?}");
    }
}

/// An artifact of one function with this step in its Dockerfile.
fn with_step(step: &str) -> Rig<'static> {
    let rig = Rig::new(&["alpha"]);
    set_step(&rig, step);
    rig
}

fn set_step(rig: &Rig<'_>, step: &str) {
    let text = format!(
        "FROM esb-lambda-base:latest\n{step}\nCOPY functions/alpha/handler /var/task/handler\n"
    );
    rig.payload.dockerfile("alpha", &text);
}

/// Says whether a process with this argument runs on this host, in whatever container.
pub(crate) fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    let mut lines =
        processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.any(|line| line == format!("sleep\0{argument}\0").into_bytes())
}

#[rstest]
fn steps_run_and_are_heard(#[values(Builder::Classic, Builder::BuildKit)] builder: Builder) {
    let rig = with_step("RUN echo the step says $((40 + 2)) to $(id -u)");
    let done = builder.deploy(&rig, |_| {}).ended(0);
    done.said("the step says 42 to 0");
    assert_eq!(rig.builds(), ["alpha"]);
}

#[rstest]
fn the_last_lines_of_a_failed_step_are_recorded(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let rig = with_step("RUN for i in $(seq 100); do echo line $i; done; exit 7");
    builder.deploy(&rig, |_| {}).ended(6);
    let failed = rig.latest().payload("Failed");
    assert_eq!(failed["kind"], "image");
    assert_eq!(failed["step"], "image");
    assert_eq!(failed["function"], "alpha");
    let message = said_of(&failed);
    assert!(message.contains("code: 7"), "{message}");
    let output: Vec<_> = failed["output"].as_array().unwrap().iter().collect();
    assert!(output.iter().any(|line| *line == "line 100"), "{output:?}");
    assert!(
        output.iter().all(|line| *line != "line 1"),
        "the last lines only: {output:?}"
    );

    set_step(&rig, "RUN true");
    builder.deploy(&rig, |_| {}).ended(0);
}

/// The step writes something else each time it runs.
#[rstest]
fn no_cache_runs_every_step_again(#[values(Builder::Classic, Builder::BuildKit)] builder: Builder) {
    let rig = with_step("RUN cat /proc/sys/kernel/random/uuid > /var/once");
    builder.deploy(&rig, |_| {}).ended(0);
    let first = rig.tags("alpha");
    builder.deploy(&rig, |_| {}).ended(0);
    assert_eq!(rig.tags("alpha"), first);
    assert_eq!(rig.builds(), [""; 0], "it is in the registry");
    let again = |deploy: &mut Command| {
        deploy.arg("--no-cache");
    };
    builder.deploy(&rig, again).ended(0);
    assert_eq!(rig.builds(), ["alpha"]);
    let second = rig.tags("alpha");
    assert!(second.keys().eq(first.keys()), "{first:?} {second:?}");
    for (tag, digest) in &second {
        assert_ne!(first[tag], *digest, "{tag}");
    }
}

#[rstest]
fn a_platform_that_is_asked_for_reaches_the_builder(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let rig = with_step("RUN true");
    let format = ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"];
    let platform = command::run(rig.stack.engine().docker().args(format)).unwrap();
    let platform = platform.trim();
    let asked = |deploy: &mut Command| {
        deploy.args(["--platform", platform]);
    };
    builder.deploy(&rig, asked).ended(0);
    let query = format!("platform={}", platform.replace('/', "%2F"));
    let build = rig.proxy.requests().into_iter();
    let mut build = build.filter(|request| request.endpoint() == "POST /build");
    assert!(build.any(|build| build.path.contains(&query)));
}

/// An engine that knows heredocs builds with one; of any other the tool says so, before it builds.
#[test]
fn a_heredoc_needs_an_engine_that_knows_it() {
    let rig = with_step("RUN <<EOF\necho within\nEOF");
    let format = ["version", "--format", "{{.Server.Version}}"];
    let version = command::run(rig.stack.engine().docker().args(format)).unwrap();
    let major: u64 = version.split('.').next().unwrap().parse().unwrap();
    if major >= 23 {
        rig.deploy(&[]).ended(0);
        return;
    }
    let failed = rig.deploy(&[]).ended(6).payload("Failed");
    let message = said_of(&failed);
    let words = "line 2 of `functions/alpha/Dockerfile` begins a heredoc, which Docker Engine";
    assert!(message.contains(words), "{failed}");
    let hints = hints_of(&failed);
    assert!(hints.contains("`# syntax=docker/dockerfile:1`"), "{failed}");
    assert_eq!(rig.builds(), [""; 0]);
}

#[rstest]
fn a_dockerignore_leaves_nothing_out(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let rig = with_step("COPY .dockerignore /ignored");
    rig.payload
        .put("svc/.dockerignore", "functions\n**/handler\n");
    builder.deploy(&rig, |_| {}).ended(0);
    assert_eq!(rig.builds(), ["alpha"]);
}

/// The step sees the proxy with its credentials; nobody else does.
#[rstest]
fn proxies_reach_steps_and_their_credentials_nobody(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    const PASSWORD: &str = "canary-of-a-build";
    let length = format!("http://me:{PASSWORD}@127.0.0.1:9").len();
    let rig = with_step("RUN echo $HTTP_PROXY has ${#http_proxy} characters");
    let proxied = |deploy: &mut Command| {
        deploy.env("HTTP_PROXY", format!("http://me:{PASSWORD}@127.0.0.1:9"));
    };
    let done = builder.deploy(&rig, proxied).ended(0);
    done.said(&format!("http://***@127.0.0.1:9 has {length} characters"));
    let export = rig.run(&["export"]).ended(0).stdout;
    for text in [&done.stdout, &done.stderr, &export] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    assert_in_no_image(&rig, PASSWORD);
}

/// A text is in no configuration, no history and no layer of the function's images.
fn assert_in_no_image(rig: &Rig<'_>, text: &str) {
    let tags = rig.tags("alpha");
    assert!(!tags.is_empty());
    let repository = format!("{}/alpha", rig.payload.repository());
    for tag in tags.keys() {
        for (name, bytes) in small_files(&rig.stack.host_image(&repository, tag)) {
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "`{text}` is in {name}");
        }
    }
}

#[rstest]
fn a_build_that_is_aborted_leaves_no_step_running(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let seconds = format!("8{}{}", std::process::id(), builder as usize);
    let rig = with_step(&format!("RUN sleep {seconds}"));
    builder.prefer(&rig);
    let deploy = rig.start(&BY_ENGINE);
    eventually("the step runs", || runs(&seconds));
    builder.assert_used(&rig);
    deploy.signal(Signal::INT);
    deploy.says("stopping after 1 build in flight");
    assert!(runs(&seconds), "the first signal lets it finish");
    deploy.signal(Signal::INT);
    deploy.wait().ended(130);
    eventually("the step is gone", || !runs(&seconds));
    assert_eq!(rig.latest().payload("Failed")["kind"], "interrupted");
}

#[rstest]
fn a_build_that_takes_too_long_is_ended_and_named(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let seconds = format!("9{}{}", std::process::id(), builder as usize);
    let rig = with_step(&format!("RUN echo before; sleep {seconds}"));
    let short = |deploy: &mut Command| {
        // Long enough for the step to begin, also on a machine that does much else.
        deploy.env("ARTIFACTCTL_LIMITS", "build=12s");
    };
    let ran = builder.deploy(&rig, short).ended(6);
    ran.said("not finished within 12 s");
    eventually("the step is gone", || !runs(&seconds));
    let failed = rig.latest().payload("Failed");
    assert_eq!(failed["kind"], "image");
    assert_eq!(failed["retryable"], true);
    let output = failed["output"].as_array().unwrap();
    assert!(output.iter().any(|line| line == "before"), "{output:?}");
    let hint = hints_of(&failed);
    assert!(hint.contains("ARTIFACTCTL_LIMITS"), "{hint}");
}
