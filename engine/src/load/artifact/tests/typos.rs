//! What is misspelt, or names something that is not there.

use rstest::rstest;

use super::*;
use crate::contract::Unknown;
use crate::image::Registries;
use crate::load::{build_inputs, without_registry};

fn messages(violations: &[Violation]) -> Vec<String> {
    violations
        .iter()
        .map(|found| format!("{}: {}", found.rule, found.message))
        .collect()
}

#[rstest]
#[case::manifest("m/artifact.yml", &MANIFEST.replace("mode:", "runtime_stak: {}\nmode:"), "misspelt-key", 4)]
#[case::function(
    "svc-a/config/functions.yml",
    "functions:\n  svc-a:\n    imgae: x\n    image: reg/x\n",
    "misspelt-key",
    3
)]
#[case::route(
    "svc-a/config/routing.yml",
    "routes:\n  - {path: /, fuction: svc-a}\n",
    "misspelt-key",
    2
)]
#[case::table(
    "svc-a/config/resources.yml",
    "resources:\n  dynamodb:\n    - Tablename: t\n",
    "misspelt-key",
    3
)]
fn a_misspelt_key_is_a_violation_unless_it_is_allowed(
    #[case] file: &str,
    #[case] text: &str,
    #[case] rule: &str,
    #[case] line: u32,
) {
    let world = World::new();
    world.write(file, text);
    let found: Vec<_> = world
        .found()
        .into_iter()
        .map(|(rule, file, line, _)| (rule, file, line))
        .collect();
    let [(found, place, at)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((found.as_str(), *at), (rule, line));
    assert!(place.ends_with(file), "{place}");

    let artifact = artifact_with(&world.path("m/artifact.yml"), Unknown::Kept).unwrap();
    assert!(artifact.warnings.iter().any(|warning| warning.rule == rule));
}

#[test]
fn a_folder_with_a_dockerfile_that_no_function_names_is_a_violation_unless_it_is_allowed() {
    let world = World::new();
    world.write("svc-b/functions/svcb/Dockerfile", "FROM scratch\n");
    world.write("svc-b/functions/common/shared.py", "");
    assert_eq!(
        messages(&world.violations()),
        [
            "unused-dockerfile: no function is named `svcb`, so its Dockerfile is never built; did you mean `svc-b`?"
        ]
    );
    let artifact = artifact_with(&world.path("m/artifact.yml"), Unknown::Kept).unwrap();
    assert_eq!(artifact.warnings[0].rule, "unused-dockerfile");
}

#[test]
fn a_dockerfile_that_was_left_behind_is_odd_and_no_violation() {
    let world = World::new();
    world.write("svc-a/functions/svca/Dockerfile", "FROM scratch\n");
    let artifact = world.load().unwrap();
    assert_eq!(
        artifact.warnings[0].message,
        "no function is named `svca`, so its Dockerfile is never built"
    );
}

#[test]
fn a_folder_may_belong_to_another_entry_with_the_same_root() {
    let world = World::new();
    let manifest = MANIFEST.replace(
        "../svc-b\n    runtime_config_dir: ./x/../config",
        "../svc-a\n    runtime_config_dir: other",
    );
    world.write("m/artifact.yml", manifest);
    world.write(
        "svc-a/other/functions.yml",
        "functions: {second: {image: reg/second}}",
    );
    world.write("svc-a/other/routing.yml", "routes: []");
    world.write("svc-a/functions/second/Dockerfile", "FROM scratch\n");
    assert_eq!(world.load().unwrap().builds().len(), 2);
}

#[rstest]
#[case::neither("f", "the function `f` has neither an `image` nor a Dockerfile")]
#[case::a_dockerfile(
    "svc-a",
    "the function `svc-a` has a Dockerfile and no `image` to push it as"
)]
fn a_function_without_an_image_is_a_violation(#[case] name: &str, #[case] expected: &str) {
    let world = World::new();
    let functions = format!("functions:\n  {name}: {{timeout: 3}}\n  svc-a: {{image: reg/a}}\n");
    let functions = functions.replace(
        "  svc-a: {image: reg/a}\n",
        if name == "svc-a" {
            ""
        } else {
            "  svc-a: {image: reg/a}\n"
        },
    );
    world.write("svc-a/config/functions.yml", functions);
    assert_eq!(
        messages(&world.violations()),
        [format!("missing-image: {expected}")]
    );
}

#[test]
fn a_repository_that_no_registry_takes_is_a_violation() {
    let world = World::new();
    world.write(
        "svc-a/config/functions.yml",
        "functions: {svc-a: {image: 'reg/My/App:1'}}",
    );
    let violations = world.violations();
    assert_eq!(violations[0].rule, "bad-image");
    assert!(
        violations[0].message.contains("upper-case"),
        "{}",
        violations[0].message
    );
}

#[test]
fn an_image_that_is_built_needs_a_registry_of_its_own_or_of_the_deploy() {
    let world = World::new();
    let artifact = world.load().unwrap();
    let found = without_registry(&artifact, &Registries::default());
    assert_eq!(
        messages(&found),
        [
            "no-registry: the image `reg/svc-a` of the function `svc-a` is built and pushed, and names no registry"
        ]
    );
    let given = Registries::new(Some("registry:5000"), None, None).unwrap();
    assert_eq!(without_registry(&artifact, &given), []);
}

fn inputs_of(dockerfile: &str) -> Result<crate::load::BuildInputs, Vec<Violation>> {
    let world = World::new();
    world.write("svc-a/functions/svc-a/Dockerfile", dockerfile);
    world.write("svc-a/functions/svc-a/app.py", "");
    match build_inputs(&world.load().unwrap()) {
        Ok(inputs) => Ok(inputs),
        Err(LoadError::Violations(violations)) => Err(violations),
        Err(other) => panic!("{other}"),
    }
}

#[rstest]
#[case::copy(
    "FROM x\nCOPY app.py /\n",
    "missing-source: `app.py` does not exist; paths start at the artifact root"
)]
#[case::add(
    "FROM x\nADD a b /\n",
    "missing-source: `a` does not exist; paths start at the artifact root"
)]
#[case::bind(
    "FROM x\nRUN --mount=type=bind,source=lib,target=/lib true\n",
    "missing-source: `lib` does not exist; paths start at the artifact root"
)]
#[case::instruction(
    "FROM x\nCPOY functions/svc-a/app.py /\n",
    "bad-dockerfile: `CPOY` is no instruction; did you mean `COPY`?"
)]
fn what_a_build_would_refuse_is_a_violation_of_its_line(
    #[case] dockerfile: &str,
    #[case] expected: &str,
) {
    let violations = inputs_of(dockerfile).unwrap_err();
    assert_eq!(messages(&violations)[0], expected);
    assert_eq!(violations[0].place.line, 2);
}

#[rstest]
#[case("FROM x\nCOPY functions/svc-a/app.py /\n")]
#[case::wildcards_may_match_nothing("FROM x\nCOPY functions/svc-a/app.py requirements*.txt /\n")]
#[case::of_a_stage("FROM x AS a\nFROM y\nCOPY --from=a /nothing /\n")]
#[case::fetched("FROM x\nADD --checksum=sha256:00 https://example.com/x /\n")]
#[case::frontend("# syntax=docker/dockerfile:1\nFROM x\nFUTURE thing\n")]
fn what_a_build_takes_is_no_violation(#[case] dockerfile: &str) {
    inputs_of(dockerfile).unwrap();
}

#[rstest]
#[case("FROM x\nRUN <<EOF\ntrue\nEOF\nRUN <<EOF\ntrue\nEOF\n", 1)]
#[case("# syntax=docker/dockerfile:1\nFROM x\nRUN <<EOF\ntrue\nEOF\n", 0)]
fn a_heredoc_without_a_frontend_that_knows_it_is_odd(
    #[case] dockerfile: &str,
    #[case] count: usize,
) {
    let warnings = inputs_of(dockerfile).unwrap().warnings;
    assert_eq!(warnings.len(), count);
    for warning in warnings {
        assert!(warning.message.contains("Docker Engine 23.0"), "{warning}");
    }
}

/// Docker writes the values of declared arguments into the history of the image.
#[rstest]
#[case::declared(
    "FROM x\nARG HTTP_PROXY\n",
    "http://me:canary-of-a-password@proxy",
    true
)]
#[case::in_lower_case(
    "FROM x\nARG http_proxy=\n",
    "http://me:canary-of-a-password@proxy",
    true
)]
#[case::a_user_alone("FROM x\nARG HTTP_PROXY\n", "http://me@proxy", true)]
#[case::without_a_scheme("FROM x\nARG HTTP_PROXY\n", "me:canary-of-a-password@proxy:3128", true)]
#[case::nothing_secret("FROM x\nARG HTTP_PROXY\n", "http://proxy:3128", false)]
#[case::another_variable(
    "FROM x\nARG HTTPS_PROXY\n",
    "http://me:canary-of-a-password@proxy",
    false
)]
#[case::not_declared(
    "FROM x\nRUN curl $HTTP_PROXY\n",
    "http://me:canary-of-a-password@proxy",
    false
)]
#[case::of_no_stage(
    "ARG HTTP_PROXY\nFROM x\n",
    "http://me:canary-of-a-password@proxy",
    false
)]
fn a_proxys_password_goes_into_no_image(
    #[case] dockerfile: &str,
    #[case] proxy: &str,
    #[case] is_refused: bool,
) {
    let arguments = ["HTTP_PROXY", "http_proxy"].map(|name| (name.to_owned(), proxy.to_owned()));
    let found = inputs_of(dockerfile)
        .unwrap()
        .proxy_passwords(&arguments.into());
    assert_eq!(found.len(), usize::from(is_refused));
    for violation in found {
        assert_eq!(
            (violation.rule.as_str(), violation.place.line),
            ("proxy-password", 2)
        );
        assert!(!format!("{violation:?}").contains("canary-of-a-password"));
    }
}
