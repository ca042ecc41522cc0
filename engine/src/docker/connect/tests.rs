//! Where the engine is looked for, and what is said when it is not there.

use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::{Builder, connect};
use crate::docker::limits::Limits;
use crate::machine::FailureKind;

fn limits() -> Limits {
    Limits {
        query: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unreachable_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix://{}/docker.sock", folder.path().display());
    let fault = connect(Some(&socket), limits()).await.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(fault.to_string().contains(&socket), "{fault:?}");
    assert!(fault.to_string().contains("No such file"), "{fault:?}");
    assert!(fault.hints.join("\n").contains("DOCKER_HOST"));
    assert!(fault.retryable);
}

/// Connects to an engine that answers its first request with `answer`, and says nothing at all when that is empty.
async fn connect_to(answer: &'static str) -> Result<super::Engine, crate::run::Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET /_ping HTTP/1.1\r\n"));
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let engine = connect(Some(&format!("unix://{}", path.display())), limits()).await;
    server.abort();
    engine
}

#[rstest]
#[case::oldest("1.41", "1.41")]
#[case::newer_than_the_client("1.999", "1.53")]
#[tokio::test]
async fn the_newest_version_both_speak_is_used(#[case] theirs: &str, #[case] used: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\nApi-Version: {theirs}\r\nContent-Length: 2\r\n\r\nOK");
    let engine = connect_to(answer.leak()).await.unwrap();
    assert_eq!(engine.api.to_string(), used);
}

#[rstest]
#[case::silent("", Builder::BuildKit)]
#[case::by_default("Builder-Version: 2\r\n", Builder::BuildKit)]
#[case::told_or_without("Builder-Version: 1\r\n", Builder::Classic)]
#[tokio::test]
async fn buildkit_builds_unless_the_engine_prefers_the_other(
    #[case] header: &str,
    #[case] builder: Builder,
) {
    let answer =
        format!("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n{header}Content-Length: 2\r\n\r\nOK");
    let engine = connect_to(answer.leak()).await.unwrap();
    assert_eq!(engine.builder, builder);
}

#[rstest]
#[case::too_old(
    "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK",
    "older than 1.41"
)]
#[case::no_engine("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "no Docker engine")]
#[case::refused(
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\n{\"message\":\"not u\"}",
    "403 Forbidden: not u"
)]
#[case::no_http("SSH-2.0-OpenSSH\r\n", "broke")]
#[case::silent("", "no answer within 0.2 s")]
#[tokio::test]
async fn what_is_no_usable_engine_is_unreachable(#[case] answer: &'static str, #[case] said: &str) {
    let fault = connect_to(answer).await.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(fault.to_string().contains(said), "{fault:?}");
}
