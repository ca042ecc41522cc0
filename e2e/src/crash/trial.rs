//! One deploy in a place of its own: a repository, a journal and an output directory that nobody else has written to.
//!
//! Here: its runs and its kills. Not here: what is looked at after them (`look`).

mod look;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Result as IoResult};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::artifact::{self, SEEDS};
use super::{Bench, CrashError, broken};
use crate::{artifactctl, command};
use look::Wreck;

/// How long a run may take that nobody kills.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);
const SIGKILL: i32 = 9;

/// How the program with failpoints is told what to do; `engine/src/failpoint.rs` reads them.
const LIST: &str = "ARTIFACTCTL_FAILPOINTS";
const KILL_AT: &str = "ARTIFACTCTL_KILL_AT";

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kill<'a> {
    Never,
    /// By itself, at this boundary.
    At(&'a str),
    /// From outside, so long after its start.
    After(Duration),
}

/// How a run ended.
pub(super) struct Ran {
    pub(super) killed: bool,
    pub(super) took: Duration,
}

pub(super) struct Trial<'bench> {
    bench: &'bench Bench<'bench>,
    folder: tempfile::TempDir,
    repository: String,
    manifest: PathBuf,
    provision: bool,
    /// What happened so far, for messages.
    story: Vec<String>,
    /// The events that were told of, in order.
    acknowledged: Vec<Value>,
    wreck: Wreck,
    /// How long its runs took together.
    took: Duration,
}

impl<'bench> Trial<'bench> {
    pub(super) fn new(bench: &'bench Bench<'bench>, provision: bool) -> IoResult<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let repository = format!("crash-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir_in(bench.folder.path())?;
        std::fs::create_dir(folder.path().join("tmp"))?;
        let out = bench.stack.config_dir();
        for entry in std::fs::read_dir(&out)? {
            std::fs::remove_file(entry?.path())?;
        }
        for (file, text) in SEEDS {
            std::fs::write(out.join(file), text)?;
        }
        Ok(Self {
            manifest: artifact::write(folder.path(), &repository, bench.stack.project())?,
            bench,
            folder,
            repository,
            provision,
            story: Vec::new(),
            acknowledged: Vec::new(),
            wreck: Wreck::default(),
            took: Duration::ZERO,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.bench.stack.config_dir()
    }

    /// What happened so far, in words.
    pub(super) fn story(&self) -> String {
        self.story.join(", then ")
    }

    pub(super) fn broken(&self, what: String) -> CrashError {
        broken(self.story(), what)
    }

    fn must(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), CrashError> {
        if holds {
            Ok(())
        } else {
            Err(self.broken(what()))
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = artifactctl::command(program, &self.bench.stack);
        command
            .env("DOCKER_HOST", self.bench.proxy.docker_host())
            .env("ARTIFACTCTL_JOURNAL", self.path("journal"))
            .env("TMPDIR", self.path("tmp"));
        command
    }

    /// The same command line every time; one build at a time, so that boundaries come in one order.
    fn deploy(&self, kill: Kill<'_>) -> Command {
        let mut deploy = match kill {
            Kill::At(boundary) => {
                let mut deploy = self.command(&self.bench.with_failpoints);
                deploy
                    .env(LIST, self.path("boundaries"))
                    .env(KILL_AT, boundary);
                deploy
            }
            Kill::Never | Kill::After(_) => self.command(&self.bench.program),
        };
        deploy
            .args(["deploy", "--format", "json", "--jobs", "1", "--artifact"])
            .arg(&self.manifest)
            .args(["--builder", &self.bench.builder, "--out"])
            .arg(self.out());
        if self.provision {
            let stack = &self.bench.stack;
            deploy.arg("--provision");
            deploy.arg("--compose-file").arg(stack.compose_file());
            deploy.arg("--env-file").arg(stack.env_file());
        }
        deploy
    }

    /// Deploys, with the command that every run of this trial has.
    pub(super) fn run(&mut self, kill: Kill<'_>) -> Result<Ran, CrashError> {
        self.bench.proxy.clear();
        let boundaries = self.path("boundaries");
        if boundaries.exists() {
            std::fs::remove_file(boundaries)?;
        }
        let mut child = self
            .deploy(kill)
            .stdin(Stdio::null())
            .stdout(File::create(self.path("stdout"))?)
            .stderr(File::create(self.path("stderr"))?)
            .spawn()?;
        let began = Instant::now();
        let limit = match kill {
            Kill::After(moment) => moment,
            Kill::Never | Kill::At(_) => LIMIT,
        };
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() >= limit {
                child.kill()?;
                break child.wait()?;
            }
            std::thread::sleep(PAUSE);
        };
        let took = began.elapsed();
        self.took += took;
        let before = self.acknowledged.len();
        self.read_acknowledged()?;
        let killed = status.signal() == Some(SIGKILL);
        self.tell(kill, killed, took, before);
        let waited_for = killed && took >= LIMIT;
        self.must(!waited_for && (killed || status.success()), || {
            let stderr = std::fs::read_to_string(self.path("stderr")).unwrap_or_default();
            format!("it ended with {status} after {took:?}:\n{stderr}")
        })?;
        Ok(Ran { killed, took })
    }

    fn tell(&mut self, kill: Kill<'_>, killed: bool, took: Duration, before: usize) {
        let told = &self.acknowledged[before..];
        let last = told
            .last()
            .map_or("none", |event| event["kind"].as_str().unwrap_or_default());
        let events = format!("{} events were told of, the last {last}", told.len());
        self.story.push(match (kill, killed) {
            (Kill::At(boundary), true) => format!("killed at `{boundary}` ({events})"),
            (_, true) => format!("killed after {} ms ({events})", took.as_millis()),
            (_, false) => format!("ended after {} ms ({events})", took.as_millis()),
        });
    }

    /// The boundaries that the last run has reached.
    pub(super) fn boundaries(&self) -> IoResult<Vec<String>> {
        let list = std::fs::read_to_string(self.path("boundaries"))?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// Reads which events the last run told of. A line without its end was cut off by the kill.
    fn read_acknowledged(&mut self) -> Result<(), CrashError> {
        for line in BufReader::new(File::open(self.path("stdout"))?).split(b'\n') {
            let line = line?;
            let Ok(object) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            if object["type"] == "event" {
                self.acknowledged.push(object);
            }
        }
        Ok(())
    }

    fn artifactctl(&self, words: &[&str]) -> Result<std::process::Output, CrashError> {
        let mut run = self.command(&self.bench.program);
        Ok(command::output(run.args(words))?)
    }

    /// The same command, not killed: everything is as if no run had been, and nothing was done again that had been done. Says how long the
    /// deploy took with all of its runs.
    pub(super) fn end_well(mut self) -> Result<Duration, CrashError> {
        let known = self.acknowledged.len();
        self.run(Kill::Never)?;
        let events = self.events()?;
        self.done_once(&events, known)?;
        let evidence = self.evidence()?;
        evidence
            .expect(&self.bench.undisturbed)
            .map_err(|what| self.broken(what))?;
        Ok(self.took)
    }
}
