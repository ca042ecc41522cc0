//! Going back on a real engine and a real stack: without the artifact, without a build, proved by digests.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::process::{Ran, run};
use crate::rig::{BY_ENGINE, Rig};

const REFUSED: i32 = 5;
const PUBLISH: i32 = 7;

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
fn a_deploy_that_left_the_same_is_no_place_to_go_back_to() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    rig.deploy(&[]).ended(0);
    let refused = rig.run(&["rollback"]).ended(REFUSED);
    refused.said("before the one in effect left the same");
    rig.payload.answer("alpha", "second");
    rig.deploy(&[]).ended(0);
    rig.deploy(&["-m", "once more"]).ended(0);

    rig.run(&["rollback"]).ended(0);
    let history = rig.run(&["history", "--format", "json"]).ended(0);
    let deploys = history.objects("deploy");
    // What the second deploy left is what the first one did: either is as good.
    assert_eq!(
        deploys[0]["rollback_to"], deploys[3]["deploy"],
        "{}",
        history.stdout
    );
}

#[test]
fn an_image_that_changed_is_a_change_of_its_deploy() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    rig.payload.answer("alpha", "second");
    let built = rig.deploy(&[]).ended(0);
    assert_eq!(built.object("applied")["images"], json!(["alpha"]));
    // The image of the first deploy is in the registry: nothing is built, and another one runs.
    rig.payload.answer("alpha", "alpha");
    let reused = rig.deploy(&[]).ended(0);
    assert_eq!(reused.object("applied")["images"], json!(["alpha"]));
    assert_eq!(reused.object("applied")["built"], 0);

    let history = rig.run(&["history"]).ended(0).stdout;
    assert_eq!(history.matches("~images/alpha").count(), 2, "{history}");
    let of = |function: &str| {
        let asked = ["history", "--function", function, "--format", "json"];
        rig.run(&asked).ended(0).objects("deploy").len()
    };
    assert_eq!((of("alpha"), of("beta")), (3, 1));
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
    run(&mut engine_away).ended(9);
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

/// A table that the provisioner cannot make.
fn broken_table(rig: &Rig<'_>) {
    rig.payload.put(
        "svc/config/resources.yml",
        "resources:\n  dynamodb:\n  - { TableName: broken, BillingMode: PAY_PER_REQUEST, \
         AttributeDefinitions: [{ AttributeName: id, AttributeType: S }], \
         KeySchema: [{ AttributeName: id, KeyType: HASH }], TimeToLiveSpecification: no }\n",
    );
}

/// Deploys with the provisioner, and goes back when that fails.
fn guarded(rig: &Rig<'_>, more: &[&str]) -> Ran {
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let compose = path(rig.stack.compose_file());
    let env = path(rig.stack.env_file());
    let mut deploy = rig.request("deploy", &["--provision", "--rollback-on-failure"]);
    deploy.args(["--compose-file", &compose, "--env-file", &env]);
    run(deploy.args(more))
}

#[test]
fn a_deploy_whose_provisioner_fails_is_followed_by_a_rollback_and_stays_the_error() {
    let rig = Rig::with_gateway(&["alpha"]);
    guarded(&rig, &[]).ended(0);
    let first = rig.published();
    let tags = rig.tags("alpha")["1"].clone();
    rig.payload.answer("alpha", "second");
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", "WHO: second");
    broken_table(&rig);

    let failed = guarded(&rig, &[]).ended(PUBLISH);
    let error = failed.object("error");
    assert!(
        error["message"].as_str().unwrap().contains("provisioner"),
        "{error}"
    );
    assert_eq!(error["rollback"]["applied"], true, "{error}");
    let said = failed.stderr.find("error: ").unwrap();
    let told = failed.stderr.find("  rollback: ").unwrap();
    assert!(
        said < told,
        "the first error is the headline: {}",
        failed.stderr
    );

    let published = rig.published();
    for file in ["functions.yml", "routing.yml"] {
        assert_eq!(published[file], first[file]);
    }
    assert!(!published["resources.yml"].contains("broken"));
    assert_eq!(rig.tags("alpha")["1"], tags);
    let word = ("alpha".to_owned(), "alpha".to_owned());
    assert_eq!(answer(&rig, "alpha"), word);
    // The failed deploy, and the rollback as a deploy of its own with its own check.
    let failed_one = rig.run(&["show", "latest~1"]).ended(0).stdout;
    assert!(failed_one.contains("failed: "), "{failed_one}");
    let back = rig.latest();
    let kinds = back.kinds();
    let begins = kinds.starts_with("Requested Observed CompatChecked Merged ");
    assert!(begins && kinds.ends_with(" Applied"), "{kinds}");
    assert_eq!(back.payload("Applied")["provision"]["exit_code"], 0);
    assert_eq!(
        back.payload("Requested")["rollback_to"],
        error["rollback"]["to"]
    );
    rig.run(&["status", "--exit-code"]).ended(0);
    rig.run(&["verify"]).ended(0);
    rig.run(&["replay", "--all"]).ended(0);
}

#[test]
fn without_a_deploy_to_go_back_to_the_failure_stays_to_be_resumed_and_says_why() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.payload.remove_builds();
    broken_table(&rig);
    let failed = guarded(&rig, &[]).ended(PUBLISH);
    failed.said("rollback: not possible: ");
    failed.said("artifactctl resume");
    assert_eq!(failed.object("error")["rollback"]["applied"], false);
    assert!(rig.latest().kinds().ends_with("Failed"));
}

#[test]
fn a_deploy_that_fails_before_anything_changed_is_not_rolled_back() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    let none = rig.stack.host_image("no-such-base", "1");
    rig.payload.dockerfile("alpha", &format!("FROM {none}\n"));
    let failed = rig.deploy(&["--rollback-on-failure"]);
    assert_ne!(failed.code, Some(0));
    failed.said("rollback: not needed");
    assert!(rig.latest().kinds().ends_with("Failed"));
}

#[test]
fn a_rollback_that_cannot_be_had_leaves_the_first_error_and_the_failed_deploy() {
    let rig = Rig::with_gateway(&["alpha"]);
    guarded(&rig, &[]).ended(0);
    let lost = rig.tags("alpha")["1"].clone();
    rig.payload.answer("alpha", "second");
    broken_table(&rig);
    // The image of the first deploy goes away while the second one is at work.
    let deploy = {
        rig.hold_build("alpha");
        let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        let compose = path(rig.stack.compose_file());
        let env = path(rig.stack.env_file());
        let flags = [
            "--provision",
            "--rollback-on-failure",
            "--compose-file",
            &compose,
        ];
        let flags = [&BY_ENGINE[..], &flags, &["--env-file", &env]].concat();
        let deploy = rig.start(&flags);
        rig.await_builds(1);
        deploy
    };
    let path = format!("/v2/{}/alpha/manifests/{lost}", rig.payload.repository());
    let deleted = e2e::http::call(rig.stack.registry_port(), "DELETE", &path, "").unwrap();
    assert_eq!(deleted.status, 202, "{deleted:?}");
    rig.proxy.release();
    let failed = deploy.wait().ended(PUBLISH);
    failed.said("rollback: not possible: ");
    failed.said("cannot be restored");
    assert!(
        rig.latest().kinds().ends_with("Failed"),
        "nothing superseded it"
    );
}

/// The program that kills itself at a boundary, as `engine/src/failpoint.rs` reads it.
fn killable(rig: &Rig<'_>, words: &[&str], at: &str) -> Ran {
    let mut command = rig.killable(words);
    command.env("ARTIFACTCTL_FAILPOINTS", rig.folder().join("boundaries"));
    run(command.env("ARTIFACTCTL_KILL_AT", at))
}

/// How the latest deploy stands: its status, and whether it is a rollback.
fn latest(rig: &Rig<'_>) -> (String, bool) {
    let status = rig.run(&["status", "--format", "json"]).ended(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let is_rollback = !rig.latest().payload("Requested")["rollback_to"].is_null();
    (status["status"].as_str().unwrap().to_owned(), is_rollback)
}

#[test]
fn a_rollback_killed_at_any_boundary_ends_as_one_that_was_not() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    let first = (rig.published(), rig.tags("alpha")["1"].clone());
    rig.payload.answer("alpha", "second");
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", "WHO: second");
    rig.deploy(&[]).ended(0);
    let second = (rig.published(), rig.tags("alpha")["1"].clone());
    let stands = || (rig.published(), rig.tags("alpha")["1"].clone());

    killable(&rig, &["rollback"], "never").ended(0);
    assert_eq!(stands(), first);
    let list = fs::read_to_string(rig.folder().join("boundaries")).unwrap();
    // What cannot be restored is looked for first, on a journal that forgets: that look reaches boundaries of the run, too.
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let boundaries: Vec<String> = list
        .lines()
        .map(|boundary| {
            let time = times.entry(boundary).or_default();
            *time += 1;
            format!("{boundary} #{time}")
        })
        .collect();
    for name in [
        "inspect recorded alpha",
        "append Requested",
        "publish",
        "append Applied",
    ] {
        for side in ["before", "after"] {
            let boundary = format!("{side} {name}");
            assert!(times.contains_key(&*boundary), "`{boundary}`: {times:?}");
        }
    }
    rig.run(&["rollback"]).ended(0);
    assert_eq!(stands(), second);
    for boundary in boundaries {
        let killed = killable(&rig, &["rollback"], &boundary);
        assert_eq!(killed.code, None, "`{boundary}`: {killed:?}");
        rig.run(&["verify"]).ended(0);
        match latest(&rig) {
            (status, true) if status == "unfinished" => drop(rig.run(&["resume"]).ended(0)),
            // Killed before it was begun: what is in effect is the rollback of the last round, or its deploy.
            (_, _) if stands() == second => drop(rig.run(&["rollback"]).ended(0)),
            // Killed once it was applied.
            (status, _) => assert_eq!(status, "applied", "`{boundary}`"),
        }
        assert_eq!(stands(), first, "`{boundary}`");
        rig.run(&["status", "--exit-code"]).ended(0);
        rig.run(&["rollback"]).ended(0);
        assert_eq!(stands(), second, "`{boundary}`");
    }
    rig.run(&["replay", "--all"]).ended(0);
}

#[test]
fn a_rollback_after_a_failure_that_is_killed_when_it_has_begun_is_resumed() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.payload.remove_builds();
    guarded(&rig, &[]).ended(0);
    let first = rig.published();
    broken_table(&rig);
    let mut deploy = rig.killable(&["deploy", "--provision", "--rollback-on-failure"]);
    deploy.arg("--artifact").arg(rig.payload.manifest());
    deploy.arg("--out").arg(&rig.out);
    deploy.arg("--compose-file").arg(rig.stack.compose_file());
    deploy.arg("--env-file").arg(rig.stack.env_file());
    // The deploy never comes so far: its provisioner fails.
    let at = "before append Applied";
    let killed = run(deploy.env("ARTIFACTCTL_KILL_AT", at));
    assert_eq!(killed.code, None, "{killed:?}");
    assert_eq!(latest(&rig), ("unfinished".to_owned(), true));
    rig.run(&["resume"]).ended(0);
    let published = rig.published();
    assert_eq!(published["functions.yml"], first["functions.yml"]);
    assert!(!published["resources.yml"].contains("broken"));
    rig.run(&["status", "--exit-code"]).ended(0);
}
