//! Stacks that do not fit an artifact, or cannot be told to: refused before anything is touched.
//!
//! Not here: deploys onto stacks that fit (`deploy`).

use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};

use crate::process::{Ran, images, run};
use crate::rig::{Rig, shared};

const REFUSED: &str = "Requested Observed CompatChecked Failed";

const SEED: &str = "functions:\n  foreign: { image: 'registry:5000/hand/foreign:1' }\n";

/// A rig whose output directory holds what somebody else put there.
fn seeded<'stack>(stack: &'stack Stack<'static>, functions: &[&str]) -> Rig<'stack> {
    let rig = Rig::on(stack, functions);
    std::fs::create_dir(&rig.out).unwrap();
    std::fs::write(rig.out.join("functions.yml"), SEED).unwrap();
    rig
}

/// A refused deploy has recorded why, and has done nothing else anywhere.
#[track_caller]
fn assert_untouched(rig: &Rig<'_>, refused: &Ran) {
    assert_eq!(refused.kinds(), REFUSED);
    assert_eq!(refused.payload("CompatChecked")["verdict"], "incompatible");
    assert_eq!(refused.payload("Failed")["kind"], "incompatible");
    assert!(!rig.proxy.requests().is_empty(), "it went by the proxy");
    assert_eq!(rig.mutating(), Vec::<String>::new());
    let seed = [("functions.yml".to_owned(), SEED.to_owned())];
    assert_eq!(rig.published(), seed.into());
    assert!(rig.tags("alpha").is_empty(), "{:?}", rig.tags("alpha"));
}

/// The components of the findings of a grade.
fn components(refused: &Ran, grade: &str) -> Vec<String> {
    let checked = refused.payload("CompatChecked");
    let findings = checked["findings"].as_array().unwrap().iter();
    let graded = findings.filter(|finding| finding["grade"] == grade);
    graded
        .map(|finding| finding["component"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[expect(
    clippy::print_stderr,
    reason = "a measurement, for whoever reads the test's output"
)]
fn tell_refusal_time(rig: &Rig<'_>, ended: std::time::SystemTime) {
    let requests = rig.proxy.requests();
    let last = requests.last().unwrap();
    let took = ended.duration_since(last.at).unwrap_or_default();
    eprintln!("from the last question to the engine to the end of the refused deploy: {took:?}");
}

#[test]
fn an_incompatible_stack_is_refused_with_a_finding_for_every_component_and_nothing_is_touched() {
    let other = StackOptions {
        api_version: Some("2.0".to_owned()),
        ..StackOptions::version("2.0.0")
    };
    let stack = Stack::up(TestEngine::shared(), other).unwrap();
    let rig = seeded(&stack, &["alpha"]);
    let refused = rig.deploy(&[]).ended(4);
    tell_refusal_time(&rig, std::time::SystemTime::now());
    assert_untouched(&rig, &refused);
    let mut failed = components(&refused, "fail");
    failed.sort();
    failed.dedup();
    assert_eq!(failed, ["agent", "api_version", "esb_version", "gateway"]);
    for component in failed {
        refused.said(&component);
    }
    // What does fit is recorded too.
    assert!(components(&refused, "pass").contains(&"mode".to_owned()));
}

#[test]
fn an_artifact_that_asks_for_another_release_is_refused_and_nothing_is_touched() {
    let rig = seeded(shared(), &["alpha"]);
    rig.payload
        .edit("artifact.yml", "gateway: \">=1.4, <2\"", "gateway: \"^9\"");
    let refused = rig.deploy(&[]).ended(4);
    tell_refusal_time(&rig, std::time::SystemTime::now());
    assert_untouched(&rig, &refused);
    assert_eq!(components(&refused, "fail"), ["gateway"]);
    refused.said("^9");
    refused.said("1.4.2");
}

/// The stack fits when the deploy begins, and not any more when its image is built.
#[test]
fn a_stack_that_is_replaced_while_an_image_is_built_is_checked_again_and_not_published_for() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let rig = seeded(&stack, &["alpha"]);
    let deploy = rig.start_held_at("alpha", &[]);
    stack.replace_gateway("2.0.0").unwrap();
    rig.proxy.release();
    let refused = deploy.wait().ended(4);
    assert_eq!(
        refused.kinds(),
        "Requested Observed CompatChecked Merged ImageBuilt Observed CompatChecked Failed"
    );
    assert_eq!(refused.payload("Failed")["kind"], "incompatible");
    refused.said("2.0.0");
    let seed = [("functions.yml".to_owned(), SEED.to_owned())];
    assert_eq!(rig.published(), seed.into());
    let tags = rig.tags("alpha");
    assert!(tags.keys().all(|tag| tag.starts_with("key1-")), "{tags:?}");
    assert_eq!(tags.len(), 1, "what was built for it: {tags:?}");

    // The stack fits again: what was built is found, and is published.
    stack.replace_gateway("1.4.2").unwrap();
    let done = rig.deploy(&[]).ended(0);
    assert_eq!(done.images(), images(&[("alpha", "reused")]));
    assert_eq!(rig.tags("alpha").len(), 2);
}

#[test]
fn a_version_that_cannot_be_observed_fails_and_is_a_warning_when_asked_for() {
    let unknown = StackOptions {
        labels: false,
        ..StackOptions::version("edge")
    };
    let stack = Stack::up(TestEngine::shared(), unknown).unwrap();
    let rig = seeded(&stack, &["alpha"]);
    let refused = rig.deploy(&[]).ended(4);
    assert_untouched(&rig, &refused);
    refused.said("--compat lenient");

    let mut lenient = rig.request("deploy", &["--compat", "lenient"]);
    // No version is observed, so somebody else must say which lambda base is meant.
    let deployed = run(lenient.env("ESB_TAG", "edge")).ended(0);
    let warned = components(&deployed, "warn");
    assert!(warned.contains(&"gateway".to_owned()), "{warned:?}");
    assert_eq!(components(&deployed, "fail"), Vec::<String>::new());
    assert!(rig.published().contains_key("routing.yml"));
    assert_eq!(rig.tags("alpha").len(), 2);
}

#[test]
fn a_project_under_which_nothing_runs_is_refused_and_the_one_that_is_meant_is_named() {
    let rig = seeded(shared(), &["alpha"]);
    // The shared stack runs under `<this>-dev`, and the artifact is for the environment `dev`.
    let project = shared().project().strip_suffix("-dev").unwrap();
    let refused = rig.deploy(&["--compose-project", project]).ended(4);
    assert_untouched(&rig, &refused);
    refused.said(&format!("--compose-project {}", shared().project()));

    let elsewhere = rig
        .deploy(&["--compose-project", "nobody-runs-this"])
        .ended(4);
    assert_untouched(&rig, &elsewhere);
    elsewhere.said("nobody-runs-this");
    elsewhere.said("start the stack");
}
