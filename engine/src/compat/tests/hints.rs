//! What a finding tells a person to do.

use rstest::rstest;

use super::{
    Finding, Lenient, Strict, about, check, container, manifest, observation, release, requires,
    stack, unversioned, version,
};

fn hint(finding: &Finding) -> &str {
    finding.hint.as_deref().expect("there is a hint")
}

#[rstest]
#[case::with_the_env(&["esb-dev-dev", "other"], "repeat with `--compose-project esb-dev-dev`")]
#[case::others(&["other"], "nothing runs under the compose project `esb-dev` (running: `other`)")]
#[case::none(&[], "nothing runs under the compose project `esb-dev`; start the stack")]
#[case::many(&["a", "b", "c", "d", "e", "f", "g"], "`e`, and 2 more)")]
fn an_empty_project_says_where_to_look(#[case] others: &[&str], #[case] expected: &str) {
    let mut manifest = requires("gateway", "*");
    let stack = manifest.runtime_stack.as_mut().expect("there is one");
    stack.esb_version = Some("1.4.2".to_owned());
    let mut observation = observation(Vec::new());
    observation.other_projects = others.iter().map(|p| (*p).to_owned()).collect();
    let check = check(&manifest, &observation, Strict, false);
    assert_eq!(check.findings.len(), 4);
    for finding in &check.findings {
        let hint = hint(finding);
        assert!(hint.contains(expected), "{}: {hint}", finding.component);
        assert!(hint.contains("`--compat lenient`"), "{hint}");
    }
}

#[test]
fn other_projects_are_not_named_when_something_runs() {
    let mut observation = observation(stack());
    observation.other_projects = vec!["esb-dev-dev".to_owned()];
    let check = check(&requires("provisioner", "*"), &observation, Strict, false);
    let hint = hint(about(&check, "provisioner")[0]);
    assert!(!hint.contains("--compose-project"), "{hint}");
    assert!(hint.contains("(running: `agent`, `gateway`)"), "{hint}");
}

#[test]
fn lenient_is_not_offered_to_those_who_asked_for_it() {
    let check = check(
        &requires("provisioner", "*"),
        &observation(stack()),
        Lenient,
        false,
    );
    let hint = hint(about(&check, "provisioner")[0]);
    assert!(!hint.contains("lenient"), "{hint}");
}

#[rstest]
#[case("1.5.0-rc.1", "as `>=1.5.0-rc.1` does")]
#[case("1.3.0", "run `gateway` at a release that satisfies `^1.4`")]
#[case("1.3.0-rc.1", "run `gateway` at a release that satisfies `^1.4`")]
fn a_pre_release_is_told_apart_from_a_wrong_release(#[case] found: &str, #[case] expected: &str) {
    let mut containers = stack();
    version(found)(&mut containers[1]);
    let check = check(
        &requires("gateway", "^1.4"),
        &observation(containers),
        Strict,
        false,
    );
    let hint = hint(about(&check, "gateway")[0]);
    assert!(hint.contains(expected), "{hint}");
}

#[test]
fn an_unknown_version_names_the_tag() {
    let mut containers = stack();
    unversioned("latest")(&mut containers[1]);
    let check = check(&release("1.4.2"), &observation(containers), Strict, false);
    let hint = hint(about(&check, "esb_version")[0]);
    assert!(hint.contains("the tag `latest` is no version"), "{hint}");
}

#[test]
fn an_engine_that_could_not_be_asked_is_named() {
    let mut observation = observation(Vec::new());
    observation.engine.version.clear();
    let check = check(&manifest(|_| {}), &observation, Strict, false);
    let hint = hint(&check.findings[0]);
    assert!(
        hint.starts_with("the Docker engine could not be asked"),
        "{hint}"
    );
}

#[rstest]
#[case(
    "0.9",
    "upgrade the stack to api version 1.x, or generate the artifact for api version 0.9"
)]
#[case(
    "2.1",
    "the stack is newer: generate the artifact again for api version 2.1"
)]
#[case("1.1", "upgrade it to api version 1.2 or a later minor")]
fn an_api_version_that_differs_says_which_side_is_behind(
    #[case] found: &str,
    #[case] expected: &str,
) {
    let mut containers = stack();
    containers[1].api_version = Some(found.to_owned());
    let check = check(&manifest(|_| {}), &observation(containers), Strict, false);
    let hint = hint(about(&check, "api_version")[0]);
    assert!(hint.contains(expected), "{hint}");
}

#[test]
fn a_container_without_any_evidence_is_described() {
    let mut containers = vec![container("gateway")];
    containers[0].version = None;
    containers[0].image = "gateway".to_owned();
    let check = check(
        &requires("gateway", "*"),
        &observation(containers),
        Strict,
        false,
    );
    let hint = hint(about(&check, "gateway")[0]);
    assert!(
        hint.contains("the image `gateway` says no version: it has no tag"),
        "{hint}"
    );
}
