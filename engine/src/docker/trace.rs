//! The progress of a `BuildKit` build, as lines for people.
//!
//! The engine sends it as base64 of a protobuf message (`moby.buildkit.v1.StatusResponse`, `control.proto` of moby/buildkit).
//! Only the fields that are shown are declared; protobuf skips the others.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

/// More steps than any Dockerfile has; beyond it steps are not remembered, so that memory stays bounded.
const STEP_LIMIT: usize = 10_000;

/// What was already said of each step.
#[derive(Debug, Default)]
pub(super) struct Trace {
    said: BTreeMap<String, Said>,
}

#[derive(Debug, Default)]
struct Said {
    started: bool,
    cached: bool,
    error: bool,
}

impl Trace {
    /// The lines one message adds; none when it says nothing that was not said, or cannot be read.
    pub(super) fn lines(&mut self, aux: &str) -> Vec<String> {
        let Ok(bytes) = STANDARD.decode(aux) else {
            return Vec::new();
        };
        let Ok(status) = StatusResponse::decode(bytes.as_slice()) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for vertex in &status.vertexes {
            self.step(vertex, &mut lines);
        }
        for log in &status.logs {
            let text = String::from_utf8_lossy(&log.msg);
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }

    fn step(&mut self, vertex: &Vertex, lines: &mut Vec<String>) {
        if self.said.len() >= STEP_LIMIT && !self.said.contains_key(&vertex.digest) {
            return;
        }
        let said = self.said.entry(vertex.digest.clone()).or_default();
        let internal = vertex.name.starts_with("[internal]") || vertex.name == "copy /context /";
        if vertex.cached && !said.cached {
            (said.cached, said.started) = (true, true);
            if !internal {
                lines.push(format!("{} (cached)", vertex.name));
            }
        }
        if vertex.started.is_some() && !said.started {
            said.started = true;
            if !internal {
                lines.push(vertex.name.clone());
            }
        }
        if !vertex.error.is_empty() && !said.error {
            said.error = true;
            lines.push(format!("{}: {}", vertex.name, vertex.error));
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "3")]
    logs: Vec<VertexLog>,
}

#[derive(Clone, PartialEq, Message)]
struct Vertex {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(bool, tag = "4")]
    cached: bool,
    #[prost(message, optional, tag = "5")]
    started: Option<Timestamp>,
    #[prost(string, tag = "7")]
    error: String,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {}

#[derive(Clone, PartialEq, Message)]
struct VertexLog {
    #[prost(bytes = "vec", tag = "4")]
    msg: Vec<u8>,
}
