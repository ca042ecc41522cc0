//! What a run says while it runs: bars on a terminal, plain lines in a pipe, JSON lines when asked for.
//!
//! The words of an event live once, in `words`, for the live run and for `show`.

mod images;
mod pulse;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use engine::contract::{FunctionName, printable, printable_lines};
use engine::machine::{Event, ImageSource, RecordedEvent};
use engine::merge::{Changes, Key};
use engine::redact::credentials;
use engine::run::{Notice, PlannedImage};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::images_phase::{ImagesPhase, TICK, Totals, spinner};
use crate::output::{Output, Type, stored};
use crate::terminal::SilentKeys;
use pulse::Pulse;

pub(crate) use images::image_line;
pub(crate) use words::words;

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
    /// Speaks up where nothing is drawn.
    pulse: Option<Pulse>,
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
    /// The keys of ours that somebody had changed by hand.
    pub(crate) drift: Vec<Key>,
    /// Functions whose image is another one since.
    pub(crate) images: BTreeSet<FunctionName>,
    /// Images built.
    pub(crate) built: usize,
}

impl Done {
    fn add(&mut self, event: &Event) {
        if let Some(merged) = event.as_merged() {
            self.changes.clone_from(&merged.changes);
            self.drift = merged.drift.iter().map(|one| one.key.clone()).collect();
        }
        if let Some(image) = event.as_image_built() {
            self.images.insert(image.function.clone());
            self.built += usize::from(image.source == ImageSource::Built);
        }
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
            pulse: (!draws && !output.is_quiet()).then(Pulse::begin).flatten(),
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
        if let Some(pulse) = &self.pulse {
            pulse.started(function);
        }
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
        if let Some(pulse) = &self.pulse {
            pulse.ended(function);
        }
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
            // Lines that are printed as bars are would be padded to the width, and have no end of their own.
            Some(bars) => bars.suspend(|| talk(line)),
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
