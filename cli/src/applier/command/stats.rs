//! `journal stats`: what each journal holds, and what it takes on its disk.

use std::path::Path;
use std::process::ExitCode;

use engine::machine::State;
use engine::run::latest_state;
use engine::views::begins_deploy;
use jiff::Timestamp;
use journal::{EventLog, Journal, StreamId};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::StatsArgs;
use crate::applier::failing::Failing;
use crate::applier::ids::Ids;
use crate::applier::target;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{bytes, counted};
use crate::when;

/// What the journal of one target holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Stats {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// How many events the journal has.
    events: u64,
    /// How many events before them were pruned.
    pruned: u64,
    /// How many deploys they belong to.
    deploys: u64,
    /// Headers and payloads, as they are hashed.
    event_bytes: u64,
    /// How many documents the journal keeps.
    documents: u64,
    /// As they are kept: compressed, and equal ones once.
    document_bytes: u64,
    /// Everything in the folder of the target, with what the storage needs for itself.
    disk_bytes: u64,
    /// When the first event was recorded; none when there is no event.
    since: Option<Timestamp>,
    /// When the last event was recorded.
    last_at: Option<Timestamp>,
    /// The deploy that is neither applied nor abandoned. An older tool cannot tell what a newer one left.
    unfinished: Option<Uuid>,
    #[serde(skip)]
    ids: Ids,
}

/// Shows each journal, and all of them together.
pub(crate) fn run(global: &Global, args: &StatsArgs, output: &Output) -> Ended {
    let (root, targets) = target::all_or(global, args.target.as_deref())?;
    let mut failing = Failing::among(&targets);
    let mut all = Vec::new();
    for stream in &targets {
        if let Some(stats) = failing.of(stream, of_target(&root, stream)) {
            if output.is_json() {
                Output::json(Type::Stats, &stats)?;
            }
            all.push(stats);
        }
    }
    if targets.is_empty() {
        target::nothing_in(&root);
    } else if !all.is_empty() && !output.is_json() {
        Output::page(&table(&all))?;
    }
    failing.ended(ExitCode::SUCCESS)
}

fn of_target(root: &Path, stream: &StreamId) -> Result<Stats, Failure> {
    let reader = target::reader(root, stream)?;
    let failed = |error| target::store_failure(&error);
    let disk = Journal::disk_use(root, stream).map_err(|error| target::read_failure(&error))?;
    let state = match latest_state(&reader) {
        Err(error) if error.is_newer() => State::default(),
        state => state.map_err(|error| target::deploy_journal_failure(&error))?,
    };
    let mut stats = Stats {
        target: stream.to_string(),
        events: 0,
        pruned: reader.checkpoint().map_err(failed)?.sequence,
        deploys: 0,
        event_bytes: 0,
        documents: disk.documents,
        document_bytes: disk.document_bytes,
        disk_bytes: disk.total_bytes,
        since: None,
        last_at: None,
        unfinished: state.unfinished().map(|deploy| deploy.id),
        ids: Ids::of(&reader, false).map_err(failed)?,
    };
    for event in journal::scan_all(&reader) {
        let event = event.map_err(failed)?;
        stats.events += 1;
        stats.deploys += u64::from(begins_deploy(&event));
        stats.event_bytes += event.size();
        stats.since = stats.since.or(Some(event.header.recorded_at));
        stats.last_at = Some(event.header.recorded_at);
    }
    Ok(stats)
}

/// One line for each journal, and where there are several one for all of them; then the deploys that are unfinished.
fn table(all: &[Stats]) -> Page {
    let head = [
        "TARGET", "EVENTS", "DEPLOYS", "BYTES", "KEPT", "ON DISK", "SINCE",
    ];
    let mut rows: Vec<Vec<String>> = all.iter().map(row).collect();
    if all.len() > 1 {
        let sum = |of: fn(&Stats) -> u64| all.iter().map(of).sum::<u64>();
        rows.push(vec![
            "all".to_owned(),
            sum(|one| one.events).to_string(),
            sum(|one| one.deploys).to_string(),
            bytes(sum(|one| one.event_bytes)),
            bytes(sum(|one| one.document_bytes)),
            bytes(sum(|one| one.disk_bytes)),
            day(all.iter().filter_map(|one| one.since).min()),
        ]);
    }
    let last = all.len();
    let toned = |(place, row): (usize, Vec<String>)| {
        let tone = if place == last {
            Tone::Strong
        } else {
            Tone::Plain
        };
        row.into_iter().map(|cell| (tone, cell)).collect()
    };
    let mut page = Page::default();
    page.table(&head, rows.into_iter().enumerate().map(toned).collect());
    for stats in all {
        if stats.pruned > 0 {
            let said = format!(": {} before them pruned", counted(stats.pruned, "event"));
            page.line(Line::new(&stats.target).and(Tone::Dim, said));
        }
        if let Some(deploy) = stats.unfinished {
            let said = format!(": deploy {} is unfinished", stats.ids.shown(deploy));
            page.line(Line::new(&stats.target).and(Tone::Warn, said));
        }
    }
    page
}

fn row(stats: &Stats) -> Vec<String> {
    vec![
        stats.target.clone(),
        stats.events.to_string(),
        stats.deploys.to_string(),
        bytes(stats.event_bytes),
        bytes(stats.document_bytes),
        bytes(stats.disk_bytes),
        day(stats.since),
    ]
}

fn day(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), when::day)
}
