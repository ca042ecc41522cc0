//! `replay`: what this program would decide of recorded deploys, against what was recorded.

use std::io::{BufReader, Read};
use std::process::ExitCode;

use engine::run::{DeployJournalError, Divergence, Replay};
use journal::StreamId;
use journal::transfer::{Whole, check_each};
use serde::Serialize;

use crate::applier::args::Replay as ReplayArgs;
use crate::applier::command::transfer;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::counted;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Replayed<'a> {
    /// The target.
    stream: &'a StreamId,
    /// How many events were decided again.
    events: u64,
    /// How many deploys they belong to.
    deploys: u64,
    /// Deploys with events of a newer tool, which could not be replayed.
    unread: u64,
    /// The first event that would have been decided otherwise.
    divergence: Option<&'a Divergence>,
}

/// One history, up to its first divergence.
#[derive(Default)]
struct History {
    replay: Replay,
    divergence: Option<Divergence>,
    broken: Option<DeployJournalError>,
}

impl History {
    fn add(&mut self, event: &journal::StoredEvent) {
        if self.divergence.is_some() || self.broken.is_some() {
            return;
        }
        match self.replay.add(event) {
            Ok(divergence) => self.divergence = divergence,
            Err(error) => self.broken = Some(error),
        }
    }
}

/// Replays what is meant, all of it before the first divergence is reported.
pub(crate) fn run(global: &Global, args: &ReplayArgs, output: &Output) -> Ended {
    let mut diverged = Vec::new();
    if let Some(file) = &args.file {
        let from: Box<dyn Read> = if file.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(transfer::open(file)?)
        };
        let mut history = History::default();
        let checked = check_each(BufReader::new(from), |whole| match whole {
            Whole::Event(event) => history.add(event),
            Whole::Document(_) => {}
        })
        .map_err(|error| transfer::import_failure(&error))?;
        diverged.extend(told(&checked.stream, &history, output)?);
    } else {
        let (root, targets) = target::all_or(global, None)?;
        for stream in &targets {
            let reader = target::reader(&root, stream)?;
            let mut history = History::default();
            for event in journal::scan_all(&reader) {
                history.add(&event.map_err(|error| target::store_failure(&error))?);
            }
            diverged.extend(told(stream, &history, output)?);
        }
        if targets.is_empty() {
            target::nothing_in(&root);
        }
    }
    if diverged.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(
        Failure::new(Kind::Assertion, diverged.join("\n")).hint(
            "the record is right, and this program decides otherwise; see the changelog for what was meant to change",
        ),
    )
}

/// Says what became of one history; the divergence in words.
fn told(stream: &StreamId, history: &History, output: &Output) -> Result<Option<String>, Failure> {
    if let Some(error) = &history.broken {
        return Err(target::deploy_journal_failure(error));
    }
    let body = Replayed {
        stream,
        events: history.replay.events(),
        deploys: history.replay.deploys(),
        unread: history.replay.unread(),
        divergence: history.divergence.as_ref(),
    };
    output.result(Type::Replayed, &body, || text(&body))?;
    Ok(body.divergence.map(|found| {
        format!(
            "{stream}: event {} is `{}`, and this program decides `{}`",
            found.sequence, found.recorded, found.decided
        )
    }))
}

fn text(body: &Replayed<'_>) -> String {
    let deploys = counted(body.deploys, "deploy");
    let events = counted(body.events, "event");
    let unread = if body.unread > 0 {
        format!(
            "; {} of a newer version not replayed",
            counted(body.unread, "deploy")
        )
    } else {
        String::new()
    };
    match body.divergence {
        None => format!(
            "{}: {deploys}, {events}: decided as recorded{unread}",
            body.stream
        ),
        Some(found) => format!(
            "{}: event {} of deploy {} differs{unread}\n  recorded: {}\n  decided:  {}",
            body.stream, found.sequence, found.deploy, found.recorded, found.decided
        ),
    }
}
