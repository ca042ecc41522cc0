//! What is sent to a receiver: each event once and in order, and secrets to nobody else.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::receiver::{Answer, Receiver};
use super::{recorded, with_journal};
use crate::support::Machine;

/// Sends with a token.
fn post(machine: &Machine, receiver: &Receiver, more: &[&str]) -> crate::support::Ran {
    let url = receiver.url();
    let mut command = machine.command(&["export", "--post", &url]);
    command
        .args(more)
        .env("ARTIFACTCTL_POST_TOKEN", "canary-of-a-token");
    machine.ran(command.output().unwrap())
}

fn sequences(receiver: &Receiver) -> Vec<u64> {
    let events = receiver.bodies().into_iter();
    let events = events.flat_map(|body| match body.as_array() {
        Some(events) => events.clone(),
        None => vec![body],
    });
    let sequence = |event: Value| event["sequence"].as_str().unwrap().parse().unwrap();
    events.map(sequence).collect()
}

#[test]
fn a_receiver_gets_each_event_once_and_in_order() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let receiver = Receiver::start(|_| Answer::Status(202));
    let first = post(&machine, &receiver, &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let count = recorded("v2/deploy-applied.jsonl").len() as u64;
    assert_eq!(sequences(&receiver), (1..=count).collect::<Vec<_>>());
    for request in receiver.requests() {
        let header = |name: &str| request.header(name);
        assert_eq!(header("content-type"), "application/cloudevents+json");
        assert_eq!(header("authorization"), "Bearer canary-of-a-token");
    }
    // There is nothing that it has not got.
    let again = post(&machine, &receiver, &["--format", "json"]);
    assert_eq!(again.code, 0);
    let said: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&said["type"], &said["events"]),
        (&"posted".into(), &0.into())
    );
    assert_eq!(receiver.bodies().len() as u64, count);
    // Another receiver has none.
    let other = Receiver::start(|_| Answer::Status(204));
    let batch = post(&machine, &other, &["--as", "cloudevents-batch"]);
    assert_eq!(batch.code, 0, "{}", batch.stderr);
    assert_eq!(other.bodies().len(), 1);
    let media_type = other.requests()[0].header("content-type");
    assert_eq!(media_type, "application/cloudevents-batch+json");
    assert_eq!(sequences(&other), (1..=count).collect::<Vec<_>>());
}

/// It is busy, drops connections and comes back: nothing is lost, and nothing is out of order.
#[test]
fn a_receiver_that_is_away_for_a_while_gets_all_of_it() {
    let machine = with_journal("v2/deploy-failed-resumed.jsonl");
    let receiver = Receiver::start(|number| match number {
        1 => Answer::Busy(Duration::ZERO),
        2 => Answer::Status(500),
        4 => Answer::Hangup,
        _ => Answer::Status(200),
    });
    let ran = post(&machine, &receiver, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
    let count = recorded("v2/deploy-failed-resumed.jsonl").len() as u64;
    let mut taken = sequences(&receiver);
    taken.dedup();
    assert_eq!(taken, (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_receiver_that_refuses_an_event_is_named_and_the_same_command_goes_on_there() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let receiver = Receiver::start(|number| match number {
        3 => Answer::Status(422),
        _ => Answer::Status(200),
    });
    let refused = post(&machine, &receiver, &[]);
    assert_eq!(refused.code, 9, "{}", refused.stderr);
    for said in ["event 3 did not reach", "answered 422", "no such schema"] {
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert_eq!(post(&machine, &receiver, &[]).code, 0);
    let count = recorded("v2/deploy-applied.jsonl").len() as u64;
    let taken: Vec<u64> = [1, 2, 3].into_iter().chain(3..=count).collect();
    assert_eq!(sequences(&receiver), taken);
}

/// A token is for the receiver that was named.
#[test]
fn a_receiver_that_redirects_hands_no_token_on() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let other = Receiver::start(|_| Answer::Status(200));
    let elsewhere = other.url();
    let receiver = Receiver::start(move |_| Answer::Redirect(elsewhere.clone()));
    let ran = post(&machine, &receiver, &[]);
    assert_eq!(ran.code, 9, "{}", ran.stderr);
    assert!(ran.stderr.contains("answered 307"), "{}", ran.stderr);
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn a_journal_with_another_history_is_not_sent_over_the_one_before() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let receiver = Receiver::start(|_| Answer::Status(200));
    let position = ["--position", "position.json"];
    assert_eq!(post(&machine, &receiver, &position).code, 0);
    let sent = receiver.requests().len();
    let other = with_journal("v1/deploy-applied.jsonl");
    let file = "position.json";
    std::fs::copy(machine.work().join(file), other.work().join(file)).unwrap();
    let ran = post(&other, &receiver, &position);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("another history"), "{}", ran.stderr);
    assert_eq!(receiver.requests().len(), sent);
    std::fs::write(other.work().join(file), "{\"version\":1").unwrap();
    let ran = post(&other, &receiver, &position);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no position"), "{}", ran.stderr);
}

/// Neither arguments nor errors carry what only the receiver may know.
#[test]
fn a_secret_has_no_place_in_the_address_of_a_receiver() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let ran = machine.run(&["export", "--post", "https://me:canary@host.example/in"]);
    assert_eq!(ran.code, 2);
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("ARTIFACTCTL_POST_TOKEN"),
        "{}",
        ran.stderr
    );
    let receiver = Receiver::start(|_| Answer::Status(403));
    let url = format!("{}?key=canary", receiver.url());
    let ran = machine.run(&["export", "--post", &url]);
    assert_eq!(ran.code, 9, "{}", ran.stderr);
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    for url in ["ftp://host.example/in", "host.example/in", "unix:///in"] {
        assert_eq!(machine.run(&["export", "--post", url]).code, 2, "{url}");
    }
    let ran = machine.run(&["export", "--post", &receiver.url(), "--as", "jsonl"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// A request may take an hour here, and the command ends at the first Ctrl-C.
#[test]
fn a_watch_that_is_stopped_waits_for_no_receiver() {
    let machine = with_journal("v2/deploy-killed.jsonl");
    let receiver = Receiver::start(|_| Answer::Silence);
    let mut watch = machine.command(&["watch", "--from", "1", "--post", &receiver.url()]);
    watch.env("ARTIFACTCTL_LIMITS", "query=1h");
    let mut watching = watch.stdout(Stdio::null()).spawn().unwrap();
    receiver.wait_for(|bodies| !bodies.is_empty());
    let pid = rustix::process::Pid::from_child(&watching);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
}

/// Nobody answers there, so only the first line counts.
#[test]
fn a_token_that_goes_out_without_encryption_is_warned_of() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let mut command = machine.command(&["export", "--post", "http://nowhere.invalid/in?a=b"]);
    command.env("ARTIFACTCTL_POST_TOKEN", "canary-of-a-token");
    let mut sending = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut said = BufReader::new(sending.stderr.take().unwrap());
    said.read_line(&mut first).unwrap();
    sending.kill().unwrap();
    sending.wait().unwrap();
    let warning = "warning: the token goes to `http://nowhere.invalid/in` without encryption";
    assert!(first.starts_with(warning), "{first}");
}
