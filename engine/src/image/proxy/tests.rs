use rstest::rstest;

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn local() -> Registries {
    Registries {
        container: Some("registry:5010".to_owned()),
        host: Some("127.0.0.1:5010".to_owned()),
    }
}

#[rstest]
#[case::nothing(&[], &[])]
#[case::other_variables(&[("PATH", "/bin"), ("ALL_PROXY", "x")], &[])]
#[case::blank(&[("HTTP_PROXY", " ")], &[])]
#[case::upper(
    &[("HTTP_PROXY", "http://p:1")],
    &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "127.0.0.1"), ("http_proxy", "http://p:1"), ("no_proxy", "127.0.0.1")]
)]
#[case::lower(
    &[("https_proxy", "http://p:1"), ("no_proxy", "a, b")],
    &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "a,b,127.0.0.1"), ("https_proxy", "http://p:1"), ("no_proxy", "a,b,127.0.0.1")]
)]
#[case::each_its_own(
    &[("HTTP_PROXY", "http://p:1"), ("http_proxy", "http://p:2"), ("NO_PROXY", "*")],
    &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "*"), ("http_proxy", "http://p:2"), ("no_proxy", "*")]
)]
#[case::known_already(
    &[("NO_PROXY", "127.0.0.1,x")],
    &[("NO_PROXY", "127.0.0.1,x"), ("no_proxy", "127.0.0.1,x")]
)]
fn proxies_reach_builds_in_both_spellings(
    #[case] env: &[(&str, &str)],
    #[case] expected: &[(&str, &str)],
) {
    assert_eq!(build_args(&map(env), &local()), map(expected));
}

#[rstest]
#[case("localhost:5010", true)]
#[case("reg.localhost", true)]
#[case("127.0.0.1:5010/team", true)]
#[case("127.8.9.1", true)]
#[case("[::1]:5010", true)]
#[case("registry:5010", false)]
#[case("10.0.0.1:5010", false)]
#[case("localhost.example", false)]
fn a_registry_on_this_machine_is_known(#[case] address: &str, #[case] expected: bool) {
    assert_eq!(is_loopback(address), expected);
}

#[test]
fn a_registry_elsewhere_is_reached_through_the_proxy() {
    let elsewhere = Registries {
        container: None,
        host: Some("r.example".to_owned()),
    };
    let args = build_args(&map(&[("HTTP_PROXY", "http://p:1")]), &elsewhere);
    assert_eq!(
        args,
        map(&[("HTTP_PROXY", "http://p:1"), ("http_proxy", "http://p:1")])
    );
}

#[rstest]
#[case("http://u:hunter2@h:1", &["hunter2", "u:hunter2"])]
#[case("u:hunter2@h:1", &["hunter2", "u:hunter2"])]
#[case("http://u:hun%40ter%2@h", &["hun%40ter%2", "hun@ter%2", "u:hun%40ter%2"])]
#[case("http://token@h", &["token"])]
#[case("http://h:1", &[])]
fn what_a_proxy_hides_is_known(#[case] value: &str, #[case] expected: &[&str]) {
    let args = map(&[("HTTP_PROXY", value), ("NO_PROXY", "a@b")]);
    assert_eq!(credentials(&args), expected);
}
