//! The rules of the machine, and the tables of `docs/events.md`.

mod base;
mod locks;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::compat::{Engine, Observation, Policy, Verdict};
use crate::contract::{ArtifactEntry, Digest, FunctionName, Manifest, Mode};
use crate::merge::{Changes, Ownership};

fn requested() -> Requested {
    Requested {
        artifact: Digest::of("artifact"),
        manifest_path: "/a/artifact.yml".to_owned(),
        manifest: Manifest {
            project: "demo".to_owned(),
            env: "dev".to_owned(),
            mode: Mode::Docker,
            runtime_stack: None,
            artifacts: vec![ArtifactEntry {
                id: None,
                artifact_root: "svc".to_owned(),
                runtime_config_dir: "config".to_owned(),
                bundle_manifest: None,
                required_secret_env: Vec::new(),
                source_template: None,
            }],
            generated_at: None,
            generator: None,
        },
        project: "demo".to_owned(),
        out: "/out".to_owned(),
        options: Options {
            compat: Policy::Strict,
            strict_warnings: false,
            no_cache: false,
            prune: true,
            platform: None,
            provision: None,
            secret_env: None,
        },
        base: None,
    }
}

fn observation() -> Observation {
    Observation {
        project: "demo".to_owned(),
        engine: Engine {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            platform: "linux/amd64".to_owned(),
        },
        containers: Vec::new(),
        api_version: None,
        mode: None,
        other_projects: Vec::new(),
    }
}

fn function(name: &str) -> FunctionName {
    FunctionName::parse(name).unwrap()
}

fn checked(verdict: Verdict) -> Event {
    Event::CompatChecked(CompatChecked {
        verdict,
        policy: Policy::Strict,
        strict_warnings: false,
        findings: Vec::new(),
    })
}

fn merged(images: &[&str]) -> Event {
    Event::Merged(Merged {
        files: BTreeMap::new(),
        ownership: Ownership::default(),
        changes: Changes::default(),
        drift: Vec::new(),
        images: images.iter().map(|name| function(name)).collect(),
        warnings: Vec::new(),
    })
}

fn built(name: &str) -> Event {
    Event::ImageBuilt(ImageBuilt {
        function: function(name),
        reference: format!("r/{name}:1"),
        key: Digest::of(name),
        inputs: BTreeMap::new(),
        digest: Digest::of(name),
        bases: BTreeMap::new(),
        source: ImageSource::Built,
        duration_ms: 1,
    })
}

fn failed(kind: FailureKind) -> Event {
    Event::Failed(Failed {
        step: Step::Observe,
        function: None,
        kind,
        message: "it broke".to_owned(),
        hint: None,
        output: Vec::new(),
        retryable: true,
    })
}

fn observed() -> Event {
    Event::Observed(ObservedStack {
        observation: observation(),
    })
}

fn applied() -> Event {
    Event::Applied(Applied {
        files: BTreeMap::new(),
        provision: None,
    })
}

fn resumed(attempt: Attempt) -> Event {
    Event::Resumed(Resumed {
        attempt,
        last_failure: None,
    })
}

fn abandoned() -> Event {
    Event::Abandoned(Abandoned {
        reason: AbandonReason::GivenUp,
        note: None,
    })
}

fn taken_over() -> Event {
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

fn held() -> Event {
    Event::Held(Held {
        message: "the database is being moved".to_owned(),
        latest: None,
    })
}

fn released() -> Event {
    Event::Released(Released { note: None })
}

const DEPLOY: Uuid = Uuid::from_u128(1);
/// The id of a hold that stands by itself, and of what begins after a deploy.
const OTHER: Uuid = Uuid::from_u128(2);

fn state(events: &[Event]) -> State {
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
                &Recorded {
                    sequence,
                    deploy,
                    event,
                },
            )
        })
        .unwrap()
}

/// One state per row of the table, in the order of a deploy.
fn stages() -> Vec<(&'static str, State)> {
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
            "merged, images outstanding",
            state(&[request(), observed(), compatible(), merged(&["a"])]),
        ),
        (
            "merged, none outstanding",
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

fn events(attempt: Attempt) -> Vec<Event> {
    vec![
        Event::Requested(requested()),
        observed(),
        checked(Verdict::Compatible),
        merged(&["a"]),
        built("a"),
        applied(),
        failed(FailureKind::Image),
        resumed(attempt),
        abandoned(),
        taken_over(),
        held(),
        released(),
    ]
}

fn try_event(state: &State, event: Event) -> Result<State, Illegal> {
    let deploy = state.id_for(&event).unwrap_or(Uuid::from_u128(3));
    evolve(
        state.clone(),
        &Recorded {
            sequence: 100,
            deploy,
            event,
        },
    )
}

fn documented(begin: &str, end: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md");
    let text = std::fs::read_to_string(path).unwrap();
    let from = text.find(begin).expect("the marker is there") + begin.len();
    let to = from + text[from..].find(end).expect("the end is there");
    text[from..to].trim().to_owned()
}

#[test]
fn the_documented_transitions_are_those_of_the_code() {
    let mut table = format!(
        "| stage | {} |\n|---|{}\n",
        Event::KINDS.join(" | "),
        "---|".repeat(Event::KINDS.len())
    );
    for (name, state) in stages() {
        write!(table, "| {name} |").unwrap();
        let attempt = state.deploy.as_ref().map_or(1, |deploy| deploy.attempt);
        for event in events(attempt + 1) {
            let after = match try_event(&state, event) {
                Ok(State { hold: Some(_), .. }) => "on hold",
                Ok(state) => state.stage_name(),
                Err(_) => "",
            };
            if after.is_empty() {
                table.push_str(" |");
            } else {
                write!(table, " {after} |").unwrap();
            }
        }
        table.push('\n');
    }
    let marker = "<!-- transitions: compared with the code by machine/tests.rs -->";
    assert_eq!(
        documented(marker, "<!-- end -->"),
        table.trim(),
        "docs/events.md should hold:\n{table}"
    );
}

#[test]
fn nothing_follows_a_terminal_event_but_another_deploy_or_a_hold_of_its_own() {
    for (name, state) in stages() {
        let terminal = state
            .deploy
            .as_ref()
            .is_some_and(|deploy| deploy.stage.is_terminal());
        for event in events(2).into_iter().skip(1).filter(|_| terminal) {
            let kind = event.kind();
            let with_its_id = Recorded {
                sequence: 100,
                deploy: DEPLOY,
                event,
            };
            assert!(
                evolve(state.clone(), &with_its_id).is_err(),
                "{kind} followed {name}"
            );
        }
    }
}

#[test]
fn the_machine_rests_exactly_where_nothing_is_asked_or_the_attempt_has_ended() {
    let rests: Vec<&str> = stages()
        .into_iter()
        .filter(|(_, state)| next(state) == Next::Rest)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        rests,
        [
            "no deploy yet",
            "applied",
            "failed",
            "abandoned",
            "no deploy yet, on hold",
            "failed, on hold",
            "applied, on hold"
        ]
    );
}

#[test]
fn what_decide_yields_evolve_accepts() {
    for (name, state) in stages() {
        let commands = [
            Command::Request(requested()),
            Command::Resume,
            Command::Abandon {
                reason: AbandonReason::GivenUp,
                note: None,
            },
            Command::Observe(observation()),
            Command::Check,
            Command::Reject,
            Command::Hold {
                message: "why".to_owned(),
            },
            Command::Release { note: None },
        ];
        for command in commands {
            let words = format!("{command:?} when {name}");
            if let Ok(event) = decide(&state, command) {
                assert!(try_event(&state, event).is_ok(), "{words}");
            }
        }
    }
}

#[rstest]
#[case::second_request(&[Event::Requested(requested())], Command::Request(requested()))]
#[case::resume_of_nothing(&[], Command::Resume)]
#[case::abandon_of_the_applied(
    &[Event::Requested(requested()), observed(), checked(Verdict::Compatible), merged(&[]), applied()],
    Command::Abandon { reason: AbandonReason::GivenUp, note: None }
)]
#[case::request_on_hold(&[held()], Command::Request(requested()))]
#[case::resume_on_hold(&[Event::Requested(requested()), held()], Command::Resume)]
#[case::abandon_on_hold(
    &[Event::Requested(requested()), held()],
    Command::Abandon { reason: AbandonReason::GivenUp, note: None }
)]
#[case::hold_on_hold(&[held()], Command::Hold { message: "mine".to_owned() })]
#[case::release_of_nothing(&[Event::Requested(requested())], Command::Release { note: None })]
#[case::check_before_observation(&[Event::Requested(requested())], Command::Check)]
#[case::publish_with_an_image_outstanding(
    &[Event::Requested(requested()), observed(), checked(Verdict::Compatible), merged(&["a", "b"]), built("a")],
    Command::Apply(Applied { files: BTreeMap::new(), provision: None })
)]
fn a_command_that_does_not_fit_is_refused(#[case] events: &[Event], #[case] command: Command) {
    assert!(decide(&state(events), command).is_err());
}

#[test]
fn an_image_that_is_not_owed_is_illegal() {
    let state = state(&[
        Event::Requested(requested()),
        observed(),
        checked(Verdict::Compatible),
        merged(&["a"]),
    ]);
    assert!(try_event(&state, built("b")).is_err());
    let once = try_event(&state, built("a")).unwrap();
    assert!(try_event(&once, built("a")).is_err());
}

#[test]
fn a_resumed_attempt_observes_again_and_remembers_earlier_images() {
    let state = state(&[
        Event::Requested(requested()),
        observed(),
        checked(Verdict::Compatible),
        merged(&["a", "b"]),
        built("a"),
        failed(FailureKind::Image),
        resumed(2),
    ]);
    let deploy = state.deploy.as_ref().unwrap();
    assert_eq!(deploy.attempt, 2);
    assert!(deploy.images.is_empty());
    assert!(deploy.earlier_images.contains_key(&function("a")));
    assert!(matches!(
        next(&state),
        Next::Perform(Effect::Observe { .. })
    ));
}

#[test]
fn a_fact_of_another_deploy_is_illegal() {
    let state = state(&[Event::Requested(requested())]);
    let stray = Recorded {
        sequence: 2,
        deploy: Uuid::from_u128(9),
        event: observed(),
    };
    assert_eq!(
        evolve(state, &stray),
        Err(Illegal {
            kind: "Observed",
            stage: "requested"
        })
    );
}

#[test]
fn every_event_survives_its_payload() {
    for event in events(2) {
        let payload = encode(&event);
        assert_eq!(decode(event.kind(), SCHEMA, &payload).unwrap(), event);
    }
}

#[test]
fn a_newer_minor_schema_is_read_and_a_newer_major_refused_by_name() {
    let payload = encode(&resumed(2));
    let newer = |major, minor| decode("Resumed", journal::Schema { major, minor }, &payload);
    assert!(newer(1, 9).is_ok());
    let kind_of_newer = decode("Rejoiced", journal::Schema { major: 1, minor: 9 }, b"{}");
    assert!(matches!(kind_of_newer, Err(DecodeError::Newer { .. })));
    assert!(newer(2, 0).unwrap_err().to_string().contains("schema 2.0"));
    assert!(
        matches!(decode("Rejoiced", SCHEMA, b"{}"), Err(DecodeError::UnknownKind(kind)) if kind == "Rejoiced")
    );
    assert!(matches!(
        decode("Resumed", SCHEMA, b"{"),
        Err(DecodeError::Payload { .. })
    ));
}
