//! `history`: who applied which artifact when, against which stack versions.

mod entries;

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;

use engine::views::{HoldSummary, PruneSummary, Status, Summary};
use uuid::Uuid;

use crate::applier::args::History;
use crate::applier::at::At;
use crate::applier::failing::Failing;
use crate::applier::ids::Ids;
use crate::applier::target;
use crate::args::Global;
use crate::changes;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone, columns, fitted};
use crate::program::Ended;
use crate::report::{counted, talk};
use crate::when;

use entries::{Asked, Entry, newest_first};

/// Lists deploys, newest first.
pub(crate) fn run(global: &Global, args: &History, output: &Output) -> Ended {
    let at = args.past.at.as_deref();
    let (root, targets) = target::all_at(global, args.target.as_deref(), at)?;
    let asked = Asked {
        filter: args.filter.filter(),
        after: args.after.as_deref(),
        limit: args.limit.get(),
        is_long: args.long,
    };
    if asked.after.is_some() && targets.len() > 1 {
        return Err(Failure::new(
            Kind::Usage,
            "`--after` goes on in the history of one target",
        )
        .hint("name the target: `artifactctl history PROJECT/ENV --after DEPLOY`"));
    }
    let mut failing = Failing::among(&targets);
    let of_targets = targets.iter().filter_map(|stream| {
        let past = target::reader(&root, stream)
            .and_then(|reader| asked.of_target(&At::new(&reader, at)?));
        failing.of(stream, past)
    });
    let mut shown = Shown {
        several: targets.len() > 1,
        against: global.verbose > 0,
        limit: asked.limit,
        ..Shown::default()
    };
    let of_targets = of_targets.map(|past| {
        shown.ids.insert(past.target, past.ids);
        shown.older += past.older;
        shown.may_go_on |= past.may_go_on;
        past.entries
    });
    let of_targets: Vec<VecDeque<Entry>> = of_targets.collect();
    let read: usize = of_targets.iter().map(VecDeque::len).sum();
    let entries = newest_first(of_targets, asked.limit);
    shown.older += read - entries.len();
    if output.is_json() {
        for entry in &entries {
            match entry {
                Entry::Deploy(summary) => Output::json(Type::Deploy, summary)?,
                Entry::Hold(hold) => Output::json(Type::Hold, hold)?,
                Entry::Drift(drift) => Output::json(Type::Drift, drift)?,
                Entry::Prune(prune) => Output::json(Type::Prune, prune)?,
            }
        }
    } else if targets.is_empty() {
        target::nothing_in(&root);
    } else if !entries.is_empty() {
        Output::page(&shown.page(&entries))?;
    } else if !asked.filter.is_empty() {
        talk("no deploy is what was asked for");
    }
    failing.ended(ExitCode::SUCCESS)
}

/// A hold in one line, and how it ended.
pub(crate) fn held(hold: &HoldSummary) -> String {
    let mut text = format!("by {}: {}", hold.actor, hold.message);
    if let (Some(at), Some(by)) = (&hold.released_at, &hold.released_by) {
        text.push_str(&format!("; released by {by} at {}", when::second(*at)));
        if let Some(note) = &hold.note {
            text.push_str(&format!(": {note}"));
        }
    }
    text
}

/// A prune in one line.
pub(crate) fn pruned(prune: &PruneSummary) -> String {
    let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    format!(
        "{} pruned: {} in {}, {} to {}, up to event {}",
        when::second(prune.pruned_at),
        counted(prune.events, "event"),
        counted(prune.deploys, "deploy"),
        day(&prune.from),
        day(&prune.to),
        prune.until
    )
}

/// How the entries are shown.
#[derive(Default)]
struct Shown {
    /// Of several targets, each named in a column.
    several: bool,
    /// With the versions that each deploy met.
    against: bool,
    limit: usize,
    /// Entries that are older than those that are shown.
    older: usize,
    /// There may be more of them: they were not looked at.
    may_go_on: bool,
    ids: BTreeMap<String, Ids>,
}

/// Columns of a line that the column before the last may take.
const ACTORS_MAX: usize = 24;
/// Fewest columns that are left for what changed.
const CHANGED_MIN: usize = 20;

impl Shown {
    fn page(&self, entries: &[Entry]) -> Page {
        let mut head = vec!["APPLIED (UTC)", "STATUS", "DEPLOY", "BY", "CHANGED"];
        if self.several {
            head.insert(0, "TARGET");
        }
        let groups = grouped(entries);
        let mut rows: Vec<Vec<(Tone, String)>> = groups
            .iter()
            .map(|group| self.row(&entries[group.first]))
            .collect();
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| row[column].1.chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0) + 2
        };
        let last = head.len() - 1;
        let taken: usize = (0..last).map(widest).sum();
        let width = columns().saturating_sub(taken).max(CHANGED_MIN);
        for (row, group) in rows.iter_mut().zip(&groups) {
            row[last].1 = changed(&entries[group.first], width);
        }
        let mut table = Page::default();
        table.table(&head, rows);
        let mut lines = table.into_lines().into_iter();
        let mut page = Page::default();
        if let (false, Some(entry)) = (self.several, entries.first()) {
            page.line(Line::default().and(Tone::Strong, entry.target()));
        }
        lines.by_ref().take(1).for_each(|line| page.line(line));
        for (line, group) in lines.zip(&groups) {
            page.line(line);
            for line in self.below(&entries[group.first]) {
                page.line(line);
            }
            if group.more > 0 {
                let more = counted(group.more as u64, "deploy");
                let text = format!("  … and {more} before it that changed nothing");
                page.line(Line::default().and(Tone::Dim, text));
            }
        }
        let rest = match (self.may_go_on, self.older) {
            (true, _) => Some(format!("… older ones may fit: -n {}", self.limit * 2)),
            (false, 0) => None,
            (false, older) => Some(format!("… {older} older: -n {}", self.limit + older)),
        };
        if let Some(text) = rest {
            page.line(Line::default().and(Tone::Dim, text));
        }
        page
    }

    fn row(&self, entry: &Entry) -> Vec<(Tone, String)> {
        let plain = |text: String| (Tone::Plain, text);
        let (target, id, actors) = match entry {
            Entry::Deploy(summary) => (&summary.target, summary.deploy, summary.actors.clone()),
            Entry::Hold(hold) => (&hold.target, hold.hold, vec![hold.actor.clone()]),
            Entry::Drift(drift) => (&drift.target, drift.drift, vec![drift.actor.clone()]),
            Entry::Prune(prune) => (&prune.target, prune.prune, vec![prune.actor.clone()]),
        };
        let (applied, status) = match entry {
            Entry::Deploy(summary) => (
                summary.applied_at.map_or("-".to_owned(), when::minute),
                (tone(summary.status), summary.status.word().to_owned()),
            ),
            Entry::Hold(_) => ("-".to_owned(), (Tone::Warn, "hold".to_owned())),
            Entry::Drift(_) => ("-".to_owned(), (Tone::Warn, "drift".to_owned())),
            Entry::Prune(_) => ("-".to_owned(), (Tone::Warn, "prune".to_owned())),
        };
        let id = self.id(target, id);
        let mut row = vec![
            plain(applied),
            status,
            plain(id),
            plain(fitted(&actors, ACTORS_MAX)),
            plain(String::new()),
        ];
        if self.several {
            row.insert(0, plain(target.clone()));
        }
        row
    }

    /// An id of a target as it is shown.
    fn id(&self, target: &str, id: Uuid) -> String {
        let ids = self.ids.get(target);
        ids.map_or_else(|| id.to_string(), |ids| ids.shown(id))
    }

    /// What is said below the row.
    fn below(&self, entry: &Entry) -> Vec<Line> {
        let indented = |tone, text: String| Line::new("  ").and(tone, text);
        let summary = match entry {
            Entry::Deploy(summary) => summary,
            Entry::Hold(hold) => {
                let held = format!("held {} {}", when::second(hold.held_at), held(hold));
                return vec![indented(Tone::Dim, held)];
            }
            Entry::Drift(drift) => {
                let found = format!("found {}", when::second(drift.found_at));
                return vec![indented(Tone::Dim, found)];
            }
            Entry::Prune(prune) => {
                let mut lines = vec![indented(Tone::Dim, pruned(prune))];
                let why = prune.message.iter();
                lines.extend(why.map(|why| indented(Tone::Plain, why.clone())));
                return lines;
            }
        };
        let mut lines = Vec::new();
        if let Some(deploy) = summary.rollback_to {
            let text = format!("rollback to {}", self.id(&summary.target, deploy));
            lines.push(indented(Tone::Plain, text));
        }
        if let Some(message) = &summary.message {
            lines.push(indented(Tone::Plain, message.clone()));
        }
        if summary.applied_at.is_none() {
            let asked = when::second(summary.requested_at);
            lines.push(indented(Tone::Dim, format!("asked for at {asked}")));
        }
        if let Some(error) = &summary.error {
            lines.push(indented(Tone::Bad, error.clone()));
        }
        if let Some(why) = summary.unrestorable {
            lines.push(indented(Tone::Dim, format!("no rollback to it: {why}")));
        }
        if self.against {
            lines.push(indented(Tone::Dim, against(summary)));
        }
        lines
    }
}

/// How a status is shown.
pub(crate) fn tone(status: Status) -> Tone {
    match status {
        Status::Applied => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Unfinished => Tone::Warn,
        Status::Abandoned | Status::Superseded => Tone::Dim,
    }
}

/// An entry, and how many older ones are folded into it.
struct Group {
    first: usize,
    more: usize,
}

/// Deploys in a row, of one target, that changed nothing are shown as one.
fn grouped(entries: &[Entry]) -> Vec<Group> {
    let unchanged = |entry: &Entry| match entry {
        Entry::Deploy(summary) if summary.changed_nothing() => Some(summary.target.clone()),
        Entry::Deploy(_) | Entry::Hold(_) | Entry::Drift(_) | Entry::Prune(_) => None,
    };
    let mut groups: Vec<Group> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let target = unchanged(entry);
        match groups.last_mut() {
            Some(group) if target.is_some() && unchanged(&entries[group.first]) == target => {
                group.more += 1;
            }
            Some(_) | None => groups.push(Group {
                first: index,
                more: 0,
            }),
        }
    }
    groups
}

/// The last column: as much as fits of what a deploy changed.
fn changed(entry: &Entry, width: usize) -> String {
    match entry {
        Entry::Deploy(summary) => {
            let words = changes::words(&summary.changes, &summary.images);
            match (words.is_empty(), summary.status) {
                (true, Status::Applied) => "nothing".to_owned(),
                (false, Status::Applied) => {
                    let line = fitted(&words, width);
                    if line.chars().count() <= width {
                        line
                    } else {
                        changes::counts(&summary.changes)
                    }
                }
                // What it would have changed is not what it did.
                (
                    _,
                    Status::Unfinished | Status::Failed | Status::Abandoned | Status::Superseded,
                ) => "-".to_owned(),
            }
        }
        Entry::Hold(_) | Entry::Prune(_) => "-".to_owned(),
        Entry::Drift(drift) => {
            let keys = drift.keys.iter().map(|drift| drift.key.0.clone());
            let tags = drift.tags.iter().map(|tag| tag.reference.clone());
            let stack = drift
                .refused
                .iter()
                .map(|finding| finding.component.clone());
            fitted(&keys.chain(tags).chain(stack).collect::<Vec<_>>(), width)
        }
    }
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
    let promoted = if summary.promoted > 0 {
        format!(", {} adopted", summary.promoted)
    } else {
        String::new()
    };
    format!(
        "against {stack}; {} built, {} reused{promoted}{attempts}",
        summary.built, summary.reused
    )
}
