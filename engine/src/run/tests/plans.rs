//! Plans: what a deploy would do, found out without touching anything.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use journal::EventLog;
use rstest::rstest;

use super::faulty_store::FixedStamp;
use super::inputs::{DeployInput, OnDisk, name, truth};
use super::person::Person;
use super::rig::{Disturbance, Target, applied};
use crate::compat::{Grade, Verdict};
use crate::contract::FunctionName;
use crate::image::Registries;
use crate::machine::Merged;
use crate::merge::ConfigFile;
use crate::run::deploy_journal::{deploy_events, latest_state};
use crate::run::simulated::{Mishap, SimulatedWorld};
use crate::run::{Plan, PlanBasis, plan};

/// Makes a plan, and sees that neither the world nor the journal is changed by it.
fn planned(target: &Target, input: &DeployInput, imported_until: u64) -> Plan {
    let world = SimulatedWorld::new(target.truth.clone(), BTreeMap::new());
    let head = target.store.head().unwrap();
    let documents = target.store.documents(None, usize::MAX).unwrap();
    let basis = PlanBasis {
        events: &target.store,
        imported_until,
        stamp: &FixedStamp::after(&head),
    };
    let request = input.request(&target.truth);
    let registries = Registries::default();
    let made = plan(&world, Some(input.artifact()), &registries, &request, basis);
    let made = pollster(made).map_err(|_| "a plan is made").unwrap();
    assert_eq!(world.truth(), target.truth);
    assert_eq!(target.store.head().unwrap(), head);
    assert_eq!(target.store.documents(None, usize::MAX).unwrap(), documents);
    made
}

fn built(plan: &Plan) -> BTreeSet<FunctionName> {
    let images = plan.images.iter();
    images
        .filter(|image| !image.build_because.is_empty())
        .map(|image| image.function.clone())
        .collect()
}

/// The newest merge of a journal.
fn merged(target: &Target) -> Merged {
    let first = target.store.latest_deploys(None, 1).unwrap()[0].0;
    let events = deploy_events(&target.store, first).unwrap();
    let mut merges = events.iter().rev().filter_map(|one| one.event.as_merged());
    merges.next().unwrap().clone()
}

#[test]
fn a_plan_says_what_a_deploy_does_and_changes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let first = planned(&target, &disk.input(), 0);
    assert!(first.changes_anything());
    assert_eq!(built(&first), BTreeSet::from([name("a"), name("b")]));
    target.settle(&disk.input());
    assert!(!planned(&target, &disk.input(), 0).changes_anything());
    target.truth.sources.insert(name("a"), "edited".to_owned());
    let third = planned(&target, &disk.input(), 0);
    assert_eq!(built(&third), BTreeSet::from([name("a")]));
    let images = third.images.iter();
    let causes: Vec<_> = images.flat_map(|image| &image.build_because).collect();
    assert!(causes[0].to_string().contains("sources"), "{causes:?}");
}

/// What stands in the journal before the plan that is compared with its deploy.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    /// Another artifact is applied.
    Applied,
    /// The first of two builds was done, the second one failed.
    HalfBuilt,
    /// The same, and a second attempt did not get as far.
    HalfBuiltTwice,
    /// Publishing was permitted, and failed.
    PublishFailed,
}

/// The plan says what the deploy then does: the driver is the same. `--no-cache` and an unfinished deploy are where a driver of the
/// plan's own once said something else.
#[rstest]
fn a_plan_says_what_the_deploy_then_does(
    #[values(
        Before::Nothing,
        Before::Applied,
        Before::HalfBuilt,
        Before::HalfBuiltTwice,
        Before::PublishFailed
    )]
    before: Before,
    #[values(false, true)] no_cache: bool,
    #[values(false, true)] is_another: bool,
) {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    disk.write(&["a", "c"]);
    for function in ["a", "c"] {
        let edited = "edited".to_owned();
        target.truth.sources.insert(name(function), edited);
    }
    let input = disk.input().with(|options| options.no_cache = no_cache);
    // Calls: observe, config, two looks, two builds, a look at the stack, two old looks, a tag that nothing live names, publish.
    let refused = |at| Disturbance::Call(at, Mishap::Refused);
    match before {
        Before::Nothing => {}
        Before::Applied => assert!(applied(&target.run(&input, &[]))),
        Before::HalfBuilt => drop(target.run(&input, &[refused(5)])),
        Before::HalfBuiltTwice => {
            target.run(&input, &[refused(5)]);
            target.run(&input, &[refused(0)]);
        }
        Before::PublishFailed => {
            target.run(&input, &[refused(8)]);
            let state = latest_state(&target.store).unwrap();
            assert!(state.unfinished().unwrap().published_under.is_some());
        }
    }
    let asked = input.with(|options| options.prune = !is_another);
    let plan = planned(&target, &asked, 0);
    target.truth.builds.clear();
    assert!(applied(&target.run(&asked, &[])));
    let builds: BTreeSet<_> = target.truth.builds.iter().cloned().collect();
    assert_eq!(built(&plan), builds);
    let (planned, merged) = (plan.configuration.unwrap(), merged(&target));
    assert_eq!(planned.changes, merged.changes);
    assert_eq!(planned.files, merged.files);
    assert_eq!(plan.texts, target.truth.config);
}

/// It is abandoned, and what it has built is built again with `--no-cache`.
#[test]
fn a_plan_does_not_go_on_from_an_imported_deploy() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let input = disk.input().with(|options| options.no_cache = true);
    target.run(&input, &[Disturbance::Call(5, Mishap::Refused)]);
    assert_eq!(built(&planned(&target, &input, 0)).len(), 1);
    let head = target.store.head().unwrap().sequence;
    assert_eq!(built(&planned(&target, &input, head)).len(), 2);
}

#[test]
fn a_plan_of_an_incompatible_stack_has_every_finding_and_nothing_else() {
    let disk = OnDisk::new(&["a"]);
    let plan = planned(&Target::new(truth("1.3.0")), &disk.input(), 0);
    assert_eq!(plan.verdict, Verdict::Incompatible);
    assert!(plan.findings.iter().any(|one| one.grade == Grade::Fail));
    assert_eq!((plan.configuration, plan.images.len()), (None, 0));
    assert!(plan.texts.is_empty());
}

#[test]
fn a_target_that_is_held_is_planned_as_if_it_were_let_go_of() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let held = Disturbance::Person(Person::Holds, None);
    target.run(&disk.input(), &[held]);
    assert!(latest_state(&target.store).unwrap().hold.is_some());
    assert!(!planned(&target, &disk.input(), 0).changes_anything());
}

/// A deploy with `--fail-on-drift` would end here; whoever plans sees why, and everything else.
#[test]
fn a_plan_shows_drift_whatever_a_deploy_makes_of_it() {
    let disk = OnDisk::new(&["a"]);
    let mut target = Target::new(truth("1.4.2"));
    target.settle(&disk.input());
    let text = target.truth.config.get_mut(&ConfigFile::Functions).unwrap();
    *text = text.replace("registry:5000/a:latest", "registry:5000/a:other");
    let input = disk.input().with(|options| options.fail_on_drift = true);
    let plan = planned(&target, &input, 0);
    assert_eq!(plan.configuration.unwrap().drift.len(), 1);
    assert_eq!(plan.images.len(), 1);
}

fn pollster<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}
