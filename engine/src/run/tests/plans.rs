//! Plans: what a deploy would do, found out without touching anything.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::inputs::{OnDisk, name, truth};
use super::rig::Target;
use crate::image::Registries;
use crate::run::plan;
use crate::run::simulated::SimulatedWorld;

#[test]
fn a_plan_says_what_a_deploy_does_and_changes_nothing() {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let planned = |target: &Target| {
        let world = SimulatedWorld::new(target.truth.clone(), BTreeMap::new());
        let (input, registries) = (disk.input(), Registries::default());
        let asked = input.request(&target.truth);
        let made = plan(
            &world,
            input.artifact(),
            &registries,
            &asked,
            Some(&target.store),
        );
        let made = pollster(made).map_err(|_| "a plan is made").unwrap();
        assert_eq!(world.truth(), target.truth);
        made
    };
    let first = planned(&target);
    assert!(first.changes_anything());
    assert_eq!(
        first
            .images
            .iter()
            .filter(|image| !image.build_because.is_empty())
            .count(),
        2
    );
    target.settle(&disk.input());
    assert!(!planned(&target).changes_anything());
    target.truth.sources.insert(name("a"), "edited".to_owned());
    let third = planned(&target);
    let builds: Vec<_> = third
        .images
        .iter()
        .filter(|image| !image.build_because.is_empty())
        .collect();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].function, name("a"));
    assert!(
        builds[0].build_because[0].to_string().contains("sources"),
        "{:?}",
        builds[0].build_because
    );
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
