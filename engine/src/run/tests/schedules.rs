//! The laws over every schedule of disturbances of small deploys.

use rstest::rstest;

use super::explore::{Alphabet, Scenario, explore, replay};
use super::inputs::{OnDisk, name, truth};
use super::rig::{Disturbance, Target};
use crate::machine::ComposeCall;
use crate::merge::ConfigFile;
use crate::run::simulated::{Change, Mishap};

/// What others do to the world while a deploy goes on.
pub(super) const CHANGES: [Change; 4] = [
    Change::Version("1.3.0"),
    Change::ImageLost("registry:5000/a:latest"),
    Change::Edited(
        ConfigFile::Routing,
        "routes:\n",
        "routes:\n  - path: /by-hand\n    function: seed\n",
    ),
    Change::Edited(ConfigFile::Routing, "function: a\n", "function: edited\n"),
];

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
}

impl Small {
    fn explore(self, alphabets: &[Alphabet]) -> super::explore::Explored {
        self.with(|scenario| explore(scenario, alphabets))
    }

    fn with<T>(self, act: impl FnOnce(&Scenario<'_>) -> T) -> T {
        // One folder for all artifacts, since the source of an entry is its root.
        let disk = OnDisk::new(&["a", "b"]);
        let mut begin = Target::new(truth("1.4.2"));
        let wish = match self {
            Self::First => disk.wish().with(|options| {
                options.provision = Some(ComposeCall::default());
            }),
            Self::Upgrade => {
                begin.settle(&disk.wish());
                begin.truth.sources.insert(name("a"), "edited".to_owned());
                disk.write(&["a", "c"]);
                disk.wish()
            }
            Self::Superseding => {
                let killed = Disturbance::Call(5, Mishap::KilledBefore);
                begin.run(&disk.wish(), &[killed]);
                disk.write(&["a", "c"]);
                disk.wish()
            }
            Self::NoCache => {
                begin.settle(&disk.wish());
                disk.wish().with(|options| options.no_cache = true)
            }
        };
        act(&Scenario {
            name: self.name(),
            begin,
            wish: &wish,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Upgrade => "upgrade",
            Self::Superseding => "superseding",
            Self::NoCache => "no cache",
        }
    }
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
#[case::first(Small::First, "ce", 2_000)]
#[case::upgrade(Small::Upgrade, "ce", 2_000)]
#[case::superseding(Small::Superseding, "cce", 50_000)]
#[case::no_cache(Small::NoCache, "cce", 50_000)]
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
            'e' => Alphabet::everything(&CHANGES),
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
#[case::edited_by_hand_after_the_merge(Small::First, &[Disturbance::Call(2, Mishap::Changed(CHANGES[2]))])]
fn a_schedule_that_once_failed(#[case] small: Small, #[case] schedule: &[Disturbance]) {
    small.with(|scenario| replay(scenario, schedule));
}
