//! Tags that the stack pulls: they move when the configuration is published, and a deploy that does not get there moves none.

use rstest::rstest;

use super::inputs::{OnDisk, name, truth};
use super::person::Person;
use super::rig::{Disturbance, Ended, Target, applied};
use crate::contract::Digest;
use crate::machine::{Applied, FailureKind, ImageSource, Stage, Step};
use crate::run::Outcome;
use crate::run::deploy_journal::latest_state;
use crate::run::simulated::{Change, Mishap};

const A: &str = "registry:5000/a:latest";
const B: &str = "registry:5000/b:latest";

fn latest_applied(target: &Target) -> Applied {
    let stage = latest_state(&target.store).unwrap().deploy.unwrap().stage;
    let Stage::Applied(applied) = stage else {
        panic!("{stage:?}")
    };
    applied
}

/// Functions `a` and `b` are live, and the sources of `a` are edited.
fn edited(disk: &OnDisk) -> Target {
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    target.truth.sources.insert(name("a"), "edited".to_owned());
    target
}

/// Calls of a deploy that builds `a` anew: the stack, the output directory, two looks, a build, the stack, `b`, the files, a tag.
const BUILD: usize = 4;
const B_AGAIN: usize = 6;
const PUBLISH: usize = 7;
const TAG: usize = 8;

#[test]
fn new_tags_are_set_before_the_files_and_live_ones_after_them() {
    let steps = |target: &mut Target, disk: &OnDisk| -> Vec<Step> {
        let calls = target.process(&disk.input(), &[]).calls;
        let changes = calls.into_iter().filter(|call| call.changes);
        changes.map(|call| call.step).collect()
    };
    let disk = OnDisk::new(&["a", "b"]);
    let mut first = Target::new(truth("1.4.2"));
    assert_eq!(
        steps(&mut first, &disk),
        [
            Step::Image,
            Step::Image,
            Step::Tag,
            Step::Tag,
            Step::Publish
        ]
    );
    let mut upgrade = edited(&disk);
    assert_eq!(
        steps(&mut upgrade, &disk),
        [Step::Image, Step::Publish, Step::Tag]
    );
    let moved = latest_applied(&upgrade).tags;
    assert_eq!(moved.keys().collect::<Vec<_>>(), [A]);
    assert_eq!(moved[A], upgrade.truth.registry[A]);
}

/// The stack, the output directory, each image, the files: a deploy that changes nothing asks for nothing else.
#[test]
fn a_deploy_that_changes_nothing_asks_once_for_each_image() {
    let disk = OnDisk::new(&["a", "b", "c"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let ran = target.process(&disk.input(), &[]);
    assert!(applied(&ran.ended));
    assert_eq!(ran.calls.len(), 3 + 3, "{:?}", ran.calls);
    assert!(latest_applied(&target).tags.is_empty());
}

#[rstest]
#[case::build_refused(BUILD, Mishap::Refused)]
#[case::killed_after_the_build(BUILD, Mishap::KilledAfter)]
#[case::publish_refused(PUBLISH, Mishap::Refused)]
#[case::killed_before_the_publish(PUBLISH, Mishap::KilledBefore)]
fn a_deploy_that_is_given_up_before_it_publishes_moves_no_live_tag(
    #[case] call: usize,
    #[case] mishap: Mishap,
) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = edited(&disk);
    let before = target.truth.registry.clone();
    target.run(&disk.input(), &[Disturbance::Call(call, mishap)]);
    target.run(
        &disk.input(),
        &[Disturbance::Person(Person::Abandons, None)],
    );
    assert_eq!(target.kinds().last().unwrap(), "Abandoned");
    assert_eq!(target.truth.registry, before);
}

#[rstest]
#[case::refused(Mishap::Refused)]
#[case::killed(Mishap::KilledBefore)]
fn a_resume_moves_the_tags_that_are_left(#[case] mishap: Mishap) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = edited(&disk);
    target.truth.sources.insert(name("b"), "edited".to_owned());
    // Both are built: the stack, the output directory, two looks, two builds, the stack, the files, two tags.
    let ended = target.run(&disk.input(), &[Disturbance::Call(9, mishap)]);
    if let Ended::Rested(_, Outcome::Failed(failed)) = &ended {
        assert_eq!(
            (failed.step, failed.function.clone()),
            (Step::Tag, Some(name("b")))
        );
    }
    let moved = target.truth.registry[A].clone();
    assert_ne!(target.truth.registry[B], moved);
    assert!(applied(&target.run(&disk.input(), &[Disturbance::Resumes])));
    assert_eq!(latest_applied(&target).tags.keys().collect::<Vec<_>>(), [B]);
    assert_eq!(target.truth.registry[A], moved);
}

#[rstest]
#[case::lost(Change::ImageLost(B))]
#[case::moved(Change::TagMoved(B))]
fn what_was_proved_before_the_builds_is_proved_again(#[case] change: Change) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = edited(&disk);
    let before = target.truth.registry[B].clone();
    let changed = Disturbance::Call(BUILD, Mishap::Changed(change));
    let ended = target.run(&disk.input(), &[changed]);
    assert!(applied(&ended), "{ended:?}");
    assert_eq!(target.truth.registry[B], before);
    let kinds = target.kinds()[7..].join(" ");
    let round = "Observed CompatChecked Merged ImagesKept ImageBuilt";
    if matches!(change, Change::ImageLost(_)) {
        // It is built again, in a round of its own.
        assert_eq!(
            kinds,
            format!("Requested {round} {round} ImageBuilt Applied")
        );
        let images = latest_state(&target.store).unwrap().deploy.unwrap().images;
        assert_eq!(images[&name("b")].source, ImageSource::Built);
    } else {
        assert_eq!(kinds, format!("Requested {round} Applied"));
        let tags = latest_applied(&target).tags;
        assert_eq!(tags.keys().collect::<Vec<_>>(), [A, B]);
    }
}

/// The tag of an image that was removed from the registry right before it was to be moved.
#[test]
fn a_tag_whose_image_is_gone_fails_by_its_name() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = edited(&disk);
    let lost = Mishap::Changed(Change::ImageLost(A));
    let ended = target.run(&disk.input(), &[Disturbance::Call(TAG, lost)]);
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (failed.step, failed.function, failed.kind),
        (Step::Tag, Some(name("a")), FailureKind::Image)
    );
    target.settle(&disk.input());
    assert_ne!(target.truth.registry.get(A), None::<&Digest>);
}

#[test]
fn a_stop_between_the_looks_and_the_files_publishes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    for at in [B_AGAIN - 1, B_AGAIN] {
        let mut target = edited(&disk);
        let before = (target.truth.registry.clone(), target.truth.config.clone());
        let ended = target.run(&disk.input(), &[Disturbance::Stop(at, 1)]);
        assert!(
            matches!(ended, Ended::Rested(_, Outcome::Failed(_))),
            "{ended:?}"
        );
        assert_eq!(
            (target.truth.registry.clone(), target.truth.config.clone()),
            before
        );
    }
}
