//! The stack's provisioner, run for real by `provision` and by `deploy --provision`.

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

/// A table, with more of its keys.
fn table(name: &str, more: &str) -> String {
    format!(
        "resources:\n  dynamodb:\n  - {{ TableName: {name}, BillingMode: PAY_PER_REQUEST, \
         AttributeDefinitions: [{{ AttributeName: id, AttributeType: S }}], \
         KeySchema: [{{ AttributeName: id, KeyType: HASH }}]{more} }}\n"
    )
}

fn has_table(rig: &Rig<'_>, name: &str) -> bool {
    rig.stack
        .tables()
        .unwrap()
        .iter()
        .any(|table| table == name)
}

#[test]
fn what_a_deploy_publishes_is_provisioned_when_asked_for() {
    let rig = Rig::with_gateway(&["alpha"]);
    rig.payload.remove_builds();
    rig.payload.put(
        "svc/config/resources.yml",
        &format!("{}  s3: [{{ BucketName: bills }}]\n", table("seen", "")),
    );
    rig.deploy(&[]).ended(0);
    assert!(!has_table(&rig, "seen"), "not asked for");

    let mut provision = rig.command(&["provision", "--compose-project", rig.stack.project()]);
    let provisioned = run(provision.args(["--format", "json"]).args(compose(&rig))).ended(0);
    provisioned.said("provisioner: table `seen` created");
    assert_eq!(provisioned.object("provisioned")["exit_code"], 0);
    assert!(has_table(&rig, "seen"));
    let buckets = rig.stack.buckets().unwrap();
    assert!(buckets.contains(&"bills".to_owned()), "{buckets:?}");

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
    rig.payload
        .put("svc/config/resources.yml", &table("mended", ""));
    // Another team's table, which the artifact knows nothing of.
    let theirs = table("theirs", ", TimeToLiveSpecification: no");
    publish(rig.stack, "resources.yml", &theirs);
    let failed = deploy(&rig).ended(7);
    failed.said("Unknown parameter in input: \"TimeToLiveSpecification\"");
    let event = failed.payload("Failed");
    assert_eq!(
        (&event["step"], &event["kind"]),
        (&"provision".into(), &"provision".into())
    );
    let output = event["output"].to_string();
    assert!(output.contains("TimeToLiveSpecification"), "{event}");
    assert!(!has_table(&rig, "theirs"));
    rig.run(&["status", "--exit-code"]).ended(11);

    let mut alone = rig.command(&["provision", "--compose-project", rig.stack.project()]);
    run(alone.args(compose(&rig))).ended(7).said("  | ");

    let published = &rig.published()["resources.yml"];
    let lines = published.lines();
    let mended = lines.filter(|line| !line.contains("TimeToLiveSpecification"));
    let mended = mended.collect::<Vec<_>>().join("\n");
    assert_ne!(&mended, published.trim_end());
    publish(rig.stack, "resources.yml", &mended);
    let resumed = rig.run(&["resume", "--format", "json"]).ended(0);
    assert_eq!(resumed.payload("Applied")["provision"]["exit_code"], 0);
    for table in ["mended", "theirs"] {
        assert!(has_table(&rig, table), "{table}");
    }
    rig.run(&["status", "--exit-code"]).ended(0);
}
