//! A session of a build: for as long as it lasts, `BuildKit` calls back for the files of the context.
//!
//! The connection is ours to open (`POST /session`); once it is switched over, the engine is the client on it, and calls us
//! with gRPC. Two services answer: `FileSync` hands out the context, `Health` says that we are still there. Whatever else an
//! engine might ask for (logins, secrets, SSH agents) is not implemented, and it is told so. Compared with a tar this spares
//! the engine a second copy of the context and the process that unpacks it (docs/adr/0011-build-sessions.md).
//! Here: the connection, calls, messages. Not here: how files are handed out (`filesync`).

mod filesync;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::rt::{Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::connect::Engine;
use super::context::{Context, ContextError};
use super::wire::{self, Task, WireError};
use filesync::{Packet, Tree};

/// The calls that are answered (`filesync.proto` of moby/buildkit, `health.proto` of grpc).
const DIFF_COPY: &str = "/moby.filesync.v1.FileSync/DiffCopy";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// `HealthCheckResponse` with the status `SERVING`.
const SERVING: &[u8] = &[8, 1];

/// The longest message that is read. An engine asks for files by their number; an error of it is a few lines.
const MESSAGE_LIMIT: usize = 64 << 10;

/// How many messages wait for the engine at most.
const MESSAGES_AHEAD: usize = 8;

/// How much later than the engine this side may learn that the connection broke. Only a build that failed waits for it.
const NEWS: Duration = Duration::from_millis(100);

/// Status codes of gRPC (`codes.go` of grpc-go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Ok = 0,
    NotFound = 5,
    Aborted = 10,
    Unimplemented = 12,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A session. It ends when it is dropped.
pub(super) struct Session {
    id: String,
    served: Arc<Served>,
    connection: Task,
}

/// What a session hands out, and what went wrong with it.
struct Served {
    context: Context,
    failed: Mutex<Option<ContextError>>,
}

impl Session {
    /// Opens a session with an engine; none when the engine, or what stands before it, has no sessions.
    pub(super) async fn open(engine: &Engine, context: Context) -> Result<Option<Self>, WireError> {
        let id = Uuid::now_v7().simple().to_string();
        let target = format!("/v{}/session", engine.api);
        let switched = wire::switch(&engine.host, &target, headers(&id)).await?;
        Ok(switched.map(|connection| {
            let served = Arc::new(Served {
                context,
                failed: Mutex::default(),
            });
            Self {
                id,
                served: Arc::clone(&served),
                connection: Task::spawn(serve(connection, served)),
            }
        }))
    }

    /// Its name in the request for the build.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Says whether the engine can call no more. Of a connection that breaks, an engine may know first and say so: it is waited for.
    pub(super) async fn is_broken(&mut self) -> bool {
        self.connection.ends_within(NEWS).await
    }

    /// Ends it: why the context could not be handed out, when that is so.
    pub(super) fn end(self) -> Option<ContextError> {
        let mut failed = self
            .served
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failed.take()
    }
}

/// Introduces us and what we answer. The key says whose files an engine may take for known: those of this session alone, since
/// they carry no times that would tell them from others.
fn headers(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("h2c")),
    ]);
    let mut expose = |name, value: &str| {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_str(value).expect("hexadecimal digits and paths are text");
        headers.append(name, value);
    };
    expose("x-docker-expose-session-uuid", id);
    expose("x-docker-expose-session-name", "artifactctl");
    expose("x-docker-expose-session-sharedkey", id);
    expose("x-docker-expose-session-grpc-method", DIFF_COPY);
    expose("x-docker-expose-session-grpc-method", HEALTH);
    headers
}

/// Answers the engine's calls until the connection ends.
async fn serve(connection: impl Read + Write + Unpin, served: Arc<Served>) {
    let call = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request, &served);
        async { Ok::<_, Infallible>(answer) }
    });
    // How the connection ends is told by the build, which is on another.
    http2::Builder::new(TokioExecutor::new())
        .serve_connection(connection, call)
        .await
        .ok();
}

fn answer(request: Request<Incoming>, served: &Arc<Served>) -> Answer {
    match request.uri().path() {
        HEALTH => {
            let said = [Ok(Frame::data(framed(SERVING))), Ok(end(Code::Ok))];
            answered(StreamBody::new(futures_util::stream::iter(said)))
        }
        DIFF_COPY => match Tree::asked_for(request.headers(), &served.context) {
            Some(tree) => hand_out(tree, request.into_body(), Arc::clone(served)),
            None => refused(Code::NotFound),
        },
        _ => refused(Code::Unimplemented),
    }
}

/// Answers one call for a tree of files: packets go both ways at once.
fn hand_out<B>(tree: Tree, body: B, served: Arc<Served>) -> Answer
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let (out, mut packets) = mpsc::channel(MESSAGES_AHEAD);
    // Each file is asked for once, and then there is the end.
    let (asked, asks) = mpsc::channel(tree.len() + 2);
    tokio::spawn(listen(body, asked));
    tokio::task::spawn_blocking(move || {
        let mut say = |packet: &Packet| {
            let frame = Frame::data(framed(&packet.encode_to_vec()));
            out.blocking_send(frame).is_ok()
        };
        let ended = filesync::send(&tree, &served.context, asks, &mut say);
        let code = match ended {
            Ok(()) => Code::Ok,
            Err(error) => {
                say(&Packet::error());
                let mut failed = served.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                Code::Aborted
            }
        };
        out.blocking_send(end(code)).ok();
    });
    let frames = futures_util::stream::poll_fn(move |cx| packets.poll_recv(cx));
    answered(StreamBody::new(futures_util::StreamExt::map(
        frames,
        Ok::<_, Infallible>,
    )))
}

/// Reads packets until there are no more, nobody wants them, or they make no sense.
async fn listen<B>(mut body: B, asked: mpsc::Sender<Packet>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut buffer = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        buffer.extend_from_slice(&data);
        loop {
            let message = match unframed(&mut buffer) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(Unreadable) => return,
            };
            let Ok(packet) = Packet::decode(message) else {
                return;
            };
            // More packets than there can be are as bad as none: the other end finds the channel closed.
            if asked.try_send(packet).is_err() {
                return;
            }
        }
    }
}

/// A message is compressed, or longer than any that an engine sends.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

/// Takes the next message off the front, when all of it is there.
fn unframed(buffer: &mut BytesMut) -> Result<Option<Bytes>, Unreadable> {
    let Some((&[compressed, a, b, c, d], rest)) = buffer.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if compressed != 0 || length > MESSAGE_LIMIT {
        return Err(Unreadable);
    }
    if rest.len() < length {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// A message as gRPC sends it: not compressed, its length before it.
fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("messages are short"));
    framed.put_slice(message);
    framed.freeze()
}

fn status(code: Code) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static("grpc-status"),
        HeaderValue::from(code as u16),
    )
}

fn end(code: Code) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([status(code)]))
}

fn answered(body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static) -> Answer {
    let mut answer = Response::new(body.boxed_unsync());
    let grpc = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert(CONTENT_TYPE, grpc);
    answer
}

fn refused(code: Code) -> Answer {
    let mut answer = answered(Empty::new());
    let (name, value) = status(code);
    answer.headers_mut().insert(name, value);
    answer
}

#[cfg(test)]
mod tests;
