//! How targets stand, as people read it.

use engine::views::Status as DeployStatus;
use journal::StreamId;

use super::{Latest, TargetStatus};
use crate::applier::command::history::tone;
use crate::applier::drift::stack::ComparedStack;
use crate::applier::drift::tags;
use crate::applier::{target, values};
use crate::page::{Line, Page, Tone};
use crate::report::counted;
use crate::when;

impl TargetStatus {
    fn word(&self) -> (Tone, &'static str) {
        match &self.latest {
            // What was given up changed nothing.
            Some(latest) if self.in_effect.is_some() && is_given_up(latest) => {
                let applied = DeployStatus::Applied;
                (tone(applied), applied.word())
            }
            Some(latest) => (tone(latest.status), latest.status.word()),
            None => (Tone::Plain, "no deploy"),
        }
    }

    /// The latest deploy, where it is not the one in effect.
    fn tried(&self) -> Option<&Latest> {
        let applied = self.in_effect.as_ref().map(|applied| applied.deploy);
        let latest = self.latest.as_ref();
        latest.filter(|latest| applied != Some(latest.deploy))
    }

    /// What needs an eye, in short.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(tried) = self.tried().filter(|tried| !is_given_up(tried)) {
            let id = self.ids.shown(tried.deploy);
            notes.push(match &tried.error {
                Some(error) => format!("{id} failed: {error}"),
                None => format!("{id} is {}", tried.status.word()),
            });
        }
        if let Some(holder) = &self.holder {
            notes.push(format!("run by {}", holder.actor));
        }
        if let Some(hold) = &self.hold {
            notes.push(format!("on hold by {}", hold.actor));
        }
        let (files, tags) = (
            self.files.files.len() as u64,
            self.tags.tag_drift.len() as u64,
        );
        match (files, tags) {
            (0, 0) if self.tags.tags_unknown.is_some() => notes.push("tags unknown".to_owned()),
            (0, 0) => {}
            (files, 0) => notes.push(format!("drift: {}", counted(files, "file"))),
            (0, tags) => notes.push(format!("drift: {}", counted(tags, "tag"))),
            (files, tags) => notes.push(format!("drift: {}", counted(files + tags, "place"))),
        }
        if self.is_refused() {
            notes.push("would be refused today".to_owned());
        }
        notes
    }

    /// Everything about one target.
    pub(super) fn details(&self, verbose: bool) -> Page {
        let now = jiff::Timestamp::now();
        let (tone, word) = self.word();
        let mut page = Page::default();
        let title = Line::default().and(Tone::Strong, self.target.to_string());
        page.line(title.and(Tone::Plain, ": ").and(tone, word));
        let mut add = |name: &str, tone: Tone, text: String| page.line(row(name, tone, text));
        if let Some(applied) = &self.in_effect {
            let (id, at) = (
                self.ids.shown(applied.deploy),
                when::ago(applied.applied_at, now),
            );
            add(
                "in effect",
                Tone::Plain,
                format!("{id} by {}, applied {at}", applied.actor),
            );
        }
        if let Some(latest) = self.tried() {
            let (id, at) = (
                self.ids.shown(latest.deploy),
                when::ago(latest.requested_at, now),
            );
            let attempt = match latest.attempts {
                0 | 1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            let ended = if is_given_up(latest) {
                format!(", {}", latest.status.word())
            } else {
                String::new()
            };
            add(
                "last tried",
                Tone::Plain,
                format!("{id} by {}, asked for {at}{attempt}{ended}", latest.actor),
            );
            if let Some(error) = &latest.error {
                add("", Tone::Bad, error.clone());
            }
        }
        if let Some(out) = &self.out {
            add("output", Tone::Plain, out.clone());
        }
        self.drift(&mut page, verbose);
        let mut add = |name: &str, tone: Tone, text: String| page.line(row(name, tone, text));
        if let Some(hold) = &self.hold {
            add("hold", Tone::Warn, hold.words());
        }
        if let Some(holder) = &self.holder {
            add("run by", Tone::Plain, target::held_by(holder));
        } else if matches!(&self.latest, Some(latest) if latest.status == DeployStatus::Unfinished)
        {
            add("run by", Tone::Warn, "nobody".to_owned());
        }
        if let Some(id) = self.recorded {
            add("recorded", Tone::Plain, self.ids.shown(id));
        }
        if verbose {
            add("head", Tone::Dim, self.head.clone());
        }
        if let Some(step) = next_step(self) {
            add("next", Tone::Plain, step);
        }
        page
    }

    /// What is not as it was applied, and what could not be compared.
    fn drift(&self, page: &mut Page, verbose: bool) {
        for file in &self.files.files {
            let text = format!("{} is not what was applied", file.file_name());
            page.line(row("drift", Tone::Warn, text));
        }
        for (key, difference) in &self.files.key_drift {
            for line in values::lines(key, difference, verbose) {
                page.line(line.indented(NAMES));
            }
        }
        for tag in &self.tags.tag_drift {
            page.line(row("drift", Tone::Warn, tags::sentence(tag)));
        }
        for sentence in self.stack.iter().flat_map(ComparedStack::sentences) {
            page.line(row("stack", Tone::Warn, sentence));
        }
        let stack = self.stack.as_ref();
        let stack = stack.and_then(|stack| stack.unknown.as_ref());
        let keys = self.files.keys_unknown.as_ref();
        let unknown = [
            ("keys", keys.map(|why| format!("not compared: {why}"))),
            ("tags", self.tags.tags_unknown.clone()),
            ("stack", stack.map(|why| format!("not compared: {why}"))),
        ];
        for (name, why) in unknown {
            if let Some(why) = why {
                page.line(row(name, Tone::Dim, why));
            }
        }
    }
}

/// It ended without a change, and nobody goes on with it.
fn is_given_up(latest: &Latest) -> bool {
    matches!(
        latest.status,
        DeployStatus::Abandoned | DeployStatus::Superseded
    )
}

/// Columns of the names of rows.
const NAMES: usize = 12;

/// A name, and what is to be said about it.
fn row(name: &str, tone: Tone, text: impl AsRef<str>) -> Line {
    Line::new(format!("  {name:<NAMES$}")).and(tone, text)
}

/// A target as output names it: `PROJECT/ENV`.
pub(super) fn as_text<S: serde::Serializer>(
    target: &StreamId,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(target)
}

/// One line for each target.
pub(super) fn table(all: &[TargetStatus]) -> Page {
    let rows = all.iter().map(|status| {
        let (tone, word) = status.word();
        let applied = status.in_effect.as_ref();
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let plain = |text: String| (Tone::Plain, text);
        vec![
            plain(status.target.to_string()),
            (tone, word.to_owned()),
            plain(or_none(
                applied.map(|applied| when::minute(applied.applied_at)),
            )),
            plain(or_none(
                applied.map(|applied| status.ids.shown(applied.deploy)),
            )),
            plain(or_none(applied.map(|applied| applied.actor.clone()))),
            (Tone::Warn, status.notes().join("; ")),
        ]
    });
    let mut page = Page::default();
    let head = ["TARGET", "STATUS", "APPLIED (UTC)", "DEPLOY", "BY", "NOTE"];
    page.table(&head, rows.collect());
    page
}

/// What somebody can do next: nothing while a process is at work, and nothing but a release while a person holds the target.
fn next_step(status: &TargetStatus) -> Option<String> {
    let target = &status.target;
    if status.holder.is_some() {
        return None;
    }
    if status.hold.is_some() {
        return Some(format!(
            "end the hold with `artifactctl lock release {target}`"
        ));
    }
    let latest = status.latest.as_ref()?;
    match latest.status {
        DeployStatus::Unfinished | DeployStatus::Failed if latest.imported => Some(format!(
            "it was imported: give it up with `artifactctl abandon {target}`, then deploy from here"
        )),
        DeployStatus::Unfinished | DeployStatus::Failed => Some(format!(
            "go on with `artifactctl resume {target}`, or give it up with `artifactctl abandon {target}`"
        )),
        // A deploy of the same would be refused.
        DeployStatus::Applied | DeployStatus::Abandoned | DeployStatus::Superseded
            if status.is_refused() =>
        {
            Some(
                "deploy an artifact that the stack can take; `artifactctl plan` checks one"
                    .to_owned(),
            )
        }
        DeployStatus::Applied | DeployStatus::Abandoned | DeployStatus::Superseded
            if status.has_drifted() =>
        {
            Some(
                "a deploy puts back what was applied; `artifactctl plan` shows what it would change"
                    .to_owned(),
            )
        }
        DeployStatus::Applied | DeployStatus::Abandoned | DeployStatus::Superseded => None,
    }
}
