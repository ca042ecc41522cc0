//! Deploys that were cut short or failed, and what goes on from there.
//!
//! Not here: stopping by signal (`signals`), who holds a target (`readers`), the provisioner (`provision`).

use e2e::proxy::{FaultEffect, InjectedFault, Proxy};
use rstest::rstest;

use crate::process::{images, run};
use crate::rig::{BY_ENGINE, Rig};

const RESUMED: &str = "Requested Observed CompatChecked Merged ImageBuilt \
    TakenOver Resumed Observed CompatChecked Merged ImageBuilt ImageBuilt Applied";

/// The published files with the name that only this artifact has taken out.
fn published(rig: &Rig<'_>) -> Vec<(String, String)> {
    let files = rig.published().into_iter();
    files
        .map(|(name, text)| (name, text.replace(rig.payload.repository(), "repository")))
        .collect()
}

#[rstest]
#[case::by_deploying_again(false)]
#[case::by_resume_without_arguments(true)]
fn a_deploy_killed_in_the_middle_of_its_builds_ends_as_one_that_was_not(#[case] resume: bool) {
    let functions = ["alpha", "beta"];
    let undisturbed = Rig::new(&functions);
    undisturbed.deploy(&[]).ended(0);

    let rig = Rig::with_gateway(&functions);
    rig.hold_build("beta");
    let deploy = rig.start(&[&BY_ENGINE[..], &["--jobs", "1"]].concat());
    deploy.records("ImageBuilt");
    rig.await_builds(2);
    assert_eq!(deploy.kill().code, None, "a signal ended it");
    rig.proxy.clear();

    let resumed = if resume {
        rig.run(&[&["resume", "--format", "json"], &BY_ENGINE[..]].concat())
    } else {
        rig.deploy(&BY_ENGINE)
    };
    let resumed = resumed.ended(0);
    assert_eq!(resumed.object("applied")["attempt"], 2);
    assert_eq!(resumed.payload("Resumed")["attempt"], 2);
    assert_eq!(
        resumed.images(),
        images(&[("alpha", "reused"), ("beta", "built")])
    );
    assert_eq!(rig.builds(), ["beta"]);
    assert_eq!(rig.latest().kinds(), RESUMED);
    assert_eq!(published(&rig), published(&undisturbed));
    assert_eq!([rig.word("alpha"), rig.word("beta")], functions);
    rig.run(&["verify"]).ended(0);
}

#[test]
fn a_build_that_fails_is_shown_and_what_is_in_flight_is_finished() {
    let rig = Rig::new(&["alpha", "beta"]);
    let sound =
        std::fs::read_to_string(rig.folder().join("artifact/svc/functions/beta/Dockerfile"));
    let sound = sound.unwrap();
    rig.payload.dockerfile(
        "beta",
        &format!("{sound}RUN echo the last words of beta && false\n"),
    );
    rig.hold_build("alpha");
    let deploy = rig.start(&[&BY_ENGINE[..], &["--jobs", "2", "-vv"]].concat());
    rig.await_builds(2);
    deploy.says("the last words of beta");
    rig.proxy.release();
    let failed = deploy.wait().ended(6);
    failed.said("error: function `beta`");
    failed.said("  | the last words of beta");
    assert_eq!(failed.images(), images(&[("alpha", "built")]));
    let event = failed.payload("Failed");
    assert_eq!(event["function"], "beta");
    assert_eq!(event["kind"], "image");
    assert!(rig.published().is_empty(), "{:?}", rig.published());
    let status = rig.run(&["status", "--exit-code"]).ended(11);
    assert!(status.stdout.contains("failed"), "{}", status.stdout);

    rig.payload.dockerfile("beta", &sound);
    let mended = rig.deploy(&[]).ended(0);
    assert_eq!(
        mended.object("applied")["superseded"],
        failed.object("failed")["deploy"]
    );
    assert!(mended.payload("Abandoned")["reason"]["superseded"].is_object());
    assert_eq!(
        mended.images(),
        images(&[("alpha", "reused"), ("beta", "built")])
    );
    rig.run(&["status", "--exit-code"]).ended(0);
}

/// The functions that are live go on to be those that were applied, whatever was built since.
#[test]
fn a_deploy_that_fails_and_is_given_up_leaves_the_live_images_as_they_were() {
    let rig = Rig::with_gateway(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["alpha", "beta"]);
    let live = |function: &str| rig.tags(function)["1"].clone();
    let before = [live("alpha"), live("beta")];

    rig.payload.answer("alpha", "edited");
    rig.payload
        .dockerfile("beta", "FROM esb-lambda-base:latest\nRUN false\n");
    let failed = rig.deploy(&["--jobs", "1"]).ended(6);
    assert_eq!(failed.images(), images(&[("alpha", "built")]));
    assert_eq!([live("alpha"), live("beta")], before);
    rig.run(&["abandon"]).ended(0);
    assert_eq!([live("alpha"), live("beta")], before);
    assert_eq!(rig.tags("alpha").len(), 3, "its tag and two keys");

    rig.payload.dockerfile(
        "beta",
        "FROM esb-lambda-base:latest\nCOPY functions/beta/handler /var/task/handler\n",
    );
    let done = rig.deploy(&[]).ended(0);
    // What the given-up deploy recorded is known; `beta` is what it was before.
    assert_eq!(done.images(), images(&[("alpha", "reused")]));
    assert_eq!(done.kept(), 1);
    let tags = done.payload("Applied")["tags"].clone();
    assert_eq!(tags.as_object().unwrap().len(), 1, "{tags}");
    assert_ne!(live("alpha"), before[0]);
    assert_eq!(live("beta"), before[1]);
    assert_eq!(rig.word("alpha"), "edited");
}

#[test]
fn an_unfinished_deploy_that_is_given_up_cannot_be_resumed() {
    let rig = Rig::without_builds(&["alpha"]);
    rig.run(&["resume"]).ended(5);
    rig.payload
        .edit("artifact.yml", "gateway: \">=1.4, <2\"", "gateway: \"^9\"");
    rig.deploy(&[]).ended(4);
    let status = rig.run(&["status", "--exit-code"]).ended(11);
    assert!(
        status.stdout.contains("artifactctl resume"),
        "{}",
        status.stdout
    );

    rig.run(&["abandon", "-m", "not on a Friday"]).ended(0);
    let abandoned = rig.latest().payload("Abandoned");
    assert_eq!(abandoned["note"], "not on a Friday");
    assert_eq!(abandoned["reason"], "given_up");
    rig.run(&["status", "--exit-code"]).ended(0);
    rig.run(&["resume"])
        .ended(5)
        .said("no deploy is unfinished");
    rig.run(&["abandon"]).ended(5);
}

#[test]
fn an_artifact_that_has_changed_is_not_resumed() {
    let rig = Rig::new(&["alpha"]);
    rig.payload
        .dockerfile("alpha", "FROM esb-lambda-base:latest\nRUN false\n");
    rig.deploy(&[]).ended(6);
    let events = rig.latest().kinds();
    rig.payload
        .dockerfile("alpha", "FROM esb-lambda-base:latest\nRUN true\n");
    let refused = rig.run(&["resume"]).ended(5);
    refused.said("has changed since the deploy was asked for");
    refused.said("hint: deploy it as it is with `artifactctl deploy --artifact");
    assert_eq!(rig.latest().kinds(), events, "nothing is recorded of it");
}

#[test]
fn a_registry_that_is_away_fails_the_attempt_and_the_next_one_goes_on() {
    let rig = Rig::new(&["alpha"]);
    let away = Proxy::before_port(rig.stack.engine(), rig.stack.registry_port()).unwrap();
    let registry = away.docker_host();
    let deploy = || {
        let mut deploy = rig.request("deploy", &[]);
        run(deploy.env("HOST_REGISTRY_ADDR", &registry))
    };
    for method in ["HEAD", "GET"] {
        away.inject_lasting(InjectedFault {
            endpoint: format!("{method} /"),
            skip: 0,
            effect: FaultEffect::DropRequest,
        });
    }
    let failed = deploy().ended(9);
    assert_eq!(failed.payload("Failed")["kind"], "unreachable");
    assert_eq!(failed.payload("Failed")["retryable"], true);
    assert_eq!(rig.mutating(), Vec::<String>::new());
    assert!(rig.published().is_empty(), "{:?}", rig.published());

    away.mend();
    let retried = deploy().ended(0);
    assert_eq!(retried.payload("Resumed")["last_failure"], "unreachable");
    assert_eq!(retried.images(), images(&[("alpha", "built")]));
}

#[test]
fn an_engine_that_is_away_fails_the_attempt_and_the_next_one_goes_on() {
    let rig = Rig::without_builds(&["alpha"]);
    let nowhere = rig.folder().join("nowhere.sock");
    let mut deploy = rig.request("deploy", &[]);
    let failed = run(deploy.env("DOCKER_HOST", format!("unix://{}", nowhere.display()))).ended(9);
    assert_eq!(failed.kinds(), "Requested Failed");
    failed.said(&nowhere.display().to_string());
    let retried = rig.deploy(&[]).ended(0);
    assert_eq!(retried.object("applied")["attempt"], 2);
}
