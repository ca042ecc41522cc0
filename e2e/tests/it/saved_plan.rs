//! A plan that was saved is what its deploy does, or nothing: each of the five things that it was made upon may move.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};
use serde_json::Value;

use crate::process::{Ran, run};
use crate::rig::Rig;
use crate::schemas;
use crate::support::{handler, push_function};

const REFUSED: i32 = 5;
const USAGE: i32 = 2;

fn file(rig: &Rig<'_>) -> String {
    rig.folder()
        .join("approved.plan")
        .to_str()
        .unwrap()
        .to_owned()
}

fn save(rig: &Rig<'_>) {
    run(&mut rig.request("plan", &["--save", &file(rig)])).ended(0);
    let saved = serde_json::from_slice(&fs::read(file(rig)).unwrap()).unwrap();
    assert_eq!(schemas::validate("saved_plan", &saved), Ok(()));
}

fn deploy(rig: &Rig<'_>) -> Ran {
    rig.run(&["deploy", "--format", "json", "--plan", &file(rig)])
}

/// Nothing was changed, nothing recorded, and the reason is named, alone.
fn refused(rig: &Rig<'_>, why: &str) {
    let causes = refusal(rig);
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert!(causes[0].contains(why), "{causes:?}");
}

/// Nothing was changed, nothing recorded; and the reasons.
fn refusal(rig: &Rig<'_>) -> Vec<String> {
    let stands = || (rig.published(), rig.tags("alpha"));
    let events = || rig.run(&["export"]).stdout.lines().count();
    let before = (stands(), events());
    rig.proxy.clear();
    let refused = deploy(rig).ended(REFUSED);
    assert_eq!((stands(), events()), before);
    assert_eq!(rig.mutating(), Vec::<String>::new());
    let error = refused.object("error");
    let causes = error["causes"].as_array().unwrap().iter();
    causes
        .map(|cause| cause.as_str().unwrap().to_owned())
        .collect()
}

/// Deployed once, and an artifact with another `alpha`.
fn edited(rig: &Rig<'_>) {
    rig.deploy(&[]).ended(0);
    rig.payload.answer("alpha", "second");
    rig.payload
        .edit("svc/config/functions.yml", "WHO: alpha", "WHO: second");
}

#[test]
fn what_was_approved_is_what_is_done_and_only_once() {
    let rig = Rig::with_gateway(&["alpha"]);
    edited(&rig);
    save(&rig);
    let mode = fs::metadata(file(&rig)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(rig.folder())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with(".tmp")
            })
            .count(),
        0
    );
    let shown = rig.run(&["plan", "--show", &file(&rig)]).ended(0).stdout;
    assert!(
        shown.contains("saved by ") && shown.contains("environment.WHO  \"alpha\" -> \"second\""),
        "{shown}"
    );
    let planned: Value = serde_json::from_str(
        &rig.run(&["plan", "--show", &file(&rig), "--format", "json"])
            .ended(0)
            .stdout,
    )
    .unwrap();
    let done = deploy(&rig).ended(0);
    assert_eq!(
        done.payload("Merged")["files"],
        planned["configuration"]["files"]
    );
    assert_eq!(rig.word("alpha"), "second");
    // It has been done: the journal, the output directory and the tag are not those that it was made upon.
    let causes = refusal(&rig);
    assert_eq!(causes.len(), 3, "{causes:?}");
    assert!(causes[0].starts_with("the journal of "), "{causes:?}");
}

#[test]
fn another_artifact_is_refused() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    rig.payload.answer("alpha", "third");
    refused(&rig, "the artifact `");
}

#[test]
fn a_journal_that_went_on_is_refused() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    rig.run(&["lock", "hold", "-m", "a look"]).ended(0);
    rig.run(&["lock", "release"]).ended(0);
    refused(&rig, "the journal of `");
}

#[test]
fn another_output_directory_is_refused() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    let path = rig.out.join("routing.yml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}# somebody\n")).unwrap();
    refused(&rig, "`routing.yml` in `");
    fs::write(&path, text).unwrap();
    deploy(&rig).ended(0);
}

#[test]
fn another_image_in_the_registry_is_refused() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    let repository = format!("{}/alpha", rig.payload.repository());
    push_function(rig.stack, &repository, "1", &handler("stranger"));
    refused(
        &rig,
        &format!("`{}` does not name", rig.payload.reference("alpha")),
    );
}

#[test]
fn another_stack_is_refused() {
    let stack = Stack::up(TestEngine::shared(), StackOptions::default()).unwrap();
    let rig = Rig::on(&stack, &["alpha"]);
    edited(&rig);
    save(&rig);
    stack.replace_gateway("1.5.0").unwrap();
    // The base of functions has the version of the stack, and this one is nowhere.
    refused(&rig, "esb-lambda-base:1.5.0");
    stack.replace_gateway("2.0.0").unwrap();
    refused(&rig, "the stack has gateway 2.0.0, and had gateway 1.4.2");
}

#[test]
fn a_deploy_of_a_plan_that_was_stopped_is_resumed_as_any_is() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    let words = ["deploy", "--plan", &file(&rig)];
    // What the look reaches, before anything is recorded, comes first.
    let killed = run(rig
        .killable(&words)
        .env("ARTIFACTCTL_KILL_AT", "after append Merged #2"));
    assert_eq!(killed.code, None, "{killed:?}");
    refused(&rig, "the journal of `");
    rig.run(&["resume"]).ended(0);
    assert!(rig.published()["functions.yml"].contains("WHO: second"));
}

#[test]
fn a_file_that_is_no_plan_is_refused_and_a_plan_takes_no_other_request() {
    let rig = Rig::new(&["alpha"]);
    edited(&rig);
    save(&rig);
    let whole = fs::read_to_string(file(&rig)).unwrap();
    fs::write(file(&rig), &whole[..whole.len() / 2]).unwrap();
    deploy(&rig).ended(USAGE).said("is cut short");
    fs::write(file(&rig), whole.replace("\"version\":1", "\"version\":2")).unwrap();
    deploy(&rig).ended(USAGE).said("newer artifactctl");
    fs::write(file(&rig), whole.replace("second", "edited")).unwrap();
    deploy(&rig)
        .ended(REFUSED)
        .said("was changed after it was saved");
    fs::write(file(&rig), &whole).unwrap();
    run(&mut rig.request("deploy", &["--plan", &file(&rig)])).ended(USAGE);
}

#[test]
fn a_saved_plan_holds_no_secret() {
    let rig = Rig::new(&["alpha"]);
    rig.deploy(&[]).ended(0);
    rig.payload.edit(
        "svc/config/functions.yml",
        "WHO: alpha",
        "WHO: alpha, API_TOKEN: canary-literal",
    );
    save(&rig);
    let text = fs::read_to_string(file(&rig)).unwrap();
    assert!(!text.contains("canary"), "{text}");
}
