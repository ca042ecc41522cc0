//! Take-overs and holds: what they are recorded with, that they stop what they must, and that they cost no history.

use journal::EventLog;
use uuid::Uuid;

use super::faulty_store::{FaultyStore, FixedStamp};
use super::inputs::{OnDisk, truth};
use super::rig::{Disturbance, Ended, Target, author};
use crate::machine::{AbandonReason, Command, LostHolder, Next, Refusal, next};
use crate::run::deploy_journal::{DeployJournal, DeployJournalError, latest_deploy, latest_state};
use crate::run::simulated::Mishap;
use crate::run::{BeginOutcome, begin_or_resume};

fn stamp(target: &Target) -> FixedStamp {
    FixedStamp::after(&target.store.head().unwrap())
}

fn whole(target: &Target) {
    let report = journal::chain::verify(&target.store, None).unwrap();
    assert_eq!(report.damage, None);
}

fn lost() -> LostHolder {
    LostHolder {
        actor: "mori@build-7".to_owned(),
        pid: 4711,
        host: "build-7".to_owned(),
        boot_id: "b007".to_owned(),
        since: "2026-02-20T09:00:00Z".to_owned(),
        deploy: None,
    }
}

fn hold(message: &str) -> Command {
    Command::Hold {
        message: message.to_owned(),
    }
}

fn release() -> Command {
    Command::Release { note: None }
}

/// A target with an unfinished deploy, its owner killed at the first build.
fn killed(disk: &OnDisk) -> Target {
    let mut target = Target::new(truth("1.4.2"));
    let ended = target.run(&disk.input(), &[Disturbance::Call(3, Mishap::KilledBefore)]);
    assert!(matches!(ended, Ended::Killed), "{ended:?}");
    // Whom a ledger takes over is said by each test.
    target.lock = None;
    target
}

/// Records one command after the other, each by an owner of its own that took over.
fn record(
    target: &Target,
    taken_over: bool,
    commands: Vec<Command>,
) -> Result<(), DeployJournalError> {
    for command in commands {
        let stamp = stamp(target);
        let mut journal = DeployJournal::open(&target.store, &stamp, author("tester"))?
            .taking_over(taken_over.then(lost));
        journal.record(vec![command])?;
        assert_eq!(*journal.state(), latest_state(&target.store)?);
    }
    Ok(())
}

/// The kinds with the deploy that each belongs to, in the order in which these came.
fn groups(target: &Target) -> Vec<(Uuid, Vec<String>)> {
    let mut groups: Vec<(Uuid, Vec<String>)> = Vec::new();
    for event in journal::scan(&target.store, 1) {
        let header = event.unwrap().header;
        match groups.last_mut() {
            Some((deploy, kinds)) if *deploy == header.deploy => kinds.push(header.kind),
            Some(_) | None => groups.push((header.deploy, vec![header.kind])),
        }
    }
    groups
}

#[test]
fn a_take_over_is_recorded_once_and_before_what_goes_on() {
    let disk = OnDisk::new(&["a"]);
    let target = killed(&disk);
    let interrupted = target.kinds().len();
    let stamp = stamp(&target);
    let mut journal = DeployJournal::open(&target.store, &stamp, author("tester"))
        .unwrap()
        .taking_over(Some(lost()));
    let asked = disk.input().request(&target.truth);
    assert_eq!(
        begin_or_resume(&mut journal, asked, &|_| {}).unwrap(),
        BeginOutcome::Resumed
    );
    let abandon = Command::Abandon {
        reason: AbandonReason::GivenUp,
        note: None,
    };
    journal.record(vec![abandon]).unwrap();
    assert_eq!(
        target.kinds()[interrupted..],
        ["TakenOver", "Resumed", "Abandoned"]
    );
    whole(&target);
}

#[test]
fn a_take_over_without_an_unfinished_deploy_is_recorded_with_what_begins() {
    let disk = OnDisk::new(&["a"]);
    let target = Target::new(truth("1.4.2"));
    let stamp = stamp(&target);
    let mut journal = DeployJournal::open(&target.store, &stamp, author("tester"))
        .unwrap()
        .taking_over(Some(lost()));
    let asked = disk.input().request(&target.truth);
    assert_eq!(
        begin_or_resume(&mut journal, asked, &|_| {}).unwrap(),
        BeginOutcome::Begun
    );
    assert_eq!(target.kinds(), ["Requested", "TakenOver"]);
    whole(&target);
}

#[test]
fn what_is_refused_records_no_take_over() {
    let target = killed(&OnDisk::new(&["a"]));
    let before = target.kinds();
    let refused = record(&target, true, vec![release()]);
    assert!(matches!(
        refused,
        Err(DeployJournalError::Refused(Refusal::NotHeld))
    ));
    assert_eq!(target.kinds(), before);
}

#[test]
fn a_hold_of_an_unfinished_deploy_is_one_of_its_events_and_stops_it() {
    let disk = OnDisk::new(&["a"]);
    let mut target = killed(&disk);
    let at_rest = latest_state(&target.store).unwrap();
    record(&target, true, vec![hold("looking into it")]).unwrap();
    assert_eq!(next(&latest_state(&target.store).unwrap()), Next::Rest);
    let ended = target.run(&disk.input(), &[]);
    let Ended::Broken(DeployJournalError::Refused(Refusal::OnHold(found))) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(found.message, "looking into it");
    record(&target, false, vec![release()]).unwrap();
    assert_eq!(latest_state(&target.store).unwrap(), at_rest);
    target.settle(&disk.input());
    let groups = groups(&target);
    assert_eq!(groups.len(), 1, "{groups:?}");
    let kinds = groups[0].1.join(" ");
    assert!(kinds.contains("TakenOver Held Released Resumed"), "{kinds}");
    whole(&target);
}

#[test]
fn a_hold_after_a_deploy_stands_by_itself_and_the_next_deploy_builds_on_the_last() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    record(&target, false, vec![hold("not before Monday"), release()]).unwrap();
    target.settle(&disk.input());
    let base = latest_state(&target.store).unwrap().base();
    assert!(base.is_some());
    record(&target, true, vec![hold("once"), release()]).unwrap();
    record(&target, false, vec![hold("twice"), release()]).unwrap();
    assert_eq!(latest_state(&target.store).unwrap().base(), base);
    assert_eq!(latest_deploy(&target.store).unwrap(), Some(3));
    target.settle(&disk.input());
    let groups = groups(&target);
    let kinds: Vec<String> = groups.iter().map(|(_, kinds)| kinds.join(" ")).collect();
    assert_eq!(kinds[0], "Held Released");
    assert_eq!(
        kinds[2..4],
        ["Held TakenOver TakenOver Released", "Held Released"]
    );
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    whole(&target);
}

#[test]
fn however_many_holds_there_were_opening_reads_a_deploy_and_a_hold() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let read = |target: &Target| {
        let counting = FaultyStore::new(&target.store, None);
        DeployJournal::open(&counting, &stamp(target), author("tester")).unwrap();
        (counting.pages.into_inner(), counting.read.into_inner())
    };
    for _ in 0..200 {
        record(&target, false, vec![hold("again"), release()]).unwrap();
    }
    let (pages, events) = read(&target);
    // A page is read for the hold, and one for the deploy, which ends where the first hold begins.
    assert!(
        pages <= 4 && events <= 300,
        "{pages} pages, {events} events"
    );
    for _ in 0..400 {
        record(&target, false, vec![hold("again"), release()]).unwrap();
    }
    assert_eq!(
        read(&target),
        (pages, events),
        "and no more after more holds"
    );
}
