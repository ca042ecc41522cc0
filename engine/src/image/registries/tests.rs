use rstest::rstest;

use super::*;

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn both() -> Registries {
    Registries::new(Some("registry:5010"), Some("127.0.0.1:5010"), None).unwrap()
}

#[rstest]
#[case(None, None, None, None, None)]
#[case(Some("registry:5010"), None, None, Some("registry:5010"), None)]
#[case(None, None, Some("r.example"), Some("r.example"), Some("r.example"))]
#[case(
    Some("registry:5010"),
    None,
    Some("r.example"),
    Some("registry:5010"),
    Some("r.example")
)]
#[case(
    Some("http://registry:5010/"),
    Some("HTTPS://h.example//"),
    None,
    Some("registry:5010"),
    Some("h.example")
)]
#[case(Some("  "), Some(""), None, None, None)]
#[case(
    Some("other.example/acme/"),
    None,
    None,
    Some("other.example/acme"),
    None
)]
fn settings_are_read(
    #[case] container: Option<&str>,
    #[case] host: Option<&str>,
    #[case] fallback: Option<&str>,
    #[case] expected_container: Option<&str>,
    #[case] expected_host: Option<&str>,
) {
    let read = Registries::new(container, host, fallback).unwrap();
    assert_eq!(read.container.as_deref(), expected_container);
    assert_eq!(read.host.as_deref(), expected_host);
}

#[rstest]
#[case("https://user:hunter2@r.example")]
#[case("user:hunter2@r.example")]
#[case("hunter2@r.example:5000/")]
fn credentials_are_refused_and_not_shown(#[case] value: &str) {
    let error = Registries::new(None, Some(value), None).unwrap_err();
    let setting = "HOST_REGISTRY_ADDR";
    assert_eq!(error, RegistryError::Credentials { setting });
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn an_unknown_scheme_is_refused_and_what_follows_not_shown() {
    let error = Registries::new(None, Some("ftp://hunter2:x/y"), None).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(!format!("{error} {error:?} {source:?}").contains("hunter2"));
}

#[rstest]
#[case("registry")]
#[case("acme/team")]
#[case("r.example:x")]
#[case("r.example; rm")]
fn what_docker_would_not_take_as_a_registry_is_refused(#[case] value: &str) {
    assert!(Registries::new(Some(value), None, None).is_err());
}

#[rstest]
#[case("registry:5010/a:1", "127.0.0.1:5010/a:1")]
#[case("127.0.0.1:5010/a:1", "127.0.0.1:5010/a:1")]
#[case("registry:50100/a", "registry:50100/a")]
#[case("other.example/a", "other.example/a")]
#[case("alpine", "alpine")]
#[case("registry/a", "registry/a")]
fn builds_see_the_registry_as_the_host_does(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(both().for_host(&reference(text)).to_string(), expected);
}

#[rstest]
#[case("127.0.0.1:5010/a:1", "registry:5010/a:1")]
#[case("registry:5010/a:1", "registry:5010/a:1")]
#[case("other.example/a", "other.example/a")]
#[case("a", "a")]
fn functions_yml_sees_the_registry_as_the_stack_does(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(both().for_stack(&reference(text)).to_string(), expected);
}

#[rstest]
#[case("a:1", "127.0.0.1:5010/a:1", "registry:5010/a:1")]
#[case("registry:5010/a", "127.0.0.1:5010/a", "registry:5010/a")]
#[case("127.0.0.1:5010/a", "127.0.0.1:5010/a", "registry:5010/a")]
#[case("other.example/a", "other.example/a", "other.example/a")]
fn an_image_of_ours_gets_the_registry(#[case] text: &str, #[case] host: &str, #[case] stack: &str) {
    assert_eq!(both().own_for_host(&reference(text)).to_string(), host);
    assert_eq!(both().own_for_stack(&reference(text)).to_string(), stack);
}

#[test]
fn without_registries_nothing_maps() {
    let none = Registries::default();
    for text in ["a", "registry:5010/a", "other.example/a:1"] {
        assert_eq!(none.for_host(&reference(text)), reference(text));
        assert_eq!(none.own_for_stack(&reference(text)), reference(text));
        assert!(!none.holds(&reference(text)));
    }
}

#[test]
fn one_name_stands_in_for_the_other_when_an_image_of_ours_needs_a_registry() {
    let stack_only = Registries::new(Some("registry:5010"), None, None).unwrap();
    assert_eq!(
        stack_only.own_for_host(&reference("a")).to_string(),
        "registry:5010/a"
    );
    let host_only = Registries::new(None, Some("localhost:5010"), None).unwrap();
    assert_eq!(
        host_only.own_for_stack(&reference("a")).to_string(),
        "localhost:5010/a"
    );
}

#[test]
fn a_path_within_a_registry_maps_as_a_whole() {
    let team = Registries::new(Some("registry:5010/team"), Some("h.example"), None).unwrap();
    assert_eq!(
        team.for_host(&reference("registry:5010/team/a:1"))
            .to_string(),
        "h.example/a:1"
    );
    assert_eq!(
        team.for_host(&reference("registry:5010/other/a"))
            .to_string(),
        "registry:5010/other/a"
    );
    assert_eq!(
        team.for_stack(&reference("h.example/a:1")).to_string(),
        "registry:5010/team/a:1"
    );
    assert_eq!(
        team.own_for_stack(&reference("a")).to_string(),
        "registry:5010/team/a"
    );
    assert!(team.holds(&reference("registry:5010/team/a")));
    assert!(!team.holds(&reference("registry:5010/teams/a")));
}
