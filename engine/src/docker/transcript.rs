//! What the engine says while it builds, pushes or pulls: lines for people, and the facts between them.
//!
//! Here: reading its JSON lines. Not here: where they come from (`wire`) and what a failure means (`fault`).

use std::collections::VecDeque;

use serde::Deserialize;

use super::redact::{Line, Lines, Redactor};
use super::trace::Trace;
use crate::contract::{Digest, is_shown};

/// How many of the last lines are kept for a failure.
const KEPT_LINES: usize = 40;

/// Where a line is cut, in characters.
const LINE_CHARS: usize = 400;

/// One message of the engine. A build says `stream`, a push and a pull say `status`; both end a failure with `error`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    id: Option<String>,
    stream: Option<String>,
    status: Option<String>,
    progress_detail: Option<Progress>,
    aux: Option<serde_json::Value>,
    error: Option<String>,
    error_detail: Option<ErrorDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Progress {
    current: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: Option<String>,
}

/// Everything that was said so far, as far as it matters.
pub(super) struct Transcript<'a> {
    redactor: &'a Redactor,
    say: &'a (dyn Fn(String) + Sync),
    trace: Trace,
    /// What a classic build says.
    open: Lines,
    tail: Tail,
    /// The manifest digest a push or pull ends with.
    digest: Option<Digest>,
    error: Option<String>,
}

impl<'a> Transcript<'a> {
    /// Nothing was said yet. Each line that is worth showing goes to `say`, without secrets.
    pub(super) fn new(redactor: &'a Redactor, say: &'a (dyn Fn(String) + Sync)) -> Self {
        Self {
            redactor,
            say,
            trace: Trace::default(),
            open: Lines::default(),
            tail: Tail::default(),
            digest: None,
            error: None,
        }
    }

    /// Reads one line of the answer. What is no message is shown as it is.
    pub(super) fn read(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let Ok(message) = serde_json::from_slice::<Message>(line) else {
            self.line(&String::from_utf8_lossy(line));
            return;
        };
        if let Some(text) = &message.stream {
            self.stream(text);
        }
        if let Some(status) = &message.status {
            self.status(status, &message);
        }
        if let Some(aux) = &message.aux {
            self.aux(message.id.as_deref(), aux);
        }
        let detail = message.error_detail.and_then(|detail| detail.message);
        if let Some(error) = detail.or(message.error) {
            self.flush(false);
            self.error = Some(tidy_lines(&error, self.redactor));
        }
    }

    /// How it ended.
    pub(super) fn end(mut self) -> Result<Option<Digest>, Spoken> {
        self.flush(false);
        match self.error {
            None => Ok(self.digest),
            Some(message) => Err(Spoken {
                message,
                output: self.tail.lines(),
            }),
        }
    }

    /// The last lines so far, for a failure that the engine did not speak of itself: it may have been in the middle of a line.
    pub(super) fn last_lines(mut self) -> Vec<String> {
        self.flush(true);
        self.tail.lines()
    }

    fn stream(&mut self, text: &str) {
        let mut lines = Vec::new();
        self.open.read(text.as_bytes(), |line| lines.push(line));
        self.lines(lines);
    }

    fn status(&mut self, status: &str, message: &Message) {
        let moving = message
            .progress_detail
            .as_ref()
            .is_some_and(|progress| progress.current.is_some());
        if moving {
            return;
        }
        if let Some((_, rest)) = status.split_once("digest: ") {
            self.digest = rest.split(' ').next().and_then(Digest::parse);
        } else if let Some(digest) = status.strip_prefix("Digest: ") {
            self.digest = Digest::parse(digest);
        }
        match &message.id {
            Some(id) => self.line(&format!("{id}: {status}")),
            None => self.line(status),
        }
    }

    fn aux(&mut self, id: Option<&str>, aux: &serde_json::Value) {
        if let (Some("moby.buildkit.trace"), Some(text)) = (id, aux.as_str()) {
            let lines = self.trace.lines(text);
            self.lines(lines);
        }
        if let Some(digest) = aux.get("Digest").and_then(|digest| digest.as_str()) {
            self.digest = Digest::parse(digest).or(self.digest.take());
        }
    }

    /// Hands over the lines whose ends have not come; `cut` says that more of them may have been meant to come.
    fn flush(&mut self, cut: bool) {
        let mut lines = Vec::new();
        self.open.end(cut, |line| lines.push(line));
        self.trace.end(cut, |line| lines.push(line));
        self.lines(lines);
    }

    fn line(&mut self, text: &str) {
        self.lines(vec![Line::whole(text)]);
    }

    fn lines(&mut self, lines: Vec<Line>) {
        for line in lines {
            let line = tidy(&line, self.redactor);
            if !line.trim().is_empty() {
                self.tail.push(line.clone());
                (self.say)(line);
            }
        }
    }
}

/// The engine's own words about why it failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// Its message.
    pub(super) message: String,
    /// The last lines before it.
    pub(super) output: Vec<String>,
}

/// The last lines of an output.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    /// Adds a line; the oldest goes when there are too many.
    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == KEPT_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// The lines, oldest first.
    pub(super) fn lines(self) -> Vec<String> {
        self.0.into()
    }
}

/// A line as people and the journal get it: printable, without secrets, cut to what an event may hold.
pub(super) fn tidy(line: &Line, redactor: &Redactor) -> String {
    let text = printable(&line.text);
    let text = if line.cut {
        redactor.clean_cut(&text)
    } else {
        redactor.clean(&text)
    };
    match text.char_indices().nth(LINE_CHARS) {
        None => text,
        Some((at, _)) => text[..at].to_owned(),
    }
}

/// The first lines of a message, each as [`tidy`] makes it: whoever writes it bounds neither what we say nor what we keep.
pub(super) fn tidy_lines(message: &str, redactor: &Redactor) -> String {
    let lines = message.trim().lines().take(KEPT_LINES);
    lines
        .map(|line| tidy(&Line::whole(line), redactor))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Takes out colours and everything else that moves a terminal. Of a line that was overwritten (`\r`) the last state stays.
pub(super) fn printable(line: &str) -> String {
    let line = line.trim_end();
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A control sequence: `[`, parameters, one final letter. Anything else is one character.
            if chars.next() == Some('[') {
                chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
        } else if c == '\t' {
            out.push(' ');
        } else if is_shown(c) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
