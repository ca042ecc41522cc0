//! Deploys one by one: what is recorded, what is changed, what is left alone.

use std::sync::atomic::Ordering;

use journal::EventLog;
use uuid::Uuid;

use super::faulty_store::{FaultyStore, FixedStamp};
use super::inputs::{OnDisk, truth};
use super::rig::{Disturbance, Ended, Target, applied, author};
use crate::machine::{self, Event, FailureKind, ImageSource, Refusal, Stage, Step};
use crate::merge::ConfigFile;
use crate::run::deploy_journal::{DeployJournal, DeployJournalError, latest_state, typed};
use crate::run::simulated::Mishap;
use crate::run::{BeginOutcome, Outcome, StreamFold, resume};

#[test]
fn a_deploy_is_the_documented_sequence() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(applied(&target.run(&disk.input(), &[])));
    let expected = [
        "Requested",
        "Observed",
        "CompatChecked",
        "Merged",
        "ImageBuilt",
        "ImageBuilt",
        "Applied",
    ];
    assert_eq!(target.kinds(), expected);
    assert!(
        target.truth.config[&ConfigFile::Routing].contains("/seed"),
        "seeds of others stay"
    );
    assert!(target.truth.config[&ConfigFile::Routing].contains("/a"));
}

#[test]
fn an_image_that_two_functions_share_is_built_once_and_for_the_first_of_them() {
    let disk = OnDisk::new(&[]);
    disk.write_with_images(&[("a", "shared"), ("b", "shared")]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(applied(&target.run(&disk.input(), &[])));
    let events = target.events();
    let images = events
        .iter()
        .filter_map(|event| event.event.as_image_built());
    let sources: Vec<_> = images
        .map(|image| (image.function.as_str(), image.source))
        .collect();
    assert_eq!(
        sources,
        [("a", ImageSource::Built), ("b", ImageSource::Reused)]
    );
}

#[test]
fn a_second_deploy_of_the_same_changes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let before = target.truth.clone();
    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(target.truth, before);
    assert_eq!(
        target.kinds()[7..],
        [
            "Requested",
            "Observed",
            "CompatChecked",
            "Merged",
            "ImagesKept",
            "Applied"
        ]
    );
}

#[test]
fn an_incompatible_stack_sees_no_mutating_call() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.3.0"));
    let ended = target.run(&disk.input(), &[]);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Incompatible);
    assert!(failed.causes.concat().contains("1.3.0"), "{failed:?}");
    assert_eq!(target.truth.mutations, 0);
    assert_eq!(
        target.kinds(),
        ["Requested", "Observed", "CompatChecked", "Failed"]
    );
}

#[test]
fn a_key_that_was_changed_by_hand_ends_a_deploy_that_may_not_overwrite_it() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let careful = disk.input().with(|options| options.fail_on_drift = true);
    assert!(applied(&target.run(&careful, &[])), "nothing was changed");
    let functions = target.truth.config.get_mut(&ConfigFile::Functions).unwrap();
    *functions = functions.replace("a:latest", "a:other");
    let before = target.truth.clone();
    let ended = target.run(&careful, &[]);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (failed.kind, failed.step),
        (FailureKind::Drift, Step::Merge)
    );
    assert_eq!(failed.causes, ["functions/a was changed by hand"]);
    assert_eq!(target.truth.config, before.config);
    assert_eq!(target.truth.mutations, before.mutations);
    assert!(applied(&target.run(&disk.input(), &[])), "asked otherwise");
}

#[test]
fn a_resume_of_another_deploy_appends_nothing() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let refused = Disturbance::Call(3, Mishap::Refused);
    target.run(&disk.input(), &[refused]);
    let head = target.store.head().unwrap();
    let stamp = FixedStamp::after(&head);
    let mut journal = DeployJournal::open(&target.store, &stamp, author("tester")).unwrap();
    let mine = journal.state().unfinished().unwrap().id;
    let another = resume(&mut journal, Uuid::from_u128(9), &|_| {}).unwrap_err();
    assert!(
        matches!(
            another,
            DeployJournalError::Refused(Refusal::Another { found, .. }) if found == mine
        ),
        "{another:?}"
    );
    assert_eq!(target.store.head().unwrap(), head);
    assert!(resume(&mut journal, mine, &|_| {}).is_ok());
    assert_eq!(target.kinds().last().unwrap(), "Resumed");
}

/// What stands in each deploy for itself is legal; what the second names before it is not there.
#[test]
fn a_deploy_that_names_another_predecessor_does_not_fold() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    target.settle(&disk.input());
    let fold = |harm: bool| {
        let mut whole = StreamFold::default();
        journal::scan(&target.store, 1).try_for_each(|event| {
            let mut event = event.unwrap();
            if harm && event.header.kind == "Requested" && event.header.sequence > 1 {
                let mut requested = typed(&event).unwrap().event.as_requested().unwrap().clone();
                requested.base = None;
                event.payload = machine::encode(&Event::Requested(requested));
            }
            whole.add(&event)
        })
    };
    assert!(fold(false).is_ok());
    let refused = fold(true).unwrap_err();
    assert!(
        matches!(refused, DeployJournalError::Predecessor { sequence: 7 }),
        "{refused:?}"
    );
}

#[test]
fn another_artifact_supersedes_the_unfinished_deploy() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(matches!(
        target.run(&disk.input(), &[Disturbance::Call(3, Mishap::Refused)]),
        Ended::Rested(_, Outcome::Failed(_))
    ));
    disk.write(&["a", "b"]);
    let ended = target.run(&disk.input(), &[]);
    assert!(
        matches!(
            ended,
            Ended::Rested(BeginOutcome::Superseded(_), Outcome::Applied(_))
        ),
        "{ended:?}"
    );
    let kinds = target.kinds();
    let abandoned = kinds.iter().position(|kind| kind == "Abandoned").unwrap();
    assert_eq!(kinds[abandoned + 1], "Requested");
}

#[test]
fn what_an_artifact_no_longer_has_goes_away_and_the_rest_stays() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    disk.write(&["a"]);
    target.settle(&disk.input());
    let routing = &target.truth.config[&ConfigFile::Routing];
    assert!(!routing.contains("/b"), "{routing}");
    assert!(
        routing.contains("/a") && routing.contains("/seed"),
        "{routing}"
    );
}

#[test]
fn an_image_that_an_earlier_attempt_finished_is_reused() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    // Calls: observe, config, two looks, two builds. The second build kills the process.
    assert!(matches!(
        target.run(&disk.input(), &[Disturbance::Call(5, Mishap::KilledBefore)]),
        Ended::Killed
    ));
    let built = target.truth.builds.clone();
    assert_eq!(built.len(), 1);
    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(
        target.truth.builds.len(),
        2,
        "the finished image is not built again"
    );
    let state = latest_state(&target.store).unwrap();
    let deploy = state.deploy.unwrap();
    assert!(matches!(deploy.stage, Stage::Applied(_)));
    assert_eq!(deploy.attempt, 2);
    assert_eq!(deploy.images[&built[0]].source, ImageSource::Reused);
}

#[test]
fn a_first_request_to_stop_finishes_the_step_at_hand_and_is_resumable() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let ended = target.run(&disk.input(), &[Disturbance::Stop(0, 1)]);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Interrupted);
    target.settle(&disk.input());
    assert_eq!(
        target.kinds()[..5],
        [
            "Requested",
            "Observed",
            "CompatChecked",
            "Failed",
            "Resumed"
        ]
    );
}

#[test]
fn opening_a_journal_reads_its_latest_deploy_only() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    for _ in 0..5 {
        target.settle(&disk.input());
    }
    let first_of_latest = target.store.latest_deploys(None, 1).unwrap()[0].0;
    assert!(first_of_latest > 1, "there is a history before it");
    let counting = FaultyStore::new(&target.store, None);
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    let journal = DeployJournal::open(&counting, &stamp, author("tester")).unwrap();
    assert!(journal.state().deploy.is_some());
    assert_eq!(counting.lowest.load(Ordering::Relaxed), first_of_latest);
}

#[test]
fn an_output_directory_that_does_not_read_is_named_without_its_lines() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let broken = "functions:\n  x: {environment: {KEY: canary-7}\n";
    target
        .truth
        .config
        .insert(ConfigFile::Functions, broken.to_owned());
    let ended = target.run(&disk.input(), &[]);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failed.kind, FailureKind::Publish);
    assert!(failed.causes[0].contains("/srv/stack/config/functions.yml:"));
    let events = journal::scan(&target.store, 1)
        .map(|event| String::from_utf8(event.unwrap().payload).unwrap());
    assert!(!events.collect::<String>().contains("canary-7"));
    assert_eq!(target.truth.mutations, 0);
}
