//! One deploy in a place of its own: a repository, a journal and an output directory that nobody else has written to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Result as IoResult};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::artifact::{self, CALLS, FUNCTIONS, SEEDS};
use super::evidence::{Evidence, files};
use super::{Bench, CrashError, broken};
use crate::proxy::Request;
use crate::{artifactctl, command, registry};

/// How long a run may take that nobody kills.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);
/// How long a provisioner that lost its deploy may take to go away.
const ORPHANED: Duration = Duration::from_secs(20);
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

/// What a killed run has left for the next one.
#[derive(Default)]
struct Wreck {
    /// The kinds of the journal's facts.
    kinds: Vec<String>,
    /// Functions with an image under its content key in the registry.
    pushed: BTreeSet<&'static str>,
    /// Inodes of the files that are what they should become.
    replaced: BTreeMap<&'static str, u64>,
}

pub(super) struct Trial<'bench> {
    bench: &'bench Bench<'bench>,
    folder: tempfile::TempDir,
    repository: String,
    manifest: PathBuf,
    provision: bool,
    /// What happened so far, for messages.
    story: Vec<String>,
    /// The facts that were told of, in order.
    acknowledged: Vec<Value>,
    wreck: Wreck,
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
            .arg("--out")
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
            .map_or("none", |fact| fact["kind"].as_str().unwrap_or_default());
        let facts = format!("{} facts were told of, the last {last}", told.len());
        self.story.push(match (kill, killed) {
            (Kill::At(boundary), true) => format!("killed at `{boundary}` ({facts})"),
            (_, true) => format!("killed after {} ms ({facts})", took.as_millis()),
            (_, false) => format!("ended after {} ms ({facts})", took.as_millis()),
        });
    }

    /// The boundaries that the last run has reached.
    pub(super) fn boundaries(&self) -> IoResult<Vec<String>> {
        let list = std::fs::read_to_string(self.path("boundaries"))?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// Reads which facts the last run told of. A line without its end was cut off by the kill.
    fn read_acknowledged(&mut self) -> Result<(), CrashError> {
        for line in BufReader::new(File::open(self.path("stdout"))?).split(b'\n') {
            let line = line?;
            let Ok(object) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            if object["type"] == "fact" {
                self.acknowledged.push(object);
            }
        }
        Ok(())
    }

    /// After a kill: the journal is whole and has every fact that was told of, and every published file is an old or a new one.
    pub(super) fn look_at_the_wreck(&mut self) -> Result<(), CrashError> {
        let facts = self.facts()?;
        let kinds = facts
            .iter()
            .map(|fact| fact["kind"].as_str().unwrap_or_default().to_owned());
        let mut wreck = Wreck {
            kinds: kinds.collect(),
            ..Wreck::default()
        };
        for function in FUNCTIONS {
            let tags = self.tags(function)?;
            if tags.keys().any(|tag| tag.starts_with("key")) {
                wreck.pushed.insert(function);
            }
        }
        for file in ["functions.yml", "routing.yml", "resources.yml"] {
            let path = self.out().join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let seed = SEEDS.iter().find(|(seeded, _)| *seeded == file);
            let mut now = Evidence::default();
            now.note(format!("published `{file}`"), text.clone());
            if text == seed.map_or("", |(_, text)| text) {
                continue;
            }
            let whole = now
                .without(&self.repository)
                .is_part_of(&self.bench.undisturbed);
            self.must(whole, || {
                format!("`{file}` is neither old nor new:\n{text}")
            })?;
            wreck.replaced.insert(file, std::fs::metadata(&path)?.ino());
        }
        self.wreck = wreck;
        Ok(())
    }

    /// The facts of the journal, which must be whole and must hold those that were told of.
    fn facts(&self) -> Result<Vec<Value>, CrashError> {
        let verify = self.artifactctl(&["verify", "--format", "json"])?;
        self.must(verify.status.success(), || {
            format!("the journal is not whole:\n{}", said(&verify))
        })?;
        let export = self.artifactctl(&["export"])?;
        let mut facts: Vec<Value> = String::from_utf8_lossy(&export.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        // The last line is the head.
        facts.pop();
        for told in &self.acknowledged {
            let number = &told["sequence"];
            let kept = facts.iter().find(|fact| fact["sequence"] == *number);
            let same = |kept: &Value| {
                let mut fields = ["deploy", "kind", "payload"].iter();
                fields.all(|field| kept[field] == told[field])
            };
            self.must(kept.is_some_and(same), || {
                format!(
                    "fact {number} was told of and is lost or another:\ntold {told}\nkept {kept:?}"
                )
            })?;
        }
        Ok(facts)
    }

    fn artifactctl(&self, words: &[&str]) -> Result<std::process::Output, CrashError> {
        let mut run = self.command(&self.bench.program);
        Ok(command::output(run.args(words))?)
    }

    /// The same command, not killed: everything is as if no run had been, and nothing was done again that had been done.
    pub(super) fn end_well(mut self) -> Result<(), CrashError> {
        let known = self.acknowledged.len();
        self.run(Kill::Never)?;
        let facts = self.facts()?;
        self.done_once(&facts, known)?;
        let evidence = self.evidence()?;
        evidence
            .expect(&self.bench.undisturbed)
            .map_err(|what| self.broken(what))
    }

    /// Nothing that the wreck had already was made again by the last run.
    fn done_once(&self, facts: &[Value], known: usize) -> Result<(), CrashError> {
        for function in &self.wreck.pushed {
            let image = format!("{}%2F{function}", self.repository);
            let requests = self.bench.proxy.requests();
            let again = requests.iter().find(|request| {
                request.endpoint() == "POST /build" && request.path.contains(&image)
            });
            self.must(again.is_none(), || format!("`{function}` was built again"))?;
        }
        for (file, inode) in &self.wreck.replaced {
            let now = std::fs::metadata(self.out().join(file))?.ino();
            self.must(now == *inode, || format!("`{file}` was replaced again"))?;
        }
        let deploys: BTreeSet<_> = facts
            .iter()
            .map(|fact| fact["deploy"].to_string())
            .collect();
        let applied = self
            .wreck
            .kinds
            .last()
            .is_some_and(|kind| kind == "Applied");
        let expected = if applied { 2 } else { 1 };
        self.must(deploys.len() == expected, || {
            format!("{} deploys where {expected} were asked for", deploys.len())
        })?;
        if applied && !self.provision {
            let changed: Vec<_> = self
                .bench
                .proxy
                .mutating()
                .iter()
                .map(Request::endpoint)
                .collect();
            self.must(changed.is_empty(), || {
                format!("an applied deploy was done again: {changed:?}")
            })?;
        }
        let last = facts.last().cloned().unwrap_or_default();
        self.must(last["kind"] == "Applied", || {
            format!("it ended with {last}")
        })?;
        // What was told of in the end begins where the kill was.
        self.must(self.acknowledged.len() > known, || {
            "nothing was told of".to_owned()
        })
    }

    fn tags(&self, function: &str) -> IoResult<BTreeMap<String, String>> {
        let repository = format!("{}/{function}", self.repository);
        registry::tags(self.bench.stack.registry_port(), &repository)
    }

    /// What there is now that the deploy has ended.
    pub(super) fn evidence(&self) -> Result<Evidence, CrashError> {
        let mut evidence = Evidence::default();
        for (name, path) in files(&self.out())? {
            evidence.note(
                format!("published `{name}`"),
                std::fs::read_to_string(path)?,
            );
        }
        for (name, path) in files(&self.path("journal"))? {
            // Where its log ends, sled notes in a file when it opens a store that has a log.
            if name.contains("/sled/snap.") {
                continue;
            }
            // A lock without a name in it was let go cleanly.
            let text = if name.ends_with("/lock") {
                std::fs::read_to_string(path)?
            } else {
                String::new()
            };
            evidence.note(format!("journal `{name}`"), text);
        }
        for name in files(&self.path("tmp"))?.into_keys() {
            evidence.note(format!("temporary `{name}`"), String::new());
        }
        for function in FUNCTIONS {
            for (tag, digest) in self.tags(function)? {
                evidence.note(format!("image {function}:{tag}"), digest);
            }
        }
        for (method, path, body) in CALLS {
            let reply = self.bench.stack.call(method, path, body)?;
            evidence.note(
                format!("answer to {method} {path}"),
                format!("{} {}", reply.status, reply.body),
            );
        }
        if self.provision {
            self.await_provisioner()?;
        }
        Ok(evidence.without(&self.repository))
    }

    /// No container of the provisioner may stay; one that lost its deploy may need a moment to end.
    fn await_provisioner(&self) -> Result<(), CrashError> {
        let stack = &self.bench.stack;
        let project = format!("label=com.docker.compose.project={}", stack.project());
        let began = Instant::now();
        loop {
            let mut list = stack.engine().docker();
            list.args(["ps", "--all", "--filter", &project]);
            list.args(["--filter", "label=com.docker.compose.service=provisioner"]);
            let left = command::run(list.args(["--format", "{{.Names}} {{.Status}}"]))?;
            if left.is_empty() {
                return Ok(());
            }
            self.must(began.elapsed() < ORPHANED, || {
                format!("containers of the provisioner are left: {left}")
            })?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn said(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text + &String::from_utf8_lossy(&output.stderr)
}
