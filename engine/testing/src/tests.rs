//! What goes wrong where, and what is asserted of it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use engine::machine::{FailureKind, Step};
use jiff::Timestamp;
use journal::{Holder, Journal, StreamId};
use rstest::rstest;
use tempfile::TempDir;

use crate::{
    FaultName, Journals, SimulatedFault, Simulation, SimulationError, Stack, assert_events,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn artifact() -> PathBuf {
    fixtures().join("artifact/artifact.yml")
}

fn simulation() -> Simulation {
    Simulation::new(Stack::compatible_with(artifact()).unwrap())
}

#[test]
fn only_what_was_edited_is_built_again() {
    let mut simulation = simulation();
    let first = simulation.deploy(artifact()).unwrap();
    assert!(first.is_applied() && first.built().len() > 1);
    let mutations = simulation.mutations();
    let second = simulation.deploy(artifact()).unwrap();
    assert_events!(
        second,
        "Requested Observed CompatChecked Merged ImagesKept Applied"
    );
    assert_eq!(second.kept(), first.built().len() as u64);
    assert_eq!(simulation.mutations(), mutations);
    simulation.edit("orders-place");
    let third = simulation.deploy(artifact()).unwrap();
    assert_eq!(third.built(), ["orders-place"]);
    assert!(simulation.published()["functions.yml"].contains("orders-place"));
}

#[rstest]
fn after_a_fault_in_any_step_the_next_deploy_goes_on_and_ends_the_same(
    #[values(Step::Observe, Step::Merge, Step::Image, Step::Publish, Step::Tag)] step: Step,
    #[values(
        FaultName::Refused,
        FaultName::AnswerLost,
        FaultName::KilledBefore,
        FaultName::KilledAfter
    )]
    fault: FaultName,
) {
    let mut undisturbed = simulation();
    undisturbed.deploy(artifact()).unwrap();
    let mut simulation = simulation();
    simulation.inject(SimulatedFault { step, fault });
    let stopped = simulation.deploy(artifact()).unwrap();
    let dies = matches!(fault, FaultName::KilledBefore | FaultName::KilledAfter);
    assert_eq!(stopped.is_interrupted(), dies);
    assert_eq!(stopped.failure().is_some(), !dies);
    let deploy = simulation.deploy(artifact()).unwrap();
    assert_eq!(deploy.id(), stopped.id());
    assert_events!(deploy, "Requested ... Resumed ... Applied");
    assert_eq!(simulation.published(), undisturbed.published());
}

#[test]
fn a_stack_that_became_too_new_is_refused_before_anything_changes() {
    let mut simulation = simulation();
    simulation.change_stack(|stack| stack.set("gateway", "2.0.0"));
    let refused = simulation.deploy(artifact()).unwrap();
    assert_events!(
        refused,
        "Requested Observed CompatChecked[verdict=incompatible] Failed"
    );
    let failure = refused.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Incompatible);
    assert_eq!(simulation.mutations(), 0);
    simulation.change_stack(|stack| stack.set("gateway", "1.9.0"));
    assert!(simulation.deploy(artifact()).unwrap().is_applied());
}

#[test]
fn what_a_deploy_never_does_cannot_go_wrong() {
    let mut simulation = simulation();
    simulation.inject("provision:refused".parse().unwrap());
    let refused = simulation.deploy(artifact()).unwrap_err();
    assert!(
        matches!(refused, SimulationError::NoSuchCall(_)),
        "{refused:?}"
    );
    // It was about that deploy alone.
    assert!(simulation.deploy(artifact()).unwrap().is_applied());
}

#[rstest]
#[case("image")]
#[case("images:refused")]
#[case("image:broken")]
#[case("check:refused")]
fn a_fault_that_is_none_names_those_that_are(#[case] text: &str) {
    let unknown = text.parse::<SimulatedFault>().unwrap_err().to_string();
    assert!(
        unknown.contains(text) && unknown.contains("killed-before"),
        "{unknown}"
    );
}

#[test]
fn a_mismatch_shows_pattern_and_events_side_by_side() {
    let deploy = simulation().deploy(artifact()).unwrap();
    let mismatch = deploy
        .assert_events("Requested Observed Merged")
        .unwrap_err();
    let text = mismatch.to_string();
    assert!(
        text.contains("event 3 is `CompatChecked`, expected Merged"),
        "{text}"
    );
    assert!(
        text.contains("pattern: Requested Observed Merged"),
        "{text}"
    );
    let broken = deploy.assert_events("Requested (").unwrap_err().to_string();
    assert!(broken.contains("the pattern:1:"), "{broken}");
}

#[test]
fn an_artifact_that_asks_for_what_cannot_be_has_no_stack() {
    let folder = TempDir::new().unwrap();
    let manifest = std::fs::read_to_string(artifact()).unwrap();
    let manifest = manifest.replace("gateway: \">=1.4, <2\"", "gateway: \">2, <2\"");
    std::fs::write(folder.path().join("artifact.yml"), manifest).unwrap();
    for entry in ["svc-a", "svc-b"] {
        std::os::unix::fs::symlink(
            artifact()
                .parent()
                .unwrap()
                .canonicalize()
                .unwrap()
                .join(entry),
            folder.path().join(entry),
        )
        .unwrap();
    }
    let refused = Stack::compatible_with(folder.path().join("artifact.yml")).unwrap_err();
    assert!(refused.to_string().contains("gateway"), "{refused}");
}

#[test]
fn deploys_of_a_journal_are_asserted_like_simulated_ones() {
    let root = TempDir::new().unwrap();
    let export = fixtures().join("journals/v2/deploy-failed-resumed.jsonl");
    let target = StreamId::new("esb-dev", "dev").unwrap();
    let holder = Holder {
        actor: "ada".to_owned(),
        pid: 1,
        host: "ci".to_owned(),
        boot_id: String::new(),
        since: Timestamp::UNIX_EPOCH,
        deploy: None,
    };
    let lines = BufReader::new(File::open(export).unwrap());
    Journal::import(root.path(), &target, holder, lines).unwrap();
    let journal = Journals::open(root.path()).unwrap();
    assert_eq!(journal.targets().unwrap(), [target]);
    let journal = journal.target("esb-dev/dev").unwrap();
    let latest = journal.latest().unwrap();
    latest
        .assert_events("... Failed Resumed ... Applied")
        .unwrap();
    let ids = journal.deploys(10).unwrap();
    assert_eq!(latest.id(), ids.first().copied());
    assert_eq!(journal.deploy(ids[0]).unwrap().kinds(), latest.kinds());
    assert!(
        Journals::open(root.path())
            .unwrap()
            .target("esb-dev")
            .is_err()
    );
    assert!(journal.deploy(uuid::Uuid::nil()).is_err());
}
