//! Every exit code that is reachable without an engine.

use std::fs;
use std::process::Stdio;

use journal::{
    EventLog, Head, MemoryStore, NewEvent, Schema, SledStore, Store, StreamId, transfer,
};
use rstest::rstest;

use crate::support::Machine;

#[rstest]
#[case::nothing_to_do(0, &["history"])]
#[case::no_command(2, &[])]
#[case::unknown_flag(2, &["status", "--verbosely"])]
#[case::no_deploys_at_all(2, &["history", "-n", "0"])]
#[case::malformed_target(2, &["status", "shop"])]
#[case::malformed_head(2, &["verify", "--head", "first"])]
#[case::unknown_kind(2, &["assert", "latest", "Begun"])]
#[case::file_to_import_missing(2, &["import", "nowhere.jsonl"])]
#[case::sequence_beyond_the_end(2, &["show", "--at", "1000"])]
#[case::manifest_missing(3, &["manifest", "validate", "--artifact", "nowhere.yml"])]
#[case::manifest_to_deploy_missing(3, &["deploy", "--artifact", "nowhere.yml", "--out", "out"])]
#[case::recorded_artifact_missing(3, &["resume"])]
#[case::no_such_target(5, &["history", "esb-dev/prod"])]
#[case::no_such_deploy(5, &["show", "ffffffff"])]
#[case::empty_journal(5, &["show", "--journal", "empty"])]
#[case::import_into_events(5, &["import", "export.jsonl"])]
#[case::damaged_export(8, &["import", "damaged.jsonl", "--journal", "empty"])]
#[case::damaged_export_verified(8, &["verify", "--export", "damaged.jsonl"])]
#[case::export_of_another_head(10, &["verify", "--export", "export.jsonl", "--head", "1:0000000000000000000000000000000000000000000000000000000000000000"])]
#[case::export_cut_short(8, &["import", "cut.jsonl", "--journal", "empty"])]
#[case::no_engine(9, &["deploy", "--artifact", "artifact/artifact.yml", "--out", "out", "--supersede"])]
#[case::begun_by_somebody_else(5, &["deploy", "--artifact", "artifact/artifact.yml", "--out", "out"])]
#[case::no_engine_to_plan(9, &["plan", "--artifact", "artifact/artifact.yml", "--out", "out"])]
#[case::no_engine_to_provision(9, &["provision"])]
#[case::journal_is_a_file(9, &["history", "--journal", "export.jsonl"])]
#[case::assertion_does_not_hold(10, &["assert", "latest", "Requested Applied"])]
#[case::other_head(10, &["verify", "--head", "1:0000000000000000000000000000000000000000000000000000000000000000"])]
#[case::ids_not_in_sync(10, &["manifest", "sync-ids", "--check", "--artifact", "artifact/unsynced.yml"])]
#[case::failed_deploy_is_unsettled(11, &["status", "--exit-code"])]
fn a_failure_ends_with_its_code(#[case] code: i32, #[case] args: &[&str]) {
    let machine = Machine::with_journal("deploy-incompatible.jsonl");
    let manifest = machine.work().join(machine.artifact());
    let text = fs::read_to_string(&manifest).unwrap();
    let put = |name: &str, text: &str| fs::write(machine.work().join(name), text).unwrap();
    put(
        "artifact/unsynced.yml",
        &text.replace("f2d1205f", "00000000"),
    );
    let export = machine.run(&["export"]).stdout;
    put("export.jsonl", &export);
    put("damaged.jsonl", &export.replacen("1.3.9", "1.4.0", 1));
    put(
        "compose.yml",
        "services: {provisioner: {image: provisioner}}\n",
    );
    put("cut.jsonl", export.split_inclusive('\n').next().unwrap());

    let ran = machine.run(args);
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    if !matches!(code, 0 | 11) {
        assert!(
            ran.stderr
                .contains(if args.is_empty() { "Usage" } else { "error: " })
        );
    }
}

/// The engine takes the connection and never answers.
#[test]
fn an_interrupted_deploy_says_so_and_can_be_resumed() {
    let machine = Machine::fresh();
    let artifact = machine.artifact();
    let (engine, address) = machine.silent_engine();
    let mut deploy = machine
        .command(&["deploy", "--artifact", artifact, "--out", "out"])
        .env("DOCKER_HOST", address)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _connection = engine.accept().unwrap();
    let process = rustix::process::Pid::from_child(&deploy);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(deploy.wait().unwrap().code(), Some(130));
    let ran = machine.run(&["assert", "latest", "Requested Failed"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let status = machine.run(&["status"]).stdout;
    assert!(status.contains("interrupted") && status.contains("`artifactctl resume esb-dev/dev`"));
}

#[test]
fn a_journal_that_was_tampered_with_is_named_by_verify() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let store = machine.journal().join("store");
    let head = store.join("head");
    assert!(
        head.exists(),
        "{:?}",
        fs::read_dir(&store).unwrap().collect::<Vec<_>>()
    );
    let mut bytes = fs::read(&head).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&head, bytes).unwrap();
    machine.snapshot("verify-damaged", &["verify"]);
    // A deploy does not go on from what cannot be trusted, nor does a plan.
    let ran = machine.run(&["deploy", "--artifact", machine.artifact(), "--out", "out"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
}

/// One bit in the middle of the log: named, without a panic on standard error, and whoever reads takes nothing away.
#[test]
fn a_journal_with_a_changed_bit_stays_as_it_was_found() {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    let log = machine.journal().join("store/sled/db");
    let mut bytes = fs::read(&log).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 2] ^= 4;
    fs::write(&log, &bytes).unwrap();
    for command in ["verify", "history", "status", "show", "export", "verify"] {
        let ran = machine.run(&[command]);
        assert_eq!(ran.code, 8, "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(ran.stderr.contains("store/sled/db`"), "{}", ran.stderr);
        assert!(
            fs::read(&log).unwrap() == bytes,
            "{command} wrote to the log"
        );
    }
}

/// The chain of such a journal is whole: whoever can write its files can write any history.
#[rstest]
#[case::an_end_that_comes_twice("Applied", false)]
#[case::a_step_after_the_end("Observed", false)]
#[case::a_step_of_a_deploy_that_nobody_asked_for("Observed", true)]
fn a_history_that_no_deploy_can_have_is_named_by_verify(
    #[case] kind: &str,
    #[case] of_another: bool,
) {
    let machine = Machine::with_journal("deploy-applied.jsonl");
    assert_eq!(machine.run(&["verify"]).code, 0);
    let last = {
        let stream: StreamId = crate::support::TARGET.parse().unwrap();
        let store = SledStore::open(&machine.journal().join("store"), stream).unwrap();
        let head = store.head().unwrap();
        let events = store.events(1, 100).unwrap();
        let again = events.into_iter().find(|it| it.header.kind == kind);
        let again = again.unwrap();
        let draft = NewEvent {
            event_id: uuid::Uuid::from_u128(1),
            deploy: if of_another {
                uuid::Uuid::from_u128(2)
            } else {
                again.header.deploy
            },
            kind: again.header.kind,
            schema: again.header.schema,
            recorded_at: again.header.recorded_at,
            actor: again.header.actor,
            attempt: again.header.attempt,
            tool: again.header.tool,
            payload: again.payload,
        };
        store.append(&head, vec![draft]).unwrap();
        head.sequence + 1
    };
    let exported = machine.run(&["export", "--output", "odd.jsonl"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    for words in [&["verify"][..], &["verify", "--export", "odd.jsonl"]] {
        let ran = machine.run(words);
        assert_eq!(ran.code, 8, "{words:?}: {}{}", ran.stdout, ran.stderr);
        let named = format!("event {last} of the journal");
        assert!(ran.stderr.contains(&named), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn an_export_of_a_newer_minor_is_verified_and_not_imported() {
    let machine = Machine::fresh();
    let stream: StreamId = crate::support::TARGET.parse().unwrap();
    let schema = Schema { major: 2, minor: 3 };
    let store = MemoryStore::supporting(stream.clone(), schema);
    let draft = NewEvent {
        event_id: uuid::Uuid::from_u128(1),
        deploy: uuid::Uuid::from_u128(2),
        kind: "Rejoiced".to_owned(),
        schema,
        recorded_at: jiff::Timestamp::UNIX_EPOCH,
        actor: "ada".to_owned(),
        attempt: 1,
        tool: "9.0.0".to_owned(),
        payload: b"{}".to_vec(),
    };
    store.append(&Head::empty(&stream), vec![draft]).unwrap();
    let mut export = Vec::new();
    transfer::export(&store, &mut export).unwrap();
    fs::write(machine.work().join("newer.jsonl"), export).unwrap();
    let verified = machine.run(&["verify", "--export", "newer.jsonl"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert!(verified.stdout.contains("whole; 1 deploy of a newer tool"));
    let refused = machine.run(&["import", "newer.jsonl"]);
    assert_eq!(refused.code, 8);
    assert!(
        refused.stderr.contains("schema 2.3 is newer than 2.2"),
        "{}",
        refused.stderr
    );
}
