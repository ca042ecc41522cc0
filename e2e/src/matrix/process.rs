//! A command that runs, and one that has ended.
//!
//! Here: its output to the log, its limit, its end when the run ends, and what it said, ready to be asked. Not here: which
//! command (`site`).

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Stop;
use super::log::Log;
use super::site::{Held, StepError, equal, expect, system};

/// The longest any single command may take.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);

/// A command that runs. It is killed when nobody waits for its end.
pub(crate) struct Running<'a> {
    child: Child,
    /// Files, because nobody reads while the command runs.
    output: tempfile::TempDir,
    log: &'a Log,
    stop: &'a Stop,
}

impl<'a> Running<'a> {
    /// Starts a command of `artifactctl`; its outputs are kept below a folder.
    pub(crate) fn start(
        mut command: Command,
        folder: &Path,
        log: &'a Log,
        stop: &'a Stop,
    ) -> Result<Self, StepError> {
        let output = tempfile::tempdir_in(folder).map_err(system("make a folder for outputs"))?;
        let file = |name| File::create(output.path().join(name)).map_err(system("keep an output"));
        command
            .stdin(Stdio::null())
            .stdout(file("stdout")?)
            .stderr(file("stderr")?);
        let words = command.get_args().map(std::ffi::OsStr::to_string_lossy);
        log.line(&format!(
            "$ artifactctl {}",
            words.collect::<Vec<_>>().join(" ")
        ));
        let child = command.spawn().map_err(system("start `artifactctl`"))?;
        Ok(Self {
            child,
            output,
            log,
            stop,
        })
    }

    /// Waits until it has said something, on either output.
    pub(crate) fn says(&mut self, text: &str) -> Held {
        let deadline = Instant::now() + LIMIT;
        while !(self.read("stdout") + &self.read("stderr")).contains(text) {
            self.check(deadline, &format!("has not said `{text}`"))?;
            let ended = self
                .child
                .try_wait()
                .map_err(system("wait for `artifactctl`"))?;
            expect(ended.is_none(), || {
                format!("it ended without `{text}`:\n{}", self.read("stderr"))
            })?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(mut self) -> Held {
        self.log.line("killing it");
        self.child.kill().map_err(system("kill `artifactctl`"))?;
        let ran = self.wait()?;
        equal("the exit code of what was killed", ran.code, None)
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Ran, StepError> {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            let ended = self.child.try_wait();
            match ended.map_err(system("wait for `artifactctl`"))? {
                Some(status) => break status,
                None => self.check(deadline, "has not ended")?,
            }
            std::thread::sleep(PAUSE);
        };
        let ran = Ran {
            code: status.code(),
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
        };
        self.log
            .line(&format!("{}{}ended with {status}", ran.stdout, ran.stderr));
        Ok(ran)
    }

    fn check(&self, deadline: Instant, what: &str) -> Held {
        if self.stop.requested() {
            return Err(StepError::Stopped);
        }
        expect(Instant::now() < deadline, || {
            let stderr = self.read("stderr");
            format!(
                "`artifactctl` {what} within {} s:\n{stderr}",
                LIMIT.as_secs()
            )
        })
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.output.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running<'_> {
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
}

impl Ran {
    /// Expects an exit code.
    pub(crate) fn ended(self, code: i32) -> Result<Self, StepError> {
        expect(self.code == Some(code), || {
            let Self {
                code: found,
                stdout,
                stderr,
            } = &self;
            format!("the exit code should be {code} and is {found:?}; it said:\n{stdout}{stderr}")
        })?;
        Ok(self)
    }

    /// The JSON objects of a type that it wrote.
    pub(crate) fn objects(&self, kind: &str) -> Vec<Value> {
        let lines = self.stdout.lines();
        let objects = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        objects.filter(|object| object["type"] == kind).collect()
    }

    /// The payloads of the events of a kind.
    pub(crate) fn payloads(&self, kind: &str) -> Vec<Value> {
        let events = self.objects("event").into_iter();
        let events = events.filter(|event| event["kind"] == kind);
        events.map(|mut event| event["payload"].take()).collect()
    }

    /// The functions whose images were `built` or `reused`, sorted.
    pub(crate) fn images(&self, source: &str) -> Vec<String> {
        let images = self.payloads("ImageBuilt").into_iter();
        let images = images.filter(|image| image["source"] == source);
        let mut names: Vec<_> = images
            .filter_map(|image| image["function"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    }
}
