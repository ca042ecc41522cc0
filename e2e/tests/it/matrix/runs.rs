//! The runner on a real engine.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use e2e::command;
use e2e::engine::{LABEL_RUN, TestEngine};
use e2e::http;
use rustix::process::{Pid, Signal};

use super::write;
use crate::process::eventually;
use crate::rig::shared;

/// The matrix as a process.
struct Run {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has said so far.
    said: String,
    folder: tempfile::TempDir,
    /// The process whose end takes down what was kept.
    kept: Option<Pid>,
}

impl Run {
    fn start(edits: &[(&str, &str)], more: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(TestEngine::shared().folder()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_e2e"));
        command
            .arg("matrix")
            .arg("--file")
            .arg(write(folder.path(), edits))
            .arg("--logs")
            .arg(folder.path().join("logs"))
            .args(more)
            .env("DOCKER_HOST", TestEngine::shared().docker_host())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            said: String::new(),
            folder,
            kept: None,
        }
    }

    /// Waits until a line of its talk holds these words, and gives it.
    fn says(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.stderr.read_line(&mut line).unwrap() > 0 {
            self.said.push_str(&line);
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("it ended without `{words}`:\n{}", self.said);
    }

    /// The id of the run, which the name of each of its stacks ends with.
    fn id(&mut self) -> String {
        let line = self.says("starting the stack `");
        let project = line.split('`').nth(1).unwrap();
        project[project.find("-e2e-").unwrap() + 1..].to_owned()
    }

    /// Waits for its end, and gives exit code and standard output.
    fn end(&mut self) -> (Option<i32>, String) {
        let stdout = self.child.stdout.take().unwrap();
        while self.stderr.read_line(&mut self.said).unwrap() > 0 {}
        let stdout = std::io::read_to_string(stdout).unwrap();
        (self.child.wait().unwrap().code(), stdout)
    }

    /// Takes down what was kept, as it was said how to.
    fn take_down(&mut self) {
        if let Some(watchdog) = self.kept.take() {
            rustix::process::kill_process(watchdog, Signal::TERM).unwrap();
        }
    }

    fn log(&self, environment: &str) -> String {
        let log = self.folder.path().join(format!("logs/{environment}.log"));
        std::fs::read_to_string(log).unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended already is what we want; what it leaves is its watchdog's.
        self.child.kill().ok();
        self.child.wait().ok();
        self.take_down();
    }
}

fn docker(arguments: &[&str]) -> String {
    command::run(TestEngine::shared().docker().args(arguments)).unwrap()
}

/// What of a run is on the engine.
fn left_of(run: &str) -> Vec<String> {
    let label = format!("label={LABEL_RUN}={run}");
    let lists = [
        ["ps", "-aq"].as_slice(),
        &["network", "ls", "-q"],
        &["volume", "ls", "-q"],
        &["image", "ls", "-q"],
    ];
    let left = lists.iter().flat_map(|list| {
        let ids = docker(&[list, ["--filter", label.as_str()].as_slice()].concat());
        ids.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    left.collect()
}

fn folder_of(run: &str) -> PathBuf {
    std::env::temp_dir().join(run)
}

/// A container, a volume, a network and an image of somebody else, whose names begin as those of the run will.
struct Foreign([String; 4]);

impl Foreign {
    fn make() -> Self {
        // Ours to the watchdog of the tests, not to the run that must leave them alone.
        let label = format!("{LABEL_RUN}={}", TestEngine::shared().run_id());
        let base = shared().host_image("esb-lambda-base", "1.4.2");
        let [container, volume, network] =
            ["container", "volume", "network"].map(|kind| format!("contract-first-e2e-{kind}"));
        let image = "contract-first-e2e/esb-gateway:1.4.2".to_owned();
        docker(&["create", "--label", &label, "--name", &container, &base]);
        docker(&["volume", "create", "--label", &label, &volume]);
        docker(&["network", "create", "--label", &label, &network]);
        docker(&["tag", &base, &image]);
        Self([container, volume, network, image])
    }

    fn is_there(&self) {
        let [container, volume, network, image] = &self.0;
        docker(&["container", "inspect", container]);
        docker(&["volume", "inspect", volume]);
        docker(&["network", "inspect", network]);
        docker(&["image", "inspect", image]);
    }
}

#[test]
fn a_suite_that_fails_stops_no_other_and_only_what_the_run_made_is_removed() {
    let foreign = Foreign::make();
    // The shop of the first environment asks for a stack that it has not.
    let mut run = Run::start(
        &[("matrix/docker/shop.yml", "matrix/docker/shop-newer.yml")],
        &["--suite", "smoke", "--suite", "runtime"],
    );
    let id = run.id();
    // Both environments are under way before either is through.
    run.says("starting the stack `");
    assert!(!run.said.contains("smoke: "), "{}", run.said);
    let (code, stdout) = run.end();
    assert_eq!(code, Some(1), "{stdout}{}", run.said);
    assert_eq!(stdout.lines().last(), Some("MATRIX FAILED: first/smoke"));
    let entry = |name: &str| {
        let line = stdout.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no `{name}` in:\n{stdout}"))
    };
    assert!(entry("first/smoke: FAILED at `a deploy records").contains("should be 0"));
    assert!(entry("first/runtime: passed").contains(" 9 steps"));
    assert!(entry("second/smoke: passed").contains(" 3 steps"));

    let logs = run.folder.path().join("logs");
    let named = format!("logs: {}", logs.display());
    assert!(stdout.lines().any(|line| line == named), "{stdout}");
    let log = run.log("first");
    for words in [
        "$ artifactctl deploy",
        "FAILED: ",
        "the services say",
        "< 502",
    ] {
        assert!(log.contains(words), "no `{words}` in:\n{log}");
    }
    let other = run.log("second");
    assert!(
        other.contains("== smoke: ") && !other.contains("FAILED"),
        "{other}"
    );

    assert_eq!(left_of(&id), [""; 0]);
    assert!(!folder_of(&id).exists());
    foreign.is_there();
}

#[test]
fn a_run_that_is_interrupted_names_what_did_not_run_and_leaves_nothing() {
    let mut run = Run::start(&[], &["--env", "first", "--parallel", "1"]);
    let id = run.id();
    run.says("the stack is up");
    assert_ne!(left_of(&id), [""; 0]);
    let pid = Pid::from_child(&run.child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let (code, stdout) = run.end();
    assert_eq!(code, Some(1), "{stdout}{}", run.said);
    let verdict = "MATRIX FAILED: first/smoke, first/runtime";
    assert_eq!(stdout.lines().last(), Some(verdict), "{stdout}");
    assert_eq!(left_of(&id), [""; 0]);
    assert!(!folder_of(&id).exists());
}

/// The number that stands behind these words in a line.
fn number(line: &str, before: &str) -> i32 {
    let rest = line.split_once(before).unwrap().1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn stacks_that_are_kept_answer_until_they_are_taken_down_as_it_was_said() {
    let mut run = Run::start(&[], &["--env", "second", "--suite", "smoke", "--keep"]);
    let id = run.id();
    let gateway = run.says("gateway at http://127.0.0.1:");
    let watchdog = run.says("to take it down: kill ");
    run.kept = Pid::from_raw(number(&watchdog, "kill "));
    let (code, stdout) = run.end();
    assert_eq!(code, Some(0), "{stdout}{}", run.said);
    let verdict = "ALL MATRIX ENTRIES PASSED";
    assert_eq!(stdout.lines().last(), Some(verdict), "{stdout}");

    let port = u16::try_from(number(&gateway, "http://127.0.0.1:")).unwrap();
    let reply = http::call(port, "GET", "/orders/7", "").unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let look = run.said.lines().find(|line| line.contains(" ps --filter "));
    let look: Vec<_> = look.unwrap().split_whitespace().collect();
    let shown = command::run(Command::new(look[0]).args(&look[1..])).unwrap();
    assert!(shown.contains("runtime-node"), "{shown}");

    run.take_down();
    eventually("something stays", || left_of(&id).is_empty());
    eventually("the folder stays", || !folder_of(&id).exists());
}
