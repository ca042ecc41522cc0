//! The tables of the runtime stack contract, row by row.

use rstest::rstest;

use super::{
    Check, Container, Finding, Grade, Observation, Observed, ObservedEngine, Policy, Verdict,
    VersionSource, check, facts,
};
use crate::contract::{ApiVersion, ArtifactEntry, Manifest, Mode, RuntimeStack};

mod fact_rules;
mod hints;
mod secrets;

use Grade::{Fail, Note, Pass, Warn};
use Policy::{Lenient, Strict};

/// A container of a stack at release 1.4.2 that speaks api 1.2 in docker mode.
fn container(service: &str) -> Container {
    Container {
        name: format!("esb-dev-{service}-1"),
        service: service.to_owned(),
        image: format!("127.0.0.1:5000/{service}:v1.4.2"),
        image_id: "sha256:0".to_owned(),
        repo_digest: None,
        version: Some(Observed {
            value: "v1.4.2".to_owned(),
            source: VersionSource::ImageTag,
        }),
        tag: None,
        api_version: None,
        mode: None,
    }
}

fn with(service: &str, change: impl FnOnce(&mut Container)) -> Container {
    let mut container = container(service);
    change(&mut container);
    container
}

fn version(text: &str) -> impl FnOnce(&mut Container) {
    let text = text.to_owned();
    |c| {
        c.version = Some(Observed {
            value: text,
            source: VersionSource::EsbLabel,
        });
    }
}

fn unversioned(tag: &str) -> impl FnOnce(&mut Container) {
    let tag = tag.to_owned();
    |c| {
        c.version = None;
        c.tag = Some(tag);
    }
}

/// An observation as the adapter makes it, with the facts derived by the rules.
fn observation(containers: Vec<Container>) -> Observation {
    Observation {
        project: "esb-dev".to_owned(),
        engine: ObservedEngine {
            id: None,
            name: None,
            address: None,
            version: "28.0.0".to_owned(),
            api_version: "1.48".to_owned(),
            platform: "linux/amd64".to_owned(),
        },
        api_version: facts::api_version_of(&containers),
        mode: facts::mode_of(&containers),
        containers,
        gateway_secrets: None,
        other_projects: Vec::new(),
    }
}

fn stack() -> Vec<Container> {
    vec![
        container("agent"),
        with("gateway", |c| c.api_version = Some("1.2".to_owned())),
    ]
}

/// What an artifact requires, on top of api 1.2 and docker mode.
fn manifest(change: impl FnOnce(&mut RuntimeStack)) -> Manifest {
    let mut stack = RuntimeStack {
        api_version: ApiVersion { major: 1, minor: 2 },
        mode: Mode::Docker,
        esb_version: None,
        requires: [].into(),
    };
    change(&mut stack);
    Manifest {
        project: "esb-dev".to_owned(),
        env: "dev".to_owned(),
        mode: stack.mode,
        runtime_stack: Some(stack),
        artifacts: vec![ArtifactEntry {
            id: None,
            artifact_root: "/a".to_owned(),
            runtime_config_dir: "config".to_owned(),
            bundle_manifest: None,
            required_secret_env: Vec::new(),
            source_template: None,
        }],
        generated_at: None,
        generator: None,
    }
}

fn requires(service: &str, range: &str) -> Manifest {
    let range = semver::VersionReq::parse(range).expect("the test's range is one");
    manifest(|stack| {
        stack.requires.insert(service.to_owned(), range);
    })
}

fn release(text: &str) -> Manifest {
    manifest(|stack| stack.esb_version = Some(text.to_owned()))
}

/// The findings about one component.
fn about<'a>(check: &'a Check, component: &str) -> Vec<&'a Finding> {
    let findings = check.findings.iter();
    findings.filter(|f| f.component == component).collect()
}

/// Grade of the only finding about a component, under each of strict, lenient, strict and lenient with strict warnings.
fn grades(manifest: &Manifest, observation: &Observation, component: &str) -> [Grade; 4] {
    [
        (Strict, false),
        (Lenient, false),
        (Strict, true),
        (Lenient, true),
    ]
    .map(|(policy, strict_warnings)| {
        let check = check(manifest, observation, policy, strict_warnings);
        let findings = about(&check, component);
        let [finding] = findings.as_slice() else {
            panic!("one finding about {component}, not {findings:#?}");
        };
        let others_pass = check
            .findings
            .iter()
            .all(|f| f.component == component || f.grade == Pass);
        assert!(others_pass, "{:#?}", check.findings);
        let failed = finding.grade == Fail;
        assert_eq!(failed, check.verdict == Verdict::Incompatible);
        assert_eq!(finding.grade == Pass, finding.hint.is_none());
        finding.grade
    })
}

#[test]
fn no_requirement_is_compatible_with_anything_and_says_so() {
    let mut manifest = manifest(|_| {});
    manifest.runtime_stack = None;
    for containers in [stack(), Vec::new()] {
        let observation = observation(containers);
        assert_eq!(
            grades(&manifest, &observation, "runtime_stack"),
            [Note, Note, Note, Note]
        );
    }
}

#[rstest]
#[case::equal("1.2", [Pass, Pass, Pass, Pass])]
#[case::newer_minor("1.10", [Pass, Pass, Pass, Pass])]
#[case::older_minor("1.1", [Warn, Warn, Fail, Fail])]
#[case::absent_minor_is_zero("1", [Warn, Warn, Fail, Fail])]
#[case::other_major("2.2", [Fail, Fail, Fail, Fail])]
#[case::older_major("0.9", [Fail, Fail, Fail, Fail])]
#[case::unreadable("one", [Fail, Warn, Fail, Fail])]
#[case::with_a_prefix("v1.2", [Fail, Warn, Fail, Fail])]
fn api_version(#[case] label: &str, #[case] expected: [Grade; 4]) {
    let containers = vec![
        container("agent"),
        with("gateway", |c| c.api_version = Some(label.to_owned())),
    ];
    let observation = observation(containers);
    assert_eq!(
        grades(&manifest(|_| {}), &observation, "api_version"),
        expected
    );
}

#[test]
fn an_unlabelled_stack_has_an_api_version_that_could_not_be_observed() {
    let observation = observation(vec![container("agent"), container("gateway")]);
    assert_eq!(
        grades(&manifest(|_| {}), &observation, "api_version"),
        [Fail, Warn, Fail, Fail]
    );
}

#[test]
fn replicas_that_disagree_on_the_api_version_must_each_satisfy() {
    let second = with("gateway", |c| {
        c.name = "esb-dev-gateway-2".to_owned();
        c.api_version = Some("2.0".to_owned());
    });
    let third = with("gateway", |c| c.name = "esb-dev-gateway-3".to_owned());
    let mut containers = stack();
    containers.extend([second, third]);
    let check = check(&manifest(|_| {}), &observation(containers), Lenient, false);
    let seen: Vec<_> = about(&check, "api_version")
        .into_iter()
        .map(|f| (f.container.as_deref(), f.grade))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("esb-dev-gateway-1"), Pass),
            (Some("esb-dev-gateway-2"), Fail),
            (Some("esb-dev-gateway-3"), Warn),
        ]
    );
    assert_eq!(check.verdict, Verdict::Incompatible);
}

#[rstest]
#[case::agrees("docker", [Pass, Pass, Pass, Pass])]
#[case::differs("containerd", [Fail, Fail, Fail, Fail])]
fn mode_by_label(#[case] label: &str, #[case] expected: [Grade; 4]) {
    let mut containers = stack();
    containers[0].mode = Some(label.to_owned());
    let observation = observation(containers);
    assert_eq!(grades(&manifest(|_| {}), &observation, "mode"), expected);
}

#[test]
fn a_mode_that_nothing_gives_away_could_not_be_observed() {
    let containers = vec![with("gateway", |c| c.api_version = Some("1.2".to_owned()))];
    assert_eq!(
        grades(&manifest(|_| {}), &observation(containers), "mode"),
        [Fail, Warn, Fail, Fail]
    );
}

#[test]
fn labels_that_disagree_on_the_mode_must_each_satisfy() {
    let mut containers = stack();
    containers[0].mode = Some("docker".to_owned());
    containers[1].mode = Some("containerd".to_owned());
    let check = check(&manifest(|_| {}), &observation(containers), Lenient, false);
    let seen: Vec<_> = about(&check, "mode")
        .into_iter()
        .map(|f| (f.container.as_deref(), f.found.as_deref(), f.grade))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("esb-dev-agent-1"), Some("docker"), Pass),
            (Some("esb-dev-gateway-1"), Some("containerd"), Fail),
        ]
    );
}

#[test]
fn image_names_that_disagree_on_the_mode_must_each_satisfy() {
    let mut containers = stack();
    containers[0].image = "reg/agent-docker:1".to_owned();
    containers[1].image = "reg/gateway-containerd:1".to_owned();
    let check = check(&manifest(|_| {}), &observation(containers), Strict, false);
    let grades: Vec<_> = about(&check, "mode").iter().map(|f| f.grade).collect();
    assert_eq!(grades, [Fail, Pass]);
}

#[rstest]
#[case::inside(">=1.4, <2", "v1.4.2", [Pass, Pass, Pass, Pass])]
#[case::caret("^1.2", "1.9.0", [Pass, Pass, Pass, Pass])]
#[case::outside(">=1.5", "v1.4.2", [Fail, Fail, Fail, Fail])]
#[case::pre_release(">=1.4", "1.5.0-rc.1", [Fail, Fail, Fail, Fail])]
#[case::pre_release_asked_for(">=1.5.0-alpha", "1.5.0-rc.1", [Pass, Pass, Pass, Pass])]
#[case::no_version(">=1.4", "nightly", [Fail, Warn, Fail, Fail])]
#[case::partial_version(">=1.4", "1.4", [Fail, Warn, Fail, Fail])]
fn required_service(#[case] range: &str, #[case] found: &str, #[case] expected: [Grade; 4]) {
    let mut containers = stack();
    version(found)(&mut containers[1]);
    let observation = observation(containers);
    assert_eq!(
        grades(&requires("gateway", range), &observation, "gateway"),
        expected
    );
}

#[test]
fn a_required_service_that_does_not_run_could_not_be_observed() {
    assert_eq!(
        grades(
            &requires("provisioner", "*"),
            &observation(stack()),
            "provisioner"
        ),
        [Fail, Warn, Fail, Fail]
    );
}

#[test]
fn a_required_service_of_unknown_version_could_not_be_observed() {
    let mut containers = stack();
    unversioned("latest")(&mut containers[1]);
    assert_eq!(
        grades(
            &requires("gateway", "*"),
            &observation(containers),
            "gateway"
        ),
        [Fail, Warn, Fail, Fail]
    );
}

#[test]
fn each_replica_of_a_required_service_must_satisfy() {
    let mut containers = stack();
    containers.push(with("gateway", |c| {
        c.name = "esb-dev-gateway-2".to_owned();
        version("1.3.0")(c);
    }));
    let check = check(
        &requires("gateway", "^1.4"),
        &observation(containers),
        Strict,
        false,
    );
    let [first, second] = about(&check, "gateway")[..] else {
        panic!("{:#?}", check.findings)
    };
    assert_eq!(first.grade, Pass);
    assert_eq!(second.grade, Fail);
    assert_eq!(second.container.as_deref(), Some("esb-dev-gateway-2"));
    assert_eq!(second.found.as_deref(), Some("1.3.0"));
    assert_eq!(second.required, "^1.4");
    assert_eq!(second.source.as_deref(), Some("label com.esb.version"));
}

#[rstest]
#[case::exact("1.4.2", "v1.4.2", [Pass, Pass, Pass, Pass])]
#[case::exact_with_prefix("v1.4.2", "1.4.2", [Pass, Pass, Pass, Pass])]
#[case::build_of_it("1.4.2", "1.4.2+build.5", [Pass, Pass, Pass, Pass])]
#[case::other_build("1.4.2+build.4", "1.4.2+build.5", [Fail, Fail, Fail, Fail])]
#[case::other_patch("1.4.2", "1.4.3", [Fail, Fail, Fail, Fail])]
#[case::pre_release("1.4.2", "1.4.2-rc.1", [Fail, Fail, Fail, Fail])]
#[case::range(">=1.4, <2", "1.9.0", [Pass, Pass, Pass, Pass])]
#[case::outside(">=1.4, <2", "2.0.0", [Fail, Fail, Fail, Fail])]
#[case::partial_is_a_range("1.4", "1.9.0", [Pass, Pass, Pass, Pass])]
#[case::partial_with_prefix("v1.4", "1.3.0", [Fail, Fail, Fail, Fail])]
#[case::unknown("1.4.2", "main", [Fail, Warn, Fail, Fail])]
#[case::latest("latest", "main", [Note, Note, Note, Note])]
#[case::branch("feature_x-1", "9.9.9", [Note, Note, Note, Note])]
#[case::neither("feature/x", "9.9.9", [Fail, Fail, Fail, Fail])]
#[case::range_with_prefix(">=v1.4", "1.4.2", [Fail, Fail, Fail, Fail])]
fn release_of_the_stack(#[case] wanted: &str, #[case] found: &str, #[case] expected: [Grade; 4]) {
    let containers = vec![with("gateway", |c| {
        c.api_version = Some("1.2".to_owned());
        c.mode = Some("docker".to_owned());
        version(found)(c);
    })];
    assert_eq!(
        grades(&release(wanted), &observation(containers), "esb_version"),
        expected
    );
}

#[test]
fn the_release_speaks_of_every_running_service_of_the_stack_and_of_no_other() {
    let mut containers = stack();
    containers.push(with("postgres", version("17.0.0")));
    containers.push(with("provisioner", unversioned("latest")));
    containers.push(with("runtime-node", version("1.5.0")));
    let check = check(&release("^1.4"), &observation(containers), Lenient, false);
    let seen: Vec<_> = about(&check, "esb_version")
        .into_iter()
        .map(|f| (f.container.as_deref().unwrap_or_default(), f.grade))
        .collect();
    assert_eq!(
        seen,
        [
            ("esb-dev-gateway-1", Pass),
            ("esb-dev-agent-1", Pass),
            ("esb-dev-provisioner-1", Warn),
            ("esb-dev-runtime-node-1", Pass),
        ]
    );
}

#[test]
fn a_moving_tag_records_what_runs() {
    let mut containers = stack();
    unversioned("edge")(&mut containers[0]);
    let check = check(&release("latest"), &observation(containers), Strict, true);
    let seen: Vec<_> = about(&check, "esb_version")
        .into_iter()
        .map(|f| (f.found.as_deref(), f.source.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("v1.4.2"), Some("image tag")),
            (Some("edge"), Some("image tag")),
        ]
    );
    assert_eq!(check.verdict, Verdict::Compatible);
}

#[test]
fn nothing_of_the_request_is_used_as_if_it_had_been_observed() {
    let mut wanted = requires("gateway", ">=1");
    wanted.project = "esb-dev".to_owned();
    let stack = wanted.runtime_stack.as_mut().expect("the manifest has one");
    stack.esb_version = Some("1.4.2".to_owned());
    let check = check(&wanted, &observation(Vec::new()), Lenient, false);
    let seen: Vec<_> = check
        .findings
        .iter()
        .map(|f| (f.component.as_str(), f.grade, f.found.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("api_version", Warn, None),
            ("mode", Warn, None),
            ("esb_version", Warn, None),
            ("gateway", Warn, None),
        ]
    );
    assert_eq!(check.verdict, Verdict::Compatible);
}
