//! Who gets to see credentials, and whose answers count. Each server records what it is sent.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response};
use rstest::rstest;

use super::fake::{Fake, MANIFEST, manifest, plain};
use super::{LONG, registry};
use crate::contract::Digest;
use crate::machine::FailureKind;

const ME: &str = "Basic bWU6aHVudGVyMjI=";

fn with(status: u16, header: &'static str, value: &str) -> Response<Full<Bytes>> {
    let mut answer = plain(status, "");
    answer.headers_mut().insert(header, value.parse().unwrap());
    answer
}

/// Takes whatever it can get, and asks for more.
async fn thief() -> Fake {
    Fake::answering(|_, who| match who {
        "" => with(401, "www-authenticate", "Basic realm=\"registry\""),
        _ => manifest(&Method::GET),
    })
    .await
}

fn assert_nothing_stolen(thief: &Fake) {
    let seen = thief.seen();
    let sent = seen.iter().find(|line| {
        ["Basic", "Bearer", "hunter22"]
            .iter()
            .any(|word| line.contains(word))
    });
    assert_eq!(sent, None, "{seen:#?}");
}

/// A registry that knows who asks, and sends that on to another server.
#[rstest]
#[case::moved(301)]
#[case::found(302)]
#[case::see_other(303)]
#[case::temporary(307)]
#[case::permanent(308)]
#[tokio::test]
async fn a_redirect_to_another_server_carries_no_credentials(#[case] status: u16) {
    let thief = thief().await;
    let there = format!("http://{}/v2/a/manifests/1", thief.address);
    let fake = Fake::answering(move |_, who| match who {
        "" => with(401, "www-authenticate", "Basic realm=\"registry\""),
        _ => with(status, "location", &there),
    })
    .await;
    let registry = fake.registry_as("hunter22");
    let fault = registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert!(
        fault.to_string().contains("asks for credentials"),
        "{fault:?}"
    );
    assert!(fake.seen().iter().any(|line| line.ends_with(ME)));
    assert_nothing_stolen(&thief);
    assert!(!thief.seen().is_empty());
}

/// The registry asks nothing; the server behind the redirect does.
#[tokio::test]
async fn a_challenge_of_another_server_is_not_answered() {
    let thief = thief().await;
    let there = format!("http://{}/v2/a/manifests/1", thief.address);
    let fake = Fake::answering(move |_, _| with(307, "location", &there)).await;
    let registry = fake.registry_as("hunter22");
    let fault = registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Image);
    assert!(fault.hints.join("\n").contains(&fake.address.to_string()));
    assert_nothing_stolen(&thief);
}

#[rstest]
#[case::as_nobody("")]
#[case::with_a_login("hunter22")]
#[tokio::test]
async fn a_registry_without_encryption_names_no_other_token_server(#[case] password: &str) {
    let thief = thief().await;
    let realm = format!("Bearer realm=\"http://{}/token\"", thief.address);
    let fake = Fake::answering(move |_, _| with(401, "www-authenticate", &realm)).await;
    let registry = fake.registry_as(password);
    let fault = registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert!(fault.to_string().contains("only itself"), "{fault:?}");
    assert_eq!(thief.seen(), Vec::<String>::new());
}

/// A token server that redirects gets the credentials, and nobody else does.
#[tokio::test]
async fn a_token_server_that_redirects_hands_no_credentials_on() {
    let thief = thief().await;
    let there = format!("http://{}/steal", thief.address);
    let fake = Fake::answering(move |path, _| match path {
        "/login" => with(307, "location", &there),
        _ => with(
            401,
            "www-authenticate",
            "Bearer realm=\"http://HERE/login\"",
        ),
    })
    .await;
    let registry = fake.registry_as("hunter22");
    registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert!(fake.seen().iter().any(|line| line.contains("/login")));
    assert_nothing_stolen(&thief);
}

/// What is written holds no credentials in its head only: an image is nobody else's either.
#[tokio::test]
async fn nothing_is_written_to_another_server() {
    let thief = thief().await;
    let there = format!("http://{}/v2/a/manifests/1", thief.address);
    let fake = Fake::answering(move |path, _| match path {
        "/v2/a/manifests/1" => with(307, "location", &there),
        _ => manifest(&Method::GET),
    })
    .await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    let fault = registry(LONG).retag(&from, &to).await.unwrap_err();
    assert!(
        fault.to_string().contains("to the registry only"),
        "{fault:?}"
    );
    assert_eq!(thief.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_within_the_registry_is_followed_with_credentials() {
    let fake = Fake::answering(|path, who| match (path, who) {
        (_, "") => with(401, "www-authenticate", "Basic realm=\"registry\""),
        ("/v2/a/manifests/1", _) => with(307, "location", "/mirror/a/1"),
        _ => manifest(&Method::HEAD),
    })
    .await;
    let registry = fake.registry_as("hunter22");
    let digest = registry.digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
    let expected = [
        "HEAD /v2/a/manifests/1".to_owned(),
        format!("HEAD /v2/a/manifests/1 {ME}"),
        format!("HEAD /mirror/a/1 {ME}"),
    ];
    assert_eq!(fake.seen(), expected);
}

#[tokio::test]
async fn redirects_without_an_end_are_given_up() {
    let fake = Fake::answering(|_, _| with(302, "location", "/again")).await;
    let fault = registry(LONG).digest(&fake.reference("a:1")).await;
    let fault = fault.unwrap_err();
    assert!(fault.to_string().contains("too many"), "{fault:?}");
    assert_eq!(fake.seen().len(), 6);
}

#[rstest]
#[case::no_scheme_of_the_web("file:///etc/passwd")]
#[case::data("data:text/plain,x")]
#[case::no_address("http://[")]
#[tokio::test]
async fn a_redirect_to_no_web_address_is_an_error(#[case] location: &'static str) {
    let fake = Fake::answering(move |_, _| with(302, "location", location)).await;
    let fault = registry(LONG).digest(&fake.reference("a:1")).await;
    assert!(fault.unwrap_err().to_string().contains("no web address"));
}

/// A login page has the status 200 too, and so has the page behind a redirect to it.
#[rstest]
#[case::at_once(false)]
#[case::behind_a_redirect(true)]
#[tokio::test]
async fn a_login_page_is_no_image(#[case] redirected: bool) {
    let fake = Fake::answering(move |path, _| {
        if redirected && path != "/login" {
            return with(302, "location", "/login?next=secret");
        }
        let mut page = plain(200, "<html>sign in</html>");
        let html = "text/html; charset=utf-8".parse().unwrap();
        page.headers_mut().insert("content-type", html);
        page
    })
    .await;
    let fault = registry(LONG).digest(&fake.reference("a:1")).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(fault.to_string().contains("a web page"), "{fault:?}");
    assert!(fault.hints.join("\n").contains("a login page or a proxy"));
    assert!(!fault.to_string().contains("secret"));
}

/// With each, a status 200 was an image once.
#[rstest]
#[case::nothing(|| plain(200, ""))]
#[case::json(|| plain(200, "{}"))]
#[case::digest_of_a_page(|| with(200, "docker-content-digest", "sha256:46d4ac86454ef41e49c88ec54cc3ca20e0f6240771e8ed1bbc1ef656e16f3936"))]
#[case::kind_without_a_digest(|| with(200, "content-type", "application/vnd.oci.image.manifest.v1+json"))]
#[case::digest_of_another_algorithm(|| with(200, "docker-content-digest", "md5:1"))]
#[tokio::test]
async fn a_status_of_200_alone_is_no_image(#[case] answer: fn() -> Response<Full<Bytes>>) {
    let fake = Fake::answering(move |_, _| answer()).await;
    let found = registry(LONG).digest(&fake.reference("a:1")).await;
    assert!(found.is_err(), "{found:?}");
}
