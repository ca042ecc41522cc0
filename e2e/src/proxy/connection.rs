//! One connection through the proxy.
//!
//! Here: bytes from the client to the engine, with faults in their way, and from the engine to the client.
//! Not here: where messages end (`framing`), which fault is due (the parent).

use std::io::Result;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

use super::framing::{Answer, Head, Piece, Requests};
use super::{FaultEffect, Shared, Stream};

type Reader = ReadHalf<Box<dyn Stream>>;
type Writer = WriteHalf<Box<dyn Stream>>;

const BUFFER_BYTES: usize = 64 << 10;
const SWITCHING: &[u8] = b"HTTP/1.1 101";

/// What both directions of a connection must agree on. Clients of the engine send one request and wait for its answer,
/// so the bytes after a request's end belong to the answer to it.
#[derive(Debug, Default)]
struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// Requests and answers.
    #[default]
    Plain,
    /// Another protocol was asked for; the answer so far.
    Asked(Vec<u8>),
    /// It was granted.
    Switched,
    /// This answer must not arrive.
    Swallow(Answer),
    /// So many bytes of this answer may arrive.
    Cut(usize),
    /// This answer arrives slowly.
    Drip(Duration),
}

impl Link {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Says whether what the client sends between requests may be another protocol: it was granted, or the client does
    /// not wait for the answer.
    fn may_be_switched(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Asked(_) | State::Switched)
    }

    /// Notes bytes of an answer, and says what is to be done with them.
    fn answered(&self, bytes: &[u8]) -> Fate {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Plain | State::Switched => Fate::Pass,
            State::Asked(start) => {
                let missing = SWITCHING.len() - start.len();
                start.extend_from_slice(&bytes[..missing.min(bytes.len())]);
                if start == SWITCHING {
                    *state = State::Switched;
                } else if !SWITCHING.starts_with(start) {
                    *state = State::Plain;
                }
                Fate::Pass
            }
            State::Swallow(answer) => {
                if answer.ends_with(bytes) {
                    Fate::Cut(0)
                } else {
                    Fate::Swallow
                }
            }
            State::Cut(left) => match left.checked_sub(bytes.len()) {
                Some(less) if less > 0 => {
                    *left = less;
                    Fate::Pass
                }
                Some(_) | None => Fate::Cut(*left),
            },
            State::Drip(pause) => Fate::Drip(*pause),
        }
    }
}

/// What becomes of bytes of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Swallow,
    /// So many of them pass, and then the connection closes.
    Cut(usize),
    /// They pass one by one, with a pause before each.
    Drip(Duration),
}

/// How the client's direction ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The client has no more to say, and may still listen.
    Quiet,
    /// The connection is to be closed, after these bytes for the client.
    Close(Vec<u8>),
}

/// Serves a client until either side closes or a fault does.
pub(super) async fn serve(client: Box<dyn Stream>, shared: &Shared) -> Result<()> {
    let engine = shared.upstream.connect().await?;
    let (from_client, mut to_client) = split(client);
    let (from_engine, to_engine) = split(engine);
    let link = Link::default();
    let parting = {
        let back = answers(
            from_engine,
            &mut to_client,
            &link,
            shared.mended.subscribe(),
        );
        tokio::pin!(back);
        tokio::select! {
            ended = &mut back => return ended,
            ended = requests(from_client, to_engine, shared, &link) => match ended? {
                Ended::Quiet => return back.await,
                Ended::Close(parting) => parting,
            },
        }
    };
    to_client.write_all(&parting).await?;
    to_client.shutdown().await
}

/// The engine's direction. It ends when the engine closes, or when a swallowed answer is complete.
async fn answers(
    mut engine: Reader,
    client: &mut Writer,
    link: &Link,
    mut mended: watch::Receiver<u64>,
) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = engine.read(&mut buffer).await?;
        if count == 0 {
            return client.shutdown().await;
        }
        match link.answered(&buffer[..count]) {
            Fate::Pass => client.write_all(&buffer[..count]).await?,
            Fate::Swallow => {}
            Fate::Cut(passing) => {
                client.write_all(&buffer[..passing]).await?;
                return client.shutdown().await;
            }
            Fate::Drip(pause) => {
                for byte in &buffer[..count] {
                    tokio::select! {
                        // Nobody is to wait for the rest when the fault is over.
                        _ = mended.changed() => return client.shutdown().await,
                        () = tokio::time::sleep(pause) => client.write_all(&[*byte]).await?,
                    }
                }
            }
        }
    }
}

/// The client's direction.
async fn requests(
    mut client: Reader,
    mut engine: Writer,
    shared: &Shared,
    link: &Link,
) -> Result<Ended> {
    let mut requests = Requests::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    // What the client gets once the request that is held back from the engine has ended.
    let mut refusal: Option<Vec<u8>> = None;
    // How many bytes of the request's body the engine gets before the connection breaks.
    let mut passing: Option<usize> = None;
    loop {
        if requests.between()
            && let Some(parting) = refusal.take()
        {
            return Ok(Ended::Close(parting));
        }
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            engine.write_all(requests.kept()).await?;
            engine.shutdown().await?;
            return Ok(Ended::Quiet);
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            if requests.between() && link.may_be_switched() {
                requests = Requests::Opaque;
            }
            match requests.next(&mut rest) {
                Piece::Incomplete => {}
                Piece::Body(_) if refusal.is_some() => {}
                Piece::Body(bytes) => match &mut passing {
                    Some(left) if *left <= bytes.len() => {
                        engine.write_all(&bytes[..*left]).await?;
                        return Ok(Ended::Close(Vec::new()));
                    }
                    left => {
                        if let Some(left) = left {
                            *left -= bytes.len();
                        }
                        engine.write_all(bytes).await?;
                    }
                },
                Piece::Head(head, bytes) => match meet(&head, shared, link).await {
                    Verdict::Pass => engine.write_all(&bytes).await?,
                    Verdict::PassSome(bytes_of_body) => {
                        engine.write_all(&bytes).await?;
                        passing = Some(bytes_of_body);
                    }
                    Verdict::Refuse(parting) => refusal = Some(parting),
                    Verdict::Close => return Ok(Ended::Close(Vec::new())),
                },
            }
        }
    }
}

enum Verdict {
    Pass,
    /// The head, and so many bytes of the body.
    PassSome(usize),
    Refuse(Vec<u8>),
    Close,
}

/// Writes a request down and meets the fault that waits for it.
async fn meet(head: &Head, shared: &Shared, link: &Link) -> Verdict {
    link.set(if head.upgrade {
        State::Asked(Vec::new())
    } else {
        State::Plain
    });
    // Taken before the request is written down: who sees it there may release it at once.
    let mut releases = shared.releases.subscribe();
    match shared.record(head) {
        None => Verdict::Pass,
        Some(FaultEffect::DropRequest) => Verdict::Close,
        Some(FaultEffect::DropAnswer) => {
            link.set(State::Swallow(Answer::to(&head.method)));
            Verdict::Pass
        }
        Some(FaultEffect::Answer(status, message)) => Verdict::Refuse(refusal(status, &message)),
        Some(FaultEffect::Reply(answer)) => Verdict::Refuse(answer.into_bytes()),
        Some(FaultEffect::CutRequest(bytes)) => Verdict::PassSome(bytes),
        Some(FaultEffect::CutAnswer(bytes)) => {
            link.set(State::Cut(bytes));
            Verdict::Pass
        }
        Some(FaultEffect::DripAnswer(pause)) => {
            link.set(State::Drip(pause));
            Verdict::Pass
        }
        Some(FaultEffect::Hold) => match releases.changed().await {
            Ok(()) => Verdict::Pass,
            Err(_) => Verdict::Close,
        },
    }
}

fn refusal(status: u16, message: &str) -> Vec<u8> {
    let body = serde_json::json!({ "message": message }).to_string();
    format!(
        "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
