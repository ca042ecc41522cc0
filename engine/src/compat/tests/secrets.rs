//! Required secrets against the environment of the gateway.

use rstest::rstest;

use super::{
    Fail, Finding, Grade, Manifest, Observation, Pass, Strict, Warn, check, grades, manifest,
    observation, stack,
};

/// A stack whose gateway was looked at and has this secret.
fn holding(held: Option<&str>) -> Observation {
    Observation {
        gateway_secrets: held.map(|name| vec![name.to_owned()]),
        ..observation(stack())
    }
}

fn requires_secrets(names: &[&str]) -> Manifest {
    let mut manifest = manifest(|_| {});
    manifest.artifacts[0].required_secret_env =
        names.iter().map(|name| (*name).to_owned()).collect();
    manifest
}

#[rstest]
#[case::held(Some("TOKEN"), [Pass, Pass, Pass, Pass])]
#[case::lacking(Some("TOKENS"), [Warn, Warn, Fail, Fail])]
#[case::not_looked_at(None, [Warn, Warn, Fail, Fail])]
fn a_required_secret(#[case] held: Option<&str>, #[case] expected: [Grade; 4]) {
    let seen = grades(
        &requires_secrets(&["TOKEN"]),
        &holding(held),
        "secret TOKEN",
    );
    assert_eq!(seen, expected);
}

#[test]
fn each_required_secret_has_a_finding_that_says_what_to_do() {
    let mut manifest = requires_secrets(&["TOKEN", "AUTH_PASS", "TOKEN"]);
    manifest.runtime_stack = None;
    let check = check(&manifest, &holding(Some("AUTH_PASS")), Strict, false);
    let said: Vec<_> = check.findings.iter().map(Finding::sentence).collect();
    assert_eq!(
        said,
        [
            "pass: secret AUTH_PASS: found set from the environment of gateway, required set",
            "warn: secret TOKEN: found unset from the environment of gateway, required set",
        ]
    );
    let hint = check.findings[1].hint.as_deref().unwrap();
    assert!(
        hint.contains("set `TOKEN` in the environment of the service `gateway`"),
        "{hint}"
    );
}
