//! Drift that is recorded between two deploys.

use journal::EventLog;
use uuid::Uuid;

use super::faulty_store::FixedStamp;
use super::inputs::{OnDisk, truth};
use super::person::Person;
use super::rig::{Disturbance, Target, applied, author};
use crate::machine::{Command, DriftFound, Refusal};
use crate::merge::ConfigFile;
use crate::run::deploy_journal::{DeployJournal, DeployJournalError, latest_deploy, latest_state};
use crate::run::{Replay, StreamFold};

fn found() -> DriftFound {
    DriftFound {
        latest: 0,
        in_effect: Uuid::nil(),
        files: vec![ConfigFile::Functions],
        keys: Vec::new(),
        tags: Vec::new(),
        refused: Vec::new(),
    }
}

fn record(target: &Target) -> Result<(), DeployJournalError> {
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    let mut journal = DeployJournal::open(&target.store, &stamp, author("person")).unwrap();
    journal.record(vec![Command::FindDrift(found())]).map(drop)
}

#[test]
fn drift_stands_between_deploys_and_changes_neither_what_is_in_effect_nor_what_comes_next() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let first = latest_deploy(&target.store).unwrap();
    let before = latest_state(&target.store).unwrap();
    for _ in 0..2 {
        record(&target).unwrap();
        assert_eq!(latest_state(&target.store).unwrap(), before);
        assert_eq!(latest_deploy(&target.store).unwrap(), first);
    }
    target.run(&disk.input(), &[Disturbance::Person(Person::Holds, None)]);
    let refused = record(&target).unwrap_err();
    assert!(matches!(
        refused,
        DeployJournalError::Refused(Refusal::OnHold(_))
    ));
    target.run(
        &disk.input(),
        &[Disturbance::Person(Person::Releases, None)],
    );
    assert!(applied(&target.run(&disk.input(), &[])));
    assert!(
        target
            .kinds()
            .ends_with(&["ImagesKept".to_owned(), "Applied".to_owned()])
    );

    let (mut fold, mut replay) = (StreamFold::default(), Replay::default());
    for event in journal::scan(&target.store, 1) {
        let event = event.unwrap();
        fold.add(&event).unwrap();
        assert_eq!(replay.add(&event).unwrap(), None);
    }
}

#[test]
fn drift_of_nothing_or_of_an_unfinished_deploy_is_not_recorded() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    assert!(record(&target).is_err());
    target.run(
        &disk.input(),
        &[Disturbance::Call(0, crate::run::simulated::Mishap::Refused)],
    );
    let refused = record(&target).unwrap_err();
    assert!(matches!(
        refused,
        DeployJournalError::Refused(Refusal::Unfinished { .. })
    ));
    assert_eq!(target.kinds().last().map(String::as_str), Some("Failed"));
}

/// Who took the target over only to record drift leaves the name of the lost owner to the deploy behind.
#[test]
fn a_take_over_is_not_lost_behind_drift() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let lost = crate::machine::LostHolder {
        actor: "mori".to_owned(),
        pid: 7,
        host: "here".to_owned(),
        boot_id: "b007".to_owned(),
        since: "then".to_owned(),
        deploy: None,
    };
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    let journal = DeployJournal::open(&target.store, &stamp, author("person")).unwrap();
    let mut journal = journal.taking_over([lost]);
    journal.record(vec![Command::FindDrift(found())]).unwrap();
    let message = "why".to_owned();
    journal.record(vec![Command::Hold { message }]).unwrap();
    let kinds = target.kinds();
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["DriftFound", "Held", "TakenOver"]
    );
}
