//! Events, and the states that they fold into.

use std::collections::BTreeMap;

use journal::{Hash, Head};
use uuid::Uuid;

use crate::compat::{Observation, Policy, Verdict};
use crate::contract::{ArtifactEntry, Digest, FunctionName, Manifest, Mode};
use crate::machine::*;
use crate::merge::{Changes, ConfigFile, Ownership};

pub(super) fn requested() -> Requested {
    let entry = ArtifactEntry {
        id: None,
        artifact_root: "svc".to_owned(),
        runtime_config_dir: "config".to_owned(),
        bundle_manifest: None,
        required_secret_env: Vec::new(),
        source_template: None,
    };
    let manifest = Manifest {
        project: "demo".to_owned(),
        env: "dev".to_owned(),
        mode: Mode::Docker,
        runtime_stack: None,
        artifacts: vec![entry],
        generated_at: None,
        generator: None,
    };
    sample::requested(Digest::of("artifact"), manifest)
}

pub(super) fn observation() -> Observation {
    sample::observation("demo", &[("gateway", "1.4.2")])
}

pub(super) fn function(name: &str) -> FunctionName {
    FunctionName::parse(name).unwrap()
}

fn functions(names: &[&str]) -> Vec<FunctionName> {
    names.iter().map(|name| function(name)).collect()
}

pub(super) fn checked(verdict: Verdict) -> Event {
    Event::CompatChecked(CompatChecked {
        verdict,
        policy: Policy::Strict,
        strict_warnings: false,
        findings: Vec::new(),
    })
}

pub(super) fn merged(images: &[&str]) -> Event {
    Event::Merged(Merged {
        files: BTreeMap::new(),
        ownership: Owners::Stated(Ownership::default()),
        changes: Changes::default(),
        drift: Vec::new(),
        images: OwedImages::Stated(functions(images)),
        warnings: Vec::new(),
        values: BTreeMap::from([(ConfigFile::Functions, Digest::of("values"))]),
    })
}

/// A merge that owes all images of a document.
pub(super) fn merged_with_document(count: u64) -> Event {
    let Event::Merged(merged) = merged(&[]) else {
        unreachable!("it is a merge")
    };
    let digest = Digest::of("images");
    let images = OwedImages::Document { digest, count };
    Event::Merged(Merged { images, ..merged })
}

pub(super) fn kept(count: u64, pending: &[&str]) -> Event {
    Event::ImagesKept(ImagesKept {
        base: OTHER,
        images: Digest::of("images"),
        count,
        digest: Digest::of("kept"),
        pending: functions(pending),
    })
}

pub(super) fn built(name: &str) -> Event {
    Event::ImageBuilt(ImageBuilt {
        function: function(name),
        reference: format!("r/{name}:1"),
        key: Digest::of(name),
        inputs: BTreeMap::new(),
        digest: Digest::of(name),
        bases: BTreeMap::new(),
        source: ImageSource::Built,
        duration_ms: 1,
        assembled: true,
        prefix: Some(ImagePrefix {
            key: Digest::of("prefix"),
            digest: Digest::of("image of the prefix"),
            source: ImageSource::Reused,
        }),
    })
}

pub(super) fn failed(kind: FailureKind) -> Event {
    Event::Failed(Failed {
        step: Step::Observe,
        function: None,
        kind,
        message: "it broke".to_owned(),
        causes: Vec::new(),
        hints: Vec::new(),
        output: Vec::new(),
        retryable: true,
    })
}

pub(super) fn observed() -> Event {
    Event::Observed(ObservedStack {
        observation: observation(),
    })
}

pub(super) fn applied() -> Event {
    Event::Applied(Applied {
        files: BTreeMap::new(),
        images: None,
        tags: BTreeMap::new(),
        rechecked_at: None,
        provision: None,
    })
}

pub(super) fn resumed(attempt: Attempt) -> Event {
    Event::Resumed(Resumed {
        attempt,
        last_failure: None,
    })
}

pub(super) fn abandoned() -> Event {
    Event::Abandoned(Abandoned {
        reason: AbandonReason::GivenUp,
        note: None,
    })
}

pub(super) fn taken_over() -> Event {
    Event::TakenOver(TakenOver {
        holder: LostHolder {
            actor: "mori@build-7".to_owned(),
            pid: 4711,
            host: "build-7".to_owned(),
            boot_id: "b007".to_owned(),
            since: "2026-02-20T09:00:00Z".to_owned(),
            deploy: Some(DEPLOY),
        },
    })
}

pub(super) fn held() -> Event {
    Event::Held(Held {
        message: "the database is being moved".to_owned(),
        latest: None,
    })
}

pub(super) fn released() -> Event {
    Event::Released(Released { note: None })
}

pub(super) fn drift_found(latest: u64) -> Event {
    Event::DriftFound(DriftFound {
        latest,
        in_effect: DEPLOY,
        files: vec![ConfigFile::Functions],
        keys: Vec::new(),
        tags: Vec::new(),
        refused: Vec::new(),
    })
}

pub(super) fn pruned(latest: u64) -> Event {
    Event::Pruned(Pruned {
        latest,
        checkpoint: Head {
            sequence: 812,
            hash: Hash::of(b"event 812"),
        },
        events: 812,
        deploys: 103,
        from: "2026-02-20T09:00:00Z".to_owned(),
        to: "2026-08-30T11:20:00Z".to_owned(),
        images: None,
        message: Some("we keep 90 days".to_owned()),
    })
}

pub(super) const DEPLOY: Uuid = Uuid::from_u128(1);
/// The id of a hold that stands by itself, and of what begins after a deploy.
pub(super) const OTHER: Uuid = Uuid::from_u128(2);

pub(super) fn state(events: &[Event]) -> State {
    (1..)
        .zip(events)
        .try_fold(State::default(), |state, (sequence, event)| {
            let new = if matches!(event, Event::Requested(_)) {
                DEPLOY
            } else {
                OTHER
            };
            let deploy = state.id_for(event).unwrap_or(new);
            let event = event.clone();
            evolve(
                state,
                &RecordedEvent {
                    sequence,
                    deploy,
                    event,
                },
            )
        })
        .unwrap()
}

/// One state per row of the table, in the order of a deploy.
pub(super) fn stages() -> Vec<(&'static str, State)> {
    let compatible = || checked(Verdict::Compatible);
    let request = || Event::Requested(requested());
    vec![
        ("no deploy yet", State::default()),
        ("requested", state(&[request()])),
        ("observed", state(&[request(), observed()])),
        (
            "checked, compatible",
            state(&[request(), observed(), compatible()]),
        ),
        (
            "checked, incompatible",
            state(&[request(), observed(), checked(Verdict::Incompatible)]),
        ),
        (
            "merged, images pending",
            state(&[request(), observed(), compatible(), merged(&["a"])]),
        ),
        (
            "merged, images of a document pending",
            state(&[request(), observed(), compatible(), merged_with_document(1)]),
        ),
        (
            "merged, some kept, one pending",
            state(&[
                request(),
                observed(),
                compatible(),
                merged_with_document(2),
                kept(1, &["a"]),
            ]),
        ),
        (
            "merged, none pending",
            state(&[request(), observed(), compatible(), merged(&[])]),
        ),
        (
            "applied",
            state(&[request(), observed(), compatible(), merged(&[]), applied()]),
        ),
        ("failed", state(&[request(), failed(FailureKind::Image)])),
        ("abandoned", state(&[request(), abandoned()])),
        ("no deploy yet, on hold", state(&[held()])),
        (
            "failed, on hold",
            state(&[request(), failed(FailureKind::Image), held()]),
        ),
        (
            "applied, on hold",
            state(&[
                request(),
                observed(),
                compatible(),
                merged(&[]),
                applied(),
                held(),
            ]),
        ),
    ]
}

pub(super) fn events(attempt: Attempt) -> Vec<Event> {
    let back = Requested {
        rollback_to: Some(OTHER),
        ..requested()
    };
    vec![
        Event::Requested(back),
        observed(),
        checked(Verdict::Compatible),
        merged(&["a"]),
        kept(1, &[]),
        built("a"),
        applied(),
        failed(FailureKind::Image),
        resumed(attempt),
        abandoned(),
        taken_over(),
        held(),
        released(),
        drift_found(1),
        pruned(1),
    ]
}

pub(super) fn try_event(state: &State, event: Event) -> Result<State, Illegal> {
    let deploy = state.id_for(&event).unwrap_or(Uuid::from_u128(3));
    evolve(
        state.clone(),
        &RecordedEvent {
            sequence: 100,
            deploy,
            event,
        },
    )
}
