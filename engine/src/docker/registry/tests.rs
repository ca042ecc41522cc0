//! A registry that answers as it is told to, over a real connection.

mod blobs;
mod bodies;
mod busy;
mod complaint;
mod encrypted;
pub(in crate::docker) mod fake;
mod origins;
pub(in crate::docker) mod store;

use std::time::Duration;

use hyper::Method;
use rstest::rstest;
use tokio::net::TcpListener;

use super::access::covers;
use super::client::Target;
use super::{Registry, target};
use crate::contract::Digest;
use crate::docker::credentials::Credentials;
use crate::docker::limits::Limits;
use crate::image::Reference;
use crate::machine::FailureKind;
use fake::{Answer, Fake, MANIFEST, manifest, plain, unknown};

pub(in crate::docker) fn registry(limit: Duration) -> Registry {
    let limits = Limits {
        query: limit,
        ..Limits::default()
    };
    Registry::new(Credentials::default(), None, limits)
}

pub(in crate::docker) const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_image_that_is_there_has_a_digest() {
    let fake = Fake::start(|_, method| manifest(&method)).await;
    let digest = registry(LONG)
        .digest(&fake.reference("a/b:1"))
        .await
        .unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
    assert_eq!(fake.seen(), ["HEAD /v2/a/b/manifests/1"]);
}

#[rstest]
#[case::with_an_envelope(|_, _| unknown())]
#[case::without(|_, _| plain(404, "nothing"))]
#[case::no_repository(|_, _| plain(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#))]
#[tokio::test]
async fn an_image_that_is_not_there_has_none(
    #[case] answer: Answer,
    #[values("", "hunter22")] password: &str,
) {
    let challenge = if password.is_empty() { "" } else { BASIC };
    let fake = Fake::challenging(challenge, answer).await;
    let registry = fake.registry_as(password);
    let digest = registry.digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, None);
    let asks = [
        "HEAD /v2/a/manifests/1",
        "HEAD /v2/a/manifests/1 Basic bWU6aHVudGVyMjI=",
    ];
    assert_eq!(
        fake.seen(),
        if password.is_empty() {
            &asks[..1]
        } else {
            &asks[..]
        }
    );
}

#[rstest]
#[case::an_error(|number, method| if number < 4 { plain(500, "oops") } else { manifest(&method) })]
#[case::a_reset(|number, method| if number < 2 { plain(502, "") } else { manifest(&method) })]
#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again(#[case] answer: Answer) {
    let fake = Fake::start(answer).await;
    let digest = registry(LONG).digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}

#[tokio::test]
async fn a_registry_that_keeps_failing_is_given_up() {
    let fake = Fake::start(|_, _| plain(503, "busy")).await;
    let fault = registry(LONG)
        .digest(&fake.reference("a:1"))
        .await
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
    assert!(
        fault.to_string().contains("503") && fault.to_string().contains("busy"),
        "{fault:?}"
    );
    let seen = fake.seen();
    let heads = seen.iter().filter(|line| line.starts_with("HEAD")).count();
    // Three times; what is wrong is only said to a GET.
    assert_eq!((heads, seen.len()), (3, 6), "{seen:#?}");
}

#[rstest]
#[case::unauthorized(|_, _| plain(401, "{}"))]
#[case::forbidden(|_, _| plain(403, "no"))]
#[case::denied(|_, _| plain(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#))]
#[tokio::test]
async fn a_registry_that_wants_credentials_is_named_with_the_login(#[case] answer: Answer) {
    let fake = Fake::start(answer).await;
    let fault = registry(LONG)
        .digest(&fake.reference("a:1"))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FailureKind::Image);
    assert_eq!(fault.hints, [format!("docker login {}", fake.address)]);
}

const BASIC: &str = "Basic realm=\"registry\"";

/// What was told once is told at once with the next question.
#[tokio::test]
async fn credentials_are_sent_when_they_are_asked_for_and_never_shown() {
    let fake = Fake::challenging(BASIC, |_, _| plain(403, "no")).await;
    let registry = fake.registry_as("hunter22");
    let fault = registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert!(!format!("{fault:?}").contains("hunter22"));
    let me = "/v2/a/manifests/1 Basic bWU6aHVudGVyMjI=";
    let expected = [
        "HEAD /v2/a/manifests/1".to_owned(),
        format!("HEAD {me}"),
        format!("GET {me}"),
    ];
    assert_eq!(fake.seen(), expected);
}

#[rstest]
#[case::as_nobody("", "")]
#[case::with_a_login("hunter22", " Basic bWU6aHVudGVyMjI=")]
#[tokio::test]
async fn a_token_is_fetched_once_from_the_server_that_is_named(
    #[case] password: &str,
    #[case] proof: &str,
) {
    let challenge =
        "Bearer realm=\"http://HERE/token\",service=\"r\",scope=\"repository:else:push\"";
    let fake = Fake::challenging(challenge, |_, method| manifest(&method)).await;
    let registry = fake.registry_as(password);
    for _ in 0..2 {
        let digest = registry.digest(&fake.reference("a/b:1")).await.unwrap();
        assert_eq!(digest, Some(Digest::of(MANIFEST)));
    }
    let expected = [
        "HEAD /v2/a/b/manifests/1".to_owned(),
        format!("GET /token?scope=repository%3Aa%2Fb%3Apull&service=r{proof}"),
        "HEAD /v2/a/b/manifests/1 Bearer of-the-day".to_owned(),
        "HEAD /v2/a/b/manifests/1 Bearer of-the-day".to_owned(),
    ];
    assert_eq!(fake.seen(), expected);
}

/// Not everybody says a digest: then it is that of the manifest.
#[tokio::test]
async fn a_digest_that_is_not_said_is_computed() {
    let silent: Answer = |_, method| plain(200, if method == Method::HEAD { "" } else { MANIFEST });
    let fake = Fake::start(silent).await;
    let digest = registry(LONG).digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}

#[rstest]
#[case::another_manifest(|_, _| {
    let mut answer = plain(200, &format!("{MANIFEST} "));
    let digest = Digest::of(MANIFEST).to_string().parse().unwrap();
    answer.headers_mut().insert("docker-content-digest", digest);
    answer
})]
#[case::a_manifest_too_long(|_, _| plain(200, &" ".repeat((4 << 20) + 1)))]
#[tokio::test]
async fn a_manifest_that_cannot_be_is_refused(#[case] answer: Answer) {
    let fake = Fake::start(answer).await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    let fault = registry(LONG).retag(&from, &to).await.unwrap_err();
    assert_eq!((fault.kind, fault.retryable), (FailureKind::Image, false));
    assert_eq!(
        fake.seen(),
        ["GET /v2/a/manifests/key"],
        "nothing is written"
    );
}

#[tokio::test]
async fn a_registry_that_is_down_is_unreachable_and_named() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let reference = Reference::parse(&format!("{address}/a:1")).unwrap();
    let fault = registry(LONG).digest(&reference).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
    assert!(
        fault.to_string().contains(&address.to_string()),
        "{fault:?}"
    );
    assert!(fault.hints.join("\n").contains(&address.to_string()));
}

#[tokio::test]
async fn a_registry_that_says_nothing_is_late() {
    let fake = Fake::start(|_, _| plain(504, "")).await;
    let limit = Duration::from_millis(100);
    let fault = registry(limit)
        .digest(&fake.reference("a:1"))
        .await
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
}

#[tokio::test]
async fn a_second_tag_is_the_same_manifest_byte_for_byte() {
    let fake = Fake::start(|_, method| {
        if method != Method::PUT {
            return manifest(&method);
        }
        let mut answer = plain(201, "");
        answer
            .headers_mut()
            .insert("location", "/v2/a/manifests/x".parse().unwrap());
        answer
    })
    .await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    let digest = registry(LONG).retag(&from, &to).await.unwrap();
    assert_eq!(digest, Digest::of(MANIFEST));
    let expected = [
        "GET /v2/a/manifests/key".to_owned(),
        format!("PUT /v2/a/manifests/1{MANIFEST}"),
    ];
    assert_eq!(fake.seen(), expected);
}

/// The same manifest under the same tag: it may have arrived although its answer did not.
#[tokio::test]
async fn a_tag_is_written_again_a_few_times() {
    let fake = Fake::start(|_, method| {
        if method == Method::PUT {
            plain(500, "oops")
        } else {
            manifest(&method)
        }
    })
    .await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    let fault = registry(LONG).retag(&from, &to).await.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    let put = format!("PUT /v2/a/manifests/1{MANIFEST}");
    let expected = ["GET /v2/a/manifests/key", &put, &put, &put];
    assert_eq!(fake.seen(), expected);
}

#[rstest]
#[case("r.example:5000", "r.example:5000", true)]
#[case("r.example", "r.example:5000", false)]
#[case("10.0.0.0/8", "10.1.2.3:5000", true)]
#[case("10.0.0.0/8", "11.1.2.3", false)]
#[case("0.0.0.0/0", "11.1.2.3", true)]
#[case("fd00::/8", "[fd00::1]:5000", true)]
#[case("fd00::/8", "10.0.0.1", false)]
#[case("10.0.0.0/99", "10.0.0.0", false)]
#[case("10.0.0.0/8", "ten.example", false)]
fn an_insecure_entry_covers_a_host_or_a_network(
    #[case] entry: &str,
    #[case] host: &str,
    #[case] covered: bool,
) {
    assert_eq!(covers(entry, host), covered);
}

#[rstest]
#[case("alpine", "docker.io", "library/alpine", "latest")]
#[case("me/tool:2", "docker.io", "me/tool", "2")]
#[case("r.example:5000/a", "r.example:5000", "a", "latest")]
#[case("docker.io/alpine:3", "docker.io", "library/alpine", "3")]
fn what_a_reference_leaves_out_is_filled_in(
    #[case] written: &str,
    #[case] host: &str,
    #[case] repository: &str,
    #[case] reference: &str,
) {
    let expected = Target {
        repository: repository.to_owned(),
        reference: reference.to_owned(),
    };
    let written = Reference::parse(written).unwrap();
    assert_eq!(target(&written), (host, expected));
}

#[test]
fn a_digest_is_asked_for_before_a_tag() {
    let digest = Digest::of("x");
    let reference = Reference::parse(&format!("r.example/a:1@{digest}")).unwrap();
    assert_eq!(target(&reference).1.reference, digest.to_string());
}
