//! Images that are assembled without a builder are those that builders build: the same files with the same owners and modes,
//! and the same settings.
//!
//! The cases are data (`fixtures/assembled`): Dockerfiles over one base and one context. Here: each is built by a builder of the
//! engine and assembled, and both are compared as containers. Not here: how images are pushed.

mod cases;
mod engine;
mod generator;
mod image;
mod sample;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::{Case, Outcome};
use engine::{Api, Builder};
use image::Seen;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};
use sample::Sample;

/// How many cases are at work at a time.
const WORKERS: usize = 2;

/// Carries all cases out, and says everything that was not as it should be.
fn check(cases: &[Case], check: impl Fn(usize, &Case) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    if let Err(why) = check(number, case) {
                        let text = format!("== {}\n{}\n{why}", case.name, case.dockerfile);
                        failed.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

#[test]
fn an_assembled_image_is_the_one_that_builders_build() {
    let (api, sample) = (Api::shared(), Sample::shared());
    let cases = cases::all();
    check(&cases, |number, case| {
        let name = format!("case{number}");
        let builders: &[Builder] = match &case.outcome {
            Outcome::Same => &[Builder::BuildKit, Builder::Classic],
            Outcome::SameByBuildKit => &[Builder::BuildKit],
            Outcome::LeftToTheBuilder(expected) => {
                return match image::assemble(sample, &case.dockerfile) {
                    Ok(_) => Err("it was assembled".to_owned()),
                    Err(refused) if refused.why == *expected => Ok(()),
                    Err(refused) => Err(refused.to_string()),
                };
            }
        };
        same(api, sample, &name, &case.dockerfile, builders)
    });
    let is_built = |case: &&Case| !matches!(case.outcome, Outcome::LeftToTheBuilder(_));
    let built = cases.iter().filter(is_built).count();
    assert!(built >= 150, "{built}");
}

/// How many Dockerfiles are made by chance, when nobody says.
const DOCKERFILES: u32 = 24;

/// The same ones each time; `ARTIFACTCTL_DOCKERFILES=1000` makes more.
#[test]
fn dockerfiles_made_by_chance_are_assembled_as_buildkit_builds_them() {
    let (api, sample) = (Api::shared(), Sample::shared());
    let wanted = std::env::var("ARTIFACTCTL_DOCKERFILES");
    let config = Config {
        cases: wanted.map_or(DOCKERFILES, |number| number.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    };
    let cases = config.cases;
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let assembled = AtomicUsize::new(0);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let checked = runner.run(&generator::dockerfiles(), |dockerfile| {
        // What is left to the builder, it may build or refuse.
        if image::assemble(sample, &dockerfile).is_err() {
            return Ok(());
        }
        let number = assembled.fetch_add(1, Ordering::Relaxed);
        let name = format!("chance{number}");
        same(api, sample, &name, &dockerfile, &[Builder::BuildKit]).map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(why, dockerfile)) = checked {
        panic!("{dockerfile}\n{why}");
    }
    let assembled = assembled.into_inner();
    assert!(
        assembled * 2 > cases as usize,
        "{assembled} of {cases} were assembled"
    );
}

/// Assembles a Dockerfile, has it built, and says what differs.
fn same(
    api: &Api,
    sample: &Sample,
    name: &str,
    dockerfile: &str,
    builders: &[Builder],
) -> Result<(), String> {
    let assembled = image::assemble(sample, dockerfile).map_err(|refused| refused.to_string())?;
    let reference = api.name(name, "assembled");
    api.load(&image::archive(sample, assembled, api.run(), &reference))?;
    let found = Seen::of(api, &reference)?;
    let mut differences = Vec::new();
    for builder in builders {
        let reference = api.name(name, "built");
        api.build(*builder, &reference, &sample.context(dockerfile))?;
        let expected = Seen::of(api, &reference)?;
        differences.extend(expected.differences(*builder, &found));
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n"))
    }
}
