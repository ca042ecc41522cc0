//! The engine's side of a session, played over HTTP/2.

use std::os::unix::fs::symlink;
use std::path::Path;

use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rstest::rstest;

use super::filesync::{Kind, Stat};
use super::*;
use crate::contract::Digest;
use crate::docker::context::DOCKERFILE;
use crate::docker::context::tests::{self as context, folder};
use crate::image::{InputContent, InputFile};

const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;

/// Frames of a call; the other end may hold it open.
type Asked = StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

struct Caller {
    calls: SendRequest<Asked>,
    served: Arc<Served>,
}

/// What came back: the packets, and the status at the end.
struct Heard {
    packets: Vec<Packet>,
    status: Option<String>,
}

impl Caller {
    async fn of(root: &Path, files: Vec<InputFile>) -> Self {
        let served = Arc::new(Served {
            context: context::context(root, files),
            failed: Mutex::default(),
        });
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(TokioIo::new(theirs), Arc::clone(&served)));
        let (calls, connection) = handshake(TokioExecutor::new(), TokioIo::new(ours))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { calls, served }
    }

    async fn call(&mut self, path: &str, headers: &[(&str, &str)], frames: Vec<Bytes>) -> Heard {
        use futures_util::StreamExt as _;
        let frames = frames.into_iter().map(|frame| Ok(Frame::data(frame)));
        // An engine keeps its side open until it has heard the end.
        let frames = futures_util::stream::iter(frames).chain(futures_util::stream::pending());
        let mut request = Request::post(format!("http://session{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(StreamBody::new(frames.boxed())).unwrap();
        let answer = self.calls.send_request(request).await.unwrap();
        let at_once = answer.headers().get("grpc-status").cloned();
        let whole = answer.into_body().collect().await.unwrap();
        let status = whole
            .trailers()
            .and_then(|trailers| trailers.get("grpc-status").cloned());
        let mut bytes = BytesMut::from(whole.to_bytes().as_ref());
        let mut packets = Vec::new();
        while let Some(message) = unframed(&mut bytes).unwrap() {
            packets.push(Packet::decode(message).unwrap());
        }
        Heard {
            packets,
            status: status
                .or(at_once)
                .map(|status| status.to_str().unwrap().to_owned()),
        }
    }

    async fn diff_copy(&mut self, name: &str, packets: Vec<Packet>) -> Heard {
        let framed = packets
            .iter()
            .map(|packet| framed(&packet.encode_to_vec()))
            .collect();
        self.call(DIFF_COPY, &[("dir-name", name)], framed).await
    }

    fn failed(&self) -> Option<ContextError> {
        self.served.failed.lock().unwrap().take()
    }
}

fn packet(kind: Kind, id: u32) -> Packet {
    Packet {
        kind: kind.into(),
        id,
        ..Packet::default()
    }
}

fn file(path: &str, mode: u32, text: &str) -> InputFile {
    InputFile {
        mode,
        ..context::file(path, text)
    }
}

fn entry(path: &str, mode: u32, content: InputContent) -> InputFile {
    InputFile {
        path: path.to_owned(),
        mode,
        content,
    }
}

fn stats(heard: &Heard) -> Vec<(String, u32, i64, String)> {
    let shown = |stat: Stat| (stat.path, stat.mode, stat.size, stat.linkname);
    let stats = heard
        .packets
        .iter()
        .filter_map(|packet| packet.stat.clone());
    stats.map(shown).collect()
}

#[tokio::test]
async fn a_context_is_shown_in_order_with_its_folders() {
    let long = "x".repeat(150_000);
    let folder = folder(&[("a-b", "first"), ("a/deep/long", &long), ("a/run", "go")]);
    symlink("run", folder.path().join("a/link")).unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let link = InputContent::Symlink {
        target: "run".to_owned(),
    };
    let files = vec![
        file("a-b", 0o644, "first"),
        file("a/deep/long", 0o644, &long),
        entry("a/link", 0o777, link),
        file("a/run", 0o755, "go"),
        entry("empty", 0o755, InputContent::Directory),
    ];
    let mut caller = Caller::of(folder.path(), files).await;
    let fin = vec![packet(Kind::Fin, 0)];
    let heard = caller.diff_copy("context", fin).await;
    let of = |path: &str, mode, size, link: &str| (path.to_owned(), mode, size, link.to_owned());
    // A folder comes before what it holds, and all of that before what sorts behind its name.
    assert_eq!(
        stats(&heard),
        [
            of("a", DIRECTORY | 0o755, 0, ""),
            of("a/deep", DIRECTORY | 0o755, 0, ""),
            of("a/deep/long", 0o644, 150_000, ""),
            of("a/link", SYMLINK | 0o777, 3, "run"),
            of("a/run", 0o755, 2, ""),
            of("a-b", 0o644, 5, ""),
            of("empty", DIRECTORY | 0o755, 0, ""),
        ]
    );
}

#[tokio::test]
async fn each_file_that_is_asked_for_comes_whole_and_the_end_is_answered() {
    let long = "x".repeat(150_000);
    let folder = folder(&[("long", &long), ("short", "go")]);
    let files = vec![file("long", 0o644, &long), file("short", 0o755, "go")];
    let mut caller = Caller::of(folder.path(), files).await;
    let asks = [(Kind::Req, 1), (Kind::Req, 0), (Kind::Fin, 0)];
    let asks = asks.map(|(kind, id)| packet(kind, id)).to_vec();
    let heard = caller.diff_copy("context", asks).await;
    let data = |id| -> Vec<&[u8]> {
        let of = |packet: &&Packet| packet.kind() == Kind::Data && packet.id == id;
        let pieces = heard.packets.iter().filter(of);
        pieces.map(|packet| packet.data.as_slice()).collect()
    };
    assert_eq!(data(1), [b"go".as_slice(), b""]);
    assert_eq!(data(0).concat(), long.as_bytes());
    assert_eq!(data(0).last(), Some(&b"".as_slice()), "an end of its own");
    let last = heard.packets.last().map(Packet::kind);
    assert_eq!(
        (last, heard.status.as_deref()),
        (Some(Kind::Fin), Some("0"))
    );
    assert!(caller.failed().is_none());
}

#[tokio::test]
async fn the_dockerfile_is_a_tree_of_its_own() {
    let folder = folder(&[]);
    let mut caller = Caller::of(folder.path(), Vec::new()).await;
    let asks = vec![packet(Kind::Req, 0), packet(Kind::Fin, 0)];
    let heard = caller.diff_copy("dockerfile", asks).await;
    let text = "FROM scratch\n";
    let stat = (DOCKERFILE.to_owned(), 0o644, 13, String::new());
    assert_eq!(stats(&heard), [stat]);
    let data = heard.packets.iter().flat_map(|packet| packet.data.clone());
    assert_eq!(data.collect::<Vec<_>>(), text.as_bytes());
}

/// It is a file like any other when a Dockerfile copies it, and never one that takes others away.
#[tokio::test]
async fn nothing_in_a_context_is_left_out() {
    let folder = folder(&[(".dockerignore", "*"), ("kept", "")]);
    let files = vec![file(".dockerignore", 0o644, "*"), file("kept", 0o644, "")];
    let mut caller = Caller::of(folder.path(), files).await;
    let asks = vec![framed(&packet(Kind::Fin, 0).encode_to_vec())];
    let ignore = [("dir-name", "context"), ("followpaths", ".dockerignore")];
    let heard = caller.call(DIFF_COPY, &ignore, asks.clone()).await;
    let paths =
        |heard: &Heard| -> Vec<String> { stats(heard).into_iter().map(|stat| stat.0).collect() };
    assert_eq!(paths(&heard), [".dockerignore"]);
    assert_eq!(heard.status.as_deref(), Some("0"));
    for wanted in ["kept", ".dockerignore"] {
        let all = [
            ("dir-name", "context"),
            ("followpaths", ".dockerignore"),
            ("followpaths", wanted),
            ("exclude-patterns", "*"),
        ];
        let heard = caller.call(DIFF_COPY, &all, asks.clone()).await;
        assert_eq!(paths(&heard), [".dockerignore", "kept"]);
    }
}

#[rstest]
#[case::other_bytes("second")]
#[case::fewer("f")]
#[case::more("first and more")]
#[tokio::test]
async fn a_file_that_is_not_what_was_hashed_ends_the_transfer(#[case] now: &str) {
    let folder = folder(&[("a", now)]);
    let mut caller = Caller::of(folder.path(), vec![file("a", 0o644, "first.")]).await;
    let asks = vec![packet(Kind::Req, 0), packet(Kind::Fin, 0)];
    let heard = caller.diff_copy("context", asks).await;
    let last = heard.packets.last().map(Packet::kind);
    assert_eq!(
        (last, heard.status.as_deref()),
        (Some(Kind::Err), Some("10"))
    );
    let ends = |packet: &&Packet| packet.kind() == Kind::Data && packet.data.is_empty();
    assert_eq!(heard.packets.iter().filter(ends).count(), 0);
    let failed = caller.failed();
    assert!(
        matches!(&failed, Some(ContextError::Changed { path }) if path.ends_with("/a")),
        "{failed:?}"
    );
}

#[rstest]
#[case::a_link_that_says_something_else(InputContent::Symlink { target: "there".to_owned() })]
#[case::a_link_where_a_folder_was(InputContent::Directory)]
#[case::a_link_where_a_file_was(InputContent::File { digest: Digest::of("x"), size: 1 })]
#[tokio::test]
async fn a_link_that_was_put_in_an_inputs_place_is_not_followed(#[case] meant: InputContent) {
    let folder = folder(&[("here", "x")]);
    symlink("here", folder.path().join("a")).unwrap();
    let mut caller = Caller::of(folder.path(), vec![entry("a", 0o644, meant)]).await;
    let heard = caller
        .diff_copy("context", vec![packet(Kind::Req, 0)])
        .await;
    assert_eq!(heard.status.as_deref(), Some("10"));
    let data = |packet: &Packet| packet.kind() == Kind::Data;
    assert!(!heard.packets.iter().any(data));
    assert!(matches!(
        caller.failed(),
        Some(ContextError::Changed { .. })
    ));
}

#[rstest]
#[case::a_number_of_nothing(vec![framed(&packet(Kind::Req, 9).encode_to_vec())])]
#[case::the_number_of_a_folder(vec![framed(&packet(Kind::Req, 1).encode_to_vec())])]
#[case::an_error(vec![framed(&packet(Kind::Err, 0).encode_to_vec())])]
#[case::no_message(vec![framed(&[0xff; 9])])]
#[case::a_compressed_one(vec![Bytes::from_static(&[1, 0, 0, 0, 1, 8])])]
#[case::an_endless_one(vec![Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 8])])]
#[case::more_than_there_are(vec![framed(&packet(Kind::Req, 0).encode_to_vec()); 1000])]
#[tokio::test]
async fn an_engine_that_makes_no_sense_is_not_listened_to(#[case] frames: Vec<Bytes>) {
    let folder = folder(&[("a", "x"), ("b/c", "y")]);
    let files = vec![file("a", 0o644, "x"), file("b/c", 0o644, "y")];
    let mut caller = Caller::of(folder.path(), files).await;
    let name = [("dir-name", "context")];
    let heard = caller.call(DIFF_COPY, &name, frames).await;
    assert_eq!(heard.status.as_deref(), Some("10"));
    assert!(matches!(caller.failed(), Some(ContextError::Unheard(_))));
}

#[rstest]
#[case::files_of_another_name(DIFF_COPY, "secrets", "5")]
#[case::a_login("/moby.filesync.v1.Auth/Credentials", "context", "12")]
#[case::a_secret("/moby.buildkit.secrets.v1.Secrets/GetSecret", "context", "12")]
#[tokio::test]
async fn nothing_else_is_handed_out(#[case] path: &str, #[case] name: &str, #[case] code: &str) {
    let folder = folder(&[]);
    let mut caller = Caller::of(folder.path(), Vec::new()).await;
    let heard = caller.call(path, &[("dir-name", name)], Vec::new()).await;
    assert_eq!(
        (heard.packets.len(), heard.status.as_deref()),
        (0, Some(code))
    );
}

#[tokio::test]
async fn an_engine_that_asks_whether_we_are_there_is_told_so() {
    let folder = folder(&[]);
    let mut caller = Caller::of(folder.path(), Vec::new()).await;
    let request = Request::post(format!("http://session{HEALTH}"));
    let body: Asked =
        StreamBody::new(futures_util::StreamExt::boxed(futures_util::stream::empty()));
    let answer = caller.calls.send_request(request.body(body).unwrap()).await;
    let whole = answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(whole.to_bytes().as_ref(), [0, 0, 0, 0, 2, 8, 1]);
}

#[test]
fn a_message_is_taken_once_all_of_it_is_there() {
    let whole = framed(b"hello");
    let mut buffer = BytesMut::new();
    for byte in whole.iter().copied() {
        assert_eq!(unframed(&mut buffer), Ok(None));
        buffer.put_u8(byte);
    }
    buffer.extend_from_slice(&framed(b""));
    assert_eq!(
        unframed(&mut buffer),
        Ok(Some(Bytes::from_static(b"hello")))
    );
    assert_eq!(unframed(&mut buffer), Ok(Some(Bytes::new())));
    assert_eq!(unframed(&mut buffer), Ok(None));
}
