//! What is asked of the engine: to build from an archive by one of its builders, to load an image, to show one.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use e2e::engine::{LABEL_RUN, TestEngine};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::sample::Sample;

/// How long one part of an answer may take.
const LIMIT: Duration = Duration::from_secs(100);

/// The builders of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    Classic,
    BuildKit,
}

pub(super) struct Api {
    socket: PathBuf,
    run: String,
}

impl Api {
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Api> = OnceLock::new();
        SHARED.get_or_init(|| {
            let engine = TestEngine::shared();
            Self {
                socket: engine.socket().to_owned(),
                run: engine.run_id().to_owned(),
            }
        })
    }

    /// The id of the run, under its label on everything that is made.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// A name for an image of this run.
    pub(super) fn name(&self, case: &str, maker: &str) -> String {
        format!("{}-{maker}:{case}", self.run)
    }

    /// Builds an image from an archive that holds its Dockerfile.
    pub(super) fn build(&self, builder: Builder, name: &str, context: &[u8]) -> Result<(), String> {
        let version = match builder {
            Builder::Classic => 1,
            Builder::BuildKit => 2,
        };
        let labels = json!({ LABEL_RUN: self.run }).to_string();
        let labels = utf8_percent_encode(&labels, NON_ALPHANUMERIC);
        let arguments = json!(Sample::arguments()).to_string();
        let arguments = utf8_percent_encode(&arguments, NON_ALPHANUMERIC);
        let path = format!(
            "/build?version={version}&t={name}&labels={labels}&buildargs={arguments}&nocache=1&rm=1&forcerm=1"
        );
        said(&self.call("POST", &path, "application/x-tar", context)?)
    }

    /// Loads an image from an archive.
    pub(super) fn load(&self, archive: &[u8]) -> Result<(), String> {
        said(&self.call("POST", "/images/load?quiet=1", "application/x-tar", archive)?)
    }

    /// Makes an image of one layer.
    pub(super) fn import(&self, name: &str, changes: &[&str], layer: &[u8]) -> Result<(), String> {
        let label = format!("LABEL {LABEL_RUN}={}", self.run);
        let changes = changes.iter().copied().chain([label.as_str()]);
        let changes =
            changes.map(|change| utf8_percent_encode(change, NON_ALPHANUMERIC).to_string());
        let changes = changes.collect::<Vec<_>>().join("&changes=");
        let path = format!("/images/create?fromSrc=-&repo={name}&changes={changes}");
        said(&self.call("POST", &path, "application/x-tar", layer)?)
    }

    /// The archive of an image.
    pub(super) fn save(&self, name: &str) -> Result<Vec<u8>, String> {
        self.call("GET", &format!("/images/{name}/get"), "", b"")
    }

    /// An image as the engine shows it.
    pub(super) fn inspect(&self, name: &str) -> Result<Value, String> {
        let shown = self.call("GET", &format!("/images/{name}/json"), "", b"")?;
        serde_json::from_slice(&shown).map_err(|error| error.to_string())
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), String> {
        let path = format!("/images/{name}?force=1");
        self.call("DELETE", &path, "", b"").map(drop)
    }

    /// The files of a container of an image, as an archive.
    pub(super) fn export(&self, name: &str) -> Result<Vec<u8>, String> {
        let labels = json!({ LABEL_RUN: self.run });
        let wanted = json!({ "Image": name, "Cmd": ["never run"], "Labels": labels });
        let wanted = serde_json::to_vec(&wanted).unwrap();
        let created = self.call("POST", "/containers/create", "application/json", &wanted)?;
        let created: Value = serde_json::from_slice(&created).map_err(|error| error.to_string())?;
        let id = created["Id"].as_str().ok_or("the container has no id")?;
        let exported = self.call("GET", &format!("/containers/{id}/export"), "", b"");
        let path = format!("/containers/{id}?force=1&v=1");
        self.call("DELETE", &path, "", b"")?;
        exported
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let exchange = || -> io::Result<Vec<u8>> {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(LIMIT))?;
            let head = format!(
                "{method} /v1.41{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            let mut answer = Vec::new();
            // An engine that has what it wants of an archive resets the connection behind its answer.
            match stream.read_to_end(&mut answer) {
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
                Ok(_) | Err(_) => Ok(answer),
            }
        };
        let answer = exchange().map_err(|error| format!("{method} {path}: {error}"))?;
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.ok_or("the answer has no head")? + 4);
        let head = String::from_utf8_lossy(head);
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('2') {
            Ok(body.to_vec())
        } else {
            Err(format!(
                "{method} {path}: {status} {}",
                String::from_utf8_lossy(body)
            ))
        }
    }
}

/// The error among the messages of a long call.
fn said(messages: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(messages);
    let errors = text.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(message["error"].as_str()?.to_owned())
    });
    errors.map(Err).next().unwrap_or(Ok(()))
}
