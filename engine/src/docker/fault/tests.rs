//! What failures of the outside become.

use std::io;
use std::path::PathBuf;

use hyper::StatusCode;
use rstest::rstest;

use super::{chain, engine, plain, spoken, wire};
use crate::docker::transcript::Spoken;
use crate::docker::wire::{Host, WireError};
use crate::machine::FailureKind;

fn socket() -> Host {
    Host::Unix(PathBuf::from("/run/x.sock"))
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Middle);

#[derive(Debug, thiserror::Error)]
#[error("middle: inner")]
struct Middle(#[source] io::Error);

#[test]
fn causes_are_kept_one_line_each_and_not_twice() {
    let error = Outer(Middle(io::Error::other("inner")));
    assert_eq!(chain(&error), ["outer", "middle: inner"]);
    let error = Outer(Middle(io::Error::other("deeper")));
    assert_eq!(chain(&error), ["outer", "middle: inner", "deeper"]);
}

#[rstest]
#[case::login(
    "unauthorized: authentication required",
    FailureKind::Image,
    Some("docker login r:1"),
    false
)]
#[case::denied(
    "denied: requested access to the resource is denied",
    FailureKind::Image,
    Some("docker login r:1"),
    false
)]
#[case::away(
    "dial tcp 10.0.0.1:1: connect: connection refused",
    FailureKind::Unreachable,
    Some("HOST_REGISTRY_ADDR"),
    true
)]
#[case::broken_off(
    "Patch http://r:1/v2/x/blobs/uploads/1: EOF",
    FailureKind::Unreachable,
    Some("HOST_REGISTRY_ADDR"),
    true
)]
#[case::failing(
    "received unexpected HTTP status: 503 Service Unavailable",
    FailureKind::Unreachable,
    Some("HOST_REGISTRY_ADDR"),
    true
)]
#[case::registry_full(
    "received unexpected HTTP status: 507 Insufficient Storage",
    FailureKind::Image,
    Some("where the registry `r:1` keeps its images"),
    true
)]
#[case::full(
    "write /x: no space left on device",
    FailureKind::Image,
    Some("docker system df"),
    true
)]
#[case::other("COPY failed: no such file", FailureKind::Image, None, false)]
fn the_engines_words_become_a_kind_and_a_hint(
    #[case] message: &str,
    #[case] kind: FailureKind,
    #[case] hint: Option<&str>,
    #[case] retryable: bool,
) {
    let said = Spoken {
        message: message.to_owned(),
        output: vec!["line".to_owned()],
    };
    let fault = spoken("push image `x`", Some("r:1"), said);
    assert_eq!((fault.kind, fault.retryable), (kind, retryable));
    assert_eq!(
        fault.to_string(),
        format!("cannot push image `x`: {message}")
    );
    assert_eq!(fault.output, ["line"]);
    match hint {
        Some(hint) => assert!(fault.hints.join("\n").contains(hint)),
        None => assert_eq!(fault.hints.first(), None),
    }
}

/// A step of a build may print anything, `EOF` too.
#[rstest]
#[case::any_words("heredoc ended with EOF", FailureKind::Image, false)]
#[case::away("dial tcp: connection refused", FailureKind::Unreachable, true)]
fn a_build_has_no_registry_to_blame(
    #[case] message: &str,
    #[case] kind: FailureKind,
    #[case] retryable: bool,
) {
    let said = Spoken {
        message: message.to_owned(),
        output: Vec::new(),
    };
    let fault = spoken("build image `x`", None, said);
    assert_eq!((fault.kind, fault.retryable), (kind, retryable));
    assert_eq!(fault.hints.first(), None);
}

#[rstest]
#[case::nobody(io::ErrorKind::ConnectionRefused, true, "DOCKER_HOST")]
#[case::no_socket(io::ErrorKind::NotFound, true, "DOCKER_HOST")]
#[case::no_right(io::ErrorKind::PermissionDenied, false, "group")]
fn an_engine_that_cannot_be_reached_is_named(
    #[case] kind: io::ErrorKind,
    #[case] retryable: bool,
    #[case] hint: &str,
) {
    let error = WireError::Connect(kind.into());
    let fault = wire(&socket(), "push", FailureKind::Image, &error);
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, retryable)
    );
    assert!(fault.to_string().contains("unix:///run/x.sock"));
    assert!(fault.hints.join("\n").contains(hint));
}

#[rstest]
#[case::bad_request(StatusCode::BAD_REQUEST, false)]
#[case::server(StatusCode::INTERNAL_SERVER_ERROR, true)]
fn an_engine_that_says_no_fails_the_step(#[case] status: StatusCode, #[case] retryable: bool) {
    let message = "see http://me:hunter22@proxy".to_owned();
    let error = WireError::Refused { status, message };
    let fault = wire(&socket(), "build", FailureKind::Image, &error);
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Image, retryable)
    );
    assert!(!fault.to_string().contains("hunter22"), "{fault:?}");
    assert_eq!(!fault.hints.is_empty(), retryable, "{fault:?}");
}

#[test]
fn a_question_the_engine_does_not_answer_is_unreachable() {
    let error = bollard::errors::Error::DockerResponseServerError {
        status_code: 500,
        message: "boom".to_owned(),
    };
    let fault = engine(&socket(), "list the running containers", &error);
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
    assert!(
        fault
            .message
            .starts_with("cannot list the running containers at `unix:///run/x.sock`")
    );
    assert!(fault.to_string().contains("boom"));
}

#[test]
fn a_plain_fault_is_final() {
    assert!(!plain(FailureKind::Image, "x", None).retryable);
}
