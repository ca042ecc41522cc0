//! Journals of released versions. The files below fixtures/journals are frozen: every build imports them, finds the same heads, and writes
//! the same bytes. Those named `envelope-…` are made by hand and hold no deploy events.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use rstest::rstest;

use super::rig::{append, draft_of, id};
use crate::{EventLog, MemoryStore, NewEvent, Schema, StreamId, chain, transfer};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/journals/v1")
        .join(name)
}

/// A draft as the tool of schema 1.0 made it.
fn released(deploy: u64, payload: Vec<u8>) -> NewEvent {
    NewEvent {
        schema: Schema { major: 1, minor: 0 },
        ..draft_of(deploy, payload)
    }
}

/// Three events of one deploy.
fn three_events() -> (StreamId, Vec<NewEvent>) {
    let kinds = ["SampleBegun", "SampleSeen", "SampleEnded"];
    let drafts = kinds.iter().zip(1..).map(|(kind, number)| NewEvent {
        event_id: id(100 + number),
        kind: (*kind).to_owned(),
        ..released(1, format!("{{\"number\":{number}}}").into_bytes())
    });
    (StreamId::new("shop", "dev").unwrap(), drafts.collect())
}

/// Numbers and white space that a JSON writer would change, and payloads that are no JSON.
fn odd_payloads() -> (StreamId, Vec<NewEvent>) {
    let payloads: [&[u8]; 9] = [
        br#"{"b":1.50,"a":1e2,"b":1,"z":-0,"huge":123456789012345678901234567890.0e-5}"#,
        b"{ \"spaced\" :\t[ 1 , 2 ] }",
        "\"\\u00e9 \\/ é \u{1f600}\"".as_bytes(),
        b"null",
        b"",
        b" {} ",
        b"{\n}",
        b"{not json",
        b"\x00\xff\xfe",
    ];
    let drafts = payloads.iter().zip(1..).map(|(payload, number)| NewEvent {
        event_id: id(200 + number),
        kind: "SampleKept".to_owned(),
        ..released(2, payload.to_vec())
    });
    (
        StreamId::new("50% off/now", "über").unwrap(),
        drafts.collect(),
    )
}

/// A deploy that failed, was resumed by somebody else, and was followed by another.
fn two_deploys() -> (StreamId, Vec<NewEvent>) {
    let rows = [
        (3, "SampleBegun", 1, "ada@forge"),
        (3, "SampleFailed", 1, "ada@forge"),
        (3, "SampleResumed", 2, "ci: release #7"),
        (3, "SampleEnded", 2, "ci: release #7"),
        (4, "SampleBegun", 1, "grace"),
    ];
    let drafts = rows
        .iter()
        .zip(1..)
        .map(|((deploy, kind, attempt, actor), number)| NewEvent {
            event_id: id(300 + number),
            kind: (*kind).to_owned(),
            attempt: *attempt,
            actor: (*actor).to_owned(),
            ..released(*deploy, b"{}".to_vec())
        });
    (StreamId::new("shop", "prod").unwrap(), drafts.collect())
}

#[rstest]
#[case::three_events(
    "envelope-three-facts.jsonl",
    three_events(),
    3,
    "238e9bf6f292078f57de374bdd699605f88b08f8e9eb9f0f58f60d864f7a5d3e"
)]
#[case::odd_payloads(
    "envelope-odd-payloads.jsonl",
    odd_payloads(),
    9,
    "6adaa5144dcd3b9a4d5f023af424eea2c1d1a31030040633ed353923811daaf0"
)]
#[case::two_deploys(
    "envelope-two-deploys.jsonl",
    two_deploys(),
    5,
    "9fa11b0e06cdb33b1fa45a74a2c4f454f7bcefdbad9ec217d7a40a4353ed171d"
)]
fn a_frozen_journal_has_the_head_it_always_had(
    #[case] name: &str,
    #[case] (stream, drafts): (StreamId, Vec<NewEvent>),
    #[case] sequence: u64,
    #[case] hash: &str,
) {
    let frozen = fs::read(fixture(name)).unwrap();
    let store = MemoryStore::new(stream.clone());
    let head = transfer::import(&store, Cursor::new(&frozen)).unwrap();
    assert_eq!(
        (head.sequence, head.hash.to_string().as_str()),
        (sequence, hash)
    );
    assert_eq!(chain::verify(&store, Some(&head)).unwrap().damage, None);

    // The same events, appended by this build, make the same journal.
    let made = MemoryStore::new(stream);
    append(&made, drafts);
    assert_eq!(made.events(1, 99).unwrap(), store.events(1, 99).unwrap());
    let mut written = Vec::new();
    transfer::export(&made, &mut written).unwrap();
    assert_eq!(written, frozen);
}
