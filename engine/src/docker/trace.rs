//! The progress of a `BuildKit` build, as lines for people.
//!
//! The engine sends it as base64 of a protobuf message (`moby.buildkit.v1.StatusResponse`, `control.proto` of moby/buildkit).
//! Only the fields that are shown are declared; protobuf skips the others.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use super::redact::{Line, Lines};

/// More steps than any Dockerfile has; beyond it steps are not remembered, so that memory stays bounded.
const STEP_LIMIT: usize = 10_000;

/// More lines than any build leaves open at a time: each step has two outputs, and few steps run side by side.
const OPEN_LIMIT: usize = 64;

/// What was already said of each step, and what it has begun to say.
#[derive(Debug, Default)]
pub(super) struct Trace {
    said: BTreeMap<String, Said>,
    /// By step and output. `BuildKit` sends what a step prints in pieces of 32 KiB, wherever its lines end.
    open: BTreeMap<(String, i64), Lines>,
}

#[derive(Debug, Default)]
struct Said {
    started: bool,
    cached: bool,
    error: bool,
}

impl Trace {
    /// The lines one message adds; none when it says nothing that was not said, or cannot be read.
    pub(super) fn lines(&mut self, aux: &str) -> Vec<Line> {
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
        for log in status.logs {
            self.log(log, &mut lines);
        }
        // What a step said in this message stands before its end.
        for vertex in &status.vertexes {
            self.step_ended(vertex, &mut lines);
        }
        lines
    }

    /// Hands over the lines whose ends have not come; `cut` says that more of them may have been meant to come.
    pub(super) fn end(&mut self, cut: bool, mut line: impl FnMut(Line)) {
        for (_, mut open) in std::mem::take(&mut self.open) {
            open.end(cut, &mut line);
        }
    }

    fn log(&mut self, log: VertexLog, lines: &mut Vec<Line>) {
        let output = (log.vertex, log.stream);
        if self.open.len() >= OPEN_LIMIT && !self.open.contains_key(&output) {
            self.end(true, |line| lines.push(line));
        }
        let open = self.open.entry(output).or_default();
        open.read(&log.msg, |line| lines.push(line));
    }

    fn step_ended(&mut self, vertex: &Vertex, lines: &mut Vec<Line>) {
        if vertex.completed.is_some() || !vertex.error.is_empty() {
            for output in [1, 2] {
                if let Some(mut open) = self.open.remove(&(vertex.digest.clone(), output)) {
                    open.end(false, |line| lines.push(line));
                }
            }
        }
        let Some(said) = self.said.get_mut(&vertex.digest) else {
            return;
        };
        if !vertex.error.is_empty() && !said.error {
            said.error = true;
            lines.push(Line::whole(format!("{}: {}", vertex.name, vertex.error)));
        }
    }

    fn step(&mut self, vertex: &Vertex, lines: &mut Vec<Line>) {
        if self.said.len() >= STEP_LIMIT && !self.said.contains_key(&vertex.digest) {
            return;
        }
        let said = self.said.entry(vertex.digest.clone()).or_default();
        let internal = vertex.name.starts_with("[internal]") || vertex.name == "copy /context /";
        if vertex.cached && !said.cached {
            (said.cached, said.started) = (true, true);
            if !internal {
                lines.push(Line::whole(format!("{} (cached)", vertex.name)));
            }
        }
        if vertex.started.is_some() && !said.started {
            said.started = true;
            if !internal {
                lines.push(Line::whole(vertex.name.clone()));
            }
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
    #[prost(message, optional, tag = "6")]
    completed: Option<Timestamp>,
    #[prost(string, tag = "7")]
    error: String,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {}

#[derive(Clone, PartialEq, Message)]
struct VertexLog {
    #[prost(string, tag = "1")]
    vertex: String,
    #[prost(int64, tag = "3")]
    stream: i64,
    #[prost(bytes = "vec", tag = "4")]
    msg: Vec<u8>,
}
