//! A registry that answers as it is told to, over a real connection.

mod complaint;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rstest::rstest;
use tokio::net::TcpListener;

use super::access::covers;
use super::client::Target;
use super::{Registry, kind_of, target};
use crate::contract::Digest;
use crate::docker::credentials::Credentials;
use crate::docker::limits::Limits;
use crate::image::Reference;
use crate::machine::FailureKind;

const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}"#;

/// What a registry does with a request for a manifest; `number` counts them from 0.
type Answer = fn(number: usize, method: Method) -> Response<Full<Bytes>>;

/// A registry on this machine, and the requests for manifests it got.
struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start(answer: Answer) -> Self {
        Self::challenging("", answer).await
    }

    /// One that wants to know who asks, and says so with this challenge. In it, `HERE` is the address of the registry.
    async fn challenging(challenge: &str, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let challenge = challenge.replace("HERE", &address.to_string());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, challenge) = (Arc::clone(&log), challenge.clone());
                let service = service_fn(move |request| {
                    serve(request, Arc::clone(&log), challenge.clone(), answer)
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen }
    }

    fn reference(&self, name: &str) -> Reference {
        Reference::parse(&format!("{}/{name}", self.address)).unwrap()
    }

    /// As somebody with this password; as nobody when it is empty.
    fn registry_as(&self, password: &str) -> Registry {
        let login = serde_json::json!({ "username": "me", "password": password });
        let auths = serde_json::json!({ self.address.to_string(): login });
        let text = match password {
            "" => "{}".to_owned(),
            _ => serde_json::json!({ "auths": auths }).to_string(),
        };
        let credentials = Credentials::parse(&text).unwrap();
        Registry::new(credentials, None, Limits::default())
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    request: Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<String>>>,
    challenge: String,
    answer: Answer,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let who = head.headers.get("authorization");
    let who = who.map_or("", |who| who.to_str().unwrap());
    let line = format!("{} {} {who}", head.method, head.uri);
    let body = body.collect().await.map_err(|_| "gone")?.to_bytes();
    let line = format!("{}{}", line.trim_end(), String::from_utf8_lossy(&body));
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(line);
        seen.len() - 1
    };
    if head.uri.path() == "/token" {
        return Ok(plain(200, r#"{"token":"of-the-day"}"#));
    }
    if !challenge.is_empty() && who.is_empty() {
        let mut answer = plain(401, "{}");
        let challenge = challenge.parse().unwrap();
        answer.headers_mut().insert("www-authenticate", challenge);
        return Ok(answer);
    }
    let answer = answer(number, head.method);
    if answer.status() == StatusCode::GATEWAY_TIMEOUT {
        std::future::pending::<()>().await;
    }
    if answer.status() == StatusCode::BAD_GATEWAY {
        return Err("the connection is closed without an answer");
    }
    Ok(answer)
}

fn plain(status: u16, body: &str) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_owned()));
    Response::builder().status(status).body(body).unwrap()
}

fn manifest(method: &Method) -> Response<Full<Bytes>> {
    let mut answer = plain(
        200,
        if *method == Method::HEAD {
            ""
        } else {
            MANIFEST
        },
    );
    let digest = Digest::of(MANIFEST).to_string().parse().unwrap();
    answer.headers_mut().insert("docker-content-digest", digest);
    answer
}

fn unknown() -> Response<Full<Bytes>> {
    plain(
        404,
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
    )
}

fn registry(limit: Duration) -> Registry {
    let limits = Limits {
        query: limit,
        ..Limits::default()
    };
    Registry::new(Credentials::default(), None, limits)
}

const LONG: Duration = Duration::from_secs(10);

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
        fault.message.contains("503") && fault.message.contains("busy"),
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
    assert_eq!(fault.hint, Some(format!("docker login {}", fake.address)));
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
    let mut answer = plain(200, "{}");
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
    assert!(fault.message.contains(&address.to_string()), "{fault:?}");
    assert!(fault.hint.unwrap().contains(&address.to_string()));
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

#[rstest]
#[case(r#"{"mediaType":"a/b"}"#, "a/b")]
#[case(
    r#"{"schemaVersion":2,"layers":[]}"#,
    "application/vnd.oci.image.manifest.v1+json"
)]
#[case(r#"{"manifests":[{}]}"#, "application/vnd.oci.image.index.v1+json")]
#[case("[", "application/vnd.oci.image.manifest.v1+json")]
fn the_kind_of_a_manifest_is_said_or_implied(#[case] manifest: &str, #[case] kind: &str) {
    assert_eq!(kind_of(manifest.as_bytes()), kind);
}
