//! An engine that crashes in the middle of a deploy, and comes back. It is one of the test's own.

use std::collections::BTreeMap;

use e2e::command;
use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};

use crate::builds::runs;
use crate::process::{eventually, hints_of, images, said_of};
use crate::rig::Rig;

/// Without root no engine can be started, and the refusal must say so.
#[test]
fn an_engine_that_crashes_during_a_build_fails_the_deploy_which_goes_on_with_the_next_one() {
    if !rustix::process::geteuid().is_root() {
        let refusal = TestEngine::start().unwrap_err().to_string();
        assert!(refusal.contains("needs root"), "{refusal}");
        return;
    }
    let engine = TestEngine::start().unwrap();
    let stack = Stack::up(&engine, StackOptions::default()).unwrap();
    let rig = Rig::on(&stack, &["alpha"]);
    let seconds = format!("6.{}", std::process::id());
    let dockerfile = format!(
        "FROM esb-lambda-base:latest\nRUN sleep {seconds}\nCOPY functions/alpha/handler /var/task/handler\n"
    );
    rig.payload.dockerfile("alpha", &dockerfile);
    let deploy = rig.start(&[]);
    eventually("the step runs", || runs(&seconds));
    engine.restart().unwrap();
    let failed = deploy.wait().ended(9).payload("Failed");
    assert_eq!(failed["kind"], "unreachable");
    assert!(
        said_of(&failed).contains("the connection to the engine broke"),
        "{failed}"
    );
    assert!(
        hints_of(&failed).contains("look at the log of the Docker engine"),
        "{failed}"
    );
    assert_eq!(rig.published(), BTreeMap::new());

    command::run(stack.compose().arg("start")).unwrap();
    let registry = stack.registry_port();
    let answers = || e2e::http::call(registry, "GET", "/v2/", "").is_ok_and(|it| it.status == 200);
    eventually("the registry is back", answers);
    let done = rig.deploy(&[]).ended(0);
    assert_eq!(done.payload("Resumed")["last_failure"], "unreachable");
    assert_eq!(done.images(), images(&[("alpha", "built")]));
    // Its own, that of its key, and that of what stands before the `COPY`.
    assert_eq!(rig.tags("alpha").len(), 3);
}
