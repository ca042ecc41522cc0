//! The laws over every schedule of disturbances of small deploys.

use rstest::rstest;

use super::explore::{Alphabet, End, Scenario, alike, explore, replay};
use super::inputs::{OnDisk, name, truth};
use super::rig::{Disturbance, Target};
use crate::machine::{ComposeCall, FailureKind};
use crate::merge::ConfigFile;
use crate::run::simulated::{Change, Mishap};

/// What others do to the world while a deploy goes on.
pub(super) const CHANGES: [Change; 6] = [
    Change::Version("1.3.0"),
    Change::ImageLost("registry:5000/a:latest"),
    Change::TagMoved("registry:5000/a:latest"),
    Change::Edited(
        ConfigFile::Routing,
        "routes:\n",
        "routes:\n  - path: /by-hand\n    function: seed\n",
    ),
    Change::Edited(ConfigFile::Routing, "function: a\n", "function: edited\n"),
    Change::ImageReplaced("registry:5000/a:latest"),
];

/// The same without those that take an image away.
const WITHOUT_LOSS: [Change; 4] = [CHANGES[0], CHANGES[2], CHANGES[3], CHANGES[4]];

/// The small deploys.
#[derive(Debug, Clone, Copy)]
enum Small {
    /// Onto an empty target, with the provisioner.
    First,
    /// One function is edited, one goes, one comes.
    Upgrade,
    /// Another artifact was begun and is half built.
    Superseding,
    /// Everything is there, and is to be built all the same.
    NoCache,
    /// Another artifact wanted the seed's keys and was killed while it built its images.
    Wanted,
    /// Another artifact took the seed's keys over and was killed before it published them.
    Claimed,
    /// The same, killed once it had published them.
    Taken,
    /// An upgrade is applied, and is gone back from. Its artifact is not there any more.
    Rollback,
    /// The stack is too old.
    Incompatible,
    /// Two functions share an image and are built from different sources: only the loop can find that.
    Clashing,
    /// A secret is missing, while another deploy is half done.
    NoSecret,
    /// The payload contract is broken, while another deploy is half done.
    BadArtifact,
}

impl Small {
    fn explore(self, alphabets: &[Alphabet]) -> super::explore::Explored {
        self.with(|scenario| explore(scenario, alphabets))
    }

    fn with<T>(self, act: impl FnOnce(&Scenario<'_>) -> T) -> T {
        // One folder for all artifacts, since the source of an entry is its root.
        let disk = OnDisk::new(&["a", "b"]);
        let mut begin = Target::new(truth("1.4.2"));
        let input = match self {
            Self::First => disk.input().with(|options| {
                options.provision = Some(ComposeCall::default());
            }),
            Self::Upgrade => {
                begin.settle(&disk.input());
                begin.truth.sources.insert(name("a"), "edited".to_owned());
                disk.write(&["a", "c"]);
                disk.input()
            }
            Self::Superseding => {
                half_done(&disk, &mut begin);
                disk.write(&["a", "c"]);
                disk.input()
            }
            Self::NoCache => {
                begin.settle(&disk.input());
                disk.input().with(|options| options.no_cache = true)
            }
            Self::Wanted | Self::Claimed | Self::Taken => {
                disk.write(&["a", "seed"]);
                let (call, killed) = if matches!(self, Self::Wanted) {
                    (SECOND_BUILD, Mishap::KilledBefore)
                } else if matches!(self, Self::Claimed) {
                    (PUBLISH, Mishap::KilledBefore)
                } else {
                    (PUBLISH, Mishap::KilledAfter)
                };
                begin.run(&disk.input(), &[Disturbance::Call(call, killed)]);
                disk.write(&["a", "c"]);
                disk.input()
            }
            Self::Rollback => {
                begin.settle(&disk.input());
                let before = disk.input().back_to(&begin.store);
                begin.truth.sources.insert(name("a"), "edited".to_owned());
                disk.write(&["a", "c"]);
                begin.settle(&disk.input());
                before
            }
            Self::Incompatible => {
                begin = Target::new(truth("1.3.0"));
                disk.input()
            }
            Self::Clashing => {
                begin.truth.sources.insert(name("a"), "edited".to_owned());
                disk.write_with_images(&[("a", "shared"), ("b", "shared")]);
                disk.input()
            }
            Self::NoSecret => {
                half_done(&disk, &mut begin);
                disk.input_without_its_secret()
            }
            Self::BadArtifact => {
                half_done(&disk, &mut begin);
                disk.input_of_a_bad_artifact()
            }
        };
        act(&Scenario {
            name: format!("{self:?}"),
            begin,
            input: &input,
            end: self.end(),
        })
    }

    fn end(self) -> End {
        match self {
            Self::First
            | Self::Upgrade
            | Self::Superseding
            | Self::NoCache
            | Self::Wanted
            | Self::Claimed
            | Self::Taken
            | Self::Rollback => End::Applied,
            Self::Incompatible => End::Failed(FailureKind::Incompatible),
            Self::Clashing => End::Failed(FailureKind::Payload),
            Self::NoSecret | Self::BadArtifact => End::Unready,
        }
    }

    /// What others may do to the world: nothing that would let a deploy be applied which cannot be.
    fn changes(self) -> &'static [Change] {
        match self.end() {
            // An image that is gone cannot be built again.
            End::Applied if matches!(self, Self::Rollback) => &WITHOUT_LOSS,
            End::Applied => &CHANGES,
            End::Failed(_) | End::Unready => &[],
        }
    }
}

/// Calls of a deploy of two functions: the stack, the output directory, two looks, two builds, the stack again, two tags.
const SECOND_BUILD: usize = 5;
const PUBLISH: usize = 9;

fn half_done(disk: &OnDisk, begin: &mut Target) {
    let killed = Disturbance::Call(SECOND_BUILD, Mishap::KilledBefore);
    begin.run(&disk.input(), &[killed]);
}

#[expect(
    clippy::print_stderr,
    reason = "numbers for whoever asks with `--nocapture`"
)]
fn say(numbers: &str) {
    eprintln!("{numbers}");
}

/// One letter for each process in turn: `c` where it may crash, `e` where everything may go wrong; and how many schedules that makes.
#[rstest]
#[case::first(Small::First, "ee", 15_000)]
#[case::upgrade(Small::Upgrade, "ee", 12_000)]
#[case::superseding(Small::Superseding, "ec", 2_000)]
#[case::superseding_thrice(Small::Superseding, "ccc", 12_000)]
#[case::no_cache(Small::NoCache, "ec", 2_000)]
#[case::no_cache_thrice(Small::NoCache, "cce", 62_000)]
#[case::wanted(Small::Wanted, "e", 80)]
#[case::claimed(Small::Claimed, "e", 80)]
#[case::taken(Small::Taken, "e", 80)]
#[case::rollback(Small::Rollback, "ee", 6_000)]
#[case::incompatible(Small::Incompatible, "ee", 300)]
#[case::clashing(Small::Clashing, "ee", 3_000)]
#[case::no_secret(Small::NoSecret, "ee", 10)]
#[case::bad_artifact(Small::BadArtifact, "ee", 10)]
fn the_laws_hold_whatever_disturbs_the_processes(
    #[case] small: Small,
    #[case] words: &str,
    #[case] schedules: u64,
) {
    let asked = std::env::var("ARTIFACTCTL_SCHEDULES").ok();
    let words = asked.as_deref().unwrap_or(words);
    let alphabets: Vec<Alphabet> = words
        .chars()
        .map(|letter| match letter {
            'c' => Alphabet::crashes(),
            'e' => Alphabet::everything(small.changes()),
            other => panic!("ARTIFACTCTL_SCHEDULES is made of `c` and `e`, not of `{other}`"),
        })
        .collect();
    let explored = small.explore(&alphabets);
    say(&format!("{small:?}, {words}: {explored:?}"));
    assert!(
        asked.is_some() || explored.schedules >= schedules,
        "{explored:?}"
    );
}

#[rstest]
#[case::edited_by_hand_after_the_merge(Small::First, &[Disturbance::Call(2, Mishap::Changed(CHANGES[3]))])]
fn a_schedule_that_once_failed(#[case] small: Small, #[case] schedule: &[Disturbance]) {
    small.with(|scenario| replay(scenario, schedule));
}

/// What `explore` runs once for several mishaps of a look leaves the same for each of them, but for the words of a failure.
#[test]
fn mishaps_of_a_look_that_are_taken_for_alike_leave_the_same() {
    let alike_ones = [
        [Mishap::KilledBefore, Mishap::KilledAfter],
        [Mishap::KilledBefore, Mishap::KilledLate(3)],
        [Mishap::Refused, Mishap::ReplyLost],
        [Mishap::Twice, Mishap::Slow],
    ];
    for at in 0..SECOND_BUILD - 1 {
        for two in alike_ones {
            assert!(alike(at, two[0]).is_some() && alike(at, two[0]) == alike(at, two[1]));
            let [one, other] = two.map(|mishap| {
                Small::First.with(|scenario| {
                    let mut target = scenario.begin.clone();
                    target.run(scenario.input, &[Disturbance::Call(at, mishap)]);
                    (target.kinds(), target.truth, target.lock)
                })
            });
            assert_eq!(one, other, "{two:?} of call {at}");
        }
    }
}
