//! Two processes on one target at once, interleaved at every call and every append.

use journal::AppendError;
use rstest::rstest;

use super::inputs::{OnDisk, truth};
use super::laws::{ProcessResult, check_settled};
use super::person::Person;
use super::rig::{Disturbance, Ended, Target, applied};
use super::rivals::Rival;
use crate::run::deploy_journal::DeployJournalError;

/// What the second process wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// The same deploy.
    Same,
    /// The deploy that it finds unfinished, by its id.
    Resume,
    /// A deploy of another artifact.
    Other,
    /// The unfinished deploy given up.
    Abandon,
    /// The target for itself.
    Hold,
}

/// Steps of one process: more than it takes.
const STEPS: usize = 18;

#[rstest]
fn of_two_processes_at_most_one_goes_on(
    #[values(
        Second::Same,
        Second::Resume,
        Second::Other,
        Second::Abandon,
        Second::Hold
    )]
    second: Second,
    #[values(false, true)] upgrade: bool,
) {
    // Three turns of every length where most can go wrong, two elsewhere.
    let thirds = match (second, upgrade) {
        (Second::Other, false) => STEPS,
        (Second::Other, true)
        | (Second::Same | Second::Resume | Second::Abandon | Second::Hold, _) => 1,
    };
    let disk = OnDisk::new(&["a"]);
    let first = disk.input();
    disk.write(&["b"]);
    let other = disk.input();
    let mut begin = Target::new(truth("1.4.2"));
    if upgrade {
        begin.settle(&other);
    }
    let (mut schedules, mut conflicts, mut held_back) = (0, 0, 0);
    for turns in turns(thirds) {
        let mut target = begin.clone();
        let rival = match second {
            Second::Same => Rival::Deploys(&first),
            Second::Resume => Rival::Resumes(&first),
            Second::Other => Rival::Deploys(&other),
            Second::Abandon => Rival::Is(Person::Abandons),
            Second::Hold => Rival::Is(Person::Holds),
        };
        let both = target.rivals([Rival::Deploys(&first), rival], &turns);
        let say = |broken: String| format!("{second:?}, upgrade {upgrade}, {turns:?}: {broken}");
        let events = target.events();
        for ran in &both {
            let deed = ProcessResult {
                target: &target,
                events: &events,
                ran,
                disturbances: &[],
            };
            deed.check().map_err(say).unwrap();
            conflicts += usize::from(is_conflict(&ran.ended));
        }
        let what = format!("{:?}", target.kinds());
        assert!(target.takes_turns(), "{}", say(what));
        let both_lose = both.iter().all(|ran| is_conflict(&ran.ended));
        assert!(!both_lose, "{}", say("both lose".to_owned()));
        if second == Second::Hold {
            let refused = target.run(&first, &[]);
            let held = matches!(refused, Ended::Broken(DeployJournalError::Refused(_)));
            held_back += usize::from(held);
            target.run(&first, &[Disturbance::Person(Person::Releases, None)]);
        }
        let mut before = target.truth.config.clone();
        let settled = (0..2).any(|_| {
            before = target.truth.config.clone();
            applied(&target.run(&first, &[]))
        });
        let why = "an undisturbed run is not applied".to_owned();
        assert!(settled, "{}", say(why));
        let events = target.events();
        let settled = check_settled(&target, &events, &first, &before);
        settled.map_err(say).unwrap();
        schedules += 1;
    }
    assert_eq!(schedules, STEPS * STEPS * thirds);
    assert!(conflicts > schedules / 10, "{conflicts}");
    assert!(
        held_back > schedules / 10 || second != Second::Hold,
        "{held_back}"
    );
}

/// So many steps of the first, then of the second, then of the first; then each goes on to its end, the second first.
fn turns(thirds: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..STEPS).flat_map(move |one| {
        (0..STEPS).flat_map(move |two| (0..thirds).map(move |three| [one, two, three]))
    })
}

fn is_conflict(ended: &Ended) -> bool {
    matches!(
        ended,
        Ended::Broken(DeployJournalError::Append(AppendError::Conflict { .. }))
    )
}
