//! The function runtime: one HTTP request, one run of the handler.
//!
//! Here: which program of `/var/task` the handler is, and running it with the request as JSON on stdin; what it writes to stdout
//! is the answer. Not here: which function runs in which container.

use std::path::{Path, PathBuf};
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
const TASK: &str = "/var/task";
/// Calls handlers of a language; the bases of languages have one.
const CLIENT: &str = "/opt/runtime/client";
/// The longest that any function may run; the agent ends a call when its function's own time is over.
const HANDLER_LIMIT: Duration = Duration::from_secs(15 * 60);
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

/// The handler: `handler` as it stands, else `bootstrap` (provided runtimes), else what the image's command names in the way of
/// scripting runtimes: `app.main` is the program `app.py`, told `main`.
fn handler(task: &Path, named: Option<&str>) -> (PathBuf, Option<String>) {
    let there = ["handler", "bootstrap"]
        .iter()
        .map(|name| task.join(name))
        .find(|path| path.exists());
    let named = || {
        let (module, function) = named?.rsplit_once('.')?;
        let path = task.join(format!("{}.py", module.replace('.', "/")));
        Some((path, Some(function.to_owned())))
    };
    match there {
        Some(path) => (path, None),
        None => named().unwrap_or_else(|| (task.join("handler"), None)),
    }
}

async fn answer(call: Call) -> Reply {
    let named = std::env::args().nth(2);
    let (program, function) = match named {
        Some(named) if Path::new(CLIENT).exists() => (CLIENT.into(), Some(named)),
        named => handler(Path::new(TASK), named.as_deref()),
    };
    let ran = run(&call, &program, function.as_deref());
    let output = match tokio::time::timeout(HANDLER_LIMIT, ran).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            let message = format!("cannot run `{}`: {}", program.display(), chain(&error));
            return Reply::message(StatusCode::BAD_GATEWAY, &message);
        }
        Err(_) => {
            let message = format!("the handler ran for over {} s", HANDLER_LIMIT.as_secs());
            return Reply::message(StatusCode::GATEWAY_TIMEOUT, &message);
        }
    };
    if output.status.success() {
        return Reply::json(StatusCode::OK, output.stdout.into());
    }
    let message = format!(
        "the handler ended with {}: {}",
        output.status,
        last_lines(&output.stderr)
    );
    Reply::message(StatusCode::BAD_GATEWAY, &message)
}

async fn run(
    call: &Call,
    program: &Path,
    function: Option<&str>,
) -> std::io::Result<std::process::Output> {
    let mut handler = Command::new(program)
        .args(function)
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain(&["handler", "bootstrap"], Some("app.main"), "handler", None)]
    #[case::provided(&["bootstrap"], Some("bootstrap"), "bootstrap", None)]
    #[case::module(&["app.py"], Some("app.main"), "app.py", Some("main"))]
    #[case::package(&["a/b.py"], Some("a.b.main"), "a/b.py", Some("main"))]
    #[case::nothing(&[], None, "handler", None)]
    fn the_handler_is_found(
        #[case] files: &[&str],
        #[case] named: Option<&str>,
        #[case] program: &str,
        #[case] function: Option<&str>,
    ) {
        let task = tempfile::tempdir().unwrap();
        for file in files {
            let path = task.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let expected = (task.path().join(program), function.map(str::to_owned));
        assert_eq!(handler(task.path(), named), expected);
    }
}
