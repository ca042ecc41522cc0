//! A deploy that came with an import: what it names is on another machine.

use journal::EventLog;
use uuid::Uuid;

use super::faulty_store::FixedStamp;
use super::inputs::{OnDisk, truth};
use super::rig::{Disturbance, Target, author};
use crate::machine::{AbandonReason, Command, Refusal};
use crate::run::deploy_journal::{DeployJournal, DeployJournalError};
use crate::run::simulated::Mishap;
use crate::run::{BeginOutcome, begin_or_resume, resume};

/// A target whose deploy was killed; and whether all of it came with an import.
fn killed(disk: &OnDisk) -> (Target, Uuid) {
    let mut target = Target::new(truth("1.4.2"));
    target.run(&disk.input(), &[Disturbance::Call(3, Mishap::KilledBefore)]);
    let deploy = target.events()[0].deploy;
    (target, deploy)
}

fn opened<'a>(target: &'a Target, stamp: &'a FixedStamp, imported: u64) -> DeployJournal<'a> {
    let journal = DeployJournal::open(&target.store, stamp, author("tester")).unwrap();
    journal.imported_until(imported)
}

#[test]
fn an_imported_deploy_is_superseded_by_the_same_request_and_the_journal_says_why() {
    let disk = OnDisk::new(&["a"]);
    let begun = |imported: fn(u64) -> u64| {
        let (mut target, deploy) = killed(&disk);
        let head = target.store.head().unwrap();
        let stamp = FixedStamp::after(&head);
        let mut journal = opened(&target, &stamp, imported(head.sequence));
        let request = disk.input().request(&target.truth);
        let begun = begin_or_resume(&mut journal, request, &|_| {}).unwrap();
        let after = target
            .events()
            .split_off(usize::try_from(head.sequence).unwrap());
        let note = after[0].event.as_abandoned().and_then(|it| it.note.clone());
        (begun, deploy, target.kinds().split_off(5).join(" "), note)
    };
    let (outcome, deploy, kinds, note) = begun(|head| head);
    assert_eq!(outcome, BeginOutcome::Superseded(deploy));
    assert_eq!(kinds, "Requested");
    assert!(note.unwrap().contains("it was imported"));
    // Asked for here, it goes on.
    let (outcome, ..) = begun(|_| 0);
    assert_eq!(outcome, BeginOutcome::Resumed);
}

#[test]
fn an_imported_deploy_is_not_resumed_and_can_be_given_up() {
    let disk = OnDisk::new(&["a"]);
    let (target, deploy) = killed(&disk);
    let head = target.store.head().unwrap();
    let stamp = FixedStamp::after(&head);
    let mut journal = opened(&target, &stamp, head.sequence);
    let refused = resume(&mut journal, deploy, &|_| {}).unwrap_err();
    assert!(
        matches!(refused, DeployJournalError::Refused(Refusal::Imported { deploy: named }) if named == deploy),
        "{refused:?}"
    );
    assert_eq!(target.store.head().unwrap(), head);
    let abandon = Command::Abandon {
        reason: AbandonReason::GivenUp,
        note: None,
    };
    journal.record(vec![abandon]).unwrap();
    // What is asked for after the import is of this machine, and goes on.
    let request = disk.input().request(&target.truth);
    let mut again = || begin_or_resume(&mut journal, request.clone(), &|_| {}).unwrap();
    assert_eq!(
        [again(), again()],
        [BeginOutcome::Begun, BeginOutcome::Resumed]
    );
}
