//! Failures that the registry itself explains.

use hyper::Method;

use super::fake::{Fake, manifest, plain};
use super::{LONG, registry};
use crate::machine::FailureKind;
use crate::run::Fault;

fn broken_push() -> Result<(), Fault> {
    Err(
        Fault::new(FailureKind::Unreachable, "cannot push image `a:1`")
            .because(["unknown: unknown error"])
            .hint("see that it runs")
            .retryable(),
    )
}

const FULL: &str =
    r#"{"errors":[{"code":"UNKNOWN","detail":{"Enclosed":{"Path":"/data/x","Err":28}}}]}"#;

#[tokio::test]
async fn a_push_that_the_registry_failed_is_explained_by_the_registry() {
    let fake = Fake::start(|_, _| plain(500, FULL)).await;
    let (registry, reference) = (registry(LONG), fake.reference("a:1"));
    let fault = registry.explain(&reference, broken_push()).await;
    let fault = fault.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "cannot push image `a:1`: unknown: unknown error: the registry says: UNKNOWN: /data/x: no space left on device"
    );
    assert_eq!((fault.kind, fault.retryable), (FailureKind::Image, true));
    assert!(fault.hints[0].starts_with("free space where the registry"));
    assert_eq!(fake.seen(), ["POST /v2/a/blobs/uploads/"]);
}

/// It can take something in: what it was asked to begin is given up, and the fault stays what it was.
#[tokio::test]
async fn a_registry_that_has_no_complaint_is_left_as_it_was() {
    let fake = Fake::start(|_, method| {
        let mut answer = plain(if method == Method::POST { 202 } else { 204 }, "");
        let begun = "http://elsewhere/v2/a/blobs/uploads/7?_state=x";
        answer
            .headers_mut()
            .insert("location", begun.parse().unwrap());
        answer
    })
    .await;
    let (registry, reference) = (registry(LONG), fake.reference("a:1"));
    let fault = registry.explain(&reference, broken_push()).await;
    let (fault, plain) = (fault.unwrap_err(), broken_push().unwrap_err());
    assert_eq!(fault, plain);
    let expected = [
        "POST /v2/a/blobs/uploads/",
        "DELETE /v2/a/blobs/uploads/7?_state=x",
    ];
    assert_eq!(fake.seen(), expected);
}

#[tokio::test]
async fn a_tag_that_a_full_registry_cannot_write_is_said_to_be_that() {
    let fake = Fake::start(|_, method| {
        if method == Method::PUT {
            plain(500, FULL)
        } else {
            manifest(&method)
        }
    })
    .await;
    let (from, to) = (fake.reference("a:key"), fake.reference("a:1"));
    let fault = registry(LONG).retag(&from, &to).await.unwrap_err();
    assert!(
        fault.causes[0].ends_with("UNKNOWN: /data/x: no space left on device"),
        "{fault:?}"
    );
    assert_eq!((fault.kind, fault.retryable), (FailureKind::Image, true));
}
