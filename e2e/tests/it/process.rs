//! A command that runs, and one that has ended.
//!
//! Here: starting, waiting with a limit, signals, and reading what was said. Not here: which command (`rig`).

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::engine::TestEngine;
use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::schemas::check_lines;

/// The longest any single command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest one may take that compiles what functions run.
const COMPILE_LIMIT: Duration = Duration::from_secs(15 * 60);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(in_time(LIMIT, holds), "not within {LIMIT:?}: {what}");
}

/// Says whether something comes to hold within a limit.
fn in_time(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    Running::start(command).wait()
}

/// Runs a command that compiles code to its end.
pub(crate) fn run_compiler(command: &mut Command) -> Ran {
    Running::start(command).wait_within(COMPILE_LIMIT)
}

/// A command that runs. It is killed when the test ends before it.
pub(crate) struct Running {
    child: Child,
    /// Files, because nobody reads while the command runs.
    output: tempfile::TempDir,
    began: Instant,
}

impl Running {
    /// Starts a command.
    pub(crate) fn start(command: &mut Command) -> Self {
        let output = tempfile::tempdir_in(TestEngine::shared().folder()).unwrap();
        let file = |name| File::create(output.path().join(name)).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Self {
            child,
            output,
            began: Instant::now(),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        self.wait()
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.output.path().join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it has said something, on either output.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let said = || self.read("stdout") + &self.read("stderr");
        let in_time = in_time(LIMIT, || said().contains(text));
        assert!(in_time, "no `{text}` within {LIMIT:?} in:\n{}", said());
    }

    /// Waits until an event of this kind is durable.
    pub(crate) fn records(&self, kind: &str) {
        self.says(&format!("\"kind\":\"{kind}\""));
    }

    /// Waits until so many events of this kind are durable.
    #[track_caller]
    pub(crate) fn records_often(&self, kind: &str, count: usize) {
        let event = format!("\"kind\":\"{kind}\"");
        eventually(&event, || {
            self.read("stdout").matches(&event).count() >= count
        });
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ran {
        self.wait_within(LIMIT)
    }

    fn wait_within(mut self, limit: Duration) -> Ran {
        let mut status = None;
        let in_time = in_time(limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let stderr = self.read("stderr");
        assert!(in_time, "still running after {limit:?}:\n{stderr}");
        let stdout = self.read("stdout");
        check_lines(&stdout);
        Ran {
            code: status.and_then(|status| status.code()),
            stdout,
            stderr,
            took: self.began.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is what we want.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// Asserts its exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self
    }

    /// Asserts that a signal ended it.
    #[track_caller]
    pub(crate) fn ended_by_signal(self) -> Self {
        assert_eq!(self.code, None, "{self:?}");
        self
    }

    /// Asserts that it said something to people.
    #[track_caller]
    pub(crate) fn said(&self, text: &str) {
        assert!(
            self.stderr.contains(text),
            "no `{text}` in:\n{}",
            self.stderr
        );
    }

    /// The JSON objects of a type that it wrote.
    pub(crate) fn objects(&self, kind: &str) -> Vec<Value> {
        let lines = self.stdout.lines();
        let objects = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.filter(|object| object["type"] == kind).collect()
    }

    /// The only JSON object of a type.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str) -> Value {
        let objects = self.objects(kind);
        let [object] = objects.as_slice() else {
            panic!("not one `{kind}`:\n{}", self.stdout);
        };
        object.clone()
    }

    /// The kinds of the events that it wrote, in order.
    pub(crate) fn kinds(&self) -> String {
        let events = self.objects("event");
        let kinds: Vec<_> = events
            .iter()
            .map(|event| event["kind"].as_str().unwrap())
            .collect();
        kinds.join(" ")
    }

    /// The payloads of the events of a kind.
    pub(crate) fn payloads(&self, kind: &str) -> Vec<Value> {
        let events = self.objects("event").into_iter();
        let events = events.filter(|event| event["kind"] == kind);
        events.map(|mut event| event["payload"].take()).collect()
    }

    /// The payload of the only event of a kind.
    #[track_caller]
    pub(crate) fn payload(&self, kind: &str) -> Value {
        let payloads = self.payloads(kind);
        let [payload] = payloads.as_slice() else {
            panic!("not one `{kind}`:\n{}", self.stdout);
        };
        payload.clone()
    }

    /// What happened to the image of each function, by name: `built` or `reused`.
    pub(crate) fn images(&self) -> BTreeMap<String, String> {
        let images = self.payloads("ImageBuilt").into_iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        images
            .map(|image| (text(&image["function"]), text(&image["source"])))
            .collect()
    }

    /// How many images it says are kept.
    pub(crate) fn kept(&self) -> u64 {
        let kept = self.payloads("ImagesKept").into_iter();
        kept.map(|kept| kept["count"].as_u64().unwrap()).sum()
    }
}

/// What [`Ran::images`] should be.
pub(crate) fn images(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = expected.iter();
    pairs
        .map(|&(function, source)| (function.to_owned(), source.to_owned()))
        .collect()
}

/// Message and causes of a failure, a line each, as an event and a line of JSON have them.
pub(crate) fn said_of(failure: &Value) -> String {
    let message = failure["message"].as_str().into_iter();
    let causes = texts(&failure["causes"]);
    message.chain(causes).collect::<Vec<_>>().join("\n")
}

/// What a failure says to do next, a line each.
pub(crate) fn hints_of(failure: &Value) -> String {
    texts(&failure["hints"]).collect::<Vec<_>>().join("\n")
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
