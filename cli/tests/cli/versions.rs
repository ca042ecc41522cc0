//! Journals that a newer tool has written to.

use journal::{EventLog, NewEvent, Schema, SledStore, Store, StreamId};
use rstest::rstest;

use crate::support::Machine;

/// Of a `Failed`, with a field that this build does not know.
const PAYLOAD: &str = r#"{"step":"image","function":"orders-place","kind":"image","message":"the call was refused","hint":null,"output":[],"retryable":true,"signed_by":"ada"}"#;

/// A deploy that was killed, to which a newer tool has added an event, of a kind that this build knows or of another.
fn newer(schema: Schema, kind: &str) -> Machine {
    let machine = Machine::with_journal("deploy-killed.jsonl");
    let stream = StreamId::new("esb-dev", "dev").unwrap();
    let store = machine.journal().join("store");
    let store = SledStore::open_supporting(&store, stream, schema).unwrap();
    let head = store.head().unwrap();
    let last = store.events(head.sequence, 1).unwrap().remove(0);
    let draft = NewEvent {
        event_id: last.header.event_id,
        deploy: last.header.deploy,
        kind: kind.to_owned(),
        schema,
        recorded_at: last.header.recorded_at,
        actor: "ada@forge".to_owned(),
        attempt: last.header.attempt,
        tool: "9.0.0".to_owned(),
        payload: PAYLOAD.as_bytes().to_vec(),
    };
    store.append(&head, vec![draft]).unwrap();
    machine
}

fn refused(machine: &Machine, args: &[&str], words: &[&str]) {
    let ran = machine.run(args);
    assert_eq!(ran.code, 8, "{args:?}: {}{}", ran.stdout, ran.stderr);
    for words in words {
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
}

#[rstest]
fn a_newer_minor_is_read_and_not_added_to(#[values("Failed", "Signed")] kind: &str) {
    let machine = newer(Schema { major: 2, minor: 3 }, kind);
    let artifact = machine.artifact();
    let before = machine.run(&["export"]);
    assert_eq!(before.code, 0, "{}", before.stderr);
    assert!(before.stdout.contains("signed_by"), "{}", before.stdout);
    for command in ["history", "show", "status", "verify"] {
        let read = machine.run(&[command]);
        assert_eq!(read.code, 0, "{command}: {}{}", read.stdout, read.stderr);
        assert!(!read.stdout.is_empty(), "{command}");
    }
    let shown = machine.run(&["show", "latest", "--format", "json"]).stdout;
    assert!(shown.contains("\"schema\":\"2.3\""), "{shown}");

    let changing: [&[&str]; 4] = [
        &["deploy", "--artifact", artifact, "--out", "out"],
        &["resume"],
        &["abandon"],
        &["lock", "hold", "-m", "mine"],
    ];
    for args in changing {
        let words = "cannot append schema 2.2 to `esb-dev/dev`, whose events have 2.3";
        refused(&machine, args, &[words, "hint: update artifactctl"]);
    }
    assert_eq!(machine.run(&["export"]).stdout, before.stdout);
}

#[rstest]
fn a_newer_major_is_refused_by_name(#[values("Failed", "Signed")] kind: &str) {
    let machine = newer(Schema { major: 3, minor: 0 }, kind);
    let artifact = machine.artifact();
    let every: [&[&str]; 12] = [
        &["history"],
        &["show"],
        &["status"],
        &["verify"],
        &["export"],
        &["watch", "--from", "1"],
        &["assert", "latest", "Requested _*"],
        &["plan", "--artifact", artifact, "--out", "out"],
        &["deploy", "--artifact", artifact, "--out", "out"],
        &["resume"],
        &["abandon"],
        &["lock", "hold", "-m", "mine"],
    ];
    for args in every {
        let words = ["schema 3.0", "esb-dev/dev", "hint: update artifactctl"];
        refused(&machine, args, &words);
    }
    assert!(!machine.work().join("out").exists());
}
