//! CDEvents 0.5: an attempt as a pipeline run, its steps as task runs, images as artifacts, functions as services.
//!
//! What the vocabulary has no word for goes out under types of our own, `dev.cdeventsx.artifactctl-…`. The recorded event stands in
//! the custom data of the first event that is made of it, so that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use cdevents_sdk::{
    CDEvent, Content, NonEmptyString, Subject, UriReference, artifact_packaged_0_3_0 as packaged,
    artifact_published_0_3_0 as published, pipelinerun_finished_0_3_0 as run_finished,
    pipelinerun_started_0_3_0 as run_started, service_deployed_0_3_0 as deployed,
    service_removed_0_3_0 as removed, service_rolledback_0_3_0 as rolled_back,
    service_upgraded_0_3_0 as upgraded, taskrun_finished_0_3_0 as task_finished,
};
use engine::compat::Verdict;
use engine::contract::{Digest, FunctionName};
use engine::image::Reference;
use engine::machine::{
    self, CompatChecked, Event, Failed, FailureKind, ImageBuilt, ImageSource, Images, Merged,
    Requested, Step,
};
use engine::merge::Key;
use journal::{Header, StoredEvent};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::output::stored;

/// Kept as they are in package URLs; every other byte is percent-encoded.
const PACKAGE_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b'~');

/// Makes CDEvents of recorded events, which are handed on in their order, from the first of a deploy.
pub(crate) struct CdEvents {
    source: UriReference,
    course: Course,
}

/// What later events of a deploy are told with.
#[derive(Default)]
struct Course {
    /// The digest of the artifact; empty before the first `Requested`.
    artifact: String,
    is_rollback: bool,
    /// The attempt that has begun and not ended.
    running: Option<u32>,
    added: BTreeSet<FunctionName>,
    changed: BTreeSet<FunctionName>,
    removed: BTreeSet<FunctionName>,
    /// The package URLs of images that this deploy recorded.
    images: BTreeMap<FunctionName, String>,
}

/// The name is no URI, or no relative reference to one.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a URI")]
pub(crate) struct SourceError(String);

impl CdEvents {
    /// For events that happen at `source`, a URI.
    pub(crate) fn new(source: &str) -> Result<Self, SourceError> {
        Ok(Self {
            source: source.parse().map_err(|_| SourceError(source.to_owned()))?,
            course: Course::default(),
        })
    }

    /// What a recorded event is in this vocabulary: one event or several. `images` reads the document of all images in effect.
    pub(crate) fn of(
        &mut self,
        stored: &StoredEvent,
        images: impl FnOnce(&Digest) -> Option<Images>,
    ) -> Vec<CDEvent> {
        let header = &stored.header;
        let subjects = match machine::decode(&header.kind, header.schema, &stored.payload) {
            Ok(event) => self.course.subjects(header, &event, images),
            // A newer version wrote it.
            Err(_) => vec![custom(header, "event", "recorded")],
        };
        let recorded = recorded(stored);
        (1..)
            .zip(subjects)
            .map(|(number, subject)| {
                let event = CDEvent::from(subject)
                    .with_id(id(&numbered(header.event_id, number)))
                    .with_source(self.source.clone())
                    .with_timestamp(moment(header));
                if number == 1 {
                    event.with_custom_data(recorded.clone())
                } else {
                    event
                }
            })
            .collect()
    }
}

impl Course {
    fn subjects(
        &mut self,
        header: &Header,
        event: &Event,
        images: impl FnOnce(&Digest) -> Option<Images>,
    ) -> Vec<Subject> {
        match event {
            Event::Requested(request) => self.begins(header, request),
            Event::Resumed(_) => {
                let killed = self.killed(header);
                self.running = Some(header.attempt);
                killed.into_iter().chain([run_starts(header)]).collect()
            }
            Event::Observed(_) => vec![custom(header, "stack", "observed")],
            Event::CompatChecked(checked) => vec![check_ends(header, checked)],
            Event::Merged(merged) => {
                self.merges(merged);
                vec![task_ends(header, "merge", "success", None)]
            }
            Event::ImagesKept(_) => vec![custom(header, "images", "kept")],
            Event::ImageBuilt(image) => self.has_image(header, image),
            Event::Applied(applied) => {
                let images = applied.images.as_ref().and_then(images);
                let mut subjects = self.services(header, &images.unwrap_or_default());
                let attempt = header.attempt;
                subjects.push(run_ends(
                    header,
                    attempt,
                    run_finished::ContentOutcome::Success,
                    None,
                ));
                self.running = None;
                subjects
            }
            Event::Failed(failed) => {
                self.running = None;
                fails(header, failed)
            }
            Event::Abandoned(_) => {
                let killed = self.killed(header);
                let given_up = custom(header, "deploy", "abandoned");
                killed.into_iter().chain([given_up]).collect()
            }
            Event::DriftFound(_) => vec![custom(header, "target", "drifted")],
            Event::Pruned(_) => vec![custom(header, "target", "pruned")],
            Event::TakenOver(_) => vec![custom(header, "target", "takenover")],
            Event::Held(_) => vec![custom(header, "target", "held")],
            Event::Released(_) => vec![custom(header, "target", "released")],
        }
    }

    /// The end of an attempt whose process was killed, and could not say how it ended; none when it did.
    fn killed(&mut self, header: &Header) -> Option<Subject> {
        let attempt = self.running.take()?;
        let why = Some("the process ended before the attempt did");
        let outcome = run_finished::ContentOutcome::Error;
        Some(run_ends(header, attempt, outcome, why))
    }

    fn begins(&mut self, header: &Header, request: &Requested) -> Vec<Subject> {
        *self = Self {
            artifact: request.artifact.as_str().to_owned(),
            is_rollback: request.rollback_to.is_some(),
            running: Some(header.attempt),
            ..Self::default()
        };
        vec![run_starts(header)]
    }

    /// A later attempt sees less to change, where an earlier one has published in part: what was once to be changed stays so.
    fn merges(&mut self, merged: &Merged) {
        let of = |keys: &[Key]| -> Vec<FunctionName> { keys.iter().filter_map(function).collect() };
        self.added.extend(of(&merged.changes.added));
        self.changed.extend(of(&merged.changes.changed));
        self.removed.extend(of(&merged.changes.removed));
    }

    fn has_image(&mut self, header: &Header, image: &ImageBuilt) -> Vec<Subject> {
        let package = package_url(&image.reference, &image.digest);
        self.images.insert(image.function.clone(), package.clone());
        let task = format!("image/{}", image.function);
        let mut subjects = vec![task_ends(header, &task, "success", None)];
        match image.source {
            ImageSource::Built => {
                self.changed.insert(image.function.clone());
                let change = packaged::ContentChange {
                    id: id(&self.artifact),
                    source: None,
                };
                let made = packaged::Content { change, sbom: None };
                subjects.push(subject(made, &package));
                let user = Some(id(&header.actor));
                subjects.push(subject(published::Content { sbom: None, user }, &package));
            }
            ImageSource::Promoted => drop(self.changed.insert(image.function.clone())),
            ImageSource::Reused => {}
        }
        subjects
    }

    /// Each function that is there since, is another one since, or is gone since.
    fn services(&self, header: &Header, images: &Images) -> Vec<Subject> {
        let target = id(&header.stream.to_string());
        let name = |function: &FunctionName| format!("{}/{function}", header.stream);
        let package = |function: &FunctionName| {
            let kept = images.images.get(function);
            let kept = kept.map(|image| package_url(&image.reference, &image.digest));
            let known = self.images.get(function).cloned().or(kept);
            // Its configuration names an image that somebody else made.
            id(&known.unwrap_or_else(|| generic_package_url(function, &self.artifact)))
        };
        let is_new = |function: &FunctionName| self.added.contains(function);
        let added = self.added.iter().map(|function| {
            let content = deployed::Content {
                artifact_id: package(function),
                environment: deployed::ContentEnvironment {
                    id: target.clone(),
                    source: None,
                },
            };
            subject(content, &name(function))
        });
        let changed = self.changed.iter().filter(|function| !is_new(function));
        let changed = changed.map(|function| {
            let artifact_id = package(function);
            if self.is_rollback {
                let environment = rolled_back::ContentEnvironment {
                    id: target.clone(),
                    source: None,
                };
                let content = rolled_back::Content {
                    artifact_id,
                    environment,
                };
                return subject(content, &name(function));
            }
            let environment = upgraded::ContentEnvironment {
                id: target.clone(),
                source: None,
            };
            let content = upgraded::Content {
                artifact_id,
                environment,
            };
            subject(content, &name(function))
        });
        let removed = self.removed.iter().map(|function| {
            let environment = Some(removed::ContentEnvironment {
                id: target.clone(),
                source: None,
            });
            subject(removed::Content { environment }, &name(function))
        });
        added.chain(changed).chain(removed).collect()
    }
}

/// The function that a key of the configuration is of.
fn function(key: &Key) -> Option<FunctionName> {
    FunctionName::parse(key.0.strip_prefix("functions/")?)
}

fn check_ends(header: &Header, checked: &CompatChecked) -> Subject {
    match checked.verdict {
        Verdict::Compatible => task_ends(header, "check", "success", None),
        Verdict::Incompatible => {
            let why = "the running stack does not fit the artifact";
            task_ends(header, "check", "failure", Some(why))
        }
    }
}

/// The step that failed and the attempt with it.
fn fails(header: &Header, failed: &Failed) -> Vec<Subject> {
    let outcome = match failed.kind {
        FailureKind::Interrupted => run_finished::ContentOutcome::Cancel,
        FailureKind::Unreachable | FailureKind::Internal => run_finished::ContentOutcome::Error,
        FailureKind::Payload
        | FailureKind::Incompatible
        | FailureKind::Image
        | FailureKind::Drift
        | FailureKind::Unrestorable
        | FailureKind::Publish
        | FailureKind::Provision => run_finished::ContentOutcome::Failure,
    };
    let step = step_name(failed.step);
    let task = match &failed.function {
        Some(function) => format!("{step}/{function}"),
        None => step.to_owned(),
    };
    let task = task_ends(header, &task, "failure", Some(&failed.message));
    let run = run_ends(header, header.attempt, outcome, Some(&failed.message));
    // What was checked has told of its own failure.
    if failed.kind == FailureKind::Incompatible {
        return vec![run];
    }
    vec![task, run]
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Observe => "observe",
        Step::Check => "check",
        Step::Merge => "merge",
        Step::Image => "image",
        Step::Publish => "publish",
        Step::Tag => "tag",
        Step::Provision => "provision",
    }
}

/// The run of a pipeline that an attempt is.
fn run_id(header: &Header, attempt: u32) -> String {
    numbered(header.deploy, attempt)
}

fn run_starts(header: &Header) -> Subject {
    let content = run_started::Content {
        pipeline_name: header.stream.to_string(),
        uri: format!("urn:uuid:{}", header.deploy)
            .parse()
            .expect("a UUID makes a URN"),
    };
    subject(content, &run_id(header, header.attempt))
}

fn run_ends(
    header: &Header,
    attempt: u32,
    outcome: run_finished::ContentOutcome,
    errors: Option<&str>,
) -> Subject {
    let content = run_finished::Content {
        errors: errors.map(str::to_owned),
        outcome: Some(outcome),
        pipeline_name: Some(header.stream.to_string()),
        uri: None,
    };
    subject(content, &run_id(header, attempt))
}

fn task_ends(header: &Header, task: &str, outcome: &str, errors: Option<&str>) -> Subject {
    let run = run_id(header, header.attempt);
    let content = task_finished::Content {
        errors: errors.map(str::to_owned),
        outcome: Some(outcome.to_owned()),
        pipeline_run: Some(task_finished::ContentPipelineRun {
            id: id(&run),
            source: None,
        }),
        task_name: Some(task.to_owned()),
        uri: None,
    };
    subject(content, &format!("{run}/{task}"))
}

/// An event of our own vocabulary, about the deploy.
fn custom(header: &Header, subject_name: &str, predicate: &str) -> Subject {
    let content = Content::Custom {
        ty: format!("dev.cdeventsx.artifactctl-{subject_name}.{predicate}.0.1.0"),
        json: json!({}),
    };
    subject(content, &header.deploy.to_string())
}

fn subject(content: impl Into<Content>, name: &str) -> Subject {
    Subject::from(content.into()).with_id(id(name))
}

/// The recorded event: its place, its hash and its payload.
fn recorded(event: &StoredEvent) -> Value {
    let header = &event.header;
    json!({
        "kind": header.kind,
        "schema": header.schema,
        "sequence": header.sequence,
        "deploy": header.deploy,
        "attempt": header.attempt,
        "actor": header.actor,
        "tool": header.tool,
        "hash": header.hash,
        "payload": stored(&event.payload),
    })
}

/// An image by its digest, as package URLs name images.
fn package_url(reference: &str, digest: &Digest) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, PACKAGE_PART).to_string();
    let digest = encoded(digest.as_str());
    match Reference::parse(reference) {
        Ok(reference) => {
            let name = reference.last_part().to_lowercase();
            let repository = encoded(&reference.name());
            format!("pkg:oci/{name}@{digest}?repository_url={repository}")
        }
        Err(_) => format!("pkg:oci/image@{digest}"),
    }
}

/// A function whose image nobody recorded, by the artifact that it came with.
fn generic_package_url(function: &FunctionName, artifact: &str) -> String {
    let artifact = utf8_percent_encode(artifact, PACKAGE_PART);
    format!("pkg:generic/{function}@{artifact}")
}

/// One of several that an id stands for.
fn numbered(of: Uuid, number: u32) -> String {
    format!("{of}.{number}")
}

/// Names in this room are never empty: ids, targets and actors.
fn id(name: &str) -> NonEmptyString {
    NonEmptyString::try_from(name).unwrap_or_default()
}

fn moment(header: &Header) -> OffsetDateTime {
    let milliseconds = i128::from(header.recorded_at.as_millisecond());
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
