//! The journal after a power cut: whatever the disk had not been asked to keep may be gone, in part or as a whole.
//!
//! The applier runs under strace; from its system calls every folder is made that a power cut at any moment may leave, and
//! each must open, have the events that were told of, be whole, and take another one. Not here: kills, which lose nothing
//! that was written (`crash`).

mod disk;
mod lost;
mod restored;
mod trace;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::artifactctl;
use e2e::engine::TestEngine;
use e2e::packages;
use jiff::Timestamp;
use journal::{
    EventLog, Holder, Journal, NewEvent, ReadError, Store, StoredEvent, StreamId, chain, scan,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::run;
use disk::{Disk, Tree};
use trace::Call;

/// An artifact, a journal, and an engine on which no stack of that name runs.
struct Bench {
    folder: TempDir,
    program: PathBuf,
}

impl Bench {
    /// An artifact whose manifest is at least so large.
    fn new(manifest_bytes: usize) -> Self {
        let folder = tempfile::tempdir_in(TestEngine::shared().folder()).unwrap();
        let word = "x".repeat(manifest_bytes);
        let manifest = format!(
            "schema_version: \"1\"\nproject: unplugged\nenv: dev\nmode: docker\nruntime_stack: {{ api_version: \"1.0\", mode: docker }}\n\
             artifacts:\n  - artifact_root: svc\n    runtime_config_dir: config\n    source_template:\n      \
             path: t.yaml\n      parameters: {{ Word: \"{word}\" }}\n"
        );
        for (file, text) in [
            ("artifact.yml", manifest.as_str()),
            ("svc/config/functions.yml", "functions: {}\n"),
            ("svc/config/routing.yml", "routes: []\n"),
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir(folder.path().join("journals")).unwrap();
        Self {
            folder,
            program: artifactctl::build().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The words of a deploy. Nothing runs that it could go onto, so that it ends with 4 and four events in three appends.
    fn deploy(&self) -> Vec<String> {
        let (artifact, out) = (self.path("artifact.yml"), self.path("out"));
        let words = ["deploy", "--format", "json", "--artifact"].map(str::to_owned);
        let rest = [
            artifact.display().to_string(),
            "--out".to_owned(),
            out.display().to_string(),
        ];
        words.into_iter().chain(rest).collect()
    }

    fn command(&self, program: &Path, words: &[String]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env("DOCKER_HOST", TestEngine::shared().docker_host())
            .env("ARTIFACTCTL_JOURNAL", self.journal())
            // Only the program with failpoints knows it.
            .env("ARTIFACTCTL_KILL_AT", "after append Observed CompatChecked");
        command
    }

    /// The folder that stays on the disk; the power goes while the journal in it is made or written.
    fn root(&self) -> PathBuf {
        self.path("journals")
    }

    fn journal(&self) -> PathBuf {
        self.root().join("journal")
    }

    /// Runs a program under strace, and adds what it did to the calls of an earlier one.
    fn trace(&self, program: &Path, earlier: Vec<Call>) -> Vec<Call> {
        self.trace_words(program, &self.deploy(), earlier)
    }

    fn trace_words(&self, program: &Path, words: &[String], earlier: Vec<Call>) -> Vec<Call> {
        let (trace, said) = (self.path("trace"), self.path("said"));
        let mut traced = self.command(&packages::strace().unwrap(), &[]);
        traced
            .args(["-f", "-y", "-xx", "-s", "8388608", "-e", trace::CALLS, "-o"])
            .arg(&trace)
            .arg(program)
            .args(words);
        let output = traced
            .stdout(std::fs::File::create(&said).unwrap())
            .output()
            .unwrap();
        let trace = std::fs::read_to_string(trace).unwrap_or_else(|_| panic!("{output:?}"));
        trace::read(&trace, &self.root(), &said, earlier)
    }

    fn stream() -> StreamId {
        StreamId::new("unplugged", "dev").unwrap()
    }
}

/// The last event that has been told of by these calls.
fn told(calls: &[Call]) -> u64 {
    let said = calls.iter().filter_map(|call| match call {
        Call::Say(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
        Call::Open(_)
        | Call::MakeFolder(_)
        | Call::Write { .. }
        | Call::SetLength(..)
        | Call::Rename(..)
        | Call::Exchange(..)
        | Call::Remove(_)
        | Call::Sync(..) => None,
    });
    let last = said.filter_map(|object| match object["type"].as_str() {
        Some("event") => object["sequence"].as_u64(),
        Some("imported" | "restored") => object["events"].as_u64(),
        _ => None,
    });
    last.max().unwrap_or_default()
}

fn events(of: &(impl EventLog + ?Sized)) -> Vec<StoredEvent> {
    scan(of, 1).map(Result::unwrap).collect()
}

fn holder() -> Holder {
    Holder {
        actor: "tester".to_owned(),
        pid: std::process::id(),
        host: "here".to_owned(),
        boot_id: "after the power cut".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        deploy: None,
    }
}

/// The same again, as an event of its own.
fn draft(event: &StoredEvent) -> NewEvent {
    let header = &event.header;
    NewEvent {
        event_id: header.event_id,
        deploy: header.deploy,
        kind: header.kind.clone(),
        schema: header.schema,
        recorded_at: header.recorded_at,
        actor: header.actor.clone(),
        attempt: header.attempt,
        tool: header.tool.clone(),
        payload: event.payload.clone(),
    }
}

/// What is wrong with a journal that a power cut has left: every event up to `told` must be there, and none that never was.
///
/// It is read before it is owned and appended to, or after it.
fn survives(root: &Path, told: u64, all: &[StoredEvent], read_first: bool) -> Result<(), String> {
    let stream = Bench::stream();
    let look = |events: &[StoredEvent]| {
        if all.get(..events.len()) != Some(events) {
            return Err("events that never were".to_owned());
        }
        if (events.len() as u64) < told {
            return Err(format!("{} events where {told} were told of", events.len()));
        }
        Ok(())
    };
    if read_first {
        look(&read(root)?)?;
    }
    let owned = Journal::own(root, &stream, holder())
        .map_err(|error| format!("cannot be owned: {error:?}"))?;
    let found = events(owned.store());
    look(&found)?;
    let head = owned.store().head().map_err(|error| error.to_string())?;
    let next = draft(found.last().unwrap_or(&all[0]));
    let next = owned
        .store()
        .append(&head, vec![next])
        .map_err(|error| format!("cannot be appended to: {error:?}"))?;
    drop(owned);
    if read_first || read(root)? == [found, next].concat() {
        return Ok(());
    }
    Err("what was appended is not there".to_owned())
}

/// Reads a journal, which must be whole; none has no events.
fn read(root: &Path) -> Result<Vec<StoredEvent>, String> {
    let reader = match Journal::read(root, &Bench::stream()) {
        Ok(reader) => reader,
        Err(ReadError::Absent { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot be read: {error:?}")),
    };
    let report = chain::verify(&reader, None).map_err(|error| error.to_string())?;
    match report.damage {
        Some(damage) => Err(format!("reading finds damage: {damage}")),
        None => Ok(events(&reader)),
    }
}

/// Tries every folder that a power cut may leave while these calls are made. Before them a folder with so many events was on disk.
fn cut_at_any_moment(bench: &Bench, known: u64, before: &Tree, calls: &[Call]) {
    let all = read(&bench.journal()).unwrap();
    let check = |root: &Path, told: u64, number: usize| {
        survives(root, told, &all, number.is_multiple_of(2))
    };
    try_every_cut(bench, known, before, calls, check);
}

/// The same with another check: of the journal at a path, the events that were told of, and the number of the folder.
fn try_every_cut(
    bench: &Bench,
    known: u64,
    before: &Tree,
    calls: &[Call],
    check: impl Fn(&Path, u64, usize) -> Result<(), String>,
) {
    let disk = Disk::new(&bench.root(), before, calls);
    let mut tried: BTreeSet<u64> = BTreeSet::new();
    let mut broken = Vec::new();
    for (done, trees) in disk.after_each_call() {
        let told = told(&calls[..done]).max(known);
        for tree in trees {
            let number = tried.len();
            if !tried.insert(hash(&(told, &tree))) {
                continue;
            }
            let folder = in_memory();
            let root = folder.path().join("journals");
            disk::write(&root, &tree);
            if let Err(what) = check(&root.join("journal"), told, number) {
                let files: Vec<_> = tree
                    .iter()
                    .map(|(path, bytes)| (path, bytes.as_ref().map(Vec::len)))
                    .collect();
                broken.push(format!(
                    "after call {done}, {:?}: {what}\n  {files:?}",
                    calls.get(done.wrapping_sub(1)).map(brief)
                ));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} states:\n{}",
        broken.len(),
        tried.len(),
        broken[..broken.len().min(12)].join("\n")
    );
    assert!(tried.len() > 50, "only {} states", tried.len());
}

/// A folder that no disk is asked to keep, where the system has one: the power goes on paper here.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Trees are large, and most of them come again and again.
fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn brief(call: &Call) -> String {
    match call {
        Call::Write {
            path,
            offset,
            bytes,
        } => format!(
            "write {} bytes at {offset} of {}",
            bytes.len(),
            path.display()
        ),
        Call::Say(_) => "told".to_owned(),
        call @ (Call::Open(_)
        | Call::MakeFolder(_)
        | Call::SetLength(..)
        | Call::Rename(..)
        | Call::Exchange(..)
        | Call::Remove(_)
        | Call::Sync(..)) => format!("{call:?}"),
    }
}

#[test]
fn a_journal_that_is_made_and_written_for_the_first_time_survives_a_power_cut() {
    let bench = Bench::new(0);
    let calls = bench.trace(&bench.program, Vec::new());
    assert_eq!(told(&calls), 4);
    cut_at_any_moment(&bench, 0, &Tree::new(), &calls);
}

#[test]
fn a_journal_that_is_opened_again_survives_a_power_cut() {
    let bench = Bench::new(0);
    let mut deploy = bench.command(&bench.program, &bench.deploy());
    run(&mut deploy).ended(4);
    let before = disk::read(&bench.root());
    let calls = bench.trace(&bench.program, Vec::new());
    assert_eq!(told(&calls), 8);
    cut_at_any_moment(&bench, 4, &before, &calls);
}

/// What the killed owner had not synced is not synced when the next one comes.
#[test]
fn a_journal_that_a_killed_owner_left_survives_a_power_cut() {
    let bench = Bench::new(0);
    let program = artifactctl::build_with_failpoints().unwrap();
    let killed = bench.trace(&program, Vec::new());
    assert_eq!(told(&killed), 1);
    let calls = bench.trace(&bench.program, killed);
    assert_eq!(told(&calls), 8, "the take-over is an event of its own");
    cut_at_any_moment(&bench, 0, &Tree::new(), &calls);
}

#[test]
fn a_large_payload_survives_a_power_cut() {
    let bench = Bench::new(journal::PAYLOAD_INLINE_MAX);
    let calls = bench.trace(&bench.program, Vec::new());
    let apart = |call: &Call| matches!(call, Call::Rename(_, to) if to.parent().is_some_and(|folder| folder.ends_with("payloads")));
    assert!(calls.iter().any(apart), "a payload lies apart");
    cut_at_any_moment(&bench, 0, &Tree::new(), &calls);
}

#[test]
fn an_import_survives_a_power_cut() {
    let from = Bench::new(0);
    run(&mut from.command(&from.program, &from.deploy())).ended(4);
    let export = run(&mut from.command(&from.program, &["export".to_owned()])).ended(0);
    let bench = Bench::new(0);
    let file = bench.path("export.jsonl");
    std::fs::write(&file, export.stdout).unwrap();
    let words = ["import", "--format", "json", file.to_str().unwrap()].map(str::to_owned);
    let calls = bench.trace_words(&bench.program, &words, Vec::new());
    assert_eq!(told(&calls), 4);
    cut_at_any_moment(&bench, 0, &Tree::new(), &calls);
}
