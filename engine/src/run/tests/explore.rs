//! Every schedule of disturbances of a scenario, and the laws after every process of each.
//!
//! A schedule is a list of disturbances, one for each process in turn, and then undisturbed processes until the deploy is applied.
//! Schedules share their beginnings, as branches of a tree do: a process is run once for all schedules that begin with it. They
//! share their endings as well: what follows depends on nothing but the journal, whose head hash stands for all of it, and on
//! the world; two schedules that meet in both go on as one.

use std::collections::{BTreeMap, HashMap};

use journal::{EventLog, Hash};

use super::faulty_store::AppendMishap;
use super::inputs::DeployInput;
use super::laws::{ProcessResult, check_settled};
use super::model::Model;
use super::person::Person;
use super::rig::{Disturbance, Ended, Ran, Target, applied};
use super::trace::Outside;
use crate::machine::{FailureKind, LostHolder, Refusal};
use crate::run::Outcome;
use crate::run::deploy_journal::DeployJournalError;
use crate::run::simulated::{Change, Mishap, Truth};

/// The disturbances that a process may meet.
#[derive(Debug, Clone)]
pub(super) struct Alphabet {
    pub(super) calls: Vec<Mishap>,
    pub(super) stops: Vec<usize>,
    pub(super) appends: Vec<AppendMishap>,
    /// What may happen to a person who holds the target, or lets go of it, between two processes.
    pub(super) persons: Vec<Option<AppendMishap>>,
    /// The unfinished deploy may be resumed by its id, instead of being asked for again.
    pub(super) resumes: bool,
}

impl Alphabet {
    /// The process dies, before or after each append and each effect.
    pub(super) fn crashes() -> Self {
        Self {
            calls: vec![Mishap::KilledBefore, Mishap::KilledAfter],
            stops: Vec::new(),
            appends: vec![AppendMishap::KilledBefore, AppendMishap::KilledAfter],
            persons: Vec::new(),
            resumes: false,
        }
    }

    /// Everything that can go wrong, these changes of the world, and a person who holds the target or lets go of it.
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
        all.appends
            .extend([AppendMishap::Refused, AppendMishap::Stopped(1)]);
        all.persons = vec![
            None,
            Some(AppendMishap::Refused),
            Some(AppendMishap::KilledBefore),
            Some(AppendMishap::KilledAfter),
        ];
        all.resumes = true;
        all
    }

    /// Every disturbance of a process that does this when it is undisturbed, each with the number of those that it stands for.
    fn disturbances(&self, ran: &Ran, held: bool) -> Vec<(Disturbance, u64)> {
        let mut all: Vec<(Disturbance, u64)> = Vec::new();
        let mut places: BTreeMap<Alike, usize> = BTreeMap::new();
        for (at, call) in ran.calls.iter().enumerate() {
            for mishap in &self.calls {
                let one = Disturbance::Call(at, *mishap);
                match alike(at, *mishap).filter(|_| !call.changes) {
                    None => all.push((one, 1)),
                    Some(alike) => {
                        let place = *places.entry(alike).or_insert(all.len());
                        if place == all.len() {
                            all.push((one, 0));
                        }
                        all[place].1 += 1;
                    }
                }
            }
            let stops = self.stops.iter();
            all.extend(stops.map(|times| (Disturbance::Stop(at, *times), 1)));
        }
        for at in 0..ran.appends {
            let appends = self.appends.iter();
            all.extend(appends.map(|one| (Disturbance::Append(at, *one), 1)));
        }
        let person = if held {
            Person::Releases
        } else {
            Person::Holds
        };
        let persons = self.persons.iter();
        all.extend(persons.map(|mishap| (Disturbance::Person(person, *mishap), 1)));
        all.extend(self.resumes.then_some((Disturbance::Resumes, 1)));
        all
    }
}

/// What a process that only looks makes of a mishap. Those that are alike leave the same, for a look changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alike {
    /// It has died in the call of this number.
    Dead(usize),
    /// The call of this number has failed.
    Failed(usize),
    /// It has its answer.
    Answered,
}

pub(super) fn alike(at: usize, mishap: Mishap) -> Option<Alike> {
    match mishap {
        Mishap::KilledBefore | Mishap::KilledAfter | Mishap::KilledLate(_) => Some(Alike::Dead(at)),
        Mishap::Refused | Mishap::ReplyLost => Some(Alike::Failed(at)),
        Mishap::Twice | Mishap::Slow => Some(Alike::Answered),
        Mishap::Changed(_) => None,
    }
}

/// A small deploy: where it begins, and what is asked for.
pub(super) struct Scenario<'a> {
    pub(super) name: String,
    pub(super) begin: Target,
    pub(super) input: &'a DeployInput,
    pub(super) end: End,
}

/// How an undisturbed process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With everything in place.
    Applied,
    /// With this failure, and nothing has been changed.
    Failed(FailureKind),
    /// Before it began, and nothing has been changed.
    Unready,
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
    lock: Option<LostHolder>,
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
    let mut explorer = Explorer::new(scenario, alphabets);
    explorer.explored.schedules = explorer.below(&mut scenario.begin.clone());
    explorer.explored
}

/// Runs one schedule: what an exploration names when it fails.
pub(super) fn replay(scenario: &Scenario<'_>, schedule: &[Disturbance]) {
    let mut explorer = Explorer::new(scenario, &[]);
    let mut target = scenario.begin.clone();
    for one in schedule {
        explorer.path.push(*one);
        explorer.run(&mut target, &[*one]);
    }
    explorer.settle(&mut target);
}

impl<'a> Explorer<'a> {
    fn new(scenario: &'a Scenario<'a>, alphabets: &'a [Alphabet]) -> Self {
        let mut undisturbed = scenario.begin.clone();
        if scenario.end == End::Applied {
            undisturbed.settle(scenario.input);
        }
        Self {
            scenario,
            alphabets,
            undisturbed: undisturbed.truth,
            known: HashMap::new(),
            path: Vec::new(),
            explored: Explored::default(),
        }
    }

    /// The number of schedules from here on, each run and checked.
    fn below(&mut self, target: &mut Target) -> u64 {
        let depth = self.path.len();
        let hash = target.store.head().unwrap().hash;
        let known = self.known.entry(hash).or_default().iter().find(|known| {
            known.depth == depth
                && same(&known.truth, &target.truth)
                && known.lock == target.lock
                && known.outside == target.trace.outside
        });
        if let Some(known) = known {
            return known.schedules;
        }
        self.explored.states += 1;
        let ran = self.settle(target);
        let mut schedules = 1;
        if let Some(alphabet) = self.alphabets.get(depth) {
            let held = Model(&target.events()).is_held();
            for (one, stands_for) in alphabet.disturbances(&ran, held) {
                let mut branch = target.clone();
                self.path.push(one);
                self.run(&mut branch, &[one]);
                schedules += stands_for * self.below(&mut branch);
                self.path.pop();
            }
        }
        self.known.entry(hash).or_default().push(Known {
            depth,
            truth: target.truth.clone(),
            lock: target.lock.clone(),
            outside: target.trace.outside.clone(),
            schedules,
        });
        schedules
    }

    /// One process, and the laws after it.
    fn run(&mut self, target: &mut Target, disturbances: &[Disturbance]) -> Ran {
        let ran = target.process(self.scenario.input, disturbances);
        self.explored.processes += 1;
        let events = target.events();
        let deed = ProcessResult {
            target,
            events: &events,
            ran: &ran,
            disturbances,
        };
        deed.check()
            .unwrap_or_else(|broken| self.fail(target, &broken));
        ran
    }

    /// Undisturbed processes to the end, on a copy; returns what the first of them did. A hold is released once it has refused one.
    fn settle(&mut self, target: &mut Target) -> Ran {
        let held = Model(&target.events()).is_held();
        let mut copy = target.clone();
        let first = self.run(&mut copy, &[]);
        if !held {
            self.check_end(&mut copy, &first);
            return first;
        }
        let refused = matches!(
            first.ended,
            Ended::Unready | Ended::Broken(DeployJournalError::Refused(Refusal::OnHold(_)))
        );
        if !refused {
            self.fail(&copy, "law 6: a hold keeps nobody back");
        }
        self.run(&mut copy, &[Disturbance::Person(Person::Releases, None)]);
        let next = self.run(&mut copy, &[]);
        self.check_end(&mut copy, &next);
        first
    }

    /// What an undisturbed process, and where it must be others after it, come to.
    fn check_end(&mut self, target: &mut Target, ran: &Ran) {
        let fits = match (self.scenario.end, &ran.ended) {
            (End::Applied, _) => return self.check_applied(target, ran),
            (End::Failed(kind), Ended::Rested(_, Outcome::Failed(failed))) => failed.kind == kind,
            (End::Unready, Ended::Unready) => true,
            (End::Failed(_) | End::Unready, _) => false,
        };
        let begin = &self.scenario.begin;
        let asked = target.trace.asked.len() > begin.trace.asked.len();
        if !fits || asked || !same(&target.truth, &begin.truth) {
            let end = &ran.ended;
            self.fail(target, &format!("law 8: something came of it: {end:?}"));
        }
    }

    fn check_applied(&mut self, target: &mut Target, ran: &Ran) {
        // A stack that somebody replaced is put back, once a process has been refused by it.
        let replaced = target.truth.observation != self.scenario.begin.truth.observation;
        target.truth.observation = self.scenario.begin.truth.observation.clone();
        let late = !ran.found.alone;
        let mut is_applied = applied(&ran.ended);
        if is_applied == replaced && !late {
            self.fail(
                target,
                "law 1: an undisturbed process is applied, unless the stack is incompatible",
            );
        }
        let mut before = ran.found.config.clone();
        for _ in 0..=usize::from(late) {
            if !is_applied {
                let next = self.run(target, &[]);
                is_applied = applied(&next.ended);
                before = next.found.config;
            }
        }
        let events = target.events();
        check_settled(target, &events, self.scenario.input, &before)
            .unwrap_or_else(|broken| self.fail(target, &broken));
        let edited = |other: &Outside| matches!(other.change, Change::Edited(..));
        // An image of a stranger is taken where nothing was recorded under its key; the laws of images say when.
        let replaced = |other: &Outside| matches!(other.change, Change::ImageReplaced(_));
        let mut undisturbed = self.undisturbed.clone();
        if target.trace.outside.iter().any(replaced) {
            undisturbed.registry.clone_from(&target.truth.registry);
        }
        if !target.trace.outside.iter().any(edited) && !alive_alike(&target.truth, &undisturbed) {
            self.fail(target, "law 1: the undisturbed run ended otherwise");
        }
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
    one.keyed == other.keyed && alive_alike(one, other)
}

/// The same world, but for what is only counted and for images that nothing names any more.
fn alive_alike(one: &Truth, other: &Truth) -> bool {
    one.config == other.config
        && one.registry == other.registry
        && one.under_way == other.under_way
        && one.observation == other.observation
        && one.sources == other.sources
}
