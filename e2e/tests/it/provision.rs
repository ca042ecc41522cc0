//! The stack's provisioner, run for real by `provision` and by `deploy --provision`.

use e2e::command;
use e2e::engine::LABEL_RUN;

use crate::process::run;
use crate::rig::Rig;
use crate::support::publish;

/// The flags under which Compose finds the stack.
fn compose(rig: &Rig<'_>) -> Vec<String> {
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    vec![
        "--compose-file".to_owned(),
        path(rig.stack.compose_file()),
        "--env-file".to_owned(),
        path(rig.stack.env_file()),
    ]
}

/// Deploys and provisions.
fn deploy(rig: &Rig<'_>) -> crate::process::Ran {
    run(rig.request("deploy", &["--provision"]).args(compose(rig)))
}

/// What the provisioner has made, by a look into its volume.
fn state(rig: &Rig<'_>) -> Vec<String> {
    let engine = rig.stack.engine();
    let label = format!("{LABEL_RUN}={}", engine.run_id());
    let volume = format!("{}_state:/state:ro", rig.stack.project());
    let base = rig.stack.host_image("esb-lambda-base", "1.4.2");
    let mut list = engine.docker();
    list.args(["run", "--rm", "--label", &label, "--volume", &volume]);
    list.args(["--entrypoint", "/bin/ls", &base, "/state"]);
    let listed = command::run(&mut list).unwrap();
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn what_a_deploy_publishes_is_provisioned_when_asked_for() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.payload.remove_builds();
    rig.payload.put(
        "svc/config/resources.yml",
        "dynamodb: [{ TableName: seen }]\ns3: [{ BucketName: bills }]\n",
    );
    rig.deploy(&[]).ended(0);
    assert!(
        !state(&rig).contains(&"table-seen".to_owned()),
        "not asked for"
    );

    let mut provision = rig.command(&["provision", "--compose-project", rig.stack.project()]);
    let provisioned = run(provision.args(["--format", "json"]).args(compose(&rig))).ended(0);
    provisioned.said("provisioner: table `seen` created");
    assert_eq!(provisioned.object("provisioned")["exit_code"], 0);
    assert!(state(&rig).contains(&"table-seen".to_owned()));
    assert!(state(&rig).contains(&"bucket-bills".to_owned()));

    let deployed = deploy(&rig).ended(0);
    let result = deployed.payload("Applied")["provision"].clone();
    assert_eq!(result["exit_code"], 0);
    assert!(
        result["output"]
            .to_string()
            .contains("table `seen` is there already"),
        "{result}"
    );
}

#[test]
fn a_provisioner_that_fails_ends_the_attempt_and_a_resume_after_mending_is_fine() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.payload.remove_builds();
    rig.payload.put(
        "svc/config/resources.yml",
        "dynamodb: [{ TableName: mended }]\n",
    );
    // Another team's table, which the artifact knows nothing of.
    publish(
        rig.stack,
        "resources.yml",
        "dynamodb: [{ TableName: fail-theirs }]\n",
    );
    let failed = deploy(&rig).ended(7);
    failed.said("cannot create the table `fail-theirs`");
    let event = failed.payload("Failed");
    assert_eq!(
        (&event["step"], &event["kind"]),
        (&"provision".into(), &"provision".into())
    );
    assert!(
        event["output"].to_string().contains("fail-theirs"),
        "{event}"
    );
    rig.run(&["status", "--exit-code"]).ended(11);

    let mut alone = rig.command(&["provision", "--compose-project", rig.stack.project()]);
    run(alone.args(compose(&rig))).ended(7).said("  | ");

    let published = &rig.published()["resources.yml"];
    let mended = published.replace("fail-theirs", "theirs");
    publish(rig.stack, "resources.yml", &mended);
    let resumed = rig.run(&["resume", "--format", "json"]).ended(0);
    assert_eq!(resumed.payload("Applied")["provision"]["exit_code"], 0);
    let made = state(&rig);
    for table in ["table-mended", "table-theirs"] {
        assert!(made.contains(&table.to_owned()), "{made:?}");
    }
    rig.run(&["status", "--exit-code"]).ended(0);
}
