use proptest::prelude::*;
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
#[case("nothing here", "nothing here")]
#[case("https://host/path?x=1", "https://host/path?x=1")]
#[case("get https://user:hunter2@host/x now", "get https://***@host/x now")]
#[case("https://hunter2@host/x", "https://***@host/x")]
#[case("https://user:@host/x", "https://***@host/x")]
#[case("(http://u:hunter2@h:1)", "(http://***@h:1)")]
#[case("proxy=http://u:hunter2@h:1,x", "proxy=http://***@h:1,x")]
#[case(
    "\"http://u:hunter2@h\" and \"http://u:hunter2@i\"",
    "\"http://***@h\" and \"http://***@i\""
)]
#[case("http://u:hun@ter2@h/x", "http://***@h/x")]
#[case("http://u:hun/ter2@h/x", "http://***@h/x")]
#[case("http://u:hun,ter2@h/x", "http://***@h/x")]
#[case("http://u:p@h,https://v:q@i", "http://***@i")]
#[case("u:hunter2@proxy:3128", "***@proxy:3128")]
#[case("HTTP_PROXY=u:hunter2@proxy:3128", "HTTP_PROXY=***@proxy:3128")]
#[case("u:hunt=er2@proxy:3128", "***@proxy:3128")]
#[case("HTTP_PROXY=http://u:hunter2@proxy", "HTTP_PROXY=http://***@proxy")]
#[case("https://registry/@scope/pkg", "https://registry/@scope/pkg")]
#[case("https://host:443/@scope/pkg", "https://host:443/@scope/pkg")]
#[case("https://[::1]/a@b", "https://[::1]/a@b")]
#[case("FROM alpine:3@sha256:abc", "FROM alpine:3@sha256:abc")]
#[case("r:5010/a:3@sha256:abc", "r:5010/a:3@sha256:abc")]
#[case("git@git.example:a/b", "git@git.example:a/b")]
#[case("a\tb  c\n", "a\tb  c\n")]
fn credentials_are_taken_out_of_urls(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(redact_url(line), expected);
}

#[rstest]
#[case(&["hunter2"], "a hunter2 b hunter2", "a *** b ***")]
#[case(&["hunter", "hunter2"], "hunter2", "***")]
#[case(&["", " "], "a b", "a b")]
#[case(&["*"], "a * b", "a *** b")]
#[case(&["line one\nline two"], "x line two", "x ***")]
#[case(&["é"], "café au lait", "caf*** au lait")]
#[case(&["x"], "https://u:hunter2@host", "https://***@host")]
fn known_secrets_are_taken_out_of_lines(
    #[case] secrets: &[&str],
    #[case] line: &str,
    #[case] expected: &str,
) {
    let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
    assert_eq!(redact_line(line, &secrets), expected);
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

proptest! {
    #[test]
    fn no_line_makes_redaction_panic(line in any::<String>(), secret in any::<String>()) {
        redact_line(&line, &[secret]);
    }

    #[test]
    fn a_password_in_a_url_is_never_seen(
        before in "[a-z ]{0,8}",
        password in "[A-Z0-9!$&'()*+,;=%._~-]{4,12}",
        after in "[a-z/@ ]{0,12}",
    ) {
        let line = format!("{before}https://user:{password}@host.example/{after}");
        prop_assert!(!redact_url(&line).contains(&password));
    }
}
