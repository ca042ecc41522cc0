//! A registry whose answers to HEAD have a body, which no answer to HEAD has.

use std::net::SocketAddr;

use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fake::MANIFEST;
use super::{LONG, registry};
use crate::contract::Digest;
use crate::image::Reference;

/// A registry that answers HEAD with a head and a body, and GET with the manifest, and keeps its connections. The body is slow: it
/// comes when the next question is asked.
async fn start(to_head: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, to_head));
        }
    });
    address
}

/// The head of an answer, and its body.
type Answer = (&'static str, &'static str);

async fn serve(mut stream: TcpStream, (head, body): Answer) {
    let mut request = Vec::new();
    let mut late = "";
    loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
        if !request.starts_with(b"HEAD") && !request.starts_with(b"GET") {
            return;
        }
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let length = MANIFEST.len();
        let to_get = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{MANIFEST}"
        );
        let is_head = request.starts_with(b"HEAD");
        let answer = if is_head { head } else { &to_get };
        // Whoever has misread an earlier answer does not listen any more.
        for bytes in [late, answer] {
            stream.write_all(bytes.as_bytes()).await.ok();
        }
        late = if is_head { body } else { "" };
        request.clear();
    }
}

/// Read as the beginning of the next answer, the body would be an answer without a version.
#[rstest]
#[case::not_allowed(("HTTP/1.1 405 No\r\ncontent-length: 9\r\n\r\n", "use GET!\n"))]
#[case::no_digest(("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", "OK"))]
#[case::not_there(("HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\n", "no"))]
#[case::in_chunks(("HTTP/1.1 405 No\r\ntransfer-encoding: chunked\r\n\r\n", "2\r\nno\r\n0\r\n\r\n"))]
#[tokio::test]
async fn what_follows_an_answer_to_head_is_no_answer(#[case] to_head: Answer) {
    let address = start(to_head).await;
    let registry = registry(LONG);
    for name in ["a:1", "b:1", "a:2"] {
        let reference = Reference::parse(&format!("{address}/{name}")).unwrap();
        let digest = registry.digest(&reference).await.unwrap();
        let is_there = !to_head.0.contains("404");
        assert_eq!(digest, is_there.then(|| Digest::of(MANIFEST)));
    }
}
