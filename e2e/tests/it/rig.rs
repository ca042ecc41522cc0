//! `artifactctl` as a process against a running stack.
//!
//! Here: one stack for all tests that need no special one, and a rig for each test: artifact, output directory, journal and
//! a proxy in front of the engine. Not here: what an artifact looks like (`payload`), running a command (`process`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::artifactctl;
use e2e::engine::TestEngine;
use e2e::http::Reply;
use e2e::proxy::{FaultEffect, InjectedFault, Proxy, Request};
use e2e::stack::{Stack, StackOptions};

use crate::payload::Payload;
use crate::process::{Ran, Running, eventually, run};

const BUILD: &str = "POST /build";

/// Flags of a deploy whose images the engine builds.
pub(crate) const BY_ENGINE: [&str; 2] = ["--builder", "engine"];

/// The stack of all tests that need no other one. The watchdog of the engine takes it down with the process.
pub(crate) fn shared() -> &'static Stack<'static> {
    static SHARED: OnceLock<Stack<'static>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let engine = TestEngine::shared();
        let options = StackOptions {
            project: Some(format!("{}-dev", engine.run_id())),
            ..StackOptions::default()
        };
        Stack::up(engine, options).unwrap()
    })
}

/// Everything one test deploys with.
pub(crate) struct Rig<'stack> {
    pub(crate) stack: &'stack Stack<'stack>,
    pub(crate) payload: Payload,
    pub(crate) proxy: Proxy,
    /// The output directory.
    pub(crate) out: PathBuf,
    pub(crate) journal: PathBuf,
    program: PathBuf,
    folder: tempfile::TempDir,
    _gateway: Option<MutexGuard<'static, ()>>,
}

impl Rig<'static> {
    /// Deploys these functions onto the shared stack, into an output directory of its own.
    pub(crate) fn new(functions: &[&str]) -> Self {
        Self::on(shared(), functions)
    }

    /// Deploys into the directory that the gateway of the shared stack reads. One test at a time does.
    pub(crate) fn with_gateway(functions: &[&str]) -> Self {
        static GATEWAY: Mutex<()> = Mutex::new(());
        let guard = GATEWAY.lock().unwrap_or_else(PoisonError::into_inner);
        let out = shared().config_dir();
        for entry in std::fs::read_dir(&out).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        Self {
            out,
            _gateway: Some(guard),
            ..Self::on(shared(), functions)
        }
    }

    /// Deploys configuration only: nothing is built.
    pub(crate) fn without_builds(functions: &[&str]) -> Self {
        let rig = Self::new(functions);
        rig.payload.remove_builds();
        rig
    }
}

impl<'stack> Rig<'stack> {
    /// Deploys onto this stack, into an output directory of its own.
    pub(crate) fn on(stack: &'stack Stack<'stack>, functions: &[&str]) -> Self {
        let program = artifactctl::build().unwrap();
        let folder = tempfile::tempdir_in(stack.engine().folder()).unwrap();
        Self {
            stack,
            payload: Payload::write(&folder.path().join("artifact"), stack.project(), functions),
            proxy: Proxy::start(stack.engine().socket(), folder.path()).unwrap(),
            out: folder.path().join("out"),
            journal: folder.path().join("journal"),
            program,
            folder,
            _gateway: None,
        }
    }

    /// A place for whatever else the test writes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command line with the environment of the stack, the proxy and the journal of this rig.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&self.program, arguments)
    }

    /// The same of `esb`.
    pub(crate) fn esb(&self, arguments: &[&str]) -> Command {
        self.command_of(&self.program.with_file_name("esb"), arguments)
    }

    /// The same of the program that can be told to kill itself.
    pub(crate) fn killable(&self, arguments: &[&str]) -> Command {
        self.command_of(&artifactctl::build_with_failpoints().unwrap(), arguments)
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = artifactctl::command(program, self.stack);
        command
            .env("DOCKER_HOST", self.proxy.docker_host())
            .env("ARTIFACTCTL_JOURNAL", &self.journal)
            .args(arguments);
        command
    }

    /// The command line of a deploy (or a plan) of the artifact, with more arguments.
    pub(crate) fn request(&self, command: &str, more: &[&str]) -> Command {
        let mut command = self.command(&[command, "--format", "json"]);
        command
            .arg("--artifact")
            .arg(self.payload.manifest())
            .arg("--out")
            .arg(&self.out)
            .args(more);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Deploys, to the end.
    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        run(&mut self.request("deploy", more))
    }

    /// Begins a deploy.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        Running::start(&mut self.request("deploy", more))
    }

    /// The latest deploy of the journal.
    pub(crate) fn latest(&self) -> Ran {
        self.run(&["show", "latest", "--format", "json"]).ended(0)
    }

    /// Holds the image build of a function back, when the engine builds it.
    pub(crate) fn hold_build(&self, function: &str) {
        self.proxy.inject(InjectedFault {
            endpoint: format!("{BUILD}?{function}"),
            skip: 0,
            effect: FaultEffect::Hold,
        });
    }

    /// Begins a deploy whose images the engine builds, and waits until it is at work: in the image build of a function, for as long
    /// as the proxy holds that back.
    pub(crate) fn start_held_at(&self, function: &str, more: &[&str]) -> Running {
        let before = self.builds().len();
        self.hold_build(function);
        let deploy = self.start(&[&BY_ENGINE, more].concat());
        self.await_builds(before + 1);
        deploy
    }

    /// Deploys one function onto another target of the same journal, to the end.
    pub(crate) fn deploy_beside(&self, function: &str, has_builds: bool) -> Ran {
        let folder = self.folder().join("other");
        let other = Payload::write(&folder, self.stack.project(), &[function]);
        if !has_builds {
            other.remove_builds();
        }
        other.edit("artifact.yml", "env: dev", "env: test");
        let mut beside = self.command(&["deploy", "--artifact"]);
        beside
            .arg(other.manifest())
            .arg("--out")
            .arg(self.folder().join("other-out"));
        run(&mut beside)
    }

    /// The functions whose images the engine was asked to build, in that order.
    pub(crate) fn builds(&self) -> Vec<String> {
        let builds = self.proxy.requests().into_iter();
        let builds = builds.filter(|request| request.endpoint() == BUILD);
        builds.map(|build| self.function_of(&build)).collect()
    }

    /// Waits until the engine was asked for so many builds.
    pub(crate) fn await_builds(&self, count: usize) {
        eventually("builds", || self.builds().len() >= count);
    }

    fn function_of(&self, build: &Request) -> String {
        let path = build.path.replace("%2F", "/").replace("%3A", ":");
        let mark = format!("/{}/", self.payload.repository());
        let (_, name) = path.split_once(&mark).expect("a build of this artifact");
        name.split(':').next().unwrap().to_owned()
    }

    /// Says whether the engine was asked to change anything.
    pub(crate) fn mutating(&self) -> Vec<String> {
        let mutating = self.proxy.mutating();
        mutating.iter().map(Request::endpoint).collect()
    }

    /// Calls a function through the gateway.
    pub(crate) fn call(&self, function: &str) -> Reply {
        let path = format!("/{function}");
        self.stack.call("POST", &path, "{}").unwrap()
    }

    /// The word a function answers with through the gateway.
    pub(crate) fn word(&self, function: &str) -> String {
        let reply = self.call(function);
        assert_eq!(reply.status, 200, "{reply:?}\n{}", self.stack.logs());
        reply.json()["word"].as_str().unwrap_or_default().to_owned()
    }

    /// The published files, by name.
    pub(crate) fn published(&self) -> BTreeMap<String, String> {
        let Ok(folder) = std::fs::read_dir(&self.out) else {
            return BTreeMap::new();
        };
        let files = folder.map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        });
        files.collect()
    }

    /// Every tag of a function's image in the registry, with its digest.
    pub(crate) fn tags(&self, function: &str) -> BTreeMap<String, String> {
        let name = format!("{}/{function}", self.payload.repository());
        e2e::registry::tags(self.stack.registry_port(), &name).unwrap()
    }
}
