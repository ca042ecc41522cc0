//! `status`: how each target stands now.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Stage, State};
use engine::publish;
use engine::run::{latest_deploy, latest_state};
use engine::views::{Status as DeployStatus, Summary, summarise};
use journal::{EventLog, Holder, StreamId};
use serde::Serialize;

use crate::applier::args::Status;
use crate::applier::at::At;
use crate::applier::command::history::tone;
use crate::applier::failing::Failing;
use crate::applier::ids::Ids;
use crate::applier::tags::{self, AppliedTags, ComparedTags};
use crate::applier::target::HoldLine;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::counted;
use crate::when;

#[derive(Serialize)]
struct TargetStatus {
    target: String,
    /// The latest deploy; none when only a hold has been recorded.
    #[serde(flatten)]
    latest: Option<Latest>,
    /// The deploy whose configuration is in effect: the last that was applied.
    in_effect: Option<InEffect>,
    /// The output directory of the latest deploy.
    out: Option<String>,
    /// Files of the output directory that are not what was applied.
    drift: Vec<String>,
    /// The tags that the configuration in effect names, compared with what they name by now.
    #[serde(flatten)]
    tags: ComparedTags,
    /// Who deploys onto it at this moment.
    holder: Option<Holder>,
    /// The hold that a person has on it.
    hold: Option<HoldLine>,
    head: String,
    #[serde(skip)]
    ids: Ids,
}

/// The deploy whose configuration is in effect.
#[derive(Serialize)]
struct InEffect {
    deploy: uuid::Uuid,
    actor: String,
    applied_at: jiff::Timestamp,
}

/// How the latest deploy stands.
#[derive(Serialize)]
struct Latest {
    deploy: uuid::Uuid,
    status: DeployStatus,
    stage: &'static str,
    attempts: u32,
    actor: String,
    requested_at: jiff::Timestamp,
    error: Option<String>,
    /// It was asked for on another machine and imported: it can be abandoned, and not resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Shows each target.
pub(crate) fn run(global: &Global, args: &Status, output: &Output) -> Ended {
    let at = args.past.at.as_deref();
    let (root, targets) = target::all_at(global, args.target.as_deref(), at)?;
    let mut failing = Failing::among(&targets);
    let (mut all, mut applied_tags) = (Vec::new(), Vec::new());
    for stream in &targets {
        let status = of_target(&root, stream, at, args.long);
        if let Some((status, tags)) = failing.of(stream, status).flatten() {
            all.push(status);
            applied_tags.push(tags);
        }
    }
    for (status, tags) in all.iter_mut().zip(tags::compare(&applied_tags)?) {
        status.tags = tags;
    }
    let unsettled = all.iter().any(TargetStatus::is_unsettled);
    if output.is_json() {
        for status in &all {
            Output::json(Type::Status, status)?;
        }
    } else if targets.is_empty() {
        target::nothing_in(&root);
    } else if let ([status], 1) = (&all[..], targets.len()) {
        Output::page(&status.details(global.verbose > 0))?;
    } else if !all.is_empty() {
        Output::page(&table(&all))?;
    }
    failing.ended(if args.exit_code && unsettled {
        ExitCode::from(Kind::Drift.code())
    } else {
        ExitCode::SUCCESS
    })
}

fn of_target(
    root: &Path,
    stream: &StreamId,
    at: Option<&str>,
    is_long: bool,
) -> Result<Option<(TargetStatus, AppliedTags)>, Failure> {
    let reader = target::reader(root, stream)?;
    // Asked before the events are read: a deploy that ends meanwhile shows as ended, never as left alone.
    let holder = match at {
        None => reader
            .holder()
            .map_err(|error| target::store_failure(&error))?,
        Some(_) => None,
    };
    let events = At::new(&reader, at)?;
    let head = events
        .head()
        .map_err(|error| target::store_failure(&error))?;
    if head.sequence == 0 {
        return Ok(None);
    }
    let state = match latest_state(&events) {
        // What an older tool can tell of it is told.
        Err(error) if error.is_newer() => None,
        state => Some(state.map_err(|error| target::deploy_journal_failure(&error))?),
    };
    let first = latest_deploy(&events).map_err(|error| target::deploy_journal_failure(&error))?;
    let raw = first
        .map(|first| deploys::raw(&events, first))
        .transpose()
        .map_err(|error| target::store_failure(&error))?;
    let imported = match state.as_ref().and_then(State::unfinished) {
        Some(deploy) => target::is_imported(root, stream, deploy)?,
        None => false,
    };
    let summary = raw.and_then(|raw| summarise(&raw));
    let in_effect = in_effect(&events, state.as_ref(), summary.as_ref())?;
    let latest = summary.map(|summary| Latest {
        deploy: summary.deploy,
        status: summary.status,
        stage: state.as_ref().map_or("unknown", State::stage_name),
        attempts: summary.attempts,
        actor: summary.actors.join(", "),
        requested_at: summary.requested_at,
        error: summary.error,
        imported,
    });
    let hold = state
        .as_ref()
        .map(|state| HoldLine::of(&events, state))
        .transpose()?;
    // What tags name today says nothing of what they named, and whoever deploys may be moving them.
    let tags = match (at, &holder, &state) {
        (None, None, Some(state)) => AppliedTags::read(&events, state)?,
        (None, None, None) | (None, Some(_), _) | (Some(_), _, _) => AppliedTags::default(),
    };
    let status = TargetStatus {
        target: stream.to_string(),
        latest,
        in_effect,
        out: state
            .as_ref()
            .and_then(|state| state.deploy.as_ref())
            .map(|deploy| deploy.request.out.clone()),
        // What the output directory is today says nothing about what it was.
        drift: match (at, &state) {
            (None, Some(state)) => drift(state)?,
            (None, None) | (Some(_), _) => Vec::new(),
        },
        tags: ComparedTags::default(),
        holder,
        hold: hold.flatten(),
        head: target::head_text(&head),
        ids: Ids::of(&events, is_long).map_err(|error| target::store_failure(&error))?,
    };
    Ok(Some((status, tags)))
}

/// The deploy that was applied last: the latest one, else the one that it builds upon.
fn in_effect(
    events: &dyn EventLog,
    state: Option<&State>,
    latest: Option<&Summary>,
) -> Result<Option<InEffect>, Failure> {
    if let Some(applied) = latest.and_then(InEffect::of) {
        return Ok(Some(applied));
    }
    let base = state.and_then(State::base).filter(|base| base.applied);
    let first = base
        .map(|base| events.deploy_start(base.deploy))
        .transpose()
        .map_err(|error| target::store_failure(&error))?
        .flatten();
    let Some(first) = first else { return Ok(None) };
    let raw = deploys::raw(events, first).map_err(|error| target::store_failure(&error))?;
    Ok(summarise(&raw).as_ref().and_then(InEffect::of))
}

impl InEffect {
    fn of(summary: &Summary) -> Option<Self> {
        Some(Self {
            deploy: summary.deploy,
            actor: summary.actors.join(", "),
            applied_at: summary.applied_at?,
        })
    }
}

/// Only an applied deploy says what the output directory should hold.
fn drift(state: &State) -> Result<Vec<String>, Failure> {
    let Some(deploy) = &state.deploy else {
        return Ok(Vec::new());
    };
    let Stage::Applied(applied) = &deploy.stage else {
        return Ok(Vec::new());
    };
    let current = publish::current(Path::new(&deploy.request.out))
        .map_err(|error| Failure::of(Kind::Publish, &error))?;
    let differs = applied.files.iter().filter(|(file, published)| {
        current.get(file).map(Digest::of).as_ref() != Some(&published.digest)
    });
    Ok(differs
        .map(|(file, _)| file.file_name().to_owned())
        .collect())
}

impl TargetStatus {
    /// Files or tags are not what was applied.
    fn has_drifted(&self) -> bool {
        !self.drift.is_empty() || !self.tags.tag_drift.is_empty()
    }

    /// What is there is not what was applied, or a deploy waits for somebody.
    fn is_unsettled(&self) -> bool {
        self.has_drifted()
            || matches!(
                self.latest,
                Some(Latest {
                    status: DeployStatus::Unfinished | DeployStatus::Failed,
                    ..
                })
            )
    }

    fn word(&self) -> (Tone, &'static str) {
        match &self.latest {
            Some(latest) => (tone(latest.status), latest.status.word()),
            None => (Tone::Plain, "no deploy"),
        }
    }

    /// What needs an eye, in short.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(holder) = &self.holder {
            notes.push(format!("run by {}", holder.actor));
        }
        if let Some(hold) = &self.hold {
            notes.push(format!("on hold by {}", hold.actor));
        }
        let (files, tags) = (self.drift.len() as u64, self.tags.tag_drift.len() as u64);
        match (files, tags) {
            (0, 0) if self.tags.tags_unknown.is_some() => notes.push("tags unknown".to_owned()),
            (0, 0) => {}
            (files, 0) => notes.push(format!("drift: {}", counted(files, "file"))),
            (0, tags) => notes.push(format!("drift: {}", counted(tags, "tag"))),
            (files, tags) => notes.push(format!("drift: {}", counted(files + tags, "place"))),
        }
        notes
    }

    /// Everything about one target.
    fn details(&self, verbose: bool) -> Page {
        let now = jiff::Timestamp::now();
        let (tone, word) = self.word();
        let mut page = Page::default();
        let title = Line::default().and(Tone::Strong, &self.target);
        page.line(title.and(Tone::Plain, ": ").and(tone, word));
        let mut row = |name: &str, tone: Tone, text: String| {
            page.line(Line::new(format!("  {name:<12}")).and(tone, text));
        };
        if let Some(applied) = &self.in_effect {
            let (id, at) = (
                self.ids.shown(applied.deploy),
                when::ago(applied.applied_at, now),
            );
            row(
                "in effect",
                Tone::Plain,
                format!("{id} by {}, applied {at}", applied.actor),
            );
        }
        let is_newer = |latest: &&Latest| {
            let applied = self.in_effect.as_ref().map(|applied| applied.deploy);
            applied != Some(latest.deploy)
        };
        if let Some(latest) = self.latest.as_ref().filter(is_newer) {
            let (id, at) = (
                self.ids.shown(latest.deploy),
                when::ago(latest.requested_at, now),
            );
            let attempt = match latest.attempts {
                0 | 1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            row(
                "last tried",
                Tone::Plain,
                format!("{id} by {}, asked for {at}{attempt}", latest.actor),
            );
            if let Some(error) = &latest.error {
                row("", Tone::Bad, error.clone());
            }
        }
        if let Some(out) = &self.out {
            row("output", Tone::Plain, out.clone());
        }
        for file in &self.drift {
            row(
                "drift",
                Tone::Warn,
                format!("{file} is not what was applied"),
            );
        }
        for tag in &self.tags.tag_drift {
            row("drift", Tone::Warn, tag.sentence());
        }
        if let Some(unknown) = &self.tags.tags_unknown {
            row("tags", Tone::Dim, unknown.clone());
        }
        if let Some(hold) = &self.hold {
            row("hold", Tone::Warn, hold.words());
        }
        if let Some(holder) = &self.holder {
            row("run by", Tone::Plain, target::held_by(holder));
        } else if matches!(&self.latest, Some(latest) if latest.status == DeployStatus::Unfinished)
        {
            row("run by", Tone::Warn, "nobody".to_owned());
        }
        if verbose {
            row("head", Tone::Dim, self.head.clone());
        }
        if let Some(step) = next_step(self) {
            row("next", Tone::Plain, step);
        }
        page
    }
}

/// One line for each target.
fn table(all: &[TargetStatus]) -> Page {
    let rows = all.iter().map(|status| {
        let (tone, word) = status.word();
        let applied = status.in_effect.as_ref();
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let plain = |text: String| (Tone::Plain, text);
        vec![
            plain(status.target.clone()),
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
        DeployStatus::Applied | DeployStatus::Abandoned if status.has_drifted() => Some(
            "a deploy puts back what was applied; `artifactctl plan` shows what it would change"
                .to_owned(),
        ),
        DeployStatus::Applied | DeployStatus::Abandoned => None,
    }
}
