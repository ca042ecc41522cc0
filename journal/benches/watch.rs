//! What watching costs who deploys: durable appends with nobody watching, and with twenty.
//!
//! The watchers are a process of its own, as a `watch` is, and look for news as often. Rounds with and without them take turns, with a pause between
//! appends: a deploy appends now and then. It prints and judges nothing; the aim is a ratio of 1.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use journal::{EventLog, Follower, Holder, Journal, NewEvent, Owned, SUPPORTED, Store, StreamId};
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WATCHERS: usize = 20;
const ROUNDS: usize = 6;
const APPENDS: usize = 40;
/// Between two appends.
const PAUSE: Duration = Duration::from_millis(10);
/// How often a watcher looks for news, as `artifactctl watch` does.
const LOOKING: Duration = Duration::from_millis(50);
/// Set for the process that watches: the root of the journals.
const WATCH: &str = "JOURNAL_BENCH_WATCH";

fn main() -> Outcome {
    if let Some(root) = std::env::var_os(WATCH) {
        return watch(Path::new(&root));
    }
    let root = tempfile::tempdir()?;
    let owned = Journal::own(root.path(), &stream()?, holder())?;
    append(&owned, 0)?;
    let (mut alone, mut watched, mut number) = (Vec::new(), Vec::new(), 1);
    for _ in 0..ROUNDS {
        for with_watchers in [false, true] {
            let watchers = with_watchers.then(|| start(root.path())).transpose()?;
            let times = if with_watchers {
                &mut watched
            } else {
                &mut alone
            };
            for _ in 0..APPENDS {
                thread::sleep(PAUSE);
                let begun = Instant::now();
                append(&owned, number)?;
                times.push(begun.elapsed());
                number += 1;
            }
            if let Some(mut watchers) = watchers {
                watchers.kill()?;
                watchers.wait()?;
            }
        }
    }
    println!("{} appends each, times in ms\n", ROUNDS * APPENDS);
    println!("{:<14} {:>8} {:>8}", "", "p50", "p95");
    for (name, times) in [("alone", &mut alone), ("20 watchers", &mut watched)] {
        times.sort();
        let at = |percent| ms(times[(times.len() - 1) * percent / 100]);
        println!("{name:<14} {:>8.3} {:>8.3}", at(50), at(95));
    }
    let p50 = |times: &[Duration]| ms(times[times.len() / 2]);
    println!("{:<14} {:>8.2}", "ratio", p50(&watched) / p50(&alone));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn stream() -> Outcome<StreamId> {
    Ok(StreamId::new("bench", "dev")?)
}

fn holder() -> Holder {
    Holder {
        actor: "ada@forge".to_owned(),
        pid: std::process::id(),
        host: "forge".to_owned(),
        boot_id: String::new(),
        since: Timestamp::UNIX_EPOCH,
        deploy: None,
    }
}

fn append(owned: &Owned, number: usize) -> Outcome {
    let store = owned.store();
    let draft = NewEvent {
        event_id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + number as u128),
        deploy: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000),
        kind: "ImageBuilt".to_owned(),
        schema: SUPPORTED,
        recorded_at: Timestamp::UNIX_EPOCH,
        actor: "ada@forge".to_owned(),
        attempt: 1,
        tool: "0.1.0".to_owned(),
        payload: vec![b'x'; 600],
    };
    store.append(&store.head()?, vec![draft])?;
    Ok(())
}

/// Starts the process that watches, and waits until all of its watchers have caught up.
fn start(root: &Path) -> Outcome<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(WATCH, root)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("the child has an output")?;
    let caught_up = BufReader::new(output).lines().take(WATCHERS);
    for line in caught_up {
        line?;
    }
    Ok(child)
}

fn watch(root: &Path) -> Outcome {
    let stream = stream()?;
    thread::scope(|scope| {
        for number in 0..WATCHERS {
            let stream = &stream;
            scope.spawn(move || {
                let Ok(reader) = Journal::read(root, stream) else {
                    return;
                };
                let mut follower = Follower::new(reader, 1);
                let (mut seen, mut said) = (0, false);
                loop {
                    // An owner that has more readers than it answers at a time is asked again.
                    let page = follower.poll().unwrap_or_default();
                    seen += page.len();
                    if page.is_empty() {
                        if seen > 0 && !said {
                            println!("watcher {number} has caught up");
                            said = true;
                        }
                        thread::sleep(LOOKING);
                    }
                }
            });
        }
    });
    Ok(())
}
