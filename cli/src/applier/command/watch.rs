//! `watch`: a target, live. Events are printed as they are recorded, from the owner while there is one, else from the store.

mod telling;

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use engine::machine::{self, Event, Next, next};
use engine::run::{latest_deploy, latest_state};
use journal::{EventLog, Follower, Journal, ReadError, Reader, StoreError, StoredEvent, StreamId};
use uuid::Uuid;

use crate::applier::args::Watch;
use crate::applier::posting::Sent;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::process_limits;
use crate::program::Ended;
use crate::report::talk;
use crate::signals;
use telling::Telling;

/// How often it is looked whether there is something new: a small file is read.
const LOOKING: Duration = Duration::from_millis(50);
/// How long a deploy that nobody runs may stand still before that is said: its last event may be on its way.
const ABSENT: Duration = Duration::from_secs(2);
/// Events that may wait to be written before reading waits as well.
const WAITING: usize = 1024;

/// Follows until somebody stops it, or until the deploy ends.
pub(crate) fn run(global: &Global, args: &Watch, output: &Output) -> Ended {
    let (root, stream) = match &args.target {
        Some(text) => target::named(global, text)?,
        None => target::one(global, None)?,
    };
    if let Err(failure) = target::must_have_journal(&root, &stream) {
        if !args.new || failure.kind != Kind::Refused {
            return Err(failure.hint("`--new` waits for the first deploy onto a target"));
        }
        talk(&format!(
            "`{stream}` has no journal yet; waiting for its first deploy"
        ));
    }
    let runtime = process_limits::runtime()?;
    let place = (root.as_path(), &stream);
    let mut telling = Telling::new(args, place, &runtime)?;
    let (stop, stopped) = sync_channel(1);
    runtime
        .block_on(async { signals::listen() })
        .map(|interrupts| {
            // Reading can wait for an owner that does not answer; whoever stops it does not wait for that.
            runtime.spawn(async move {
                interrupts.first().await;
                let _ = stop.try_send(());
            })
        })?;
    let (found, recorded) = sync_channel(WAITING);
    let from = match args.from {
        None => telling.next(|reader| begin(reader))?,
        from => from,
    };
    let reading = thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || {
            if let Err(failure) = read(&root, &stream, from, &found) {
                let _ = found.send(Err(failure));
            }
        });
    reading.map_err(|error| Failure::of(Kind::Internal, &error))?;
    let ended = show(args, output, &mut telling, &recorded, &stopped);
    drop(telling);
    runtime.shutdown_background();
    ended
}

/// Hands on every event, in order, for ever.
fn read(
    root: &Path,
    stream: &StreamId,
    from: Option<u64>,
    to: &SyncSender<Result<StoredEvent, Failure>>,
) -> Result<(), Failure> {
    let reader = loop {
        match Journal::read(root, stream) {
            Ok(reader) => break reader,
            // It is made by its first deploy.
            Err(ReadError::Absent { .. }) => thread::sleep(LOOKING),
            Err(ReadError::Busy { path } | ReadError::Store(StoreError::Silent { path, .. })) => {
                busy(&path);
            }
            Err(error) => return Err(target::read_failure(&error)),
        }
    };
    let from = loop {
        match from.map_or_else(|| begin(&reader), Ok) {
            Ok(from) => break from,
            Err(failure) if failure.kind == Kind::Refused => busy(root),
            Err(failure) => return Err(failure),
        }
    };
    let mut follower = Follower::new(reader, from);
    let mut absence = Absence::default();
    loop {
        match follower.poll() {
            Ok(page) if page.is_empty() => {
                absence.look(follower.reader());
                thread::sleep(LOOKING);
            }
            Ok(page) => {
                for event in page {
                    absence.hear(&event);
                    if to.send(Ok(event)).is_err() {
                        return Ok(());
                    }
                }
            }
            Err(StoreError::Busy { path } | StoreError::Silent { path, .. }) => busy(&path),
            Err(error) => return Err(target::store_failure(&error)),
        }
    }
}

/// A deploy that is under way and has nobody who runs it: its process was killed.
#[derive(Default)]
struct Absence {
    /// The deploy of the last event, unless it ended with that.
    under_way: Option<Uuid>,
    /// When it was looked for who runs it, nobody did, and that has not been said.
    since: Option<Instant>,
    said: bool,
}

impl Absence {
    fn hear(&mut self, event: &StoredEvent) {
        *self = Self {
            under_way: goes_on(event).then_some(event.header.deploy),
            ..Self::default()
        };
    }

    fn look(&mut self, reader: &Reader) {
        let Some(deploy) = self.under_way.filter(|_| !self.said) else {
            return;
        };
        // Whoever does not answer is there.
        if !matches!(reader.holder(), Ok(None)) {
            self.since = None;
            return;
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() > ABSENT {
            self.said = true;
            talk(&format!(
                "nobody runs deploy {deploy} any more; still watching, `artifactctl resume {}` goes on with it",
                reader.stream()
            ));
        }
    }
}

/// An owner that is stopped, or very slow: it is said, and waited for.
fn busy(path: &Path) {
    talk(&format!(
        "nobody answers for `{}`; still watching",
        path.display()
    ));
}

/// The first event of the deploy that is under way, else the one that comes next.
fn begin(events: &dyn EventLog) -> Result<u64, Failure> {
    let head = events
        .head()
        .map_err(|error| target::store_failure(&error))?;
    let state = latest_state(events).map_err(|error| target::deploy_journal_failure(&error))?;
    let under_way = match next(&state) {
        Next::Rest => None,
        Next::Record(_) | Next::Perform(_) => {
            latest_deploy(events).map_err(|error| target::deploy_journal_failure(&error))?
        }
    };
    Ok(under_way.unwrap_or(head.sequence.saturating_add(1)))
}

fn show(
    args: &Watch,
    output: &Output,
    telling: &mut Telling<'_>,
    recorded: &Receiver<Result<StoredEvent, Failure>>,
    stopped: &Receiver<()>,
) -> Ended {
    let interrupted = || Ok(ExitCode::from(Kind::Interrupted.code()));
    let is_stopped = || stopped.try_recv().is_ok();
    loop {
        if is_stopped() {
            return interrupted();
        }
        if Output::is_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        let event = match recorded.recv_timeout(LOOKING) {
            Ok(event) => event?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
        };
        if telling.tell(&event, output, is_stopped)? == Sent::Stopped {
            return interrupted();
        }
        if args.exit_code
            && let Some(ended) = ended(&event)
        {
            return ended;
        }
    }
}

/// Says whether a deploy goes on after an event.
fn goes_on(event: &StoredEvent) -> bool {
    let header = &event.header;
    match machine::decode(&header.kind, header.schema, &event.payload) {
        Ok(
            Event::Requested(_)
            | Event::Observed(_)
            | Event::CompatChecked(_)
            | Event::Merged(_)
            | Event::ImagesKept(_)
            | Event::ImageBuilt(_)
            | Event::Resumed(_)
            | Event::TakenOver(_),
        ) => true,
        Ok(
            Event::Applied(_)
            | Event::Failed(_)
            | Event::Abandoned(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::DriftFound(_)
            | Event::Pruned(_),
        )
        | Err(_) => false,
    }
}

/// How a deploy ends with an event; none when it goes on.
fn ended(event: &StoredEvent) -> Option<Ended> {
    let header = &event.header;
    match machine::decode(&header.kind, header.schema, &event.payload).ok()? {
        Event::Applied(_) => Some(Ok(ExitCode::SUCCESS)),
        Event::Failed(failed) => Some(Err(Failure::from(failed))),
        Event::Abandoned(_) => Some(Err(Failure::new(
            Kind::Refused,
            format!("deploy {} was abandoned", header.deploy),
        ))),
        Event::Requested(_)
        | Event::Observed(_)
        | Event::CompatChecked(_)
        | Event::Merged(_)
        | Event::ImagesKept(_)
        | Event::ImageBuilt(_)
        | Event::Resumed(_)
        | Event::TakenOver(_)
        | Event::Held(_)
        | Event::Released(_)
        | Event::DriftFound(_)
        | Event::Pruned(_) => None,
    }
}
