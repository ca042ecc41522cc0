//! Long mixed histories, from seeds: deploys of several artifacts, resumes, abandons, rivals, and a world that others change.
//!
//! A seed makes one history. One that breaks a law is made smaller for as long as it still breaks it, and printed with its seed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::faulty_store::AppendMishap;
use super::inputs::{DeployInput, OnDisk, name, truth};
use super::laws::{ProcessResult, check_settled};
use super::person::Person;
use super::rig::{Disturbance, Target, applied};
use super::rivals::Rival;
use super::schedules::CHANGES;
use crate::machine::ComposeCall;
use crate::run::ConfigTexts;
use crate::run::simulated::{Change, Mishap};

/// Histories of the normal run; `ARTIFACTCTL_HISTORIES` asks for another number, `ARTIFACTCTL_SEED` for one.
const HISTORIES: u64 = 400;

/// One thing that happens to a target.
#[derive(Debug, Clone)]
enum Move {
    /// A process is started for a input, and disturbed.
    Deploy(usize, Vec<Disturbance>),
    /// Two processes are started for one input, and they take turns: so many steps each. With two inputs, a publish of the one
    /// that is overtaken would leave what no deploy knows of: that there is one owner is the journal's promise.
    Rivals(usize, Vec<usize>),
    /// A person gives the unfinished deploy up, holds the target or lets go of it, and its process may die of it.
    Person(Person, Option<AppendMishap>),
    /// Somebody else changes the world.
    Change(Change),
    /// The sources of `a` are edited.
    Edit(u8),
}

const INPUTS: usize = 9;

/// What is asked for in turn, all from one source. The last two can never be deployed.
fn inputs(disk: &OnDisk) -> [DeployInput; INPUTS] {
    let ab = disk.input();
    let provisioned = ab.clone().with(|options| {
        options.provision = Some(ComposeCall::default());
    });
    let uncached = ab.clone().with(|options| options.no_cache = true);
    disk.write(&["a", "c"]);
    let ac = disk.input();
    disk.write(&["c"]);
    let c = disk.input();
    let unpruned = c.clone().with(|options| options.prune = false);
    disk.write(&["a", "seed"]);
    let taking = disk.input();
    let (no_secret, bad) = (
        disk.input_without_its_secret(),
        disk.input_of_a_bad_artifact(),
    );
    assert!(no_secret.payload.is_err() && bad.payload.is_err());
    [
        ab,
        provisioned,
        uncached,
        ac,
        c,
        unpruned,
        taking,
        no_secret,
        bad,
    ]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::Refused),
        Just(Mishap::ReplyLost),
        Just(Mishap::Twice),
        Just(Mishap::Slow),
        Just(Mishap::KilledBefore),
        Just(Mishap::KilledAfter),
        (0..9_usize).prop_map(Mishap::KilledLate),
        change().prop_map(Mishap::Changed),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let mut changes = CHANGES.to_vec();
    changes.push(Change::Version("1.4.2"));
    proptest::sample::select(changes)
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    let append = proptest::sample::select(vec![
        AppendMishap::Refused,
        AppendMishap::KilledBefore,
        AppendMishap::KilledAfter,
        AppendMishap::Stopped(1),
    ]);
    prop_oneof![
        4 => (0..14_usize, mishap()).prop_map(|(at, one)| Disturbance::Call(at, one)),
        1 => (0..14_usize, 1..3_usize).prop_map(|(at, times)| Disturbance::Stop(at, times)),
        2 => (0..9_usize, append).prop_map(|(at, one)| Disturbance::Append(at, one)),
        1 => Just(Disturbance::Resumes),
    ]
}

/// Holds and releases in turn, more or less; else most of a history would be refused.
fn person() -> impl Strategy<Value = Move> {
    let person = prop_oneof![
        1 => Just(Person::Abandons),
        1 => Just(Person::Holds),
        2 => Just(Person::Releases),
    ];
    let mishap = proptest::sample::select(vec![
        None,
        None,
        Some(AppendMishap::Refused),
        Some(AppendMishap::KilledBefore),
        Some(AppendMishap::KilledAfter),
    ]);
    (person, mishap).prop_map(|(person, mishap)| Move::Person(person, mishap))
}

fn history() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        8 => (0..INPUTS, vec(disturbance(), 0..3)).prop_map(|(input, how)| Move::Deploy(input, how)),
        3 => (0..INPUTS, vec(0..14_usize, 1..5)).prop_map(|(input, turns)| Move::Rivals(input, turns)),
        2 => person(),
        2 => change().prop_map(Move::Change),
        1 => (0..3_u8).prop_map(Move::Edit),
    ];
    vec(one, 4..20)
}

/// Plays a history, with the laws after every process, and at its end an undisturbed deploy.
fn play(inputs: &[DeployInput; INPUTS], history: &[Move]) -> Result<(), String> {
    let mut target = Target::new(truth("1.4.2"));
    for (index, one) in history.iter().enumerate() {
        step(&mut target, inputs, one).map_err(|broken| format!("move {index}: {broken}"))?;
    }
    let compatible = truth("1.4.2").observation;
    target.truth.observation = compatible;
    let release = Disturbance::Person(Person::Releases, None);
    watched(&mut target, &inputs[0], &[release])?;
    // What dead processes asked for is done while the first goes on.
    let (mut ended, mut before) = (None, ConfigTexts::new());
    for _ in 0..3 {
        before = target.truth.config.clone();
        ended = Some(watched(&mut target, &inputs[0], &[])?);
    }
    if ended != Some(true) {
        return Err("law 1: an undisturbed process is not applied".to_owned());
    }
    let events = target.events();
    check_settled(&target, &events, &inputs[0], &before)
}

fn step(target: &mut Target, inputs: &[DeployInput; INPUTS], one: &Move) -> Result<(), String> {
    match one {
        Move::Deploy(input, how) => watched(target, &inputs[*input], how).map(drop),
        Move::Rivals(input, turns) => {
            let rivals = [Rival::Deploys(&inputs[*input]); 2];
            let both = target.rivals(rivals, turns);
            let events = target.events();
            for ran in &both {
                ProcessResult {
                    target,
                    events: &events,
                    ran,
                    disturbances: &[],
                }
                .check()?;
            }
            Ok(())
        }
        Move::Person(person, mishap) => {
            let how = [Disturbance::Person(*person, *mishap)];
            watched(target, &inputs[0], &how).map(drop)
        }
        Move::Change(change) => {
            target.change(*change);
            Ok(())
        }
        Move::Edit(text) => {
            let text = format!("edition {text}");
            target.truth.sources.insert(name("a"), text);
            Ok(())
        }
    }
}

/// One process and the laws after it; whether it was applied.
fn watched(target: &mut Target, input: &DeployInput, how: &[Disturbance]) -> Result<bool, String> {
    let ran = target.process(input, how);
    let events = target.events();
    ProcessResult {
        target,
        events: &events,
        ran: &ran,
        disturbances: how,
    }
    .check()?;
    Ok(applied(&ran.ended))
}

/// The history of a seed, and what breaks in it.
fn broken_by(inputs: &[DeployInput; INPUTS], seed: u64) -> Option<String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = history()
        .new_tree(&mut runner)
        .expect("histories are made without a filter");
    let played = runner.run_one(tree, |history| {
        play(inputs, &history).map_err(TestCaseError::fail)
    });
    match played {
        Ok(_) => None,
        Err(TestError::Fail(reason, history)) => Some(format!(
            "{reason}\nhistory, made smaller: {history:#?}\nreplay: ARTIFACTCTL_SEED={seed} cargo test -p artifactctl-engine --lib histories"
        )),
        Err(TestError::Abort(reason)) => Some(format!("seed {seed} was given up: {reason}")),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is `{text}`, and should be a number")))
}

#[test]
fn the_laws_hold_in_long_mixed_histories() {
    let disk = OnDisk::new(&["a", "b"]);
    let inputs = inputs(&disk);
    let seeds = match number("ARTIFACTCTL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ARTIFACTCTL_HISTORIES").unwrap_or(HISTORIES),
    };
    for seed in seeds {
        if let Some(broken) = broken_by(&inputs, seed) {
            panic!("{broken}");
        }
    }
}
