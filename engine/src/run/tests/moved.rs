//! A journal that is moved or removed while a deploy goes on: nothing more is changed, and nothing is called a success.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use journal::{AppendError, EventLog, StoreError};
use rstest::rstest;

use super::faulty_store::{FaultyStore, FixedStamp};
use super::inputs::{OnDisk, truth};
use super::rig::{Target, author};
use crate::image::Registries;
use crate::machine::{ComposeCall, Options, Step};
use crate::run::deploy_journal::{DeployJournal, DeployJournalError};
use crate::run::simulated::{Call, Seen, SimulatedWorld};
use crate::run::{Interrupts, Run, begin_or_resume, run_to_completion};

/// A deploy of three functions, two builds at a time, with the provisioner.
#[rstest]
#[case::observed(Step::Observe, 1, 0)]
#[case::merged(Step::Merge, 1, 0)]
#[case::looked_up(Step::Image, 3, 0)]
#[case::two_builds_at_once(Step::Image, 4, 2)]
#[case::the_last_build(Step::Image, 6, 3)]
#[case::looked_again(Step::Observe, 2, 3)]
#[case::tagged(Step::Tag, 1, 4)]
#[case::published(Step::Publish, 1, 7)]
#[case::provisioned(Step::Provision, 1, 8)]
fn once_the_journal_is_moved_nothing_more_is_changed(
    #[case] step: Step,
    #[case] calls_of_step: usize,
    #[case] changes: usize,
) {
    let disk = OnDisk::new(&["a", "b", "c"]);
    let provisioned = |options: &mut Options| options.provision = Some(ComposeCall::default());
    let input = disk.input().with(provisioned);
    let target = Target::new(truth("1.4.2"));
    let store = FaultyStore::new(&target.store, None);
    let is_of_step = |call: &&Call| call.step == step;
    let witness = |seen: Seen<'_>, _: &_| {
        if let Seen::Called(call) = seen {
            let mut calls = store.calls.lock().unwrap();
            calls.push(call);
            if calls.iter().filter(is_of_step).count() >= calls_of_step {
                store.moved.store(true, Ordering::Relaxed);
            }
        }
    };
    let world = SimulatedWorld::new(target.truth.clone(), [].into()).witnessed(&witness);
    let stamp = FixedStamp::after(&target.store.head().unwrap());
    let mut journal = DeployJournal::open(&store, &stamp, author("tester")).unwrap();
    let run = Run {
        world: &world,
        artifact: Some(input.artifact()),
        registries: &Registries::default(),
        jobs: NonZeroUsize::new(2).unwrap(),
        interrupts: &Interrupts::never(),
        notice: &|_| {},
    };
    begin_or_resume(&mut journal, input.request(&target.truth), run.notice).unwrap();
    let ended = run_to_completion(&run, &mut journal).now_or_never();
    assert!(
        matches!(
            ended,
            Some(Err(DeployJournalError::Append(AppendError::Store(
                StoreError::Moved { .. }
            ))))
        ),
        "{ended:?}"
    );
    let calls = store.calls.lock().unwrap();
    let changed = calls.iter().filter(|call| call.changes).count();
    assert_eq!(changed, changes, "{calls:?}");
}
