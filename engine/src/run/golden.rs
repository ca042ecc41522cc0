//! The frozen journals: what a released tool wrote is read, verified and folded by this one.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use journal::{EventLog, MemoryStore, chain, scan, transfer};
use rstest::rstest;
use serde_json::{Value, json};

use super::deploy_journal::{Author, DeployJournal, deploy_events, fold, typed};
use super::stream_fold::StreamFold;
use super::tests::FixedStamp;
use crate::machine::{self, Command};
use crate::views::{Summary, hold, summarise};

/// Imports a frozen journal; everything in it is verified on the way.
fn imported(name: &str) -> MemoryStore {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/journals/v1")
        .join(name);
    let open = || BufReader::new(File::open(&path).unwrap());
    let checked = transfer::check(open()).unwrap();
    let store = MemoryStore::new(checked.stream);
    transfer::import(&store, open()).unwrap();
    store
}

/// One deploy in a line: what the views say of it, and the stage that its events fold into. A hold that stands by itself likewise.
fn line(store: &MemoryStore, first: u64) -> String {
    let events = deploy_events(store, first).unwrap();
    let state = fold(&events).unwrap();
    let (events, stage) = (events.len(), state.stage_name());
    let raw: Vec<_> = scan(store, first)
        .map(Result::unwrap)
        .take(events)
        .collect();
    if let Some(hold) = hold(&raw) {
        let released = hold.released_by.unwrap_or_default();
        let open = state.hold.is_some();
        return format!(
            "{first}+{events} hold by {}: {}; {released}; {open}",
            hold.actor, hold.message
        );
    }
    let Summary {
        taken_over,
        status,
        attempts,
        actors,
        entries,
        built,
        reused,
        error,
        unread,
        ..
    } = summarise(&raw).unwrap();
    assert_eq!(entries, ["orders-f2d1205f", "stock-33745b03"]);
    let (status, actors) = (status.word(), actors.join(" "));
    let error = error.unwrap_or_default();
    format!(
        "{first}+{events} {stage}, {status}, attempt {attempts} by {actors}; \
         {built} built, {reused} reused, {unread} unread; {error}{}",
        if taken_over > 0 {
            format!("{taken_over} taken over")
        } else {
            String::new()
        }
    )
}

#[rstest]
#[case::applied(
    "deploy-applied.jsonl",
    "a1c8ced724c6ea3543159cee241f9af187f1326b5d1d88d2857afd0ada5c4dbe",
    &["1+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; "]
)]
#[case::failed_resumed(
    "deploy-failed-resumed.jsonl",
    "278ea7f0e820c315a8e53a6dcac8d10c5f461c8762c43a53b35a9fa1e1d97146",
    &["1+15 applied, applied, attempt 2 by mori@build-7 sato@laptop; 4 built, 1 reused, 0 unread; "]
)]
#[case::superseded(
    "deploy-superseded.jsonl",
    "084d3953152fda45be56c31ac54666d55792465fcf31a34951273dc647e1add2",
    &[
        "1+6 abandoned, abandoned, attempt 1 by mori@build-7 sato@laptop; 1 built, 0 reused, 0 unread; ",
        "7+9 applied, applied, attempt 1 by sato@laptop; 4 built, 0 reused, 0 unread; ",
    ]
)]
#[case::incompatible(
    "deploy-incompatible.jsonl",
    "581da10a847bfdfb5c2a05e7b8fe9d5b2c4e75d1b1f404f4fad11791489fba5f",
    &[concat!(
        "1+4 failed, failed, attempt 1 by mori@build-7; 0 built, 0 reused, 0 unread; ",
        "fail: esb_version (esb-dev-gateway-1): found 1.3.9 from label com.esb.version, required >=1.4, <2",
    )]
)]
#[case::killed(
    "deploy-killed.jsonl",
    "ba5d0843597bd4454d0bba49936dd42b2b411f1dc8d0c95f65ff734a1ad34af2",
    &["1+5 merged, unfinished, attempt 1 by mori@build-7; 1 built, 0 reused, 0 unread; "]
)]
#[case::taken_over("deploy-taken-over.jsonl", "aa9aff676c68efb845aab831d82f24660a6e0ea6d8b12ce410b7e1f80cc1bba8", &["1+18 applied, applied, attempt 2 by mori@build-7 sato@laptop; 3 built, 2 reused, 0 unread; 2 taken over"])]
#[case::held("target-held.jsonl", "0d90e29880e75a001babb6ccc956efde271236889515ce4c3a701dcc3bb7d175", &["1+3 hold by sato@laptop: not before Monday; mori@build-7; false", "4+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ", "13+1 hold by sato@laptop: the database is being moved; ; true"])]
fn a_frozen_journal_is_whole_and_says_what_it_said(
    #[case] name: &str,
    #[case] head: &str,
    #[case] deploys: &[&str],
) {
    let store = imported(name);
    let report = chain::verify(&store, None).unwrap();
    assert_eq!(report.damage, None);
    assert_eq!(report.head.hash.to_string(), head);
    let mut whole = StreamFold::default();
    for event in scan(&store, 1) {
        whole.add(&event.unwrap()).unwrap();
    }
    let mut firsts = store.latest_deploys(None, 100).unwrap();
    firsts.reverse();
    let said: Vec<String> = firsts
        .into_iter()
        .map(|(first, _)| line(&store, first))
        .collect();
    assert_eq!(said, deploys);
}

/// What schema 1 recorded is lifted without loss: a payload of schema 2 that is made of it says the same, and what schema 1 did
/// not know is unknown.
#[rstest]
fn what_is_read_of_schema_1_is_stored_as_schema_2_and_reads_alike(
    #[files("../fixtures/journals/v1/deploy-*.jsonl")]
    #[files("../fixtures/journals/v1/target-*.jsonl")]
    path: std::path::PathBuf,
) {
    let name = path.file_name().unwrap().to_str().unwrap();
    for stored in scan(&imported(name), 1) {
        let stored = stored.unwrap();
        let event = typed(&stored).unwrap().event;
        let lifted = machine::encode(&event);
        let again = machine::decode(event.kind(), machine::SCHEMA, &lifted).unwrap();
        assert_eq!(again, event);
        let old: Value = serde_json::from_slice(&stored.payload).unwrap();
        let new: Value = serde_json::from_slice(&lifted).unwrap();
        for (field, value) in old.as_object().unwrap() {
            let expected = match (event.kind(), field.as_str()) {
                ("Merged", "ownership" | "images") => json!({ "stated": value }),
                // Its lines are `message` and `causes` of schema 2, or `hints`.
                ("Failed", "message" | "hint") | ("Requested", "options") | ("Observed", _) => {
                    continue;
                }
                _ => value.clone(),
            };
            assert_eq!(
                new[field],
                expected,
                "{field} of {} in {name}",
                event.kind()
            );
        }
    }
}

#[test]
fn the_lines_of_a_failure_of_schema_1_are_the_lists_of_schema_2() {
    let store = imported("deploy-incompatible.jsonl");
    let events = deploy_events(&store, 1).unwrap();
    let failed = events[3].event.as_failed().unwrap();
    let old: Value =
        serde_json::from_slice(&journal::event(&store, 4).unwrap().unwrap().payload).unwrap();
    let lines = |field: &str| -> Vec<String> {
        let text = old[field].as_str().unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let said = std::iter::once(&failed.message).chain(&failed.causes);
    assert_eq!(said.cloned().collect::<Vec<_>>(), lines("message"));
    assert!(!failed.causes.is_empty());
    assert_eq!(failed.hints, lines("hint"));
}

/// A deploy that schema 1 left unfinished goes on in schema 2, in the same chain.
#[test]
fn an_unfinished_deploy_of_schema_1_goes_on() {
    let store = imported("deploy-killed.jsonl");
    let author = Author {
        actor: "sato@laptop".to_owned(),
        tool: "test".to_owned(),
    };
    let stamp = FixedStamp::after(&store.head().unwrap());
    let mut journal = DeployJournal::open(&store, &stamp, author).unwrap();
    journal.record(vec![Command::Resume]).unwrap();
    let schemas: Vec<String> = scan(&store, 5)
        .map(|event| event.unwrap().header.schema.to_string())
        .collect();
    assert_eq!(schemas, ["1.0", "2.0"]);
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
    let state = fold(&deploy_events(&store, 1).unwrap()).unwrap();
    assert_eq!(&state, journal.state());
    let deploy = state.deploy.unwrap();
    assert_eq!((deploy.attempt, deploy.request.registries), (2, None));
}
