//! Tags that somebody moves or deletes after they were applied: `status` finds it, and a deploy puts it right.

use e2e::command;
use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};
use serde_json::Value;

use crate::process::Ran;
use crate::rig::Rig;
use crate::support::{handler, push_function};

const DRIFT: i32 = 11;
const UNREACHABLE: i32 = 9;

fn status(rig: &Rig<'_>) -> Ran {
    rig.run(&["status", "--exit-code"])
}

fn status_line(rig: &Rig<'_>) -> Value {
    let line = rig.run(&["status", "--format", "json"]).ended(0);
    serde_json::from_str(&line.stdout).unwrap()
}

#[test]
fn a_tag_that_was_moved_or_deleted_is_drift_until_the_next_deploy() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    assert!(!status(&rig).ended(0).stdout.contains("drift"));

    let repository = format!("{}/alpha", rig.payload.repository());
    push_function(rig.stack, &repository, "1", &handler("stranger"));
    let planted = rig.tags("alpha")["1"].clone();
    let said = status(&rig).ended(DRIFT).stdout;
    assert!(
        said.contains("names another image than was applied"),
        "{said}"
    );
    let drift = status_line(&rig)["tag_drift"].clone();
    assert_eq!(drift.as_array().map(Vec::len), Some(1), "{drift}");
    assert_eq!(drift[0]["function"], "alpha");
    assert_eq!(drift[0]["found"], planted.as_str());

    let path = format!("/v2/{repository}/manifests/{planted}");
    let deleted = e2e::http::call(rig.stack.registry_port(), "DELETE", &path, "").unwrap();
    assert_eq!(deleted.status, 202, "{deleted:?}");
    let said = status(&rig).ended(DRIFT).stdout;
    assert!(said.contains("is not in the registry any more"), "{said}");

    rig.deploy(&[]).ended(0);
    let said = status(&rig).ended(0).stdout;
    assert!(!said.contains("drift"), "{said}");
    assert_eq!(status_line(&rig)["tags_unknown"], Value::Null);
}

#[test]
fn a_registry_that_is_away_hides_nothing_else_and_is_no_drift() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let rig = Rig::on(&stack, &["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    command::run(stack.compose().args(["stop", "--timeout", "1", "registry"])).unwrap();
    let ran = status(&rig).ended(UNREACHABLE);
    for words in ["in effect", "2 tags not compared"] {
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    let line = status_line(&rig);
    assert_eq!(line["tag_drift"], Value::Array(Vec::new()));
    assert_ne!(line["tags_unknown"], Value::Null);
}

#[test]
fn what_a_failed_deploy_did_not_move_is_no_drift() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let none = rig.stack.host_image("no-such-base", "1");
    rig.payload.dockerfile("alpha", &format!("FROM {none}\n"));
    assert_ne!(rig.deploy(&[]).code, Some(0));
    let line = status_line(&rig);
    assert_eq!(line["status"], "failed");
    assert_eq!(line["tag_drift"], Value::Array(Vec::new()), "{line}");
    assert_eq!(line["tags_unknown"], Value::Null);
}
