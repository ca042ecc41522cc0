//! One HTTP exchange with the engine whose answer is a stream of lines: build, push and pull.
//!
//! bollard asks the questions; these three go over hyper, because bollard 0.21 reads neither the digest a push ends with nor
//! a `BuildKit` trace without a gRPC session. Dropping [`Lines`] closes the connection, which makes the engine stop the work.
//! bollard's questions go over connections of this room too ([`ask`]), because it would read an answer of any length into memory.
//! Here: connection, status, lines. Not here: what the lines say (`transcript`), how long they may take (the callers).

mod bounded;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bollard::BollardRequest;
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use bounded::{Bounded, Stream};

use super::names::Names;
use crate::image::proxy::is_loopback;

/// The longest line that is read; the engine's are far below.
const LINE_LIMIT: usize = 4 << 20;

/// The longest text of an error answer that is kept.
const ERROR_LIMIT: usize = 64 << 10;

/// The longest answer to a question: some ten thousand containers, each with a dozen labels.
const ANSWER_LIMIT: u64 = 32 << 20;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A Unix socket.
    Unix(PathBuf),
    /// `address:port`, without encryption.
    Tcp(String),
}

impl Host {
    /// Whether others on the way can read what is said there: it is on another machine, and nothing is encrypted.
    pub(super) fn is_overheard(&self) -> bool {
        match self {
            Self::Unix(_) => false,
            Self::Tcp(address) => !is_loopback(address),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// The body of a request.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request without a body.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// Nobody listens.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the connection to the engine broke")]
    Broken(#[source] hyper::Error),
    /// The connection over which the engine calls back broke.
    #[error("the session in which the engine reads the build context broke")]
    SessionBroken,
    /// The engine says no.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The engine's words.
        message: String,
    },
    /// The request cannot be written.
    #[error("malformed request")]
    Malformed(#[from] hyper::http::Error),
    /// A line is longer than any the engine writes.
    #[error("a line of the answer is longer than {LINE_LIMIT} bytes")]
    TooLong,
}

/// Sends one request and returns the answer's head, whatever its status.
pub(super) async fn exchange(
    host: &Host,
    method: Method,
    target: &str,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, WireError> {
    let (mut sender, connection) = open(host).await?;
    let mut request = Request::builder().method(method).uri(target).body(body)?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, host_header(host)?);
    let response = sender
        .send_request(request)
        .await
        .map_err(WireError::Broken)?;
    Ok(Answer {
        response,
        connection,
        sender,
    })
}

/// Asks for the connection to be switched to another protocol: the bare connection, or nothing when the answer is a no.
pub(super) async fn switch(
    host: &Host,
    target: &str,
    headers: HeaderMap,
) -> Result<Option<Upgraded>, WireError> {
    let answer = exchange(host, Method::POST, target, headers, empty()).await?;
    if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    let switched = hyper::upgrade::on(answer.response).await;
    switched.map(Some).map_err(WireError::Broken)
}

/// Sends a question of bollard, over a connection of its own that ends with the answer, and breaks when that has no end.
pub(super) async fn ask(
    host: &Host,
    question: BollardRequest,
) -> Result<Response<Incoming>, bollard::errors::Error> {
    let (mut sender, task) = connect(host, ANSWER_LIMIT).await.map_err(bollard_error)?;
    // It ends by itself: the sender goes with this call, and the body with whoever reads it.
    tokio::spawn(task);
    let (mut head, body) = question.into_parts();
    let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = target.parse()?;
    head.headers
        .insert(HOST, host_header(host).map_err(bollard_error)?);
    let body = body.map_err(io::Error::other).boxed_unsync();
    Ok(sender.send_request(Request::from_parts(head, body)).await?)
}

fn bollard_error(error: WireError) -> bollard::errors::Error {
    match error {
        WireError::Connect(error) => error.into(),
        WireError::Broken(error) => error.into(),
        WireError::Malformed(error) => error.into(),
        WireError::SessionBroken | WireError::Refused { .. } | WireError::TooLong => {
            io::Error::other(error).into()
        }
    }
}

fn host_header(host: &Host) -> Result<HeaderValue, WireError> {
    let name = match host {
        Host::Unix(_) => "docker",
        Host::Tcp(address) => address,
    };
    Ok(name.parse().map_err(hyper::http::Error::from)?)
}

/// An answer whose body was not read yet.
pub(super) struct Answer {
    response: Response<Incoming>,
    connection: Task,
    sender: SendRequest<Body>,
}

impl Answer {
    /// One header, when it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The lines of the answer; an error when its status is no success.
    pub(super) async fn lines(self) -> Result<Lines, WireError> {
        let status = self.response.status();
        let mut lines = Lines {
            body: self.response.into_body(),
            buffer: BytesMut::new(),
            ended: false,
            _connection: self.connection,
            _sender: self.sender,
        };
        if status.is_success() {
            return Ok(lines);
        }
        while !lines.ended && lines.buffer.len() < ERROR_LIMIT {
            lines.fill().await?;
        }
        let text = String::from_utf8_lossy(&lines.buffer[..lines.buffer.len().min(ERROR_LIMIT)]);
        Err(WireError::Refused {
            status,
            message: message_of(&text),
        })
    }
}

/// The engine wraps its errors as `{"message": "…"}`; proxies in between do not.
fn message_of(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Wrapped {
        message: String,
    }
    serde_json::from_str::<Wrapped>(text).map_or_else(
        |_| text.trim().to_owned(),
        |wrapped| wrapped.message.trim().to_owned(),
    )
}

/// The lines of an answer, one by one.
pub(super) struct Lines {
    body: Incoming,
    buffer: BytesMut,
    ended: bool,
    // Both end the exchange when they are dropped.
    _connection: Task,
    _sender: SendRequest<Body>,
}

impl Lines {
    /// The next line without its end, `None` after the last. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        let mut searched = 0;
        loop {
            let newline = self.buffer[searched..].iter().position(|b| *b == b'\n');
            if let Some(at) = newline {
                let line = self.buffer.split_to(searched + at + 1).freeze();
                return Ok(Some(line.slice(..line.len() - 1)));
            }
            if self.ended {
                let rest = self.buffer.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            searched = self.buffer.len();
            if searched > LINE_LIMIT {
                return Err(WireError::TooLong);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), WireError> {
        match self.body.frame().await {
            None => self.ended = true,
            Some(Err(error)) => return Err(WireError::Broken(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
        Ok(())
    }
}

/// A task that ends with its owner, such as the one that moves the bytes of a connection.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    /// Starts one.
    pub(super) fn spawn(task: impl Future<Output: Send> + Send + 'static) -> Self {
        Self(tokio::spawn(async {
            task.await;
        }))
    }

    /// Says whether it ends by itself, at the latest after this time.
    pub(super) async fn ends_within(&mut self, limit: Duration) -> bool {
        self.0.is_finished() || timeout(limit, &mut self.0).await.is_ok()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn open(host: &Host) -> Result<(SendRequest<Body>, Task), WireError> {
    let (sender, task) = connect(host, u64::MAX).await?;
    Ok((sender, Task::spawn(task)))
}

/// A connection over which at most `limit` bytes come, and the task that moves them.
async fn connect(
    host: &Host,
    limit: u64,
) -> Result<
    (
        SendRequest<Body>,
        impl Future<Output = hyper::Result<()>> + Send + use<>,
    ),
    WireError,
> {
    let stream = match host {
        Host::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        Host::Tcp(address) => Names::default().connect(address).await.map(Stream::Tcp),
    };
    let stream = Bounded::new(stream.map_err(WireError::Connect)?, limit);
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(WireError::Broken)?;
    Ok((sender, connection.with_upgrades()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:2375", false)]
    #[case("localhost:2375", false)]
    #[case("[::1]:2375", false)]
    #[case("10.0.0.2:2375", true)]
    #[case("builder.example:2375", true)]
    fn an_engine_elsewhere_is_overheard(#[case] address: &str, #[case] expected: bool) {
        assert_eq!(Host::Tcp(address.to_owned()).is_overheard(), expected);
        assert!(!Host::Unix(PathBuf::from(address)).is_overheard());
    }
}
