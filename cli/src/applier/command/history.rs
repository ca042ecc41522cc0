//! `history`: who applied which artifact when, against which stack versions.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::process::ExitCode;

use engine::views::{HoldSummary, Summary, hold, summarise};
use journal::EventLog;

use crate::applier::args::History;
use crate::applier::at::At;
use crate::applier::failing::Failing;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::short;

/// Lists deploys, newest first.
pub(crate) fn run(global: &Global, args: &History, output: &Output) -> Ended {
    let (root, targets) = match args.past.at {
        // A sequence belongs to one target.
        Some(_) => {
            let (root, one) = target::one(global, args.target.as_deref())?;
            (root, vec![one])
        }
        None => target::all_or(global, args.target.as_deref())?,
    };
    let limit = args.limit.get();
    let mut failing = Failing::among(&targets);
    let of_targets = targets.iter().filter_map(|stream| {
        let entries = target::reader(&root, stream)
            .and_then(|reader| of_target(&At::new(&reader, args.past.at)?, limit));
        failing.of(stream, entries)
    });
    let entries = newest_first(of_targets.collect(), limit);
    if output.is_json() {
        for entry in &entries {
            match entry {
                Entry::Deploy(summary) => Output::json(Type::Deploy, summary)?,
                Entry::Hold(hold) => Output::json(Type::Hold, hold)?,
            }
        }
    } else if targets.is_empty() {
        target::nothing_in(&root);
    } else if !entries.is_empty() {
        Output::text(&table(&entries))?;
    }
    failing.ended(ExitCode::SUCCESS)
}

/// The entries of all targets, newest first. In each target the order is that of its events; a clock decides between targets only.
fn newest_first(mut targets: Vec<VecDeque<Entry>>, limit: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    while all.len() < limit {
        let newest = targets
            .iter_mut()
            .filter(|entries| !entries.is_empty())
            .max_by_key(|entries| entries.front().map(Entry::begun_at));
        match newest.and_then(VecDeque::pop_front) {
            Some(entry) => all.push(entry),
            None => break,
        }
    }
    all
}

/// What a target's journal consists of.
enum Entry {
    Deploy(Box<Summary>),
    /// A hold of a target without an unfinished deploy.
    Hold(HoldSummary),
}

impl Entry {
    fn begun_at(&self) -> jiff::Timestamp {
        match self {
            Self::Deploy(summary) => summary.requested_at,
            Self::Hold(hold) => hold.held_at,
        }
    }
}

fn of_target(events: &dyn EventLog, limit: usize) -> Result<VecDeque<Entry>, Failure> {
    let latest = events
        .latest_deploys(None, limit)
        .map_err(|error| target::store_failure(&error))?;
    let mut entries = VecDeque::with_capacity(latest.len());
    for (first, _) in latest {
        let events = deploys::raw(events, first).map_err(|error| target::store_failure(&error))?;
        match hold(&events) {
            Some(hold) => entries.push_back(Entry::Hold(hold)),
            None => entries.extend(summarise(&events).map(Box::new).map(Entry::Deploy)),
        }
    }
    Ok(entries)
}

/// A hold in one line, and how it ended.
pub(crate) fn held(hold: &HoldSummary) -> String {
    let mut text = format!("by {}: {}", hold.actor, hold.message);
    if let (Some(at), Some(by)) = (&hold.released_at, &hold.released_by) {
        let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
        text.push_str(&format!("; released by {by} at {at}"));
        if let Some(note) = &hold.note {
            text.push_str(&format!(": {note}"));
        }
    }
    text
}

fn table(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let summary = match entry {
            Entry::Deploy(summary) => summary,
            Entry::Hold(hold) => {
                let _ = writeln!(
                    text,
                    "{}  {:<10}  {}  {}  {}",
                    hold.held_at.strftime("%Y-%m-%d %H:%M:%SZ"),
                    "hold",
                    hold.target,
                    hold.hold,
                    held(hold)
                );
                continue;
            }
        };
        let artifact = summary
            .artifact
            .as_deref()
            .and_then(|digest| digest.strip_prefix("sha256:"))
            .map_or("?", short);
        let _ = writeln!(
            text,
            "{}  {:<10}  {}  {}  by {}  artifact {artifact} ({})",
            summary.requested_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            summary.status.word(),
            summary.target,
            summary.deploy,
            summary.actors.join(", "),
            summary.entries.join(", "),
        );
        if let Some(message) = &summary.message {
            let _ = writeln!(text, "    {message}");
        }
        let _ = writeln!(text, "    {}", against(summary));
        if let Some(error) = &summary.error {
            let _ = writeln!(text, "    {error}");
        }
    }
    text
}

/// The stack a deploy met, and what it did, in one line.
pub(crate) fn against(summary: &Summary) -> String {
    let services: Vec<String> = summary
        .stack
        .iter()
        .map(|service| {
            format!(
                "{} {}",
                service.service,
                service.version.as_deref().unwrap_or("?")
            )
        })
        .collect();
    let stack = if services.is_empty() {
        "nothing observed".to_owned()
    } else {
        services.join(", ")
    };
    let attempts = if summary.attempts > 1 {
        format!(", {} attempts", summary.attempts)
    } else {
        String::new()
    };
    format!(
        "against {stack}; {} built, {} reused{attempts}",
        summary.built, summary.reused
    )
}
