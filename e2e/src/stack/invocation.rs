//! One call of a function that asks for its events itself, as functions of provided runtimes do.
//!
//! Here: the program `/var/runtime/bootstrap` and the API that it talks to, for one event: `next` gives it, `response` or `error`
//! ends the call. Paths and headers are those of the Runtime API of AWS Lambda, 2018-06-01. Not here: who asks for the call
//! (`runtime`).

use std::io::Read;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::ServiceError;
use crate::http::{self, Call, Reply};

/// The program, where images of AWS have it.
const BOOTSTRAP: &str = "/var/runtime/bootstrap";
const PREFIX: &str = "/2018-06-01/runtime/";
const ID: &str = "00000000-0000-0000-0000-000000000000";
/// The agent ends a call that takes too long; a function may only ask.
const LIMIT: Duration = Duration::from_secs(300);

/// Why a function gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error("cannot {what}")]
    Start {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("`{BOOTSTRAP}` ended with {0} before it answered")]
    Ended(ExitStatus),
    #[error("{0}")]
    Failed(String),
}

/// What a function says in the end.
type Said = Result<Bytes, String>;

/// The API, for one event.
struct Api {
    event: Mutex<Option<Bytes>>,
    said: mpsc::UnboundedSender<Said>,
}

/// Gives the event on stdin to the function, and writes what it answers to stdout.
pub(crate) async fn run(handler: &str) -> Result<(), ServiceError> {
    let mut event = Vec::new();
    // Nothing else is at work yet.
    let read = std::io::stdin().read_to_end(&mut event);
    read.map_err(failed("read the event"))?;
    let answer = invoke(handler, event.into()).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

async fn invoke(handler: &str, event: Bytes) -> Result<Bytes, InvocationError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(failed("listen for the function"))?;
    let address = listener
        .local_addr()
        .map_err(failed("listen for the function"))?;
    let (said, mut heard) = mpsc::unbounded_channel();
    let api = Arc::new(Api {
        event: Mutex::new(Some(event)),
        said,
    });
    let serving = http::serve_on(listener, move |call| answer(Arc::clone(&api), call));
    // What the function prints is no answer.
    let mut function = Command::new(BOOTSTRAP)
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "function")
        .env("LAMBDA_TASK_ROOT", "/var/task")
        .env("_HANDLER", handler)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed("start `/var/runtime/bootstrap`"))?;
    let said = tokio::select! {
        biased;
        Some(said) = heard.recv() => said,
        ended = function.wait() => {
            let ended = ended.map_err(failed("wait for the function"))?;
            return Err(InvocationError::Ended(ended));
        }
        stopped = serving => {
            let stopped = stopped.map_err(failed("talk to the function"));
            return stopped.map(|never| match never {});
        }
    };
    said.map_err(InvocationError::Failed)
}

async fn answer(api: Arc<Api>, call: Call) -> Reply {
    let path = call.path.strip_prefix(PREFIX).unwrap_or_default();
    let end = format!("invocation/{ID}/");
    match (&call.method, path) {
        (&Method::GET, "invocation/next") => next(&api).await,
        (&Method::POST, "init/error") => api.ends(Err(lossy(&call.body))),
        (&Method::POST, path) => match path.strip_prefix(&end) {
            Some("response") => api.ends(Ok(call.body)),
            Some("error") => api.ends(Err(lossy(&call.body))),
            _ => Reply::message(StatusCode::NOT_FOUND, "no such call"),
        },
        _ => Reply::message(StatusCode::NOT_FOUND, "no such call"),
    }
}

/// The event; a second one never comes.
async fn next(api: &Api) -> Reply {
    let event = {
        let mut event = api.event.lock().unwrap_or_else(PoisonError::into_inner);
        event.take()
    };
    let Some(event) = event else {
        return std::future::pending().await;
    };
    let deadline = SystemTime::now() + LIMIT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("lambda-runtime-aws-request-id", ID.to_owned()),
        (
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:function".to_owned(),
        ),
    ];
    Reply {
        status: StatusCode::OK,
        headers: headers.to_vec(),
        body: event,
    }
}

impl Api {
    fn ends(&self, said: Said) -> Reply {
        // The first word counts; nobody hears a later one.
        self.said.send(said).ok();
        Reply::message(StatusCode::ACCEPTED, "accepted")
    }
}

fn lossy(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn failed(what: &'static str) -> impl FnOnce(std::io::Error) -> InvocationError {
    move |source| InvocationError::Start { what, source }
}
