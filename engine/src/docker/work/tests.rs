//! Work on an engine that answers as it is told to, over a real socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Audience;
use crate::contract::Digest;
use crate::docker::connect::{Builder, Engine, connect};
use crate::docker::context::Context;
use crate::docker::limits::Limits;
use crate::docker::redact::Redactor;
use crate::image::{InputContent, InputFile, Reference};
use crate::machine::FailureKind;

const PING: &str =
    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";

const NO_SESSIONS: &str =
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/// What the engine does once it has read the head of a request for work.
#[derive(Clone, Copy)]
enum Answer {
    /// Says this and closes.
    Say(&'static str),
    /// Says this and then nothing more.
    SayAndHang(&'static str),
    /// Reads everything, then says this.
    ReadAndSay(&'static str),
    /// Says the first, and the second again and again.
    SayForEver(&'static str, &'static str),
}

struct Fake {
    engine: Engine,
    /// The heads of the requests for work.
    heads: Arc<Mutex<Vec<String>>>,
    /// Told when the other side of a hanging request is gone.
    gone: Arc<Notify>,
    _folder: TempDir,
}

impl Fake {
    /// An engine without sessions.
    async fn start(answer: Answer, limits: Limits) -> Self {
        Self::with_session(NO_SESSIONS, answer, limits).await
    }

    /// An engine that answers this when it is asked for a session, and closes the connection soon.
    async fn with_session(session: &'static str, answer: Answer, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let gone = Arc::new(Notify::new());
        let (log, told) = (Arc::clone(&heads), Arc::clone(&gone));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, told) = (Arc::clone(&log), Arc::clone(&told));
                tokio::spawn(serve(stream, session, answer, log, told));
            }
        });
        let host = format!("unix://{}", path.display());
        Self {
            engine: connect(Some(&host), limits).await.unwrap(),
            heads,
            gone,
            _folder: folder,
        }
    }
}

async fn serve(
    mut stream: UnixStream,
    session: &'static str,
    answer: Answer,
    heads: Arc<Mutex<Vec<String>>>,
    gone: Arc<Notify>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if head.starts_with("GET /_ping ") {
        stream.write_all(PING.as_bytes()).await.unwrap();
        return;
    }
    let for_session = head.contains("/session ");
    heads.lock().unwrap().push(head);
    if for_session {
        stream.write_all(session.as_bytes()).await.unwrap();
        // The build, which is asked for after this, ends first.
        tokio::time::sleep(Duration::from_millis(20)).await;
        return;
    }
    match answer {
        Answer::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
        Answer::SayAndHang(text) => {
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            // Ends when the client closes; how does not matter.
            stream.read_to_end(&mut rest).await.ok();
            gone.notify_one();
        }
        Answer::SayForEver(text, again) => {
            stream.write_all(text.as_bytes()).await.unwrap();
            while stream.write_all(again.as_bytes()).await.is_ok() {}
        }
        Answer::ReadAndSay(text) => {
            let mut last = [0; 5];
            while last != *b"0\r\n\r\n" {
                let Ok(byte) = stream.read_u8().await else {
                    return;
                };
                last.rotate_left(1);
                last[4] = byte;
            }
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    }
}

/// The lines of an answer, which ends when the connection does.
macro_rules! lines {
    ($($line:literal)*) => {
        concat!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", $($line, "\n",)*)
    };
}

fn reference() -> Reference {
    Reference::parse("r.example:5000/a/b:1").unwrap()
}

/// A context of one file `a` that holds `found` and held `hashed` when its key was computed.
fn context(folder: &TempDir, hashed: &str, found: &str) -> Context {
    std::fs::write(folder.path().join("a"), found).unwrap();
    Context {
        root: folder.path().to_owned(),
        dockerfile: "FROM scratch".to_owned(),
        files: vec![InputFile {
            path: "a".to_owned(),
            mode: 0o644,
            content: InputContent::File {
                digest: Digest::of(hashed),
                size: hashed.len() as u64,
            },
        }],
    }
}

fn silent(_: String) {}

const NOBODY: Audience<'_> = Audience {
    redactor: &Redactor::NONE,
    say: &silent,
};

/// The classic builder knows no sessions, and what stands before an engine may refuse them.
#[rstest]
#[case::that_is_classic(Builder::Classic, &["/build?t=a%3A1&t=a%3A2&version=1"])]
#[case::without_sessions(Builder::BuildKit, &["/session", "/build?t=a%3A1&t=a%3A2&version=2"])]
#[tokio::test]
async fn a_builder_without_sessions_is_sent_its_context(
    #[case] builder: Builder,
    #[case] asked: &[&str],
) {
    let answer = Answer::ReadAndSay(lines!(r#"{"stream":"done\n"}"#));
    let fake = Fake::start(answer, Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let query = [("t", "a:1"), ("t", "a:2")];
    let context = context(&folder, "x", "x");
    let built = fake
        .engine
        .build("build", builder, &query, context, NOBODY)
        .await;
    assert_eq!(built, Ok(()));
    let heads = fake.heads.lock().unwrap().clone();
    let targets = heads.iter().map(|head| head.split(' ').nth(1).unwrap());
    let targets: Vec<_> = targets.map(|target| target.replace("/v1.41", "")).collect();
    assert_eq!(targets, asked);
    let head = heads.last().unwrap();
    assert!(head.contains("content-type: application/x-tar"), "{head}");
}

#[tokio::test]
async fn a_failed_build_keeps_the_engines_words_and_last_lines() {
    let answer = Answer::ReadAndSay(lines!(
        r#"{"stream":"step 1\n"}"#
        r#"{"error":"it broke"}"#
    ));
    let fake = Fake::start(answer, Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, "x", "x");
    let built = fake
        .engine
        .build("build image `a`", Builder::Classic, &[], context, NOBODY)
        .await;
    let fault = built.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Image);
    assert_eq!(fault.to_string(), "cannot build image `a`: it broke");
    assert_eq!(fault.output, ["step 1"]);
}

/// An engine that lost its session says that the build failed. One that is gone itself is what is named, whichever connection is seen to end first.
#[rstest]
#[case::said(
    lines!(r#"{"error":"no active session"}"#),
    "the session in which the engine reads the build context broke"
)]
#[case::cut_off(
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}\n",
    "the connection to the engine broke"
)]
#[tokio::test]
async fn a_session_that_broke_is_named_by_an_engine_that_is_there(
    #[case] answer: &'static str,
    #[case] said: &str,
) {
    let fake = Fake::with_session(SWITCHED, Answer::Say(answer), Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, "x", "x");
    let fault = fake
        .engine
        .build("build image `a`", Builder::BuildKit, &[], context, NOBODY)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(fault.to_string().contains(said), "{fault:?}");
    assert!(fault.retryable);
}

#[tokio::test]
async fn a_file_that_changed_is_named_instead_of_the_engines_complaint() {
    let answer = Answer::ReadAndSay(lines!(r#"{"stream":"built from half a context\n"}"#));
    let fake = Fake::start(answer, Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, "x", "y");
    let fault = fake
        .engine
        .build("build", Builder::Classic, &[], context, NOBODY)
        .await
        .unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("/a` changed while it was deployed"),
        "{fault:?}"
    );
    assert!(fault.retryable);
}

#[tokio::test]
async fn a_push_sends_who_we_are_and_returns_its_digest() {
    let answer = Answer::Say(lines!(
        r#"{"aux":{"Tag":"1","Digest":"sha256:46d4ac86454ef41e49c88ec54cc3ca20e0f6240771e8ed1bbc1ef656e16f3936","Size":1}}"#
    ));
    let fake = Fake::start(answer, Limits::default()).await;
    let pushed = fake
        .engine
        .push(&reference(), "e30=", NOBODY)
        .await
        .unwrap();
    assert!(pushed.unwrap().as_str().starts_with("sha256:46d4"));
    let head = fake.heads.lock().unwrap()[0].clone();
    let target = "POST /v1.41/images/r.example:5000/a/b/push?tag=1 HTTP/1.1\r\n";
    assert!(head.starts_with(target), "{head}");
    assert!(head.contains("x-registry-auth: e30="), "{head}");
}

#[tokio::test]
async fn a_pull_by_digest_asks_for_the_digest() {
    let fake = Fake::start(Answer::Say(lines!("{}")), Limits::default()).await;
    let digest = Digest::of("x");
    let pinned = Reference::parse(&format!("r.example:5000/a:1@{digest}")).unwrap();
    let pull = fake
        .engine
        .pull(&pinned, Some("linux/arm64"), "e30=", NOBODY);
    pull.await.unwrap();
    let head = fake.heads.lock().unwrap()[0].clone();
    let hex = digest.hex();
    let target = format!(
        "POST /v1.41/images/create?fromImage=r.example%3A5000%2Fa&tag=sha256%3A{hex}&platform=linux%2Farm64 HTTP/1.1\r\n"
    );
    assert!(head.starts_with(&target), "{head}");
}

#[rstest]
#[case::not_found(
    "HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\n\r\n{\"message\":\"no image x\"}",
    "no image x",
    FailureKind::Image,
    false
)]
#[case::broken(
    "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "500",
    FailureKind::Image,
    true
)]
#[case::cut_off(
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}\n",
    "broke",
    FailureKind::Unreachable,
    true
)]
#[case::no_answer("", "broke", FailureKind::Unreachable, true)]
#[tokio::test]
async fn work_that_the_engine_does_not_finish_fails(
    #[case] answer: &'static str,
    #[case] said: &str,
    #[case] kind: FailureKind,
    #[case] retryable: bool,
) {
    let fake = Fake::start(Answer::Say(answer), Limits::default()).await;
    let fault = fake
        .engine
        .push(&reference(), "e30=", NOBODY)
        .await
        .unwrap_err();
    assert!(fault.to_string().contains(said), "{fault:?}");
    assert_eq!((fault.kind, fault.retryable), (kind, retryable));
}

#[tokio::test]
async fn a_push_that_falls_silent_is_late_and_keeps_its_lines() {
    let limits = Limits {
        silence: Duration::from_millis(100),
        ..Limits::default()
    };
    let answer = Answer::SayAndHang(lines!(r#"{"status":"Preparing","id":"l"}"#));
    let fake = Fake::start(answer, limits).await;
    let fault = fake
        .engine
        .push(&reference(), "e30=", NOBODY)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(
        fault.to_string().contains("no answer within 0.1 s"),
        "{fault:?}"
    );
    assert_eq!(fault.output, ["l: Preparing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_talks_for_ever_is_ended() {
    let limits = Limits {
        transfer: Duration::from_millis(200),
        ..Limits::default()
    };
    let answer = Answer::SayForEver(lines!(r#"{"status":"Preparing","id":"l"}"#), "{}\n");
    let fake = Fake::start(answer, limits).await;
    let reference = reference();
    let push = fake.engine.push(&reference, "e30=", NOBODY);
    let ended = timeout(Duration::from_secs(10), push).await;
    let fault = ended.expect("it has a limit").unwrap_err();
    assert_eq!(fault.kind, FailureKind::Unreachable);
    assert!(
        fault.to_string().contains("not finished within 0.2 s"),
        "{fault:?}"
    );
    let hint = fault.hints.concat();
    assert!(hint.contains("ARTIFACTCTL_LIMITS=transfer="), "{hint}");
}

#[tokio::test]
async fn work_that_is_dropped_closes_its_connection() {
    let answer = Answer::SayAndHang(lines!(r#"{"status":"Preparing","id":"l"}"#));
    let fake = Fake::start(answer, Limits::default()).await;
    let reached = Notify::new();
    let say = |_| reached.notify_one();
    let audience = Audience {
        say: &say,
        ..NOBODY
    };
    let reference = reference();
    let push = fake.engine.push(&reference, "e30=", audience);
    tokio::select! {
        ended = push => panic!("{ended:?}"),
        () = reached.notified() => {}
    }
    let gone = timeout(Duration::from_secs(10), fake.gone.notified());
    gone.await.expect("the engine sees the connection close");
}
