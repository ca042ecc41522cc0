//! The frozen journals: what a released tool wrote is read, verified and folded by this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::num::NonZeroUsize;
use std::path::Path;

use futures_util::FutureExt;
use journal::transfer::Whole;
use journal::{EventLog, MemoryStore, chain, scan, transfer};
use rstest::rstest;
use serde_json::{Value, json};

use super::deploy_journal::{Author, DeployJournal, deploy_events, fold, typed};
use super::simulated::{SimulatedWorld, Truth};
use super::stream_fold::StreamFold;
use super::tests::FixedStamp;
use super::{Interrupts, Outcome, Run, begin_or_resume, document_bytes, run_to_completion};
use crate::contract::Digest;
use crate::image::Registries;
use crate::load::{self, Artifact};
use crate::machine::{self, Command, ImageSource, sample};
use crate::views::{Summary, hold, summarise};

/// Imports a frozen journal of schema 1; everything in it is verified on the way.
fn imported(name: &str) -> MemoryStore {
    imported_from("v1", name)
}

fn imported_from(version: &str, name: &str) -> MemoryStore {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/journals")
        .join(version)
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
        promoted,
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
         {built} built, {reused} reused, {unread} unread; {error}{}{}",
        if taken_over > 0 {
            format!("{taken_over} taken over")
        } else {
            String::new()
        },
        if promoted > 0 {
            let comma = if taken_over > 0 { ", " } else { "" };
            format!("{comma}{promoted} promoted")
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
        "1+6 abandoned, superseded, attempt 1 by mori@build-7 sato@laptop; 1 built, 0 reused, 0 unread; ",
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
    says(&imported(name), head, deploys);
}

/// What a journal says of each of its deploys, and where it ends.
fn says(store: &MemoryStore, head: &str, deploys: &[&str]) {
    let report = chain::verify(store, None).unwrap();
    assert_eq!(report.damage, None);
    assert_eq!(report.head.hash.to_string(), head);
    let mut whole = StreamFold::default();
    for event in scan(store, 1) {
        whole.add(&event.unwrap()).unwrap();
    }
    let mut firsts = store.latest_deploys(None, 100).unwrap();
    firsts.reverse();
    let said: Vec<String> = firsts
        .into_iter()
        .map(|(first, _)| line(store, first))
        .collect();
    assert_eq!(said, deploys);
}

#[rstest]
#[case::applied(
    "deploy-applied.jsonl",
    "7af77e45bac54d41b884e8830e23dc786a9973a81d0d3db41bb5003be9df0047",
    &[
        "1+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ",
    ]
)]
#[case::unchanged(
    "deploy-unchanged.jsonl",
    "4dcb584967e1f523780955d0fe8a6ed38c0d871142fab383ec1b6a736f4848b9",
    &[
        "1+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ",
        "10+6 applied, applied, attempt 1 by mori@build-7; 0 built, 4 reused, 0 unread; ",
    ]
)]
#[case::changed(
    "deploy-changed.jsonl",
    "5d5542d83620bbd77faf4814a070c3c43850309b198d81c33b575f8abfe5adc2",
    &[
        "1+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ",
        "10+6 applied, applied, attempt 1 by mori@build-7; 0 built, 4 reused, 0 unread; ",
        "16+7 applied, applied, attempt 1 by sato@laptop; 1 built, 3 reused, 0 unread; ",
        "23+6 applied, applied, attempt 1 by sato@laptop; 0 built, 4 reused, 0 unread; ",
    ]
)]
#[case::failed_resumed(
    "deploy-failed-resumed.jsonl",
    "2568960c879b85d60f13f2adcf7f70c0cf54f4d219715a4578f9f9617ab49043",
    &[
        "1+15 applied, applied, attempt 2 by mori@build-7 sato@laptop; 4 built, 1 reused, 0 unread; ",
    ]
)]
#[case::superseded(
    "deploy-superseded.jsonl",
    "2e418cafc591d5e2e5331b4e890b5626698d2a62aff7c54b041ecda6fc696cad",
    &[
        "1+6 abandoned, superseded, attempt 1 by mori@build-7 sato@laptop; 1 built, 0 reused, 0 unread; ",
        "7+9 applied, applied, attempt 1 by sato@laptop; 4 built, 0 reused, 0 unread; ",
    ]
)]
#[case::imported(
    "deploy-imported.jsonl",
    "1de15da18dd60bf8f99b94d336deb47ef27d78faa9aac7b1b2c92c3bda96daa2",
    &[
        "1+6 abandoned, superseded, attempt 1 by mori@build-7 sato@laptop; 1 built, 0 reused, 0 unread; ",
        "7+9 applied, applied, attempt 1 by sato@laptop; 2 built, 1 reused, 0 unread; 1 promoted",
    ]
)]
#[case::abandoned(
    "deploy-abandoned.jsonl",
    "97a1b31bb73ea891483018b970d37bacfee91a30da9983d5dacc8fd1c5fd60fa",
    &[
        "1+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ",
        "10+7 abandoned, abandoned, attempt 1 by mori@build-7 sato@laptop; 0 built, 3 reused, 0 unread; the call was refused",
    ]
)]
#[case::promoted(
    "deploy-promoted.jsonl",
    "ef849aecc1b2ac747e17e87ab562bba510b392d6064eadabd5ded399a69060c2",
    &[
        "1+9 applied, applied, attempt 1 by sato@laptop; 0 built, 0 reused, 0 unread; 4 promoted",
        "10+7 applied, applied, attempt 1 by sato@laptop; 1 built, 3 reused, 0 unread; ",
    ]
)]
#[case::killed(
    "deploy-killed.jsonl",
    "88a0b728667a88e14733bf881ce42520338941ebcc25a8f6d33567f6abd1efcd",
    &[
        "1+5 merged, unfinished, attempt 1 by mori@build-7; 1 built, 0 reused, 0 unread; ",
    ]
)]
#[case::incompatible(
    "deploy-incompatible.jsonl",
    "3941d3607225550d8ffd489f239044d5257c9b9935e1dd2a15c1533ffcb27d52",
    &[
        "1+4 failed, failed, attempt 1 by mori@build-7; 0 built, 0 reused, 0 unread; the stack `esb-dev` cannot take this artifact: 2 of 7 checks failed",
    ]
)]
#[case::taken_over(
    "deploy-taken-over.jsonl",
    "942205824345d8ca1ddabbf0ada372a5ee9233e53a0ebf39a66f611791a8b254",
    &[
        "1+18 applied, applied, attempt 2 by mori@build-7 sato@laptop; 3 built, 1 reused, 0 unread; 2 taken over, 1 promoted",
    ]
)]
#[case::held(
    "target-held.jsonl",
    "2251adfb0b0ce38046031e9673b528322c7754aead81c23b9378d2e85d9f2ae6",
    &[
        "1+3 hold by sato@laptop: not before Monday; mori@build-7; false",
        "4+9 applied, applied, attempt 1 by mori@build-7; 4 built, 0 reused, 0 unread; ",
        "13+1 hold by sato@laptop: the database is being moved; ; true",
    ]
)]
fn a_frozen_journal_of_schema_2_is_whole_and_says_what_it_said(
    #[case] name: &str,
    #[case] head: &str,
    #[case] deploys: &[&str],
) {
    says(&imported_from("v2", name), head, deploys);
}

/// Every frozen journal of each schema folds as a whole, and its documents are what its events say of them.
#[rstest]
fn a_frozen_journal_of_any_schema_folds_with_its_documents(
    #[files("../fixtures/journals/v*/deploy-*.jsonl")]
    #[files("../fixtures/journals/v*/target-*.jsonl")]
    path: std::path::PathBuf,
) {
    let mut whole = StreamFold::default();
    let checked = transfer::check_each(BufReader::new(File::open(&path).unwrap()), |line| {
        match line {
            Whole::Event(event) => whole.add(event),
            Whole::Document(bytes) => whole.add_document(bytes),
        }
        .unwrap();
    });
    checked.unwrap();
    whole.end().unwrap();
    assert_eq!(whole.unread(), 0);
}

/// A frozen journal goes on: the first deploy after it, of whatever it was left with, is applied; the one after that changes nothing and
/// refers to documents. What an older journal recorded of images is known, and nothing is built again.
#[rstest]
fn a_frozen_journal_of_any_schema_goes_on(
    #[files("../fixtures/journals/v*/deploy-*.jsonl")]
    #[files("../fixtures/journals/v*/target-*.jsonl")]
    path: std::path::PathBuf,
) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let version = path
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    let store = imported_from(version, name);
    let mut truth = Truth::new(sample::observation(
        "esb-dev",
        &[("agent", "1.4.0"), ("gateway", "1.4.2")],
    ));
    for event in scan(&store, 1) {
        if let Some(image) = typed(&event.unwrap()).unwrap().event.as_image_built() {
            let keyed = (image.reference.clone(), image.key.clone());
            truth.keyed.insert(keyed, image.digest.clone());
            truth
                .registry
                .insert(image.reference.clone(), image.digest.clone());
        }
    }
    release(&store);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/artifact/artifact.yml");
    let artifact = load::artifact(&root).unwrap();
    let first = store.head().unwrap().sequence + 1;
    let (first_kinds, truth) = deploy(&store, &artifact, truth);
    assert_eq!(first_kinds.last().unwrap(), "Applied", "{first_kinds:?}");
    let built = scan(&store, first).filter_map(|event| {
        let image = typed(&event.unwrap())
            .unwrap()
            .event
            .as_image_built()
            .cloned()?;
        (image.source == ImageSource::Built).then_some(image.function)
    });
    let known = scan(&store, 1).take(usize::try_from(first).unwrap() - 1);
    let known: BTreeSet<_> = known
        .filter_map(|event| {
            let image = typed(&event.unwrap())
                .unwrap()
                .event
                .as_image_built()
                .cloned()?;
            (image.key == Digest::of("")).then_some(image.function)
        })
        .collect();
    for function in built {
        assert!(
            !known.contains(&function),
            "`{function}` was recorded and is built again"
        );
    }
    let (kinds, _) = deploy(&store, &artifact, truth);
    assert_eq!(
        kinds.join(" "),
        "Requested Observed CompatChecked Merged ImagesKept Applied"
    );
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
    let mut whole = StreamFold::default();
    scan(&store, 1).for_each(|event| whole.add(&event.unwrap()).unwrap());
    for digest in whole.named_documents() {
        let bytes = document_bytes(&store, &digest).unwrap().unwrap();
        whole.add_document(&bytes).unwrap();
    }
    whole.end().unwrap();
}

/// Ends the hold that a journal was left with.
fn release(store: &MemoryStore) {
    let stamp = FixedStamp::after(&store.head().unwrap());
    let mut journal = DeployJournal::open(store, &stamp, sato()).unwrap();
    if journal.state().hold.is_some() {
        journal
            .record(vec![Command::Release { note: None }])
            .unwrap();
    }
}

fn sato() -> Author {
    Author {
        actor: "sato@laptop".to_owned(),
        tool: "test".to_owned(),
    }
}

/// A deploy from its beginning to rest; the kinds of its events, and the world after it.
fn deploy(store: &MemoryStore, artifact: &Artifact, truth: Truth) -> (Vec<String>, Truth) {
    let before = store.head().unwrap();
    let stamp = FixedStamp::after(&before);
    let world = SimulatedWorld::new(truth, BTreeMap::new());
    let mut journal = DeployJournal::open(store, &stamp, sato()).unwrap();
    let (registries, interrupts) = (Registries::default(), Interrupts::never());
    let run = Run {
        world: &world,
        artifact: Some(artifact),
        registries: &registries,
        jobs: NonZeroUsize::MIN,
        interrupts: &interrupts,
        notice: &|_| {},
    };
    let request = sample::requested(
        artifact.digest_with(&BTreeMap::new()),
        artifact.manifest.clone(),
    );
    begin_or_resume(&mut journal, request, run.notice).unwrap();
    let ended = run_to_completion(&run, &mut journal).now_or_never();
    let outcome = ended.expect("the simulated world answers at once").unwrap();
    assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
    let kinds = scan(store, before.sequence + 1).map(|event| event.unwrap().header.kind);
    let kinds: Vec<String> = kinds.collect();
    (kinds, world.truth())
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
    assert_eq!(schemas, ["1.0", "2.2"]);
    assert_eq!(chain::verify(&store, None).unwrap().damage, None);
    let state = fold(&deploy_events(&store, 1).unwrap()).unwrap();
    assert_eq!(&state, journal.state());
    let deploy = state.deploy.unwrap();
    assert_eq!((deploy.attempt, deploy.request.registries), (2, None));
}
