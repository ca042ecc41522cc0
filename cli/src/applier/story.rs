//! What the events of a deploy say, told with what the journal knows besides: the values that changed, and why an image was built.

use std::collections::BTreeMap;

use engine::image::explain;
use engine::machine::{self, Event, ImageBuilt, ImageSource, Images, Merged, Requested};
use engine::merge::{Key, KeyDifference, OwnedConfiguration, differences};
use engine::run::{DeployJournalError, base_merged, configuration_of, document};
use journal::{EventLog, StoredEvent};

use crate::applier::target::deploy_journal_failure;
use crate::applier::{events, values};
use crate::changes::signed;
use crate::failure::Failure;
use crate::page::{Line, Tone};
use crate::report::Detail;

/// Keys that are listed before the rest is counted.
const KEYS_MAX: usize = 20;

/// One deploy, and what stood before it.
#[derive(Default)]
pub(crate) struct Story {
    /// How each merge differs from what the deploy builds upon, by the sequence of its event.
    merges: BTreeMap<u64, (Merged, BTreeMap<Key, KeyDifference>)>,
    /// The images that were in effect before.
    before: Option<Images>,
}

impl Story {
    /// The events are those of one deploy, oldest first. What a newer tool wrote, and what a hold is, has no more to tell.
    pub(crate) fn of(log: &dyn EventLog, shown: &[StoredEvent]) -> Result<Self, Failure> {
        Self::read(log, shown).map_err(|error| deploy_journal_failure(&error))
    }

    fn read(log: &dyn EventLog, shown: &[StoredEvent]) -> Result<Self, DeployJournalError> {
        let Some(Event::Requested(request)) = shown.first().and_then(decoded) else {
            return Ok(Self::default());
        };
        let mut story = Self {
            merges: BTreeMap::new(),
            before: images_before(log, &request)?,
        };
        let mut before: Option<OwnedConfiguration> = None;
        for event in shown.iter().filter(|event| event.header.kind == "Merged") {
            let Some(Event::Merged(merged)) = decoded(event) else {
                continue;
            };
            if before.is_none() {
                before = configuration_before(log, &request)?;
            }
            let after = configuration_of(log, &merged)?;
            // Of values that were pruned nothing can be told.
            let differences = before.as_ref().map(|before| differences(before, &after));
            let differences = differences.unwrap_or_default();
            story
                .merges
                .insert(event.header.sequence, (merged, differences));
        }
        Ok(story)
    }

    /// An event in lines.
    pub(crate) fn lines(&self, event: &StoredEvent, verbose: bool) -> Vec<Line> {
        let detail = if verbose { Detail::Full } else { Detail::Shown };
        if let Some((merged, differences)) = self.merges.get(&event.header.sequence) {
            // The keys are told here, with their values.
            let mut lines = events::lines(event, Detail::Live);
            let keys = keys(merged, differences, verbose);
            let keys = keys.into_iter().map(|line| line.indented(events::INDENT));
            lines.splice(1..1, keys);
            return lines;
        }
        let mut lines = events::lines(event, detail);
        if let Some(Event::ImageBuilt(image)) = decoded(event) {
            let because = self.because(&image).into_iter();
            lines.extend(because.map(|why| Line::new(format!("{:>1$}{why}", "", BELOW))));
        }
        lines
    }

    /// Why an image was built: what went into it and differs from the image before.
    fn because(&self, image: &ImageBuilt) -> Vec<String> {
        let before = self.before.as_ref();
        let before = before.and_then(|images| images.images.get(&image.function));
        match (image.source, before) {
            (ImageSource::Built, Some(before)) => explain(&before.inputs, &image.inputs),
            (ImageSource::Built | ImageSource::Reused | ImageSource::Promoted, _) => Vec::new(),
        }
    }
}

/// Columns before what is told below an event's first line.
const BELOW: usize = events::INDENT + 2;

/// The keys that a merge changes, as in its event, each with the lines of its value that differ from what was published before.
fn keys(merged: &Merged, differences: &BTreeMap<Key, KeyDifference>, all: bool) -> Vec<Line> {
    let listed = if all { usize::MAX } else { KEYS_MAX };
    let mut lines = Vec::new();
    for (sign, tone, key) in signed(&merged.changes).take(listed) {
        lines.push(Line::new("  ").and(tone, format!("{sign} {key}")));
        // Where no values were kept, the key is all that is known.
        if let Some(difference) = differences
            .get(&Key(key.to_owned()))
            .filter(|difference| difference.is_kept)
        {
            lines.extend(values::below(difference, all));
        }
    }
    let more = signed(&merged.changes).count().saturating_sub(listed);
    if more > 0 {
        let text = format!("  … {more} more keys: -v lists them");
        lines.push(Line::default().and(Tone::Plain, text));
    }
    lines
}

fn decoded(event: &StoredEvent) -> Option<Event> {
    let header = &event.header;
    machine::decode(&header.kind, header.schema, &event.payload).ok()
}

/// What was published before a deploy; none when that was pruned.
fn configuration_before(
    log: &dyn EventLog,
    request: &Requested,
) -> Result<Option<OwnedConfiguration>, DeployJournalError> {
    let Some(base) = &request.base else {
        return Ok(Some(OwnedConfiguration::default()));
    };
    let merged = base_merged(log, base)?;
    merged
        .map(|merged| configuration_of(log, &merged))
        .transpose()
}

fn images_before(
    log: &dyn EventLog,
    request: &Requested,
) -> Result<Option<Images>, DeployJournalError> {
    let digest = request.base.as_ref().and_then(|base| base.images.as_ref());
    digest.map(|digest| document(log, digest)).transpose()
}
