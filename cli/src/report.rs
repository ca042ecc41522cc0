//! What a run says while it runs: bars on a terminal, plain lines in a pipe, JSON lines when asked for.
//!
//! The words of an event live here once, for the live run and for `show`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use engine::compat::{Container, Grade, Observation, Verdict};
use engine::contract::{FunctionName, printable_lines};
use engine::machine::{
    AbandonReason, Abandoned, Applied, CompatChecked, Event, Failed, ImageBuilt, ImageSource,
    ImagesKept, Merged, RecordedEvent, Requested,
};
use engine::redact::credentials;
use engine::run::{Notice, PlannedImage};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing_subscriber::EnvFilter;

use crate::output::{Output, Type, stored};

/// Sets up logging to standard error: warnings, or more with each `-v`; `ARTIFACTCTL_LOG` overrides.
pub(crate) fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // The HTTP and registry clients log requests with their headers at their finest levels; those stay off.
    let filter =
        format!("{level},hyper=warn,hyper_util=warn,reqwest=warn,bollard=warn,rustls=warn");
    let filter =
        EnvFilter::try_from_env("ARTIFACTCTL_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Clean(io::stderr()))
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .without_time()
        .init();
}

/// Writes log lines without credentials. The log writes each of its lines at once.
struct Clean<W>(W);

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(credentials(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

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
    builds: Mutex<BTreeMap<FunctionName, ProgressBar>>,
}

/// An event as JSON output shows it.
#[derive(Serialize)]
struct EventLine<'a> {
    sequence: u64,
    deploy: uuid::Uuid,
    kind: &'a str,
    payload: &'a RawValue,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(output: &'a Output, explain: bool) -> Self {
        let bars = (draws() && !output.is_json()).then(MultiProgress::new);
        Self {
            output,
            explain,
            bars,
            builds: Mutex::new(BTreeMap::new()),
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
            let line = EventLine {
                sequence: event.sequence,
                deploy: event.deploy,
                kind: event.event.kind(),
                payload: stored(&payload),
            };
            // A reader that has gone away does not stop a deploy.
            let _ = Output::json(Type::Event, &line);
        }
        for line in words(&event.event, self.explain) {
            self.say(&line);
        }
    }

    fn planned(&self, images: &[PlannedImage]) {
        let builds: Vec<&PlannedImage> = images
            .iter()
            .filter(|image| !image.build_because.is_empty())
            .collect();
        self.say(&format!(
            "images: {} in the registry, {} to build",
            images.len() - builds.len(),
            builds.len()
        ));
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
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_prefix(function.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
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

    /// Takes the bars away, so that nothing is drawn over what is said from here on.
    pub(crate) fn finish(&self) {
        self.with_builds(BTreeMap::clear);
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Says a line on standard error, above the bars when there are some.
    pub(crate) fn say(&self, line: &str) {
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

/// One planned image in one line.
pub(crate) fn image_line(image: &PlannedImage) -> String {
    if image.build_because.is_empty() {
        return format!("  reuse {} ({})", image.function, image.reference);
    }
    let causes: Vec<String> = image
        .build_because
        .iter()
        .map(ToString::to_string)
        .collect();
    format!(
        "  build {} ({}): {}",
        image.function,
        image.reference,
        causes.join("; ")
    )
}

/// An event in words, a line each; with `all`, also what went well and needs no eye.
pub(crate) fn words(event: &Event, all: bool) -> Vec<String> {
    match event {
        Event::Requested(requested) => requested_words(requested),
        Event::Observed(observed) => vec![observed_words(&observed.observation)],
        Event::CompatChecked(checked) => checked_words(checked, all),
        Event::Merged(merged) => merged_words(merged),
        Event::ImagesKept(kept) => vec![kept_words(kept)],
        Event::ImageBuilt(image) => image_words(image, all),
        Event::Applied(applied) => vec![applied_words(applied)],
        Event::Failed(failed) => failed_words(failed, all),
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
    let asked = format!(
        "requested: artifact {} from {} onto project {}, into {}",
        short(requested.artifact.hex()),
        requested.manifest_path,
        requested.project,
        requested.out
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

fn checked_words(checked: &CompatChecked, all: bool) -> Vec<String> {
    let verdict = match checked.verdict {
        Verdict::Compatible => "compatible",
        Verdict::Incompatible => "incompatible",
    };
    let mut lines = vec![format!(
        "checked: {verdict}, {}",
        counted(checked.findings.len() as u64, "finding")
    )];
    // The live run ends with the failure, which names every failed check.
    let shown = checked
        .findings
        .iter()
        .filter(|finding| all || finding.grade == Grade::Warn);
    lines.extend(shown.map(|finding| format!("  {}", finding.sentence())));
    lines
}

fn merged_words(merged: &Merged) -> Vec<String> {
    let changes = &merged.changes;
    let mut lines = vec![format!(
        "merged: {} added, {} changed, {} removed, {}",
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len(),
        counted(merged.images.count(), "image")
    )];
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

fn kept_words(kept: &ImagesKept) -> String {
    format!(
        "kept: {} as deploy {} recorded",
        counted(kept.count, "image"),
        kept.base
    )
}

fn image_words(image: &ImageBuilt, all: bool) -> Vec<String> {
    let how = match image.source {
        ImageSource::Reused if !all => return Vec::new(),
        ImageSource::Reused => "reused",
        ImageSource::Built => "built",
        ImageSource::Promoted => "adopted from another machine",
    };
    let seconds = Duration::from_millis(image.duration_ms).as_secs_f64();
    let digest = short(image.digest.hex());
    vec![format!(
        "{how}: {} {} {digest} in {seconds:.1} s",
        image.function, image.reference
    )]
}

fn applied_words(applied: &Applied) -> String {
    let written = applied.files.values().filter(|file| file.written).count();
    let provision = applied
        .provision
        .as_ref()
        .map(|run| format!("; provisioner exited {}", run.exit_code));
    format!(
        "applied: {written} of {} files written{}",
        applied.files.len(),
        provision.unwrap_or_default()
    )
}

/// The live run ends with the whole failure, so that its event needs no words there.
fn failed_words(failed: &Failed, all: bool) -> Vec<String> {
    if !all {
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

/// The first digits of a hash, enough for a person to compare.
pub(crate) fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
