//! Recorded events in the formats of others, read as their specifications say, and sent to a receiver.

mod posting;
mod receiver;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cdevents_sdk::{CDEvent, UriReference};
use rstest::rstest;
use serde_json::Value;

use crate::support::{Machine, workspace};
use receiver::{Answer, Receiver};

/// The frozen journals whose events this version reads, below the folder of frozen journals.
const JOURNALS: [&str; 19] = [
    "v1/deploy-applied.jsonl",
    "v1/deploy-failed-resumed.jsonl",
    "v1/deploy-incompatible.jsonl",
    "v1/deploy-killed.jsonl",
    "v1/deploy-superseded.jsonl",
    "v1/deploy-taken-over.jsonl",
    "v1/target-held.jsonl",
    "v2/deploy-abandoned.jsonl",
    "v2/deploy-applied.jsonl",
    "v2/deploy-changed.jsonl",
    "v2/deploy-failed-resumed.jsonl",
    "v2/deploy-imported.jsonl",
    "v2/deploy-incompatible.jsonl",
    "v2/deploy-killed.jsonl",
    "v2/deploy-promoted.jsonl",
    "v2/deploy-superseded.jsonl",
    "v2/deploy-taken-over.jsonl",
    "v2/deploy-unchanged.jsonl",
    "v2/target-held.jsonl",
];

fn with_journal(name: &str) -> Machine {
    Machine::with_journal(&format!("../{name}"))
}

fn export(machine: &Machine, format: &str) -> String {
    let ran = machine.run(&["export", "--as", format]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

/// The lines of a frozen journal that are events.
fn recorded(name: &str) -> Vec<Value> {
    let path = workspace().join("fixtures/journals").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["event_id"].is_string())
        .collect()
}

/// What the specification of CloudEvents 1.0 asks of an event in JSON.
fn assert_cloud_event(event: &Value) {
    let attributes = event.as_object().unwrap();
    let text = |key: &str| attributes[key].as_str().filter(|text| !text.is_empty());
    assert_eq!(text("specversion"), Some("1.0"), "{event}");
    for required in ["id", "source", "type", "subject", "datacontenttype"] {
        assert!(text(required).is_some(), "{required}: {event}");
    }
    text("source")
        .unwrap()
        .parse::<UriReference>()
        .expect("a URI");
    text("time")
        .unwrap()
        .parse::<jiff::Timestamp>()
        .expect("RFC 3339");
    for (name, value) in attributes {
        if ["data", "data_base64"].contains(&name.as_str()) {
            continue;
        }
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(name.chars().all(is_name) && name.len() <= 20, "{name}");
        // Numbers are of 32 bits.
        let is_number = value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok());
        let is_text = value
            .as_str()
            .is_some_and(|text| !text.chars().any(char::is_control));
        assert!(
            is_number || is_text || value.is_boolean(),
            "{name}: {value}"
        );
    }
    assert!(!(attributes.contains_key("data") && attributes.contains_key("data_base64")));
}

#[test]
fn every_frozen_journal_is_cloud_events() {
    for name in JOURNALS {
        let exported = export(&with_journal(name), "cloudevents");
        let events: Vec<Value> = exported
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let recorded = recorded(name);
        assert_eq!(events.len(), recorded.len(), "{name}");
        for (event, recorded) in events.iter().zip(&recorded) {
            assert_cloud_event(event);
            let same = [
                ("id", "event_id"),
                ("subject", "deploy"),
                ("time", "recorded_at"),
                ("actor", "actor"),
                ("attempt", "attempt"),
                ("schema", "schema"),
                ("hash", "hash"),
                ("previous", "previous"),
                ("data", "payload"),
            ];
            for (attribute, field) in same {
                assert_eq!(event[attribute], recorded[field], "{name}: {attribute}");
            }
            assert_eq!(event["source"], "artifactctl:esb-dev/dev");
            let (major, _) = recorded["schema"]
                .as_str()
                .unwrap()
                .split_once('.')
                .unwrap();
            let kind = recorded["kind"].as_str().unwrap();
            assert_eq!(event["type"], format!("artifactctl.{kind}.v{major}"));
            let sequence = recorded["sequence"].as_u64().unwrap();
            assert_eq!(event["sequence"], format!("{sequence:020}"));
            assert_eq!(event["partitionkey"], "esb-dev/dev");
        }
    }
}

#[test]
fn a_batch_is_one_array_of_the_same_events() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let batch: Vec<Value> = serde_json::from_str(&export(&machine, "cloudevents-batch")).unwrap();
    let lines = export(&machine, "cloudevents");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(batch, lines);
}

#[test]
fn every_frozen_journal_is_cd_events_and_loses_nothing() {
    for name in JOURNALS {
        let exported = export(&with_journal(name), "cdevents");
        let mut ids = BTreeSet::new();
        let mut payloads = Vec::new();
        for line in exported.lines() {
            // The library refuses what its schemas do not have.
            let event: CDEvent = serde_json::from_str(line).expect(line);
            assert!(ids.insert(event.id().to_string()), "{name}: {line}");
            assert_eq!(event.version(), "0.5.0");
            let back = serde_json::to_value(&event).unwrap();
            assert_eq!(back, serde_json::from_str::<Value>(line).unwrap());
            if let Some(data) = event.custom_data() {
                payloads.push((data["sequence"].clone(), data["payload"].clone()));
            }
        }
        let recorded = recorded(name).into_iter();
        let recorded: Vec<_> = recorded
            .map(|event| (event["sequence"].clone(), event["payload"].clone()))
            .collect();
        assert_eq!(payloads, recorded, "{name}");
    }
}

/// What each CDEvent is about: its type without vendor and version, its subject, and the outcome where it has one.
fn told(exported: &str) -> Vec<String> {
    let told = exported.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let kind = event["context"]["type"].as_str().unwrap();
        let kind: Vec<&str> = kind.split('.').skip(2).take(2).collect();
        let subject = &event["subject"];
        let content = &subject["content"];
        let said: Vec<&str> = ["outcome", "artifactId"]
            .iter()
            .filter_map(|key| content[key].as_str())
            .collect();
        let id = subject["id"].as_str().unwrap();
        format!("{} {id} {}", kind.join("."), said.join(" "))
            .trim_end()
            .to_owned()
    });
    told.collect()
}

#[rstest]
#[case::applied("v2/deploy-applied.jsonl")]
#[case::changed("v2/deploy-changed.jsonl")]
#[case::resumed("v2/deploy-failed-resumed.jsonl")]
#[case::taken_over("v2/deploy-taken-over.jsonl")]
#[case::promoted("v2/deploy-promoted.jsonl")]
#[case::incompatible("v2/deploy-incompatible.jsonl")]
#[case::abandoned("v2/deploy-abandoned.jsonl")]
#[case::superseded("v2/deploy-superseded.jsonl")]
fn a_deploy_is_told_in_the_words_of_cd_events(#[case] name: &str) {
    let told = told(&export(&with_journal(name), "cdevents")).join("\n");
    let file = name.replace('/', "-").replace(".jsonl", ".txt");
    let path = crate::support::snapshots().join(format!("cdevents-{file}"));
    snapbox::assert_data_eq!(told, snapbox::Data::read_from(&path, None).raw());
}

#[test]
fn what_import_reads_is_the_default() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let path = workspace().join("fixtures/journals/v2/deploy-applied.jsonl");
    let frozen = std::fs::read_to_string(path).unwrap();
    assert_eq!(machine.run(&["export"]).stdout, frozen);
    assert_eq!(export(&machine, "jsonl"), frozen);
}

#[test]
fn a_source_that_is_no_uri_is_refused() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let ran = machine.run(&["export", "--as", "cloudevents", "--source", "a b"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("`a b` is not a URI"), "{}", ran.stderr);
    let source = "https://ci.example/shop";
    let ran = machine.run(&["export", "--as", "cdevents", "--source", source]);
    assert!(ran.stdout.contains(&format!("\"source\":\"{source}\"")));
}

/// A watch sends what it shows, goes on where the last one ended, and misses nothing in between.
#[test]
fn a_watch_sends_what_was_recorded_since_the_last_one() {
    let machine = Machine::with_journal("../v2/deploy-killed.jsonl");
    let receiver = Receiver::start(|_| Answer::Status(200));
    let url = receiver.url();
    let watch = ["watch", "--post", &url, "--as", "cdevents", "--exit-code"];
    let mut watching = machine.command(&watch);
    let mut watching = watching.stdout(Stdio::null()).spawn().unwrap();
    let count = recorded("v2/deploy-killed.jsonl").len();
    receiver.wait_for(|bodies| data_sequences(bodies).len() == count);
    watching.kill().unwrap();
    watching.wait().unwrap();
    let abandoned = machine.run(&["abandon", "-m", "not needed"]);
    assert_eq!(abandoned.code, 0, "{}", abandoned.stderr);
    let ran = machine.run(&watch);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stdout.contains("abandoned"), "{}", ran.stdout);
    let recorded = machine.run(&["export"]);
    assert!(recorded.stdout.lines().count() > count);
    let bodies = receiver.bodies();
    let mut sequences = data_sequences(&bodies);
    sequences.dedup();
    let last = *sequences.last().unwrap();
    assert_eq!(sequences, (1..=last).collect::<Vec<_>>());
    let kind = bodies.last().unwrap()["type"].as_str().unwrap();
    assert_eq!(kind, "dev.cdeventsx.artifactctl-deploy.abandoned.0.1.0");
    for body in &bodies {
        assert_cloud_event(body);
        assert_eq!(body["type"], body["data"]["context"]["type"]);
    }
}

/// The sequences of the recorded events, of CDEvents that carry one.
fn data_sequences(bodies: &[Value]) -> Vec<u64> {
    let data = bodies.iter().map(|body| &body["data"]["customData"]);
    data.filter_map(|data| data["sequence"].as_u64()).collect()
}

#[test]
fn a_watch_writes_the_format_that_was_asked_for() {
    let machine = Machine::with_journal("../v2/deploy-killed.jsonl");
    let ran = machine.run(&["watch", "--as", "cloudevents-batch"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let ended = with_journal("v2/deploy-applied.jsonl");
    let watch = ["watch", "--from", "1", "--exit-code", "--as"];
    let watched = |format| ended.run(&[&watch[..], &[format]].concat()).stdout;
    for format in ["cloudevents", "cdevents"] {
        assert_eq!(watched(format), export(&ended, format));
    }
    let exported = ended.run(&["export"]).stdout;
    let count = recorded("v2/deploy-applied.jsonl").len();
    let events: Vec<&str> = exported.lines().take(count).collect();
    assert_eq!(watched("jsonl").lines().collect::<Vec<_>>(), events);
    // From its middle on a deploy is told with what was before.
    let from = ["watch", "--from", "4", "--exit-code", "--as", "cdevents"];
    let whole = export(&ended, "cdevents");
    let rest = ended.run(&from).stdout;
    assert!(rest.contains("\"sequence\":4,") && !rest.contains("\"sequence\":3,"));
    assert!(whole.ends_with(&rest));
}

/// What people are shown as an escape goes to programs as it was recorded.
#[test]
fn a_watch_keeps_the_text_of_an_event_whatever_it_holds() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let message = "right\u{202e}to left,\u{2028}next";
    let held = machine.run(&["lock", "hold", "-m", message]);
    assert_eq!(held.code, 0, "{}", held.stderr);
    for format in ["cloudevents", "cdevents", "jsonl"] {
        let mut watch = machine.command(&["watch", "--from", "1", "--as", format]);
        let mut watching = watch.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
        let is_last = |line: &Value| line.to_string().contains("next");
        let last = lines
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .find(is_last)
            .unwrap();
        assert!(last.to_string().contains(message), "{last}");
        watching.kill().unwrap();
        watching.wait().unwrap();
    }
}

#[test]
fn a_source_that_no_event_would_have_is_refused() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    for command in ["export", "watch"] {
        let ran = machine.run(&[command, "--source", "https://ci.example/shop"]);
        assert_eq!(ran.code, 2, "{command}: {}", ran.stderr);
        assert!(ran.stderr.contains("`--as`"), "{}", ran.stderr);
    }
}

/// An export that is a copy stays one, whatever the environment says of receivers.
#[test]
fn a_variable_makes_no_export_a_message() {
    let machine = with_journal("v2/deploy-applied.jsonl");
    let plain = machine.run(&["export"]).stdout;
    let mut command = machine.command(&["export"]);
    command.env("ARTIFACTCTL_POST", "http://127.0.0.1:9/in");
    assert_eq!(machine.ran(command.output().unwrap()).stdout, plain);
}
