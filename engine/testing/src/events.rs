//! The events of one deploy, and what is asserted of them.

use std::fmt;

use engine::machine::{DecodeError, Event, Failed, ImageBuilt, ImageSource, RecordedEvent};
use engine::run::{DeployJournalError, typed};
use engine::views::{Pattern, PatternDifference, TimedEvent};
use journal::{EventLog, StoredEvent};
use uuid::Uuid;

/// The events of one deploy in order, as a journal has them.
#[derive(Debug, Clone)]
pub struct DeployEvents {
    stored: Vec<StoredEvent>,
    recorded: Vec<RecordedEvent>,
}

/// Events do not fit a pattern, or the text is none. Its text has both side by side.
#[derive(Clone, PartialEq, Eq)]
pub struct PatternMismatch(String);

impl fmt::Display for PatternMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As people read it: a test that ends with an error prints this.
impl fmt::Debug for PatternMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternMismatch {}

impl DeployEvents {
    /// Reads the deploy that begins at a sequence.
    pub(crate) fn read(events: &dyn EventLog, first: u64) -> Result<Self, DeployJournalError> {
        let mut stored: Vec<StoredEvent> = Vec::new();
        for event in journal::scan(events, first) {
            let event = event?;
            let begin = stored.first().map(|begin| begin.header.deploy);
            if begin.is_some_and(|deploy| deploy != event.header.deploy) {
                break;
            }
            stored.push(event);
        }
        let recorded = stored.iter().map(typed).collect::<Result<_, _>>()?;
        Ok(Self { stored, recorded })
    }

    /// The deploy's id.
    pub fn id(&self) -> Option<Uuid> {
        self.recorded.first().map(|event| event.deploy)
    }

    /// The events, each with its sequence.
    pub fn events(&self) -> &[RecordedEvent] {
        &self.recorded
    }

    /// The kinds of the events, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.recorded.iter().map(|one| one.event.kind()).collect()
    }

    /// Fails unless the events, all of them, fit a pattern in the language of `artifactctl assert` (docs/guide/assertions.md).
    pub fn assert_events(&self, pattern: &str) -> Result<(), PatternMismatch> {
        let read = Pattern::parse(pattern).map_err(|error| {
            let violation = error.violation("the pattern");
            PatternMismatch(engine::contract::render_violations(&[violation]))
        })?;
        let timed = self
            .timed(&read)
            .map_err(|error| PatternMismatch(error.to_string()))?;
        match read.compare(&timed) {
            Ok(()) => Ok(()),
            Err(PatternDifference::Mismatch {
                mismatch,
                side_by_side,
            }) => {
                let lines: Vec<&str> = side_by_side.iter().map(|line| line.trim_end()).collect();
                let lines = lines.join("\n");
                Err(PatternMismatch(format!(
                    "{mismatch}\npattern: {pattern}\n{lines}"
                )))
            }
            Err(PatternDifference::TooCostly) => Err(PatternMismatch(format!(
                "the pattern is too costly to compare with {} events: {pattern}",
                timed.len()
            ))),
        }
    }

    fn timed(&self, pattern: &Pattern) -> Result<Vec<TimedEvent>, DecodeError> {
        let stored = self.stored.iter();
        stored
            .map(|event| TimedEvent::of(event, &[pattern]))
            .collect()
    }

    /// The functions whose images were built, in order.
    pub fn built(&self) -> Vec<&str> {
        self.images(ImageSource::Built)
    }

    /// The functions whose images another machine had pushed, in order.
    pub fn promoted(&self) -> Vec<&str> {
        self.images(ImageSource::Promoted)
    }

    /// How many images stayed as the deploy before left them.
    pub fn kept(&self) -> u64 {
        let kept = self
            .recorded
            .iter()
            .filter_map(|one| one.event.as_images_kept());
        kept.map(|kept| kept.count).sum()
    }

    fn images(&self, source: ImageSource) -> Vec<&str> {
        let images = self
            .recorded
            .iter()
            .filter_map(|one| one.event.as_image_built());
        let images = images.filter(|image| image.source == source);
        images
            .map(|image: &ImageBuilt| image.function.as_str())
            .collect()
    }

    /// The deploy is in effect.
    pub fn is_applied(&self) -> bool {
        matches!(self.last(), Some(Event::Applied(_)))
    }

    /// Its last attempt was cut off, and neither failed nor ended well.
    pub fn is_interrupted(&self) -> bool {
        !matches!(
            self.last(),
            Some(Event::Applied(_) | Event::Failed(_) | Event::Abandoned(_))
        )
    }

    /// Why its last attempt failed; none when it did not.
    pub fn failure(&self) -> Option<&Failed> {
        match self.last() {
            Some(Event::Failed(failed)) => Some(failed),
            _ => None,
        }
    }

    fn last(&self) -> Option<&Event> {
        self.recorded.last().map(|recorded| &recorded.event)
    }
}
