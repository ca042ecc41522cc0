//! A registry that is too busy and says for how long.

use std::time::{Duration, Instant};

use hyper::Method;
use rstest::rstest;

use super::fake::{Answer, Fake, MANIFEST, manifest, plain};
use super::{LONG, registry};
use crate::contract::Digest;
use crate::docker::credentials::Credentials;
use crate::docker::limits::Limits;
use crate::docker::registry::{BUSY_WAITS, Registry};
use crate::machine::FailureKind;

/// The answer of a registry that is too busy for these seconds.
fn busy(status: u16, seconds: &str) -> hyper::Response<http_body_util::Full<bytes::Bytes>> {
    let mut answer = plain(status, "slow down");
    let seconds = seconds.parse().unwrap();
    answer.headers_mut().insert("retry-after", seconds);
    answer
}

/// Its first answer asks for a second, its others are good ones.
fn busy_once(
    status: u16,
    number: usize,
    method: &Method,
) -> hyper::Response<http_body_util::Full<bytes::Bytes>> {
    if number == 0 {
        busy(status, "1")
    } else {
        manifest(method)
    }
}

#[rstest]
#[case::too_many(|number, method| busy_once(429, number, &method))]
#[case::unavailable(|number, method| busy_once(503, number, &method))]
#[tokio::test]
async fn a_busy_registry_is_asked_again_when_its_time_is_over(#[case] answer: Answer) {
    let fake = Fake::start(answer).await;
    let begin = Instant::now();
    let digest = registry(LONG).digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    // No GET asks for words while the registry wants no questions.
    assert_eq!(fake.seen(), ["HEAD /v2/a/manifests/1"; 2]);
}

#[tokio::test]
async fn a_write_waits_for_a_busy_registry_too() {
    let fake = Fake::start(|number, method| match method {
        Method::PUT if number == 1 => busy(429, "0"),
        Method::PUT => plain(201, ""),
        _ => manifest(&method),
    })
    .await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    registry(LONG).retag(&from, &to).await.unwrap();
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn a_registry_that_asks_for_more_than_the_limit_is_given_up_at_once() {
    let fake = Fake::start(|_, _| busy(429, "3")).await;
    let limits = Limits {
        silence: Duration::from_secs(2),
        ..Limits::default()
    };
    let registry = Registry::new(Credentials::default(), None, limits);
    let fault = registry.digest(&fake.reference("a:1")).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
    assert!(
        fault.to_string().contains("429 Too Many Requests"),
        "{fault:?}"
    );
    assert!(
        fault.to_string().contains("it asks to wait 3s"),
        "{fault:?}"
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_registry_that_stays_busy_is_given_up_after_a_few_times() {
    let fake = Fake::start(|_, _| busy(503, "0")).await;
    let fault = registry(LONG)
        .digest(&fake.reference("a:1"))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert_eq!(fake.seen().len(), BUSY_WAITS + 1);
}

#[tokio::test]
async fn a_registry_that_is_busy_without_a_time_is_one_that_stumbles() {
    let fake = Fake::start(|number, method| {
        if number < 2 {
            plain(429, "slow down")
        } else {
            manifest(&method)
        }
    })
    .await;
    let digest = registry(LONG).digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}
