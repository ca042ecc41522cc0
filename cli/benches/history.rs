//! What questions to a journal cost when it has 1,000,000 events in 100,000 deploys, as whole processes, next to the same questions to a
//! journal of one deploy.
//!
//! The deploys are made on the simulated stack: five functions, of which each deploy builds all and changes one value. What was recorded
//! is written as an export and imported by the program, so the journal is one that it wrote itself. `HISTORY_DEPLOYS` makes fewer,
//! and what lies in `HISTORY_FOLDER` from an earlier run is asked again.
//!
//! Files are in the page cache. Where this process may empty it, each question is asked once more right after that, which is what
//! somebody meets who asks for the first time in a day. It prints a table, and ends with 1 when a limit is not kept.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use engine::contract::{Digest, FunctionName};
use engine::load::{self, Artifact};
use engine::machine::{Requested, sample};
use engine::run::simulated::{self, SimulatedWorld, Truth};
use engine::run::{Author, DeployJournal, Stamp};
use jiff::Timestamp;
use journal::{EventLog, MemoryStore, StreamId};
use nix::sys::resource::{UsageWho, getrusage};
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const DEPLOYS: usize = 100_000;
const FUNCTIONS: [&str; 5] = ["cart", "mail", "orders", "stock", "users"];
const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dan"];
const ROUNDS: usize = 5;
/// What a question about the present, or about one deploy, may take, and how much memory.
const QUESTION: Duration = Duration::from_millis(60);
const MEMORY: i64 = 64;
/// What may pass until the first line of a filter.
const FIRST_LINE: Duration = Duration::from_millis(100);
/// What a filter over the whole journal may take.
const WHOLE: Duration = Duration::from_secs(3);
/// Events that are verified in a second.
const VERIFIED: f64 = 400_000.0;
/// Events that are written as CloudEvents in a second.
const CLOUDEVENTS: f64 = 100_000.0;

fn main() -> Outcome<ExitCode> {
    let deploys = match std::env::var("HISTORY_DEPLOYS") {
        Ok(text) => text.parse()?,
        Err(_) => DEPLOYS,
    };
    let temporary = tempfile::tempdir()?;
    let kept = std::env::var_os("HISTORY_FOLDER").map(PathBuf::from);
    let work = kept.as_deref().unwrap_or(temporary.path());
    let long = Asked::new(work, "long", deploys)?;
    let short = Asked::new(work, "short", 1)?;
    println!("{} events in {deploys} deploys\n", long.events);
    let mut fits = true;
    println!("| question | median | of one deploy | ratio | with an empty cache | limit |");
    println!("|---|---|---|---|---|---|");
    let middle = (long.events / 2).to_string();
    let end = short.events.to_string();
    let questions: [&[&str]; 8] = [
        &["history", "-n", "20"],
        &["show"],
        &["show", "latest~1"],
        &["status"],
        &["blame", "orders"],
        &["assert", "latest", "Requested ... Applied"],
        &["history", "-n", "20", "--at", &middle],
        &["blame", "orders", "--at", &middle],
    ];
    for words in questions {
        let (of_long, cold) = long.ask(words)?;
        let of_one: Vec<&str> = words
            .iter()
            .map(|word| match *word {
                word if word == middle => &end,
                "latest~1" => "latest",
                word => word,
            })
            .collect();
        let (of_short, _) = short.ask(&of_one)?;
        let ratio = of_long.as_secs_f64() / of_short.as_secs_f64();
        let name = words.join(" ");
        println!(
            "| {name} | {of_long:.1?} | {of_short:.1?} | {ratio:.2} | {cold} | {QUESTION:?} |"
        );
        fits &= of_long < QUESTION;
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() >> 10;
    println!(
        "\nmost memory of an import or a question: {memory} MiB; limit of a question: {MEMORY} MiB\n"
    );
    println!("| over the whole journal | took | first line | limit |\n|---|---|---|---|");
    for words in [
        &["history", "--actor", "ada", "-n", "1000000"][..],
        &[
            "history",
            "--since",
            "2026-01-01",
            "--function",
            "mail",
            "-n",
            "1000000",
        ],
        &["history", "--failed", "-n", "1000000"],
        &["stacks"],
    ] {
        let (first, all) = long.lines(words)?;
        println!(
            "| {} | {all:.1?} | {first:.1?} | {WHOLE:?}, {FIRST_LINE:?} |",
            words.join(" ")
        );
        fits &= all < WHOLE && first < FIRST_LINE;
    }
    println!("\n| events a second | seen | at least |\n|---|---|---|");
    for (words, least) in [
        (&["verify"][..], VERIFIED),
        (&["export", "--as", "cloudevents"], CLOUDEVENTS),
    ] {
        let (_, all) = long.lines(words)?;
        let seen = f64::from(u32::try_from(long.events)?) / all.as_secs_f64();
        println!("| {} | {seen:.0} | {least:.0} |", words.join(" "));
        fits &= seen >= least;
    }
    Ok(if fits {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A journal that is asked.
struct Asked {
    folder: PathBuf,
    events: u64,
}

impl Asked {
    fn new(work: &Path, name: &str, deploys: usize) -> Outcome<Self> {
        let folder = work.join(name);
        let noted = folder.join("events");
        if let Ok(events) = fs::read_to_string(&noted) {
            let events = events.parse()?;
            return Ok(Self { folder, events });
        }
        fs::create_dir_all(&folder)?;
        let begun = Instant::now();
        let store = deployed(&folder, deploys)?;
        let events = store.head()?.sequence;
        let export = folder.join("export.jsonl");
        let mut file = BufWriter::new(File::create(&export)?);
        journal::transfer::export(&store, &mut file)?;
        file.flush()?;
        drop(store);
        let made = begun.elapsed();
        let asked = Self { folder, events };
        let begun = Instant::now();
        let import = asked.command(&["import", "export.jsonl"]).output()?;
        if !import.status.success() {
            return Err(String::from_utf8_lossy(&import.stderr).into());
        }
        println!(
            "{name}: made in {made:.1?}, imported in {:.1?}",
            begun.elapsed()
        );
        fs::remove_file(export)?;
        fs::write(noted, events.to_string())?;
        Ok(asked)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artifactctl"));
        command
            .args(words)
            .current_dir(&self.folder)
            .env("ARTIFACTCTL_JOURNAL", self.folder.join("journal"))
            // Nobody answers there, at once: what is measured is the journal.
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .stdin(Stdio::null());
        command
    }

    /// The median, and what it takes with an empty cache.
    fn ask(&self, words: &[&str]) -> Outcome<(Duration, String)> {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(self.timed(words)?);
        }
        times.sort();
        let cold = if fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
            format!("{:.1?}", self.timed(words)?)
        } else {
            "not measured".to_owned()
        };
        Ok((times[ROUNDS / 2], cold))
    }

    fn timed(&self, words: &[&str]) -> Outcome<Duration> {
        let begun = Instant::now();
        let output = self.command(words).output()?;
        let took = begun.elapsed();
        if !output.status.success() {
            return Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(took)
    }

    /// When the first line came, and the last.
    fn lines(&self, words: &[&str]) -> Outcome<(Duration, Duration)> {
        let begun = Instant::now();
        let mut asked = self.command(words).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(asked.stdout.take().ok_or("it has no output")?);
        let mut line = Vec::new();
        output.read_until(b'\n', &mut line)?;
        let first = begun.elapsed();
        std::io::copy(&mut output, &mut std::io::sink())?;
        if !asked.wait()?.success() {
            return Err(format!("{words:?} failed").into());
        }
        Ok((first, begun.elapsed()))
    }
}

/// Deploys in turn two artifacts that differ in one value, with all sources edited each time.
fn deployed(folder: &Path, deploys: usize) -> Outcome<MemoryStore> {
    let artifacts = ["hi", "hello"].map(|greeting| artifact(folder, greeting));
    let artifacts: Vec<(Artifact, String)> = artifacts.into_iter().collect::<Outcome<_>>()?;
    let store = MemoryStore::new(StreamId::new("bench", "dev")?);
    let clock = Clock(AtomicI64::new(0));
    let mut truth = Truth::new(sample::observation("bench", &[("gateway", "1.4.2")]));
    for number in 0..deploys {
        let (artifact, path) = &artifacts[number % 2];
        let digests: BTreeMap<String, Digest> = load::build_inputs(artifact)?
            .digests()
            .into_keys()
            .map(|name| (name, Digest::of(number.to_string())))
            .collect();
        for name in digests.keys() {
            let function = FunctionName::parse(name).ok_or("it is a name")?;
            truth.sources.insert(function, number.to_string());
        }
        let request = Requested {
            manifest_path: path.clone(),
            ..sample::requested(artifact.digest_with(&digests), artifact.manifest.clone())
        };
        let author = Author {
            actor: PEOPLE[number % PEOPLE.len()].to_owned(),
            tool: "bench".to_owned(),
        };
        let world = SimulatedWorld::new(truth.clone(), BTreeMap::new());
        let mut journal = DeployJournal::open(&store, &clock, author)?;
        simulated::deploy(&world, artifact, &mut journal, request)?;
        truth = world.truth();
        // What the registry and the tally of an earlier deploy hold is asked for by none of the next.
        truth.keyed.clear();
        truth.builds.clear();
    }
    Ok(store)
}

fn artifact(folder: &Path, greeting: &str) -> Outcome<(Artifact, String)> {
    let root = folder.join(greeting);
    let put = |path: &str, text: &str| -> Outcome {
        let path = root.join(path);
        fs::create_dir_all(path.parent().ok_or("it lies in a folder")?)?;
        Ok(fs::write(path, text)?)
    };
    put(
        "artifact.yml",
        "schema_version: \"1\"\nproject: bench\nenv: dev\nmode: docker\n\
         runtime_stack: {api_version: \"1.0\", mode: docker, requires: {gateway: \"^1.4\"}}\n\
         artifacts:\n  - artifact_root: svc\n    runtime_config_dir: config\n",
    )?;
    let (mut functions, mut routes) = (String::from("functions:\n"), String::from("routes:\n"));
    for name in FUNCTIONS {
        functions.push_str(&format!(
            "  {name}:\n    image: registry:5000/{name}:latest\n    environment: {{GREETING: {greeting}}}\n"
        ));
        routes.push_str(&format!(
            "  - {{path: /{name}, method: GET, function: {name}}}\n"
        ));
        put(
            &format!("svc/functions/{name}/Dockerfile"),
            "FROM scratch\n",
        )?;
    }
    put("svc/config/functions.yml", &functions)?;
    put("svc/config/routing.yml", &routes)?;
    let path = root.join("artifact.yml");
    Ok((load::artifact(&path)?, path.display().to_string()))
}

/// A minute passes with each look; ids count.
struct Clock(AtomicI64);

/// 2020-01-01, in milliseconds.
const BEGIN: i64 = 1_577_836_800_000;

impl Stamp for Clock {
    fn now(&self) -> Timestamp {
        let look = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millisecond(BEGIN + look * 100).unwrap_or_default()
    }

    fn id(&self) -> Uuid {
        let look = self.0.fetch_add(1, Ordering::Relaxed).unsigned_abs();
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&look.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let moment = BEGIN.unsigned_abs() + look * 100;
        uuid::Builder::from_unix_timestamp_millis(moment, &bytes).into_uuid()
    }
}
