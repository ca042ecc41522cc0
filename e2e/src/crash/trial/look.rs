//! What a trial looks at: after a kill, and when the deploy has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Result as IoResult;
use std::os::unix::fs::MetadataExt as _;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{CrashError, Trial};
use crate::crash::artifact::{CALLS, FUNCTIONS, SEEDS};
use crate::crash::evidence::{Evidence, files};
use crate::proxy::Request;
use crate::{command, registry};

/// How long a provisioner that lost its deploy may take to go away.
const ORPHANED: Duration = Duration::from_secs(20);

/// What a killed run has left for the next one.
#[derive(Default)]
pub(super) struct Wreck {
    /// The kinds of the journal's events.
    kinds: Vec<String>,
    /// Functions with an image under its content key in the registry.
    pushed: BTreeSet<&'static str>,
    /// Inodes of the files that are what they should become.
    replaced: BTreeMap<&'static str, u64>,
}

impl Trial<'_> {
    /// After a kill: the journal is whole and has every event that was told of, and every published file is an old or a new one.
    pub(in crate::crash) fn look_at_the_wreck(&mut self) -> Result<(), CrashError> {
        let events = self.events()?;
        let kinds = events
            .iter()
            .map(|event| event["kind"].as_str().unwrap_or_default().to_owned());
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

    /// The events of the journal, which must be whole and must hold those that were told of.
    pub(super) fn events(&self) -> Result<Vec<Value>, CrashError> {
        let verify = self.artifactctl(&["verify", "--format", "json"])?;
        // Killed before its first event, it has left nothing; what was told of is looked for below.
        let is_nothing = said(&verify).contains("no deploy has been recorded");
        self.must(verify.status.success() || is_nothing, || {
            format!("the journal is not whole:\n{}", said(&verify))
        })?;
        let export = self.artifactctl(&["export"])?;
        let mut events: Vec<Value> = String::from_utf8_lossy(&export.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        // Documents stand behind the events, and the last line is the head.
        events.retain(|line: &Value| line["sequence"].is_u64() && line["kind"].is_string());
        for told in &self.acknowledged {
            let number = &told["sequence"];
            let kept = events.iter().find(|event| event["sequence"] == *number);
            let same = |kept: &Value| {
                let mut fields = ["deploy", "kind", "payload"].iter();
                fields.all(|field| kept[field] == told[field])
            };
            self.must(kept.is_some_and(same), || {
                format!(
                    "event {number} was told of and is lost or another:\ntold {told}\nkept {kept:?}"
                )
            })?;
        }
        Ok(events)
    }

    /// Nothing that the wreck had already was made again by the last run.
    pub(super) fn done_once(&self, events: &[Value], known: usize) -> Result<(), CrashError> {
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
        let deploys: BTreeSet<_> = events
            .iter()
            .map(|event| event["deploy"].to_string())
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
        let last = events.last().cloned().unwrap_or_default();
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
    pub(in crate::crash) fn evidence(&self) -> Result<Evidence, CrashError> {
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
            // A document is named by what it holds, ids and times of this trial among that. `verify` holds it against the events.
            if name.contains("/store/documents/") {
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
        // Each answer waits for the container of its function to start.
        let stack = &self.bench.stack;
        let replies = std::thread::scope(|scope| {
            let call = |(method, path, body)| scope.spawn(move || stack.call(method, path, body));
            CALLS.map(call).map(ScopedJoinHandle::join)
        });
        for ((method, path, _), reply) in CALLS.into_iter().zip(replies) {
            let reply = reply.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
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
