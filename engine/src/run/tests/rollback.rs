//! Going back to what an earlier deploy left, without its artifact.

use std::collections::BTreeMap;

use journal::EventLog;

use super::faulty_store::FixedStamp;
use super::inputs::{DeployInput, OnDisk, name, truth};
use super::keys::keys;
use super::rig::{Disturbance, Ended, Target, applied};
use crate::contract::Digest;
use crate::image::Registries;
use crate::machine::{Failed, FailureKind, ImageSource, Stage};
use crate::merge::ConfigFile;
use crate::run::deploy_journal::latest_state;
use crate::run::simulated::{Change, Mishap, SimulatedWorld};
use crate::run::{Outcome, PlanBasis, PlanError, plan};

/// Two deploys: `a` and `b`, then `a` with other content, and `c` in place of `b`. What is given goes back to the first.
struct Past {
    disk: OnDisk,
    target: Target,
    back: DeployInput,
}

fn past(lines: &str) -> Past {
    let disk = OnDisk::new(&["a", "b"]);
    let mut target = Target::new(truth("1.4.2"));
    let functions = format!(
        "functions:\n  a:\n    image: registry:5000/a:latest\n    environment: {{LEVEL: info{lines}}}\n  b:\n    image: registry:5000/b:latest\n"
    );
    disk.put("svc/config/functions.yml", &functions);
    target.settle(&disk.input());
    let back = disk.input().back_to(&target.store);
    target.truth.sources.insert(name("a"), "edited".to_owned());
    disk.write(&["a", "c"]);
    target.settle(&disk.input());
    Past { disk, target, back }
}

/// The failure that ended the last attempt.
fn failed(ended: Ended) -> Failed {
    let Ended::Rested(_, Outcome::Failed(failed)) = ended else {
        panic!("it should have failed: {ended:?}");
    };
    failed
}

#[test]
fn the_keys_and_images_of_then_are_there_again_and_nothing_is_built() {
    let Past {
        mut target, back, ..
    } = past("");
    let first = target.store.latest_deploys(None, 2).unwrap()[1].0;
    let before = target.truth.clone();
    assert!(
        keys(&before.config)
            .keys()
            .any(|key| key.0 == "functions/c")
    );
    assert!(applied(&target.run(&back, &[])));

    assert_eq!(target.truth.builds, before.builds);
    let keys = keys(&target.truth.config);
    let keys: Vec<&str> = keys.keys().map(|key| key.0.as_str()).collect();
    // A route of somebody else stays.
    assert_eq!(
        keys,
        [
            "functions/a",
            "functions/b",
            "routes/GET /a",
            "routes/GET /b",
            "routes/GET /seed"
        ]
    );
    assert!(target.truth.config[&ConfigFile::Functions].contains("LEVEL: info"));
    let images = |store, first| super::super::deploy_record(store, first).unwrap().unwrap();
    let then = images(&target.store, first);
    let now = images(
        &target.store,
        target.store.latest_deploys(None, 1).unwrap()[0].0,
    );
    let digests = |record: &super::super::DeployRecord| -> BTreeMap<_, Digest> {
        let images = record.images.iter();
        images
            .map(|(function, image)| (function.clone(), image.digest.clone()))
            .collect()
    };
    assert_eq!(digests(&now), digests(&then));
    assert_eq!(now.request.rollback_to, Some(then.deploy));
    for (function, digest) in digests(&then) {
        let reference = &then.images[&function].reference;
        assert_eq!(target.truth.registry[reference], digest, "{function}");
    }
    let state = latest_state(&target.store).unwrap().deploy.unwrap();
    let images = state.images.values();
    assert!(images.clone().count() > 0);
    assert!(
        images
            .into_iter()
            .all(|one| one.source == ImageSource::Reused)
    );
}

/// The next deploy of the artifact builds upon the rollback as upon any deploy.
#[test]
fn what_was_gone_back_from_is_deployed_again_without_a_build() {
    let Past {
        disk,
        mut target,
        back,
    } = past("");
    let after = target.truth.clone();
    assert!(applied(&target.run(&back, &[])));
    assert!(applied(&target.run(&disk.input(), &[])));
    assert_eq!(target.truth.config, after.config);
    assert_eq!(target.truth.registry, after.registry);
    assert_eq!(target.truth.builds, after.builds);
}

#[test]
fn an_image_that_is_gone_is_named_and_nothing_is_changed() {
    let Past {
        mut target, back, ..
    } = past("");
    target.change(Change::ImageLost("registry:5000/b:latest"));
    let before = target.truth.clone();
    let failed = failed(target.run(&back, &[]));
    assert_eq!(failed.kind, FailureKind::Unrestorable);
    assert_eq!(failed.causes.len(), 1);
    assert!(failed.causes[0].contains("`b`"), "{failed:?}");
    assert_eq!(target.truth, before);
}

/// The plan finds out everything that a rollback cannot restore, the values and the images, and records nothing.
#[test]
fn every_reason_is_told_before_anything_is_recorded() {
    let Past {
        mut target, back, ..
    } = past(", API_TOKEN: canary");
    target.change(Change::ImageLost("registry:5000/b:latest"));
    let world = SimulatedWorld::new(target.truth.clone(), BTreeMap::new());
    let head = target.store.head().unwrap();
    let basis = PlanBasis {
        events: &target.store,
        imported_until: 0,
        stamp: &FixedStamp::after(&head),
    };
    let request = back.request(&target.truth);
    let registries = Registries::default();
    let mut made = Box::pin(plan(&world, None, &registries, &request, basis));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(made) = made.as_mut().poll(&mut context) else {
        panic!("the world answers at once");
    };
    let Err(PlanError::Failed(failed)) = made else {
        panic!("it cannot be restored: {made:?}");
    };
    assert_eq!(failed.kind, FailureKind::Unrestorable);
    let [value, image] = &failed.causes[..] else {
        panic!("two reasons: {failed:?}");
    };
    assert!(value.contains("functions/a") && value.contains("environment.API_TOKEN"));
    assert!(image.contains("`b`") && !value.contains("canary"));
    assert_eq!(target.store.head().unwrap(), head);
}

/// A secret that still stands is put back with everything else.
#[test]
fn a_withheld_value_that_still_stands_is_restored() {
    let Past {
        disk,
        mut target,
        back,
    } = past(", API_TOKEN: canary");
    let text = target.truth.config.get_mut(&ConfigFile::Functions).unwrap();
    *text = text.replace(
        "image: registry:5000/a:latest",
        "image: registry:5000/a:latest\n    environment:\n      API_TOKEN: canary",
    );
    assert!(applied(&target.run(&back, &[])));
    let text = &target.truth.config[&ConfigFile::Functions];
    assert!(
        text.contains("API_TOKEN: canary") && text.contains("LEVEL: info"),
        "{text}"
    );
    drop(disk);
}

#[test]
fn a_rollback_that_was_killed_is_resumed_and_ends_as_it_would_have() {
    let Past {
        mut target, back, ..
    } = past("");
    let mut undisturbed = target.clone();
    assert!(applied(&undisturbed.run(&back, &[])));
    // Calls: observe, config, two looks, two tags that nothing live names or that one does, publish.
    for at in 0..8 {
        for mishap in [Mishap::KilledBefore, Mishap::KilledAfter] {
            let mut target = target.clone();
            let killed = Disturbance::Call(at, mishap);
            assert!(
                matches!(target.run(&back, &[killed]), Ended::Killed),
                "{at}"
            );
            assert!(applied(&target.run(&back, &[Disturbance::Resumes])));
            assert_eq!(target.truth.config, undisturbed.truth.config);
            assert_eq!(target.truth.registry, undisturbed.truth.registry);
        }
    }
    target.run(&back, &[Disturbance::Call(0, Mishap::Refused)]);
    let deploy = latest_state(&target.store).unwrap().deploy.unwrap();
    assert!(matches!(deploy.stage, Stage::Failed(_)));
    assert!(deploy.request.rollback_to.is_some());
}

/// A key that somebody changed by hand is told as of any deploy.
#[test]
fn hand_edits_are_drift_as_of_a_deploy() {
    let Past {
        mut target, back, ..
    } = past("");
    let text = target.truth.config.get_mut(&ConfigFile::Functions).unwrap();
    *text = text.replace("registry:5000/a:latest", "registry:5000/a:by-hand");
    let mut careful = back.clone();
    careful.back_to.as_mut().unwrap().options.fail_on_drift = true;
    let failed = failed(target.run(&careful, &[]));
    assert_eq!(failed.kind, FailureKind::Drift);
    assert!(applied(&target.run(&back, &[])));
}
