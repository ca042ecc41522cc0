//! The laws over every crash point of small deploys.

use std::collections::BTreeMap;

use super::inputs::{OnDisk, name, truth};
use super::rig::{Ended, Target};
use crate::contract::{Digest, FunctionName};
use crate::run::simulated::{Mishap, Truth};

/// What must be the same however often a deploy was interrupted.
fn essence(
    truth: &Truth,
) -> (
    &crate::run::ConfigTexts,
    &BTreeMap<String, (Digest, Digest)>,
    Vec<&FunctionName>,
) {
    let mut builds: Vec<_> = truth.builds.iter().collect();
    builds.sort();
    (&truth.config, &truth.registry, builds)
}

/// Calls that go wrong, and the append at which the process dies, before or after it is durable.
type Disturbance = (Vec<(usize, Mishap)>, Option<(usize, bool)>);

/// Every way in which one run can be disturbed once.
fn disturbances(calls: usize, appends: usize) -> Vec<Disturbance> {
    let mishaps = [
        Mishap::Refused,
        Mishap::ReplyLost,
        Mishap::KilledBefore,
        Mishap::KilledAfter,
    ];
    let of_calls = (0..calls).flat_map(|call| mishaps.map(|mishap| (vec![(call, mishap)], None)));
    let of_appends = (0..appends)
        .flat_map(|append| [false, true].map(|after| (Vec::new(), Some((append, after)))));
    of_calls.chain(of_appends).collect()
}

#[test]
fn however_often_a_deploy_is_disturbed_it_ends_as_the_undisturbed_one() {
    // One folder for both artifacts, since the source of an entry is its root.
    let disk = OnDisk::new(&["a", "b", "c"]);
    let first = disk.load();
    disk.write(&["a", "b", "d"]);
    let second = disk.load();
    let begin = || {
        let mut target = Target::new(truth("1.4.2"));
        target.settle(&first);
        target.truth.sources.insert(name("b"), "edited".to_owned());
        target
    };
    let mut undisturbed = begin();
    undisturbed.settle(&second);
    assert_eq!(
        undisturbed.truth.builds.len(),
        3 + 2,
        "only what changed is built"
    );
    // A run makes 8 calls (observe, config, 3 looks, 2 builds, publish) and at most 8 appends.
    let all = disturbances(8, 8);
    let deaths_after = all.iter().filter(|(mishaps, dies_at)| {
        matches!(mishaps[..], [(_, Mishap::KilledAfter)]) || matches!(dies_at, Some((_, true)))
    });
    let deaths_after: Vec<_> = deaths_after.cloned().collect();
    let once = all.iter().map(|one| vec![one]);
    let twice = deaths_after
        .iter()
        .flat_map(|one| deaths_after.iter().map(move |other| vec![one, other]));
    let mut schedules = 0;
    for schedule in once.chain(twice) {
        let mut target = begin();
        for (mishaps, dies_at) in &schedule {
            let ended = target.run(&second, mishaps, *dies_at);
            assert!(
                !matches!(ended, Ended::Broken(_)),
                "{schedule:?}: {ended:?}"
            );
        }
        target.settle(&second);
        target.check();
        assert_eq!(
            essence(&target.truth),
            essence(&undisturbed.truth),
            "{schedule:?}"
        );
        schedules += 1;
    }
    assert_eq!(schedules, 48 + 16 * 16);
}
