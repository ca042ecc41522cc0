//! Texts as programs print them, and what is left of their credentials.

use proptest::prelude::*;
use rstest::rstest;

use super::credentials;

#[rstest]
#[case("no credentials here", "no credentials here")]
#[case("http://user:hunter2@host/x", "http://***@host/x")]
#[case(
    "tcp://user:hunter2@127.0.0.1:2375 refused",
    "tcp://***@127.0.0.1:2375 refused"
)]
#[case("ssh://me@host", "ssh://***@host")]
#[case("amqps://u:p%40ss@h/v", "amqps://***@h/v")]
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
fn user_information_of_addresses_is_taken_out(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(credentials(text), expected);
}

#[rstest]
#[case("ADD http://h/x?token=abc /y", "ADD http://h/x?token=*** /y")]
#[case("https://h/x?a=1&sig=abc%2B&b=2", "https://h/x?a=1&sig=***&b=2")]
#[case(
    "https://s3/x?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=f00",
    "https://s3/x?X-Amz-Credential=***&X-Amz-Signature=***"
)]
#[case("h?AWSAccessKeyId=AK&Expires=1", "h?AWSAccessKeyId=***&Expires=1")]
#[case("h?ACCESS_KEY=1&access-key-id=2", "h?ACCESS_KEY=***&access-key-id=***")]
#[case("h?password=a#frag", "h?password=***#frag")]
#[case(
    r#"{"url":"h?a=1\u0026access_token=abc"}"#,
    r#"{"url":"h?a=1\u0026access_token=***"}"#
)]
#[case("h?a=1&amp;client_secret=abc", "h?a=1&amp;client_secret=***")]
#[case("h?next=%2Fx%3Ftoken%3Dabc", "h?next=%2Fx%3Ftoken%3D***")]
#[case("h?key=abc", "h?key=***")]
#[case("h?exitcode=1&monkey=2&design=3", "h?exitcode=1&monkey=2&design=3")]
#[case("token=abc is no query", "token=abc is no query")]
#[case(
    "h?scope=repository%3Aa%3Apull&service=r",
    "h?scope=repository%3Aa%3Apull&service=r"
)]
fn values_of_a_query_are_taken_out_by_their_names(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(credentials(text), expected);
}

#[rstest]
#[case("Authorization: Basic bWU6aHVudGVyMjI=", "Authorization: Basic ***")]
#[case("authorization: bearer abc", "authorization: bearer ***")]
#[case("Authorization: Bearer", "Authorization: Bearer")]
#[case(
    r#"{"Authorization":"Bearer abc","x":1}"#,
    r#"{"Authorization":"Bearer ***","x":1}"#
)]
#[case(
    "map[Authorization:[Basic bWU6cHc=] X:[1]]",
    "map[Authorization:[Basic ***] X:[1]]"
)]
#[case(
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=f00d",
    "Authorization: AWS4-HMAC-SHA256 ***"
)]
#[case("X-Registry-Auth: eyJ1c2VybmFtZSI6Im1lIn0", "X-Registry-Auth: ***")]
#[case("private-token: glpat-0123456789", "private-token: ***")]
#[case("Cookie: a=b; c=d", "Cookie: ***")]
#[case("sent Basic bWU6aHVudGVyMjI= to it", "sent Basic *** to it")]
#[case(
    "sent Bearer eyJhbGciOiJIUzI1NiJ9.e30.x to it",
    "sent Bearer *** to it"
)]
#[case("Basic authentication failed", "Basic authentication failed")]
#[case("Bearer token required", "Bearer token required")]
#[case("Basic realm=\"registry\"", "Basic realm=\"registry\"")]
#[case("no basic auth credentials", "no basic auth credentials")]
#[case(
    "error authorization: denied by policy",
    "error authorization: denied by policy"
)]
fn headers_that_say_who_asks_are_taken_out(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(credentials(text), expected);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_twice_is_once(text in any::<String>()) {
        let once = credentials(&text).into_owned();
        prop_assert_eq!(credentials(&once), once.as_str());
    }

    #[test]
    fn a_password_in_a_url_is_never_seen(
        before in "[a-z ]{0,8}",
        password in "[A-Z0-9!$&'()*+,;=%._~-]{4,12}",
        after in "[a-z/@ ]{0,12}",
    ) {
        let line = format!("{before}https://user:{password}@host.example/{after}");
        prop_assert!(!credentials(&line).contains(&password));
    }

    #[test]
    fn a_value_of_a_query_is_never_seen(
        name in "token|sig|password|X-Amz-Signature|access_key|client_secret|apikey",
        value in "[A-Z0-9._~%+-]{4,24}",
        after in "(&[a-z]{1,4}=[a-z]{0,4}){0,2}",
    ) {
        let line = format!("https://host.example/x?a=b&{name}={value}{after} and more");
        let cleaned = credentials(&line).into_owned();
        prop_assert!(!cleaned.contains(&value), "{}", cleaned);
        prop_assert!(cleaned.ends_with(&format!("{after} and more")), "{}", cleaned);
    }
}
