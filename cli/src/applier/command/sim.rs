//! `sim`: a deploy onto a stack in memory, without Docker, and its events.

use std::process::ExitCode;

use engine::views::Pattern;
use testing::{DeployEvents, Simulation, SimulationError, Stack};

use crate::applier::args::SimArgs;
use crate::applier::prepare::load_failure;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::{Detail, EventLine, talk, words};

/// Simulates.
pub(crate) fn run(args: &SimArgs, output: &Output) -> Ended {
    if let Some(pattern) = &args.expect {
        must_read(pattern)?;
    }
    let mut stack = Stack::compatible_with(&args.artifact).map_err(failure)?;
    for (service, version) in &args.stack {
        stack.set(service, version);
    }
    if !output.is_quiet() {
        talk(
            "simulated: nothing is deployed; engine, containers, output directory and times are made up",
        );
    }
    let mut simulation = Simulation::new(stack);
    if let Some(fault) = args.fault {
        simulation.inject(fault);
    }
    let mut deploy = simulation.deploy(&args.artifact).map_err(failure)?;
    if args.fault.is_some() && !deploy.is_applied() {
        deploy = simulation.deploy(&args.artifact).map_err(failure)?;
    }
    for event in deploy.events() {
        let payload = engine::machine::encode(&event.event);
        output.result(Type::Event, &EventLine::of(event, &payload), || {
            let words = words(&event.event, Detail::Shown);
            format!("{:>4}  {}", event.sequence, words.join("\n      "))
        })?;
    }
    ended(&deploy, args.expect.as_deref())
}

/// How it ended; when events are expected, whether they are those.
fn ended(deploy: &DeployEvents, expected: Option<&str>) -> Ended {
    if let Some(pattern) = expected {
        let mismatch = |mismatch: testing::PatternMismatch| {
            Failure::new(Kind::Assertion, mismatch.to_string())
        };
        return deploy
            .assert_events(pattern)
            .map(|()| ExitCode::SUCCESS)
            .map_err(mismatch);
    }
    match deploy.failure() {
        Some(failed) => Err(Failure::from(failed.clone())),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn must_read(pattern: &str) -> Result<(), Failure> {
    let read = Pattern::parse(pattern).map(|_| ());
    read.map_err(|error| {
        let violations = vec![error.violation("--expect")];
        Failure::violated(Kind::Usage, "the pattern does not read", violations)
    })
}

fn failure(error: SimulationError) -> Failure {
    match error {
        SimulationError::Artifact(error) => load_failure(&error),
        SimulationError::NoSuchStack(_) => Failure::of(Kind::Incompatible, &error),
        SimulationError::NoSuchCall(_) => Failure::of(Kind::Usage, &error),
        SimulationError::Journal(_) => Failure::of(Kind::Internal, &error),
    }
}
