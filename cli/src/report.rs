//! What a run says while it runs: bars on a terminal, plain lines in a pipe, JSON lines when asked for.
//!
//! The words of an event live here once, for the live run and for `show`.

mod images;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use engine::compat::{Container, Grade, Observation, Verdict};
use engine::contract::{FunctionName, printable, printable_lines};
use engine::machine::{
    AbandonReason, Abandoned, Applied, CompatChecked, Event, Failed, ImageBuilt, ImageSource,
    ImagesKept, Merged, RecordedEvent, Requested,
};
use engine::merge::Changes;
use engine::redact::credentials;
use engine::run::{Notice, PlannedImage};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::changes::signed;
use crate::images_phase::{ImagesPhase, TICK, Totals, spinner};
use crate::output::{Output, Type, stored};
use crate::terminal::SilentKeys;
use images::image_words;

pub(crate) use images::image_line;

/// Standard error is a terminal that can draw over what it shows.
fn draws() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Tells a person, or a pipe, what a run does.
pub(crate) struct Reporter<'a> {
    output: &'a Output,
    explain: bool,
    /// Draws on standard error; hidden when that is no terminal.
    bars: Option<MultiProgress>,
    _keys: Option<SilentKeys>,
    builds: Mutex<BTreeMap<FunctionName, ProgressBar>>,
    images: Mutex<ImagesPhase>,
    done: Mutex<Done>,
}

/// What a run did, summed up for its last line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// What the configuration changes.
    pub(crate) changes: Changes,
    /// Images built.
    pub(crate) built: usize,
}

impl Done {
    fn add(&mut self, event: &Event) {
        if let Some(merged) = event.as_merged() {
            self.changes.clone_from(&merged.changes);
        }
        let built = |image: &ImageBuilt| image.source == ImageSource::Built;
        self.built += usize::from(event.as_image_built().is_some_and(built));
    }
}

/// How much of an event is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// While it happens: what went well and needs no eye is left out, and a failure is said at the end.
    Live,
    /// Afterwards: checks that passed are counted, and long lists are cut.
    Shown,
    /// Everything.
    Full,
}

/// An event as JSON output shows it.
#[derive(Serialize)]
pub(crate) struct EventLine<'a> {
    sequence: u64,
    deploy: uuid::Uuid,
    kind: &'a str,
    payload: &'a RawValue,
}

impl<'a> EventLine<'a> {
    /// An event with the bytes of its payload.
    pub(crate) fn of(event: &RecordedEvent, payload: &'a [u8]) -> Self {
        Self {
            sequence: event.sequence,
            deploy: event.deploy,
            kind: event.event.kind(),
            payload: stored(payload),
        }
    }
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(output: &'a Output, explain: bool) -> Self {
        let draws = draws() && !output.is_json() && !output.is_quiet();
        Self {
            output,
            explain,
            bars: draws.then(MultiProgress::new),
            _keys: draws.then(SilentKeys::begin),
            builds: Mutex::new(BTreeMap::new()),
            images: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// Tells one notice.
    pub(crate) fn tell(&self, notice: &Notice<'_>) {
        match *notice {
            Notice::RecordedEvent(event) => self.recorded(event),
            Notice::ImagesPlanned(images) => self.planned(images),
            Notice::BuildStarted(function) => self.started(function),
            Notice::Line { function, text } => self.line(function, text),
            Notice::BuildEnded(function) => self.ended(function),
            Notice::Stopping { in_flight: 0 } => {
                self.say("stopping; press Ctrl-C again to abort the step at hand");
            }
            Notice::Stopping { in_flight } => {
                let builds = counted(in_flight as u64, "build");
                self.say(&format!(
                    "stopping after {builds} in flight; press Ctrl-C again to abort"
                ));
            }
        }
    }

    fn recorded(&self, event: &RecordedEvent) {
        if self.output.is_json() {
            let payload = engine::machine::encode(&event.event);
            let line = EventLine::of(event, &payload);
            // A reader that has gone away does not stop a deploy.
            let _ = Output::json(Type::Event, &line);
        }
        let detail = if self.explain {
            Detail::Full
        } else {
            Detail::Live
        };
        for line in words(&event.event, detail) {
            self.say(&printable(&line));
        }
        if let Some(image) = event.event.as_image_built() {
            let sum = self.with_images(|phase| phase.add(image));
            if let Some(sum) = sum {
                self.say(&sum);
            }
        }
        self.with_done(|done| done.add(&event.event));
    }

    /// What was done so far.
    pub(crate) fn done(&self) -> Done {
        self.with_done(|done| done.clone())
    }

    fn with_done<T>(&self, act: impl FnOnce(&mut Done) -> T) -> T {
        act(&mut self
            .done
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn planned(&self, images: &[PlannedImage]) {
        let totals = Totals::planned(images);
        self.say(&format!(
            "images: {} to build, {} reused",
            totals.to_build, totals.reused
        ));
        self.with_images(|phase| phase.begin(totals));
        for line in images::promoted(images) {
            self.say(&line);
        }
        if self.explain {
            for line in images.iter().map(image_line) {
                self.say(&line);
            }
        }
    }

    fn started(&self, function: &FunctionName) {
        let Some(bars) = &self.bars else {
            return self.say(&format!("building {function}"));
        };
        self.with_images(|phase| phase.draw(bars));
        // Above the sum, which stays below what it sums up.
        let bar = bars.insert(0, spinner("{spinner} {prefix} {elapsed} {wide_msg}"));
        bar.set_prefix(function.to_string());
        bar.enable_steady_tick(TICK);
        self.with_builds(|builds| drop(builds.insert(function.clone(), bar)));
    }

    fn line(&self, function: Option<&FunctionName>, text: &str) {
        match function {
            None => self.say(&format!("provisioner: {text}")),
            Some(function) => {
                self.with_builds(|builds| {
                    if let Some(bar) = builds.get(function) {
                        bar.set_message(text.to_owned());
                    }
                });
                tracing::debug!(%function, text, "build");
            }
        }
    }

    fn ended(&self, function: &FunctionName) {
        self.with_builds(|builds| {
            if let Some(bar) = builds.remove(function) {
                bar.finish_and_clear();
            }
        });
    }

    fn with_builds(&self, act: impl FnOnce(&mut BTreeMap<FunctionName, ProgressBar>)) {
        act(&mut self
            .builds
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn with_images<T>(&self, act: impl FnOnce(&mut ImagesPhase) -> T) -> T {
        act(&mut self
            .images
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Takes the bars away, so that nothing is drawn over what is said from here on.
    pub(crate) fn finish(&self) {
        self.with_builds(BTreeMap::clear);
        self.with_images(ImagesPhase::end);
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Says a line on standard error, above the bars when there are some; nothing to whoever wants quiet.
    pub(crate) fn say(&self, line: &str) {
        if self.output.is_quiet() {
            return;
        }
        match &self.bars {
            Some(bars) => drop(bars.println(printable_lines(&credentials(line)))),
            None => talk(line),
        }
    }
}

/// Says a line on standard error.
pub(crate) fn talk(line: &str) {
    // Whoever closed standard error does not want to hear.
    let _ = writeln!(
        io::stderr().lock(),
        "{}",
        printable_lines(&credentials(line))
    );
}

/// An event in words, a line each.
pub(crate) fn words(event: &Event, detail: Detail) -> Vec<String> {
    match event {
        Event::Requested(requested) => requested_words(requested),
        Event::Observed(observed) => vec![observed_words(&observed.observation)],
        Event::CompatChecked(checked) => checked_words(checked, detail),
        Event::Merged(merged) => merged_words(merged, detail),
        Event::ImagesKept(kept) => kept_words(kept, detail),
        Event::ImageBuilt(image) => image_words(image, detail),
        Event::Applied(applied) => vec![applied_words(applied)],
        Event::Failed(failed) => failed_words(failed, detail),
        Event::Resumed(resumed) => vec![format!("resumed: attempt {}", resumed.attempt)],
        Event::Abandoned(abandoned) => vec![abandoned_words(abandoned)],
        Event::TakenOver(taken) => vec![format!(
            "taken over: {} (process {} on {}) held it since {} and ended without letting go",
            taken.holder.actor, taken.holder.pid, taken.holder.host, taken.holder.since
        )],
        Event::Held(held) => vec![format!("held: {}", held.message)],
        Event::Released(released) => {
            let note = released.note.as_ref().map(|note| format!(": {note}"));
            vec![format!("released{}", note.unwrap_or_default())]
        }
    }
}

fn requested_words(requested: &Requested) -> Vec<String> {
    let what = match requested.rollback_to {
        Some(deploy) => format!("rollback to {}", digits(deploy)),
        None => format!(
            "artifact {} from {}",
            short(requested.artifact.hex()),
            requested.manifest_path
        ),
    };
    let asked = format!(
        "requested: {what} onto project {}, into {}",
        requested.project, requested.out
    );
    let why = requested.message.iter();
    std::iter::once(asked)
        .chain(why.map(|why| format!("  why: {why}")))
        .collect()
}

fn observed_words(observation: &Observation) -> String {
    let service = |container: &Container| {
        let version = container
            .version
            .as_ref()
            .map_or("?", |version| version.value.as_str());
        format!("{} {version}", container.service)
    };
    let services: Vec<String> = observation.containers.iter().map(service).collect();
    let services = if services.is_empty() {
        "nothing running".to_owned()
    } else {
        services.join(", ")
    };
    format!(
        "observed: {services} (engine {})",
        observation.engine.version
    )
}

fn checked_words(checked: &CompatChecked, detail: Detail) -> Vec<String> {
    let verdict = match checked.verdict {
        Verdict::Compatible => "compatible",
        Verdict::Incompatible => "incompatible",
    };
    let mut lines = vec![format!(
        "checked: {verdict}, {}",
        counted(checked.findings.len() as u64, "finding")
    )];
    let shown = checked.findings.iter().filter(|finding| match detail {
        // The live run ends with the failure, which names every failed check.
        Detail::Live => finding.grade == Grade::Warn,
        Detail::Shown => matches!(finding.grade, Grade::Warn | Grade::Fail),
        Detail::Full => true,
    });
    lines.extend(shown.map(|finding| format!("  {}", finding.sentence())));
    lines
}

/// Keys that are listed before the rest is counted.
const KEYS_MAX: usize = 20;

fn merged_words(merged: &Merged, detail: Detail) -> Vec<String> {
    let changes = &merged.changes;
    let mut lines = vec![format!(
        "merged: {} added, {} changed, {} removed, {}",
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len(),
        counted(merged.images.count(), "image")
    )];
    let listed = match detail {
        Detail::Live => 0,
        Detail::Shown => KEYS_MAX,
        Detail::Full => usize::MAX,
    };
    let keys = signed(changes).map(|(sign, _, key)| format!("  {sign} {key}"));
    lines.extend(keys.take(listed));
    let more = signed(changes).count().saturating_sub(listed);
    if listed > 0 && more > 0 {
        lines.push(format!("  … {more} more keys: -v lists them"));
    }
    lines.extend(
        merged
            .drift
            .iter()
            .map(|drift| format!("  drift: {} was changed by hand; overwriting", drift.key.0)),
    );
    lines.extend(
        merged
            .warnings
            .iter()
            .map(|warning| format!("  warning: {warning}")),
    );
    lines
}

/// An event may say only which images are still to be built.
fn kept_words(kept: &ImagesKept, detail: Detail) -> Vec<String> {
    if kept.count == 0 && detail == Detail::Live {
        return Vec::new();
    }
    let base = match detail {
        Detail::Live | Detail::Shown => digits(kept.base),
        Detail::Full => kept.base.to_string(),
    };
    let images = counted(kept.count, "image");
    vec![format!("kept: {images} as deploy {base} recorded")]
}

/// Last digits of the id of an earlier deploy: more than tell the newest deploys apart, since it may be an old one.
const BASE_DIGITS: usize = 8;

fn digits(deploy: uuid::Uuid) -> String {
    let id = deploy.simple().to_string();
    id[id.len() - BASE_DIGITS..].to_owned()
}

fn applied_words(applied: &Applied) -> String {
    let written = applied.files.values().filter(|file| file.written).count();
    let provision = applied
        .provision
        .as_ref()
        .map(|run| format!("; provisioner exited {}", run.exit_code));
    let tags = match applied.tags.len() as u64 {
        0 => String::new(),
        moved => format!(", {} moved", counted(moved, "tag")),
    };
    format!(
        "applied: {written} of {} files written{tags}{}",
        applied.files.len(),
        provision.unwrap_or_default()
    )
}

/// The live run ends with the whole failure, so that its event needs no words there.
fn failed_words(failed: &Failed, detail: Detail) -> Vec<String> {
    if detail == Detail::Live {
        return Vec::new();
    }
    let about = failed
        .function
        .as_ref()
        .map(|function| format!(" ({function})"));
    let mut lines = vec![format!(
        "failed{}: {}",
        about.unwrap_or_default(),
        failed.message
    )];
    lines.extend(failed.causes.iter().map(|cause| format!("  {cause}")));
    lines.extend(failed.output.iter().map(|line| format!("  | {line}")));
    lines.extend(failed.hints.iter().map(|hint| format!("  hint: {hint}")));
    lines
}

fn abandoned_words(abandoned: &Abandoned) -> String {
    let why = match &abandoned.reason {
        AbandonReason::Superseded { by } => format!("superseded by artifact {}", short(by.hex())),
        AbandonReason::GivenUp => "given up".to_owned(),
    };
    let note = abandoned.note.as_ref().map(|note| format!(": {note}"));
    format!("abandoned: {why}{}", note.unwrap_or_default())
}

/// A number of things: `1 event`, `2 events`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Bytes for a person: `817 B`, `12.4 KiB`, `3.0 GiB`.
pub(crate) fn bytes(number: u64) -> String {
    let mut unit = "B";
    let mut tenths = u128::from(number) * 10;
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        // 1023.95 would be shown as 1024.0.
        if tenths < 10_235 {
            break;
        }
        tenths = (tenths + 512) / 1024;
        unit = larger;
    }
    if unit == "B" {
        return format!("{number} B");
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// The first digits of a hash, enough for a person to compare.
pub(crate) fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
