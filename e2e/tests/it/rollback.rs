//! Going back on a real engine and a real stack: without the artifact, without a build, proved by digests.

use std::fs;

use serde_json::Value;

use crate::rig::Rig;

const REFUSED: i32 = 5;

/// `alpha` and `beta`, then another `alpha` with another variable, without `beta`, and with `gamma`.
fn twice(rig: &Rig<'_>) {
    rig.deploy(&[]).ended(0);
    rig.payload.answer("alpha", "second");
    rig.payload.configure(&["alpha", "gamma"]);
    rig.payload.answer("gamma", "gamma");
    rig.payload.dockerfile(
        "gamma",
        "FROM esb-lambda-base:latest\nCOPY functions/gamma/handler /var/task/handler\n",
    );
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", "WHO: second");
    rig.deploy(&["-m", "new prices"]).ended(0);
}

fn answer(rig: &Rig<'_>, function: &str) -> (String, String) {
    let reply = rig.call(function);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", rig.stack.logs());
    let json = reply.json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("word"), text("who"))
}

#[test]
fn the_gateway_answers_as_before_once_the_artifact_is_gone() {
    let rig = Rig::with_gateway(&["alpha", "beta"]);
    twice(&rig);
    let second = ("second".to_owned(), "second".to_owned());
    assert_eq!(answer(&rig, "alpha"), second);
    assert_eq!(rig.call("beta").status, 404);
    fs::remove_dir_all(rig.payload.manifest().parent().unwrap()).unwrap();

    rig.proxy.clear();
    let plan = rig.run(&["rollback", "--plan"]).ended(0).stdout;
    assert!(plan.contains("0 images to build"), "{plan}");
    assert_eq!(answer(&rig, "alpha"), second);

    let back = rig
        .run(&["rollback", "-m", "wrong prices", "--format", "json"])
        .ended(0);
    assert_eq!(rig.builds(), Vec::<String>::new());
    let first = ("alpha".to_owned(), "alpha".to_owned());
    assert_eq!(answer(&rig, "alpha"), first);
    assert_eq!(answer(&rig, "beta").0, "beta");
    assert_eq!(rig.call("gamma").status, 404);
    let applied = back.payload("Applied");
    assert_eq!(
        applied["tags"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    let history = rig.run(&["history"]).ended(0).stdout;
    assert!(history.contains("rollback to "), "{history}");

    // Back again: an undo of the undo, by name.
    rig.run(&["rollback", "last-good~1"]).ended(0);
    assert_eq!(answer(&rig, "alpha"), second);
    assert_eq!(rig.call("beta").status, 404);
    rig.run(&["verify"]).ended(0);
}

#[test]
fn an_image_that_the_registry_lost_is_named_and_nothing_is_recorded() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    let lost = rig.tags("alpha")["1"].clone();
    rig.payload.answer("alpha", "second");
    rig.deploy(&[]).ended(0);
    let path = format!("/v2/{}/alpha/manifests/{lost}", rig.payload.repository());
    let deleted = e2e::http::call(rig.stack.registry_port(), "DELETE", &path, "").unwrap();
    assert_eq!(deleted.status, 202, "{deleted:?}");
    let before = (rig.published(), rig.tags("alpha"), rig.tags("beta"));
    let head = || -> Value {
        let status = rig.run(&["status", "--format", "json"]).ended(0).stdout;
        serde_json::from_str::<Value>(&status).unwrap()["head"].clone()
    };
    let recorded = head();

    let refused = rig.run(&["rollback"]).ended(REFUSED);
    refused.said("cannot be restored");
    refused.said(&lost);
    assert_eq!(head(), recorded);
    assert_eq!(
        (rig.published(), rig.tags("alpha"), rig.tags("beta")),
        before
    );
    rig.run(&["rollback", "--plan"]).ended(REFUSED);
    // What is in effect can be made true again.
    rig.run(&["rollback", "last-good"]).ended(0);
}

#[test]
fn a_rollback_that_was_cut_short_is_resumed_without_the_artifact() {
    let rig = Rig::new(&["alpha", "beta"]);
    twice(&rig);
    fs::remove_dir_all(rig.payload.manifest().parent().unwrap()).unwrap();
    let live = rig.published();
    let mut engine_away = rig.command(&["rollback"]);
    engine_away.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    crate::process::run(&mut engine_away).ended(9);
    assert_eq!(rig.published(), live);
    rig.run(&["resume"]).ended(0);
    let functions = &rig.published()["functions.yml"];
    assert!(
        functions.contains("beta") && !functions.contains("gamma"),
        "{functions}"
    );
    let shown = rig.run(&["show"]).ended(0).stdout;
    assert!(
        shown.contains("rollback to ") && shown.contains("attempt 2"),
        "{shown}"
    );
}
