//! What is there and is not what was applied: named with its values, recorded when asked for, and healed by the next deploy.
//!
//! Tags alone are in `moved_tag`.

use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};
use serde_json::{Value, json};

use crate::payload::Payload;
use crate::process::run;
use crate::rig::Rig;
use crate::support::{handler, publish, push_function};

const DRIFT: i32 = 11;
const UNREACHABLE: i32 = 9;

fn line(rig: &Rig<'_>, more: &[&str]) -> Value {
    let arguments = [&["status", "--format", "json"], more].concat();
    serde_json::from_str(&rig.run(&arguments).ended(0).stdout).unwrap()
}

/// Deploys, and gives what people are told.
fn told(rig: &Rig<'_>) -> String {
    let mut deploy = rig.command(&["deploy", "--artifact"]);
    deploy
        .arg(rig.payload.manifest())
        .arg("--out")
        .arg(&rig.out);
    run(&mut deploy).ended(0).stdout
}

fn head(rig: &Rig<'_>) -> Value {
    line(rig, &[])["head"].clone()
}

#[test]
fn a_value_changed_by_hand_is_named_recorded_once_and_healed() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let settled = line(&rig, &["--exit-code"]);
    assert_eq!(settled["stack"]["refused"], json!([]), "{settled}");
    assert_eq!(settled["stack"]["unknown"], Value::Null, "{settled}");
    let published = rig.published()["functions.yml"].clone();
    let by_hand = published.replace("WHO: alpha", "WHO: stranger");
    publish(rig.stack, "functions.yml", &by_hand);

    let said = rig.run(&["status", "--exit-code"]).ended(DRIFT).stdout;
    assert!(
        said.contains("- ") && said.contains("+ ") && said.contains("WHO: stranger"),
        "{said}"
    );
    let drift = &line(&rig, &[])["key_drift"]["functions/alpha"];
    assert_eq!(drift["fields"][0]["field"], "environment.WHO", "{drift}");

    let recorded = line(&rig, &["--record", "--actor", "night"])["recorded"].clone();
    let once = head(&rig);
    assert_eq!(line(&rig, &["--record"])["recorded"], recorded);
    assert_eq!(head(&rig), once, "the same drift is recorded once");
    let history = rig
        .run(&["history", "--kind", "DriftFound"])
        .ended(0)
        .stdout;
    assert!(
        history.contains("drift")
            && history.contains("night")
            && history.contains("functions/alpha"),
        "{history}"
    );
    let shown = rig
        .run(&["show", recorded.as_str().unwrap()])
        .ended(0)
        .stdout;
    assert!(
        shown.contains("functions/alpha stands otherwise"),
        "{shown}"
    );
    rig.run(&["verify"]).ended(0);
    rig.run(&["replay", "--all"]).ended(0);

    let healed = told(&rig);
    assert!(healed.contains("drift healed: functions/alpha"), "{healed}");
    assert_eq!(rig.published()["functions.yml"], published);
    rig.run(&["status", "--exit-code"]).ended(0);
    assert_eq!(line(&rig, &["--record"])["recorded"], Value::Null);
    // Drift is no deploy: the one before the latest is the first one.
    rig.run(&["show", "latest~1"]).ended(0);
    rig.run(&["show", "latest~2"]).ended(5);
}

#[test]
fn drift_that_ended_a_deploy_can_still_be_seen() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let published = rig.published()["functions.yml"].clone();
    let by_hand = published.replace("WHO: alpha", "WHO: stranger");
    publish(rig.stack, "functions.yml", &by_hand);
    rig.deploy(&["--fail-on-drift"]).ended(DRIFT);
    let said = rig.run(&["status"]).ended(0).stdout;
    assert!(
        said.contains("functions.yml is not what was applied") && said.contains("WHO: stranger"),
        "{said}"
    );
}

#[test]
fn what_another_target_wrote_into_a_shared_directory_is_no_drift() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let target = format!("{}/dev", rig.stack.project());
    let other = Payload::write(&rig.folder().join("other"), rig.stack.project(), &["beta"]);
    other.remove_builds();
    other.edit("artifact.yml", "env: dev", "env: test");
    let mut beside = rig.command(&["deploy", "--share-out", "--artifact"]);
    beside.arg(other.manifest()).arg("--out").arg(&rig.out);
    run(&mut beside).ended(0);
    let drift = || {
        let status = rig.run(&["status", &target, "--format", "json"]).ended(0);
        status.object("status")["drift"].clone()
    };
    assert_eq!(drift(), json!([]));
    let published = rig.published()["functions.yml"].clone();
    let by_hand = format!("{published}# by hand\n");
    std::fs::write(rig.out.join("functions.yml"), by_hand).unwrap();
    assert_eq!(drift(), json!(["functions.yml"]));
    // A journal of the other target that cannot be read keeps nobody from looking at this one.
    std::fs::write(rig.out.join("functions.yml"), published).unwrap();
    let head = rig
        .journal
        .join(rig.stack.project())
        .join("test/store/head");
    std::fs::write(head, "no head").unwrap();
    assert_eq!(drift(), json!(["functions.yml", "routing.yml"]));
}

#[test]
fn a_file_that_does_not_read_is_drift_without_keys() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    std::fs::write(rig.out.join("functions.yml"), "functions: [").unwrap();
    let said = rig.run(&["status", "--exit-code"]).ended(DRIFT).stdout;
    assert!(said.contains("keys        not compared: "), "{said}");
    assert_eq!(line(&rig, &[])["key_drift"], json!({}));
}

#[test]
fn an_engine_that_is_away_is_neither_drift_nor_sameness() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.deploy(&[]).ended(0);
    rig.run(&["status", "--exit-code"]).ended(0);
    let away = |arguments: &[&str]| {
        let mut status = rig.command(arguments);
        run(status.env("DOCKER_HOST", "unix:///nowhere/docker.sock"))
    };
    away(&["status"]).ended(0);
    let said = away(&["status", "--exit-code"]).ended(UNREACHABLE).stderr;
    assert!(
        said.contains("is not known") && said.contains("/nowhere/docker.sock"),
        "{said}"
    );
    std::fs::remove_file(rig.out.join("functions.yml")).unwrap();
    away(&["status", "--exit-code"]).ended(DRIFT);
}

#[test]
fn a_tag_that_was_moved_is_healed_by_a_deploy_that_changes_nothing_else_and_says_so() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    let applied = rig.tags("alpha")["1"].clone();
    let repository = format!("{}/alpha", rig.payload.repository());
    push_function(rig.stack, &repository, "1", &handler("stranger"));
    let recorded = line(&rig, &["--record"])["recorded"].clone();
    let shown = rig
        .run(&["show", recorded.as_str().unwrap()])
        .ended(0)
        .stdout;
    assert!(shown.contains("names another image"), "{shown}");

    let healed = told(&rig);
    let reference = rig.payload.reference("alpha");
    assert!(
        healed.contains(&format!("drift healed: {reference}")),
        "{healed}"
    );
    assert!(!healed.contains("up to date"), "{healed}");
    assert_eq!(rig.tags("alpha")["1"], applied);
    let again = told(&rig);
    assert!(
        again.contains("up to date") && !again.contains("healed"),
        "{again}"
    );
}

#[test]
fn a_stack_that_was_replaced_is_told_and_what_it_would_refuse_is_drift() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let rig = Rig::on(&stack, &["alpha"]);
    rig.deploy(&[]).ended(0);
    stack.replace_gateway("1.5.0").unwrap();
    let said = rig.run(&["status", "--exit-code"]).ended(0).stdout;
    assert!(
        said.contains("gateway 1.4.2 -> 1.5.0 since the check"),
        "{said}"
    );
    assert_eq!(line(&rig, &["--record"])["recorded"], Value::Null);

    stack.replace_gateway("2.0.0").unwrap();
    let said = rig.run(&["status", "--exit-code"]).ended(DRIFT).stdout;
    let refused = said
        .lines()
        .find(|line| line.contains("would be refused today: gateway"));
    assert!(refused.is_some_and(|line| line.contains("2.0.0")), "{said}");
    let recorded = line(&rig, &["--record"])["recorded"].clone();
    let shown = rig
        .run(&["show", recorded.as_str().unwrap()])
        .ended(0)
        .stdout;
    assert!(shown.contains("refused: gateway"), "{shown}");
    rig.deploy(&[]).ended(4);

    stack.replace_gateway("1.4.2").unwrap();
    rig.deploy(&[]).ended(0);
    let said = rig.run(&["status", "--exit-code"]).ended(0).stdout;
    assert!(!said.contains("stack "), "{said}");
    rig.run(&["verify"]).ended(0);
}
