//! The function runtime: one HTTP request, one run of the handler.
//!
//! Here: running `/var/task/handler` with the request as JSON on stdin; what it writes to stdout is the answer.
//! Not here: which function runs in which container.

use std::process::Stdio;
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::agent::RUNTIME_PORT;
use crate::http::{self, Call, Reply};
use crate::{ServiceError, chain};

/// The port to listen on, where functions share one address; handlers never see it.
pub(crate) const PORT_VARIABLE: &str = "ESB_RUNTIME_PORT";
const HANDLER: &str = "/var/task/handler";
const HANDLER_LIMIT: Duration = Duration::from_secs(30);
const SHOWN_LINES: usize = 10;

/// Serves until the process ends.
pub(crate) async fn serve() -> Result<(), ServiceError> {
    http::serve(port()?, answer).await
}

fn port() -> Result<u16, ServiceError> {
    let Ok(value) = std::env::var(PORT_VARIABLE) else {
        return Ok(RUNTIME_PORT);
    };
    value.parse().map_err(|_| ServiceError::NoPort {
        variable: PORT_VARIABLE,
        value,
    })
}

async fn answer(call: Call) -> Reply {
    let output = match tokio::time::timeout(HANDLER_LIMIT, run(&call)).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            let message = format!("cannot run `{HANDLER}`: {}", chain(&error));
            return Reply::message(StatusCode::BAD_GATEWAY, &message);
        }
        Err(_) => {
            let message = format!("the handler ran for over {} s", HANDLER_LIMIT.as_secs());
            return Reply::message(StatusCode::GATEWAY_TIMEOUT, &message);
        }
    };
    if output.status.success() {
        return Reply {
            status: StatusCode::OK,
            body: output.stdout.into(),
        };
    }
    let message = format!(
        "the handler ended with {}: {}",
        output.status,
        last_lines(&output.stderr)
    );
    Reply::message(StatusCode::BAD_GATEWAY, &message)
}

async fn run(call: &Call) -> std::io::Result<std::process::Output> {
    let mut handler = Command::new(HANDLER)
        .env_remove(PORT_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = handler.stdin.take();
    let event = call.body.clone();
    // Written beside reading: a handler may answer before it has read everything. One that never reads closes the pipe,
    // which is its right.
    let feeding = tokio::spawn(async move {
        if let Some(mut stdin) = stdin
            && let Err(error) = stdin.write_all(&event).await
        {
            eprintln!("the handler did not read the whole request: {error}");
        }
    });
    let output = handler.wait_with_output().await;
    feeding.abort();
    output
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join(" / ")
}
