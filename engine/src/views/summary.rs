//! Who applied which artifact when, against which stack versions: one deploy in one record.

use std::collections::BTreeSet;

use jiff::Timestamp;
use journal::{Schema, StoredEvent};
use serde::Serialize;
use uuid::Uuid;

use crate::compat::{Finding, Observation, Verdict};
use crate::contract::FunctionName;
use crate::machine::{self, AbandonReason, Event, ImageBuilt, ImageSource, MovedTag};
use crate::merge::{Changes, ConfigFile, Drift};

/// One deploy, summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// The target, `project/env`.
    pub target: String,
    /// The deploy.
    pub deploy: Uuid,
    /// Sequence of its first event.
    pub first: u64,
    /// Sequence of its last event.
    pub last: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its last event was recorded.
    pub last_at: Timestamp,
    /// When it was applied; none when it was not.
    pub applied_at: Option<Timestamp>,
    /// Who asked, and who resumed; in order, each once.
    pub actors: Vec<String>,
    /// The tool versions that wrote its events; in order, each once.
    pub tools: Vec<String>,
    /// Number of attempts.
    pub attempts: u32,
    /// How often an owner ended without letting go, and another took over.
    pub taken_over: usize,
    /// How it stands.
    pub status: Status,
    /// Digest of the artifact.
    pub artifact: Option<String>,
    /// Path of the manifest.
    pub manifest_path: Option<String>,
    /// Why it was asked for, as the person said.
    pub message: Option<String>,
    /// The deploy that it goes back to, when it is a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<Uuid>,
    /// It was applied, and no rollback can go back to it: why, as far as the journal alone tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrestorable: Option<&'static str>,
    /// Ids of the artifact's entries (or their roots, where they have none).
    pub entries: Vec<String>,
    /// The verdict of the last check.
    pub verdict: Option<Verdict>,
    /// The versions that were running, as last observed.
    pub stack: Vec<ServiceVersion>,
    /// The engine's version, as last observed.
    pub engine: Option<String>,
    /// The keys of the configuration that its last merge changed.
    pub changes: Changes,
    /// Functions whose image is another one since: it was built, or found in a registry.
    pub images: BTreeSet<FunctionName>,
    /// Images built.
    pub built: usize,
    /// Images reused.
    pub reused: usize,
    /// Images adopted that another machine had pushed.
    pub promoted: usize,
    /// The first line of what went wrong, when it failed last.
    pub error: Option<String>,
    /// Events of a newer tool that could not be read.
    pub unread: usize,
}

/// How a deploy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for, and neither ended nor failed: running, or killed.
    Unfinished,
    /// The attempt failed; it can be resumed.
    Failed,
    /// Published.
    Applied,
    /// Given up.
    Abandoned,
    /// Not applied: another artifact was deployed in its place.
    Superseded,
}

impl Status {
    /// How a deploy stands that was abandoned for this reason.
    fn of(reason: &AbandonReason) -> Self {
        match reason {
            AbandonReason::GivenUp => Self::Abandoned,
            AbandonReason::Superseded { .. } => Self::Superseded,
        }
    }

    /// The status in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Failed => "failed",
            Self::Applied => "applied",
            Self::Abandoned => "abandoned",
            Self::Superseded => "superseded",
        }
    }
}

/// A service that was running, and its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceVersion {
    /// The service.
    pub service: String,
    /// Its version; none when unknown.
    pub version: Option<String>,
}

/// The kind of the event that a deploy begins with.
const REQUESTED: &str = "Requested";

/// A deploy begins with this event. A hold that stands by itself is no deploy.
pub fn begins_deploy(event: &StoredEvent) -> bool {
    event.header.kind == REQUESTED
}

/// Sums up one deploy from its events, oldest first. None when there is no event.
pub fn summarise(events: &[StoredEvent]) -> Option<Summary> {
    let (first, last) = (events.first()?, events.last()?);
    let mut summary = Summary {
        target: first.header.stream.to_string(),
        deploy: first.header.deploy,
        first: first.header.sequence,
        last: last.header.sequence,
        requested_at: first.header.recorded_at,
        applied_at: None,
        last_at: last.header.recorded_at,
        actors: Vec::new(),
        tools: Vec::new(),
        attempts: last.header.attempt,
        taken_over: 0,
        status: Status::Unfinished,
        artifact: None,
        manifest_path: None,
        message: None,
        rollback_to: None,
        unrestorable: None,
        entries: Vec::new(),
        verdict: None,
        stack: Vec::new(),
        engine: None,
        changes: Changes::default(),
        images: BTreeSet::new(),
        built: 0,
        reused: 0,
        promoted: 0,
        error: None,
        unread: 0,
    };
    let mut keeps_values = true;
    for event in events {
        once(&mut summary.actors, &event.header.actor);
        once(&mut summary.tools, &event.header.tool);
        match machine::decode(&event.header.kind, event.header.schema, &event.payload) {
            Ok(applied) => {
                if let Event::Merged(merged) = &applied {
                    keeps_values = event.header.schema >= VALUES_SINCE || !merged.values.is_empty();
                }
                if let Some(image) = applied.as_image_built()
                    && is_other(image, event.header.schema)
                {
                    summary.images.insert(image.function.clone());
                }
                if matches!(applied, Event::Applied(_)) {
                    summary.applied_at = Some(event.header.recorded_at);
                    summary.unrestorable = (!keeps_values).then_some(NOT_KEPT);
                }
                summary.add(applied);
            }
            Err(_) => summary.unread += 1,
        }
    }
    Some(summary)
}

/// The image is another one than the deploy before left. Before schema 2, those that stayed as they were had such an event as well.
pub(super) fn is_other(image: &ImageBuilt, schema: Schema) -> bool {
    image.source != ImageSource::Reused || schema.major >= 2
}

/// The schema since which merges keep their values.
const VALUES_SINCE: Schema = Schema { major: 2, minor: 1 };
const NOT_KEPT: &str = "the values of its configuration were not kept";

/// A hold that a person had, or has, on a target without an unfinished deploy: a group of events of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldSummary {
    /// The target, `project/env`.
    pub target: String,
    /// Its id.
    pub hold: Uuid,
    /// Sequence of its first event.
    pub first: u64,
    /// Sequence of its last event.
    pub last: u64,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// Since when.
    pub held_at: Timestamp,
    /// When somebody let go; none while it is there.
    pub released_at: Option<Timestamp>,
    /// Who let go.
    pub released_by: Option<String>,
    /// What that person said.
    pub note: Option<String>,
}

/// Sums up a hold that stands by itself. None when these are the events of a deploy.
pub fn hold(events: &[StoredEvent]) -> Option<HoldSummary> {
    let (first, last) = (events.first()?, events.last()?);
    let event = |event: &StoredEvent| {
        machine::decode(&event.header.kind, event.header.schema, &event.payload).ok()
    };
    let Event::Held(held) = event(first)? else {
        return None;
    };
    let mut summary = HoldSummary {
        target: first.header.stream.to_string(),
        hold: first.header.deploy,
        first: first.header.sequence,
        last: last.header.sequence,
        actor: first.header.actor.clone(),
        message: held.message,
        held_at: first.header.recorded_at,
        released_at: None,
        released_by: None,
        note: None,
    };
    if let Some(Event::Released(released)) = event(last) {
        summary.released_at = Some(last.header.recorded_at);
        summary.released_by = Some(last.header.actor.clone());
        summary.note = released.note;
    }
    Some(summary)
}

/// Drift that somebody had recorded: a group of events of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DriftSummary {
    /// The target, `project/env`.
    pub target: String,
    /// Its id.
    pub drift: Uuid,
    /// Its sequence.
    pub sequence: u64,
    /// Who had it recorded.
    pub actor: String,
    /// When.
    pub found_at: Timestamp,
    /// The deploy that was compared.
    pub in_effect: Uuid,
    /// Files of the output directory that are not what was applied.
    pub files: Vec<ConfigFile>,
    /// Keys that stand otherwise.
    pub keys: Vec<Drift>,
    /// Tags that name another image, or none.
    pub tags: Vec<MovedTag>,
    /// The checks that the running stack fails.
    pub refused: Vec<Finding>,
}

/// Sums up drift that was recorded. None when these are the events of a deploy or of a hold.
pub fn drift(events: &[StoredEvent]) -> Option<DriftSummary> {
    let [event] = events else { return None };
    let header = &event.header;
    let Ok(Event::DriftFound(found)) = machine::decode(&header.kind, header.schema, &event.payload)
    else {
        return None;
    };
    Some(DriftSummary {
        target: header.stream.to_string(),
        drift: header.deploy,
        sequence: header.sequence,
        actor: header.actor.clone(),
        found_at: header.recorded_at,
        in_effect: found.in_effect,
        files: found.files,
        keys: found.keys,
        tags: found.tags,
        refused: found.refused,
    })
}

/// A prune: a group of events of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PruneSummary {
    /// The target, `project/env`.
    pub target: String,
    /// Its id.
    pub prune: Uuid,
    /// Its sequence.
    pub sequence: u64,
    /// Who pruned.
    pub actor: String,
    /// When.
    pub pruned_at: Timestamp,
    /// The last event that went.
    pub until: u64,
    /// How many events went.
    pub events: u64,
    /// How many deploys went.
    pub deploys: u64,
    /// When the first event that went was recorded.
    pub from: String,
    /// When the last one was.
    pub to: String,
    /// The digest of the document of the images that are not named any more.
    pub images: Option<String>,
    /// Why, as the person said.
    pub message: Option<String>,
}

/// Sums up a prune. None when these are other events.
pub fn prune(events: &[StoredEvent]) -> Option<PruneSummary> {
    let [event] = events else { return None };
    let header = &event.header;
    let Ok(Event::Pruned(pruned)) = machine::decode(&header.kind, header.schema, &event.payload)
    else {
        return None;
    };
    Some(PruneSummary {
        target: header.stream.to_string(),
        prune: header.deploy,
        sequence: header.sequence,
        actor: header.actor.clone(),
        pruned_at: header.recorded_at,
        until: pruned.checkpoint.sequence,
        events: pruned.events,
        deploys: pruned.deploys,
        from: pruned.from,
        to: pruned.to,
        images: pruned.images.map(|images| images.to_string()),
        message: pruned.message,
    })
}

fn once(list: &mut Vec<String>, value: &str) {
    if !list.iter().any(|known| known == value) {
        list.push(value.to_owned());
    }
}

impl Summary {
    /// It was applied, found everything as it should be, and nobody said why it was asked for.
    pub fn changed_nothing(&self) -> bool {
        self.status == Status::Applied
            && self.changes.is_empty()
            && self.images.is_empty()
            && self.message.is_none()
            && self.rollback_to.is_none()
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Requested(requested) => {
                self.artifact = Some(requested.artifact.to_string());
                self.manifest_path = Some(requested.manifest_path);
                self.message = requested.message;
                self.rollback_to = requested.rollback_to;
                let entries = requested.manifest.artifacts.into_iter();
                self.entries = entries
                    .map(|entry| entry.id.unwrap_or(entry.artifact_root))
                    .collect();
            }
            Event::Observed(observed) => {
                self.stack = versions(&observed.observation);
                self.engine = Some(observed.observation.engine.version);
            }
            Event::CompatChecked(checked) => self.verdict = Some(checked.verdict),
            // A hold stops a deploy, and does not change how far it is.
            Event::Held(_) | Event::Released(_) | Event::DriftFound(_) | Event::Pruned(_) => {}
            Event::Merged(merged) => self.changes = merged.changes,
            Event::ImageBuilt(image) => match image.source {
                ImageSource::Built => self.built += 1,
                ImageSource::Reused => self.reused += 1,
                ImageSource::Promoted => self.promoted += 1,
            },
            Event::ImagesKept(kept) => {
                self.reused += usize::try_from(kept.count).unwrap_or(usize::MAX);
            }
            Event::Applied(_) => self.status = Status::Applied,
            Event::Failed(failed) => {
                self.status = Status::Failed;
                self.error = Some(failed.message);
            }
            Event::Resumed(_) => {
                self.status = Status::Unfinished;
                self.error = None;
            }
            Event::Abandoned(abandoned) => self.status = Status::of(&abandoned.reason),
            Event::TakenOver(_) => self.taken_over += 1,
        }
    }
}

/// The services that were seen, with their versions; replicas of one version count once.
pub fn versions(observation: &Observation) -> Vec<ServiceVersion> {
    let mut versions = BTreeSet::new();
    for container in &observation.containers {
        let version = container
            .version
            .as_ref()
            .map(|version| version.value.clone());
        versions.insert(ServiceVersion {
            service: container.service.clone(),
            version,
        });
    }
    versions.into_iter().collect()
}
