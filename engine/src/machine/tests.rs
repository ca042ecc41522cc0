//! The rules of the machine, and the tables of `docs/internals/events.md`.

mod base;
mod credentials;
mod given;
mod locks;
mod payloads;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rstest::rstest;
use uuid::Uuid;

use self::given::*;
use super::*;
use crate::compat::Verdict;

fn documented(begin: &str, end: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/internals/events.md");
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
        "docs/internals/events.md should hold:\n{table}"
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
            let with_its_id = RecordedEvent {
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
            if let Ok((event, after)) = decide(state.clone(), command, 100, || OTHER) {
                assert_eq!(evolve(state.clone(), &event), Ok(after), "{words}");
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
    Command::Apply(Applied { files: BTreeMap::new(), images: None, tags: BTreeMap::new(), rechecked_at: None, provision: None })
)]
fn a_command_that_does_not_fit_is_refused(#[case] events: &[Event], #[case] command: Command) {
    assert!(decide(state(events), command, 100, || OTHER).is_err());
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
fn a_event_of_another_deploy_is_illegal() {
    let state = state(&[Event::Requested(requested())]);
    let stray = RecordedEvent {
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
