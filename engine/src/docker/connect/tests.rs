//! Where the engine is looked for, and what is said when it is not there.

use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::{Builder, connect, host_of};
use crate::docker::limits::Limits;
use crate::machine::FailureKind;

fn limits() -> Limits {
    Limits {
        query: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[rstest]
#[case::nothing(None, "unix:///var/run/docker.sock")]
#[case::blank(Some("  "), "unix:///var/run/docker.sock")]
#[case::socket(
    Some("unix:///run/user/1/docker.sock"),
    "unix:///run/user/1/docker.sock"
)]
#[case::tcp(Some("tcp://10.0.0.1:2376"), "tcp://10.0.0.1:2376")]
#[case::tcp_without_port(Some("tcp://engine"), "tcp://engine:2375")]
#[case::tcp_without_host(Some("tcp://"), "tcp://localhost:2375")]
#[case::http(Some("http://engine:1/"), "tcp://engine:1")]
fn docker_host_is_honoured(#[case] value: Option<&str>, #[case] host: &str) {
    assert_eq!(host_of(value, |_| None).unwrap().to_string(), host);
}

/// As Docker does: nothing of it is ever sent, and nobody may see it.
#[rstest]
#[case::spoken_to("tcp://me:hunter22@127.0.0.1:1", "tcp://127.0.0.1:1")]
#[case::with_an_at("tcp://me:hun@ter22@127.0.0.1:1", "tcp://127.0.0.1:1")]
fn a_password_of_docker_host_is_dropped(#[case] value: &str, #[case] host: &str) {
    assert_eq!(host_of(Some(value), |_| None).unwrap().to_string(), host);
}

#[rstest]
#[case("https://me:hunter22@host:2376")]
#[case("ssh://me:hunter22@host")]
#[case("me:hunter22@host")]
fn a_password_of_docker_host_is_not_said(#[case] value: &str) {
    let fault = host_of(Some(value), |_| None).unwrap_err();
    let said = format!("{fault:?}");
    assert!(
        said.contains("host") && !said.contains("hunter22"),
        "{said}"
    );
}

#[rstest]
#[case::ssh("ssh://host", "SSH")]
#[case::pipe("npipe:////./pipe/docker_engine", "a named pipe")]
#[case::https("https://host:2376", "TLS")]
#[case::bare("/var/run/docker.sock", "such an address")]
#[case::no_path("unix://", "such an address")]
fn what_is_not_supported_is_named(#[case] value: &str, #[case] what: &str) {
    let fault = host_of(Some(value), |_| None).unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(
        fault.to_string().contains(what) && fault.to_string().contains(value),
        "{fault:?}"
    );
    assert!(fault.hints.join("\n").contains("unix://"));
}

#[test]
fn tcp_with_tls_is_not_spoken_in_the_clear() {
    let verify = |name: &str| (name == "DOCKER_TLS_VERIFY").then(|| "1".to_owned());
    let fault = host_of(Some("tcp://host:2376"), verify).unwrap_err();
    assert!(fault.to_string().contains("TLS"), "{fault:?}");
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
