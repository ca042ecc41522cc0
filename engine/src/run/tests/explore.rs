//! Every schedule of disturbances of a scenario, and the laws after every process of each.
//!
//! A schedule is a list of disturbances, one for each process in turn, and then undisturbed processes until the deploy is applied.
//! Schedules share their beginnings, as branches of a tree do: a process is run once for all schedules that begin with it. They
//! share their endings as well: what follows depends on nothing but the journal, whose head hash stands for all of it, and on
//! the world; two schedules that meet in both go on as one.

use std::collections::HashMap;

use journal::{Facts, Hash};

use super::inputs::Wish;
use super::laws::{Deed, check_settled};
use super::rig::{AppendMishap, Disturbance, Ran, Target, applied};
use super::tape::Outside;
use crate::run::simulated::{Change, Mishap, Truth};

/// The disturbances that a process may meet.
#[derive(Debug, Clone)]
pub(super) struct Alphabet {
    pub(super) calls: Vec<Mishap>,
    pub(super) stops: Vec<usize>,
    pub(super) appends: Vec<AppendMishap>,
}

impl Alphabet {
    /// The process dies, before or after each append and each effect.
    pub(super) fn crashes() -> Self {
        Self {
            calls: vec![Mishap::KilledBefore, Mishap::KilledAfter],
            stops: Vec::new(),
            appends: vec![AppendMishap::KilledBefore, AppendMishap::KilledAfter],
        }
    }

    /// Everything that can go wrong, and these changes of the world.
    pub(super) fn everything(changes: &[Change]) -> Self {
        let faults = [
            Mishap::Refused,
            Mishap::ReplyLost,
            Mishap::Twice,
            Mishap::Slow,
            Mishap::KilledLate(0),
            Mishap::KilledLate(3),
        ];
        let mut all = Self::crashes();
        all.calls.extend(faults);
        all.calls
            .extend(changes.iter().copied().map(Mishap::Changed));
        all.stops = vec![1, 2];
        all.appends.push(AppendMishap::Refused);
        all
    }

    /// Every disturbance of a process that, undisturbed, makes so many calls and appends.
    fn disturbances(&self, ran: &Ran) -> Vec<Disturbance> {
        let calls = (0..ran.calls).flat_map(|at| {
            let mishaps = self
                .calls
                .iter()
                .map(move |one| Disturbance::Call(at, *one));
            mishaps.chain(
                self.stops
                    .iter()
                    .map(move |times| Disturbance::Stop(at, *times)),
            )
        });
        let appends = (0..ran.appends).flat_map(|at| {
            self.appends
                .iter()
                .map(move |one| Disturbance::Append(at, *one))
        });
        calls.chain(appends).collect()
    }
}

/// A small deploy: where it begins, and what is asked for.
pub(super) struct Scenario<'a> {
    pub(super) name: &'static str,
    pub(super) begin: Target,
    pub(super) wish: &'a Wish,
}

/// How much was explored.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Explored {
    /// Schedules, each different from all others.
    pub(super) schedules: u64,
    /// Processes that were run for them.
    pub(super) processes: u64,
    /// Different journals and worlds in which a process began.
    pub(super) states: u64,
}

/// A world as far as what follows depends on it.
#[derive(PartialEq)]
struct Known {
    depth: usize,
    truth: Truth,
    outside: Vec<Outside>,
    schedules: u64,
}

struct Explorer<'a> {
    scenario: &'a Scenario<'a>,
    alphabets: &'a [Alphabet],
    /// What the undisturbed run leaves.
    undisturbed: Truth,
    known: HashMap<Hash, Vec<Known>>,
    path: Vec<Disturbance>,
    explored: Explored,
}

/// Runs every schedule in which the first process meets a disturbance of the first alphabet, or none, and so on.
pub(super) fn explore(scenario: &Scenario<'_>, alphabets: &[Alphabet]) -> Explored {
    let mut undisturbed = scenario.begin.clone();
    undisturbed.settle(scenario.wish);
    let mut explorer = Explorer {
        scenario,
        alphabets,
        undisturbed: undisturbed.truth,
        known: HashMap::new(),
        path: Vec::new(),
        explored: Explored::default(),
    };
    explorer.explored.schedules = explorer.below(&scenario.begin);
    explorer.explored
}

/// Runs one schedule: what an exploration names when it fails.
pub(super) fn replay(scenario: &Scenario<'_>, schedule: &[Disturbance]) {
    let alphabets = [];
    let mut undisturbed = scenario.begin.clone();
    undisturbed.settle(scenario.wish);
    let mut explorer = Explorer {
        scenario,
        alphabets: &alphabets,
        undisturbed: undisturbed.truth,
        known: HashMap::new(),
        path: Vec::new(),
        explored: Explored::default(),
    };
    let mut target = scenario.begin.clone();
    for one in schedule {
        explorer.path.push(*one);
        explorer.run(&mut target, &[*one]);
    }
    explorer.settle(&target);
}

impl Explorer<'_> {
    /// The number of schedules from here on, each run and checked.
    fn below(&mut self, target: &Target) -> u64 {
        let depth = self.path.len();
        let hash = target.store.head().unwrap().hash;
        let outside = &target.tape.outside;
        let known = self.known.entry(hash).or_default().iter().find(|known| {
            known.depth == depth && same(&known.truth, &target.truth) && known.outside == *outside
        });
        if let Some(known) = known {
            return known.schedules;
        }
        self.explored.states += 1;
        let ran = self.settle(target);
        let mut schedules = 1;
        if let Some(alphabet) = self.alphabets.get(depth) {
            for one in alphabet.disturbances(&ran) {
                let mut branch = target.clone();
                self.path.push(one);
                self.run(&mut branch, &[one]);
                schedules += self.below(&branch);
                self.path.pop();
            }
        }
        self.known.entry(hash).or_default().push(Known {
            depth,
            truth: target.truth.clone(),
            outside: outside.clone(),
            schedules,
        });
        schedules
    }

    /// One process, and the laws after it.
    fn run(&mut self, target: &mut Target, disturbances: &[Disturbance]) -> Ran {
        let alone = target.truth.under_way.is_empty();
        let asked_before = target.tape.asked.len();
        let ran = target.process(self.scenario.wish, disturbances);
        self.explored.processes += 1;
        let facts = target.facts();
        let deed = Deed {
            target,
            facts: &facts,
            asked: &target.tape.asked[asked_before..],
            ended: &ran.ended,
            disturbances,
            stopped: ran.stopped,
            live: ran.live.as_ref(),
            alone,
        };
        deed.check()
            .unwrap_or_else(|broken| self.fail(target, &broken));
        ran
    }

    /// Undisturbed processes until the deploy is applied, on a copy; returns what the first of them did.
    fn settle(&mut self, target: &Target) -> Ran {
        let mut copy = target.clone();
        // A stack that somebody replaced is put back, once a process has been refused by it.
        let first = self.run(&mut copy, &[]);
        let replaced = copy.truth.observation != self.scenario.begin.truth.observation;
        copy.truth.observation = self.scenario.begin.truth.observation.clone();
        let late = !target.truth.under_way.is_empty();
        let mut is_applied = applied(&first.ended);
        if is_applied == replaced && !late {
            self.fail(
                &copy,
                "law 1: an undisturbed process is applied, unless the stack is incompatible",
            );
        }
        for _ in 0..=usize::from(late) {
            if !is_applied {
                is_applied = applied(&self.run(&mut copy, &[]).ended);
            }
        }
        let facts = copy.facts();
        check_settled(&copy, &facts).unwrap_or_else(|broken| self.fail(&copy, &broken));
        let edited = |other: &Outside| matches!(other.change, Change::Edited(..));
        if !copy.tape.outside.iter().any(edited) && !same(&copy.truth, &self.undisturbed) {
            self.fail(&copy, "law 1: the undisturbed run ended otherwise");
        }
        first
    }

    fn fail(&self, target: &Target, broken: &str) -> ! {
        panic!(
            "{broken}\nscenario: {}\nschedule: {:?}\njournal: {:?}",
            self.scenario.name,
            self.path,
            target.kinds()
        )
    }
}

/// The same world, but for what is only counted.
fn same(one: &Truth, other: &Truth) -> bool {
    one.config == other.config
        && one.registry == other.registry
        && one.under_way == other.under_way
        && one.observation == other.observation
        && one.sources == other.sources
}
