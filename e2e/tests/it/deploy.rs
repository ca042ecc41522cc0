//! Deploys onto a stack that fits: what is recorded, built, published and answered.
//!
//! Not here: stacks that do not fit (`gate`), deploys that are cut short (`resume`, `signals`).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use e2e::workspace;
use rstest::rstest;

use crate::process::{images, run};
use crate::rig::{BY_ENGINE, Rig};
use crate::support::publish;

const DEPLOY: &str = "Requested Observed CompatChecked Merged";

fn copy(from: &Path, to: &Path) {
    e2e::command::run(Command::new("cp").arg("-r").args([from, to])).unwrap();
}

#[test]
fn a_first_deploy_records_the_documented_events_and_its_functions_answer() {
    let rig = Rig::with_gateway(&[]);
    let fixture = rig.folder().join("fixture");
    copy(&workspace::fixture("artifact"), &fixture);
    let mut deploy = rig.command(&["deploy", "--format", "json"]);
    deploy
        .arg("--artifact")
        .arg(fixture.join("artifact.yml"))
        .arg("--out")
        .arg(&rig.out)
        .args(["--compose-project", rig.stack.project()]);
    let first = run(&mut deploy).ended(0);
    assert_eq!(
        first.kinds(),
        format!("{DEPLOY} ImageBuilt ImageBuilt ImageBuilt ImageBuilt Applied")
    );
    assert_eq!(rig.latest().kinds(), first.kinds());
    let functions = ["orders-list", "orders-place", "stock-audit", "stock-count"];
    assert_eq!(
        first.images(),
        images(&functions.map(|name| (name, "built")))
    );
    for (method, path, function) in [
        ("POST", "/orders", "orders-place"),
        ("GET", "/orders/7", "orders-list"),
        ("POST", "/stock/audit", "stock-audit"),
        ("GET", "/stock/shelves", "stock-count"),
    ] {
        let reply = rig.stack.call(method, path, "{}").unwrap();
        assert_eq!(reply.status, 200, "{reply:?}\n{}", rig.stack.logs());
        assert_eq!(reply.json()["function"], function);
    }
    let history = rig.run(&["history", "--format", "json"]).ended(0);
    let deploy = history.object("deploy");
    assert_eq!(deploy["status"], "applied");
    assert_eq!(deploy["built"], 4);
    assert_eq!(deploy["verdict"], "compatible");
}

#[test]
fn a_second_deploy_of_the_same_changes_nothing_anywhere() {
    let rig = Rig::new(&["alpha", "beta"]);
    let first = rig.deploy(&[]).ended(0);
    let (published, tags) = (rig.published(), [rig.tags("alpha"), rig.tags("beta")]);
    assert_eq!(
        tags.each_ref().map(BTreeMap::len),
        [2, 2],
        "its tag and its key's"
    );
    rig.proxy.clear();

    let second = rig.deploy(&[]).ended(0);
    assert_eq!(second.kinds(), format!("{DEPLOY} ImagesKept Applied"));
    assert_eq!(second.kept(), 2);
    let in_effect = |deploy: &crate::process::Ran| deploy.payload("Applied")["images"].clone();
    assert_eq!(in_effect(&second), in_effect(&first));
    assert!(in_effect(&first).is_string());
    assert!(!rig.proxy.requests().is_empty(), "it went by the proxy");
    assert_eq!(rig.mutating(), Vec::<String>::new());
    assert_eq!([rig.tags("alpha"), rig.tags("beta")], tags);
    assert_eq!(rig.published(), published);
    let applied = second.payload("Applied");
    for file in applied["files"].as_object().unwrap().values() {
        assert_eq!(file["written"], false, "{applied}");
    }
}

#[test]
fn an_edited_handler_rebuilds_its_function_only_and_the_file_is_named() {
    let rig = Rig::with_gateway(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["alpha", "beta"]);
    rig.payload.answer("alpha", "edited");
    let named = "functions/alpha/handler changed";

    let plan = run(&mut rig.request("plan", &[])).ended(0).object("plan");
    let [alpha, beta] = [0, 1].map(|image| plan["images"][image]["build_because"].to_string());
    assert!(alpha.contains(named), "{plan}");
    assert_eq!(beta, "[]");

    rig.proxy.clear();
    let deploy = rig.deploy(&["--explain"]).ended(0);
    deploy.said(named);
    assert_eq!(deploy.images(), images(&[("alpha", "built")]));
    assert_eq!(deploy.kept(), 1);
    assert_eq!(rig.mutating(), [""; 0], "it is made without the engine");
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["edited", "beta"]);
}

#[test]
fn a_function_that_the_artifact_no_longer_has_goes_away_and_foreign_entries_stay() {
    let rig = Rig::with_gateway(&["alpha", "beta"]);
    publish(
        rig.stack,
        "functions.yml",
        "functions:\n  foreign: { image: 'registry:5000/hand/foreign:1' }\n",
    );
    publish(
        rig.stack,
        "routing.yml",
        "routes:\n  - { path: /foreign, method: POST, function: foreign }\n",
    );
    rig.deploy(&[]).ended(0);
    assert_eq!([rig.word("alpha"), rig.word("beta")], ["alpha", "beta"]);

    rig.payload.configure(&["alpha"]);
    let deploy = rig.deploy(&[]).ended(0);
    let removed = deploy.payload("Merged")["changes"]["removed"].to_string();
    assert!(removed.contains("functions/beta"), "{removed}");
    assert!(removed.contains("routes/POST /beta"), "{removed}");
    assert_eq!(rig.word("alpha"), "alpha");
    assert_eq!(rig.call("beta").status, 404);
    let published = rig.published();
    assert!(!published["functions.yml"].contains("beta"));
    assert!(!published["routing.yml"].contains("beta"));
    assert!(published["functions.yml"].contains("registry:5000/hand/foreign:1"));
    // A route that is there reaches the agent, which finds no image: another answer than for no route at all.
    assert_eq!(rig.call("foreign").status, 502);
}

/// As a person reads it.
#[test]
fn a_plan_shows_what_changes_and_a_deploy_ends_with_what_it_did() {
    let rig = Rig::without_builds(&["alpha"]);
    let shown = |command: &str| {
        let mut command = rig.command(&[command, "--artifact"]);
        command
            .arg(rig.payload.manifest())
            .arg("--out")
            .arg(&rig.out);
        run(&mut command).ended(0).stdout
    };
    let target = format!("{}/dev", rig.stack.project());
    let first = shown("deploy");
    assert!(
        first.starts_with(&format!("{target} applied in ")),
        "{first}"
    );
    assert!(first.contains("): +functions/alpha"), "{first}");
    let again = shown("deploy");
    let up_to_date = format!("{target} is already up to date (");
    assert!(again.starts_with(&up_to_date), "{again}");

    let to = "WHO: nobody, API_TOKEN: canary";
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", to);
    let plan = shown("plan");
    let title = format!("{target} into {}\nstack: compatible (", rig.out.display());
    assert!(plan.starts_with(&title), "{plan}");
    for line in [
        "\n  ~ functions/alpha\n",
        "\n      environment.WHO  \"alpha\" -> \"nobody\"\n",
        "\n      environment.API_TOKEN  (none) -> \"***\"\n",
        "\nPlan: 0 to add, 1 to change, 0 to remove; 0 images to build, 0 kept\n",
    ] {
        assert!(plan.contains(line), "{plan}");
    }
    assert!(!plan.contains("canary"), "{plan}");
    let changed = shown("deploy");
    assert!(changed.contains("): ~functions/alpha\n"), "{changed}");
}

#[test]
fn a_function_of_ours_that_was_edited_by_hand_is_overwritten_and_reported() {
    let rig = Rig::without_builds(&["alpha", "beta"]);
    rig.deploy(&[]).ended(0);
    let published = rig.published();
    let edited = published["functions.yml"].replace("WHO: alpha", "WHO: nobody");
    assert_ne!(edited, published["functions.yml"]);
    std::fs::write(rig.out.join("functions.yml"), edited).unwrap();
    let status = rig.run(&["status", "--exit-code"]).ended(11);
    assert!(
        status
            .stdout
            .contains("functions.yml is not what was applied")
    );

    let edited = rig.published();
    let refused = rig.deploy(&["--fail-on-drift"]).ended(11);
    refused.said("functions/alpha was changed by hand");
    assert_eq!(rig.published(), edited);

    let deploy = rig.deploy(&[]).ended(0);
    deploy.said("drift: functions/alpha was changed by hand");
    let drift = deploy.payload("Merged")["drift"].clone();
    assert_eq!(drift.as_array().unwrap().len(), 1, "{drift}");
    assert_eq!(drift[0]["key"], "functions/alpha");
    assert_eq!(rig.published(), published);
    rig.run(&["status", "--exit-code"]).ended(0);
}

#[rstest]
#[case::assembled("auto", &[])]
#[case::by_the_engine("engine", &["alpha"])]
fn no_cache_makes_what_the_registry_has(#[case] builder: &str, #[case] builds: &[&str]) {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    rig.proxy.clear();
    let again = ["--no-cache", "--explain", "--builder", builder];
    let again = rig.deploy(&again).ended(0);
    again.said("--no-cache");
    assert_eq!(again.images(), images(&[("alpha", "built")]));
    assert_eq!(rig.builds(), builds);
}

#[rstest]
#[case::plan("plan", &[])]
#[case::dry_run("deploy", &["--dry-run"])]
fn a_plan_touches_nothing(#[case] command: &str, #[case] more: &[&str]) {
    let rig = Rig::new(&["alpha"]);
    let plan = run(&mut rig.request(command, more)).ended(0).object("plan");
    assert_eq!(plan["images"][0]["function"], "alpha");
    assert!(!rig.proxy.requests().is_empty(), "it went by the proxy");
    assert_eq!(rig.mutating(), Vec::<String>::new());
    assert!(!rig.journal.exists());
    assert!(!rig.out.exists());
    assert_eq!(rig.tags("alpha"), BTreeMap::new());
}

#[test]
fn a_plan_tells_by_its_exit_code_whether_a_deploy_would_change_something() {
    let rig = Rig::new(&["alpha"]);
    let plan = |code| run(&mut rig.request("plan", &["--exit-code"])).ended(code);
    plan(11);
    rig.deploy(&[]).ended(0);
    plan(0);
    rig.payload.answer("alpha", "edited");
    plan(11);
}

#[test]
fn the_four_flags_of_old_deploy_and_keep_their_journal_in_the_state_directory() {
    const SECRET: &str = "Tr0ub4dor-and-3";
    let rig = Rig::new(&["alpha"]);
    rig.payload.edit(
        "artifact.yml",
        "runtime_config_dir: config",
        "runtime_config_dir: config\n    required_secret_env: [AUTH_PASS]",
    );
    let secrets = rig.folder().join("secrets.env");
    std::fs::write(&secrets, format!("AUTH_PASS={SECRET}\n")).unwrap();
    let state = rig.folder().join("state");
    let deploy = |secret_env: bool| {
        let mut deploy = rig.command(&["deploy"]);
        deploy
            .env_remove("ARTIFACTCTL_JOURNAL")
            .env("XDG_STATE_HOME", &state)
            .arg("--artifact")
            .arg(rig.payload.manifest())
            .arg("--out")
            .arg(&rig.out)
            .arg("--no-cache");
        if secret_env {
            deploy.arg("--secret-env").arg(&secrets);
        }
        run(&mut deploy)
    };
    deploy(false).ended(3).said("AUTH_PASS");
    assert!(!state.exists(), "nothing is recorded of it");

    let done = deploy(true).ended(0);
    let begins = format!("{}/dev applied in ", rig.stack.project());
    assert!(done.stdout.starts_with(&begins), "{}", done.stdout);
    assert_eq!(rig.tags("alpha").len(), 2, "its tag and its key's");
    let journal = state.join("artifactctl/journal");
    let mut show = rig.command(&["show", "--format", "json", "--journal"]);
    let shown = run(show.arg(&journal)).ended(0);
    assert_eq!(shown.kinds(), format!("{DEPLOY} ImageBuilt Applied"));
    for folder in [&state, &rig.out] {
        let mut search = Command::new("grep");
        let found = e2e::command::output(search.args(["-r", SECRET]).arg(folder)).unwrap();
        assert_eq!(
            found.status.code(),
            Some(1),
            "the secret is below {folder:?}"
        );
    }
    assert!(!(done.stdout + &done.stderr).contains(SECRET));
}

#[test]
fn images_are_built_side_by_side() {
    let rig = Rig::new(&["alpha", "beta"]);
    rig.hold_build("alpha");
    let deploy = rig.start(&[&BY_ENGINE[..], &["--jobs", "2"]].concat());
    rig.await_builds(2);
    // One is held until the other is done.
    deploy.records("ImageBuilt");
    rig.proxy.release();
    let done = deploy.wait().ended(0);
    assert_eq!(
        done.images(),
        images(&[("alpha", "built"), ("beta", "built")])
    );
    let built = done.payloads("ImageBuilt");
    assert_eq!(built[0]["function"], "beta", "the one that was not held");
}
