//! A stack that others replace while images are built: it is looked at again before anything is published.

use super::inputs::{OnDisk, truth};
use super::rig::{Disturbance, Ended, Target, applied};
use crate::machine::{Applied, Failed, FailureKind, Stage, Step};
use crate::run::Outcome;
use crate::run::deploy_journal::latest_state;
use crate::run::simulated::{Change, Mishap};

/// Calls of a first deploy of one function: the stack, the output directory, a look, a build, the stack again.
const BUILD: usize = 3;
const SECOND_LOOK: usize = 4;
/// Calls of each round that follows a change: the output directory, a look, the stack again.
const ROUND: usize = 3;

fn replaced(at: usize, version: &'static str) -> Disturbance {
    Disturbance::Call(at, Mishap::Changed(Change::Version(version)))
}

fn applied_event(target: &Target) -> Applied {
    let stage = latest_state(&target.store).unwrap().deploy.unwrap().stage;
    let Stage::Applied(applied) = stage else {
        panic!("{stage:?}")
    };
    applied
}

fn failure(ended: Ended) -> Failed {
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    failed
}

#[test]
fn a_second_look_at_an_unchanged_stack_is_part_of_applied() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    assert_eq!(
        target.kinds().join(" "),
        "Requested Observed CompatChecked Merged ImageBuilt Applied"
    );
    assert!(applied_event(&target).rechecked_at.is_some());
}

#[test]
fn a_deploy_that_builds_nothing_looks_once() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let ran = target.process(&disk.input(), &[]);
    assert!(applied(&ran.ended));
    let looks = ran.calls.iter().filter(|call| call.step == Step::Observe);
    assert_eq!(looks.count(), 1);
    assert_eq!(applied_event(&target).rechecked_at, None);
}

#[test]
fn a_stack_that_was_replaced_by_one_that_fits_is_checked_merged_for_and_then_deployed_onto() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let ended = target.run(&disk.input(), &[replaced(BUILD, "1.4.3")]);
    assert!(applied(&ended), "{ended:?}");
    assert_eq!(
        target.kinds().join(" "),
        "Requested Observed CompatChecked Merged ImageBuilt \
         Observed CompatChecked Merged ImageBuilt Applied"
    );
    assert!(applied_event(&target).rechecked_at.is_some());
    assert_eq!(target.truth.builds.len(), 1);
}

#[test]
fn a_stack_that_was_replaced_by_one_that_does_not_fit_is_not_published_for() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    let before = target.truth.config.clone();
    let failed = failure(target.run(&disk.input(), &[replaced(BUILD, "1.3.0")]));
    assert_eq!(
        (failed.step, failed.kind),
        (Step::Check, FailureKind::Incompatible)
    );
    assert_eq!(target.truth.config, before);
    assert_eq!(
        target.kinds().join(" "),
        "Requested Observed CompatChecked Merged ImageBuilt Observed CompatChecked Failed"
    );
}

#[test]
fn the_fourth_change_of_the_stack_ends_the_attempt() {
    let disk = OnDisk::new(&["a"]);
    let versions = ["1.4.3", "1.4.4", "1.4.5", "1.4.6"];
    let looks = (0..).map(|round| SECOND_LOOK + round * ROUND);
    let mut changes: Vec<_> = looks
        .zip(versions)
        .map(|(at, version)| replaced(at, version))
        .collect();

    let mut target = Target::new(truth("1.4.2"));
    let failed = failure(target.run(&disk.input(), &changes));
    assert_eq!(
        (failed.step, failed.kind, failed.retryable),
        (Step::Observe, FailureKind::Unreachable, true)
    );
    assert!(!target.kinds().contains(&"Applied".to_owned()));

    changes.pop();
    let mut target = Target::new(truth("1.4.2"));
    let ended = target.run(&disk.input(), &changes);
    assert!(applied(&ended), "{ended:?}");
    let looks = target.kinds().into_iter().filter(|kind| kind == "Observed");
    assert_eq!(looks.count(), 4);
}
