//! What keeping an event durably costs, against the least that the disk asks for.
//!
//! One durable append of an event with 600 bytes of payload, and of ten events at once, next to a raw write and `fdatasync` of the same payload bytes
//! and to `SQLite` (WAL, `synchronous=FULL`), interleaved in one run and in one folder. It prints and judges nothing: the aim is a ratio of
//! at most 2.0 to the raw write.
//!
//! `JOURNAL_BENCH_FOLDER` says where (the temporary folder otherwise). `JOURNAL_BENCH_EVENTS=1000000` also builds a journal of so many
//! events, and measures opening it and reading the newest 20 deploys in a process of its own. `JOURNAL_BENCH_VERIFY=1` verifies it as well.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use journal::{EventLog, NewEvent, SUPPORTED, SledStore, Store, StreamId};
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const ROUNDS: u64 = 400;
const PAYLOAD: usize = 600;
const EVENTS_OF_A_DEPLOY: u64 = 10;
const BATCH: u64 = 10;
/// How often the large journal is closed and opened while it is built; a deploy appends far fewer events than such a session.
const SESSIONS: u64 = 50;
/// Set for the process that opens the large journal: the folder.
const OPEN: &str = "JOURNAL_BENCH_OPEN";

fn main() -> Outcome {
    if let Some(folder) = std::env::var_os(OPEN) {
        return open_large(Path::new(&folder));
    }
    let folder =
        std::env::var_os("JOURNAL_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let work = tempfile::TempDir::new_in(&folder)?;
    println!("{}", machine(work.path()));
    appends(work.path())?;
    if let Some(events) = std::env::var_os("JOURNAL_BENCH_EVENTS") {
        let events = events
            .to_str()
            .ok_or("JOURNAL_BENCH_EVENTS is not a number")?;
        large(work.path(), events.parse()?)?;
    }
    Ok(())
}

fn stream() -> Outcome<StreamId> {
    Ok(StreamId::new("bench", "dev")?)
}

fn draft(number: u64) -> NewEvent {
    let deploy = number / EVENTS_OF_A_DEPLOY;
    let mut payload = format!("{{\"number\":{number},\"text\":\"").into_bytes();
    payload.resize(PAYLOAD - 2, b'x');
    payload.extend_from_slice(b"\"}");
    NewEvent {
        event_id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)),
        deploy: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(deploy)),
        kind: "ImageBuilt".to_owned(),
        schema: SUPPORTED,
        recorded_at: Timestamp::UNIX_EPOCH,
        actor: "ada@forge".to_owned(),
        attempt: 1,
        tool: "0.1.0".to_owned(),
        payload,
    }
}

/// One way to keep some payloads durably.
trait Way {
    fn append(&mut self, drafts: Vec<NewEvent>) -> Outcome;
}

struct Raw(File);

impl Way for Raw {
    fn append(&mut self, drafts: Vec<NewEvent>) -> Outcome {
        let bytes: Vec<u8> = drafts.into_iter().flat_map(|draft| draft.payload).collect();
        self.0.write_all(&bytes)?;
        Ok(self.0.sync_data()?)
    }
}

struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(path: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute(
            "create table event (sequence integer primary key, payload blob)",
            (),
        )?;
        Ok(Self(connection))
    }
}

impl Way for Sqlite {
    fn append(&mut self, drafts: Vec<NewEvent>) -> Outcome {
        let transaction = self.0.transaction()?;
        for draft in drafts {
            transaction
                .prepare_cached("insert into event (payload) values (?)")?
                .execute([draft.payload])?;
        }
        Ok(transaction.commit()?)
    }
}

struct StoredHead(SledStore);

impl Way for StoredHead {
    fn append(&mut self, drafts: Vec<NewEvent>) -> Outcome {
        self.0.append(&self.0.head()?, drafts)?;
        Ok(())
    }
}

/// Measures every way, one after the other in each round, so that drift of the machine is shared.
fn appends(work: &Path) -> Outcome {
    let mut ways: [(&str, Box<dyn Way>); 3] = [
        (
            "write + fdatasync",
            Box::new(Raw(File::create(work.join("raw"))?)),
        ),
        (
            "journal",
            Box::new(StoredHead(SledStore::open(&work.join("store"), stream()?)?)),
        ),
        (
            "SQLite WAL FULL",
            Box::new(Sqlite::open(&work.join("sqlite"))?),
        ),
    ];
    let mut single = [const { Vec::new() }; 3];
    let mut batch = [const { Vec::new() }; 3];
    let mut number = 0;
    for round in 0..ROUNDS {
        for (times, size) in [(&mut single, 1), (&mut batch, BATCH)] {
            for turn in 0..3 {
                // Whoever comes first in a round may pay for what the others left to the file system.
                let way = (usize::try_from(round)? + turn) % 3;
                let drafts = (number..number + size).map(draft).collect();
                let begun = Instant::now();
                ways[way].1.append(drafts)?;
                times[way].push(begun.elapsed());
            }
            number += size;
        }
    }
    println!("{ROUNDS} rounds, payloads of {PAYLOAD} bytes, times in ms\n");
    println!(
        "{:<20} {:>8} {:>8} {:>7}   {:>8} {:>8} {:>7}",
        "", "1: p50", "p95", "ratio", "10: p50", "p95", "ratio"
    );
    let raw = [
        percentile(&mut single[0], 50),
        percentile(&mut batch[0], 50),
    ];
    for (way, (name, _)) in ways.iter().enumerate() {
        print!("{name:<20}");
        for (times, raw) in [&mut single[way], &mut batch[way]].into_iter().zip(raw) {
            let (p50, p95) = (percentile(times, 50), percentile(times, 95));
            let ratio = p50.as_secs_f64() / raw.as_secs_f64();
            print!(" {:>8.3} {:>8.3} {ratio:>7.2}  ", ms(p50), ms(p95));
        }
        println!();
    }
    Ok(())
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Builds a large journal and has another process open it.
fn large(work: &Path, events: u64) -> Outcome {
    let folder = work.join("large");
    let begun = Instant::now();
    let mut number = 0;
    for session in 1..=SESSIONS {
        let store = SledStore::open(&folder, stream()?)?;
        while number < events * session / SESSIONS {
            let size = 200.min(events - number);
            store.append(&store.head()?, (number..number + size).map(draft).collect())?;
            number += size;
        }
    }
    println!(
        "\n{events} events: built in {SESSIONS} sessions, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    for _ in 0..4 {
        let child = Command::new(std::env::current_exe()?)
            .env(OPEN, &folder)
            .output()?;
        print!("{}", String::from_utf8_lossy(&child.stdout));
        if !child.status.success() {
            return Err(String::from_utf8_lossy(&child.stderr).into());
        }
    }
    Ok(())
}

fn open_large(folder: &Path) -> Outcome {
    let begun = Instant::now();
    let store = SledStore::open(folder, stream()?)?;
    let opened = begun.elapsed();
    let deploys = store.latest_deploys(None, 20)?;
    let mut read = 0;
    let mut end = store.head()?.sequence + 1;
    for (first, _) in &deploys {
        read += store.events(*first, usize::try_from(end - first)?)?.len();
        end = *first;
    }
    let newest = begun.elapsed();
    println!(
        "opened in {:.3} s; with the newest {} deploys, {read} events: {:.3} s, at most {} of memory",
        opened.as_secs_f64(),
        deploys.len(),
        newest.as_secs_f64(),
        peak_memory()?
    );
    if std::env::var_os("JOURNAL_BENCH_VERIFY").is_some() {
        let begun = Instant::now();
        let report = journal::chain::verify(&store, None)?;
        println!(
            "verified {} events in {:.1} s, at most {} of memory",
            report.events,
            begun.elapsed().as_secs_f64(),
            peak_memory()?
        );
    }
    Ok(())
}

/// The most memory that this process has had.
fn peak_memory() -> Outcome<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(peak.unwrap_or("an unknown amount").trim().to_owned())
}

/// What it was measured on.
fn machine(work: &Path) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let mounts = read("/proc/self/mounts");
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(point, _)| work.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or("unknown", |(_, kind)| kind);
    format!(
        "{} x {model}, Linux {}, {mount}, load {}",
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or("?")
    )
}
