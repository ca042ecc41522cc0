//! Standard output is data, standard error is talk.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::args::Format;
use crate::failure::{Failure, Kind};

/// The version of the JSON that commands write; it changes when a field changes its meaning or goes away.
pub(crate) const JSON_VERSION: u32 = 1;

/// Where results go.
pub(crate) struct Output {
    format: Format,
}

/// One line of JSON output.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    version: u32,
    r#type: &'a str,
    #[serde(flatten)]
    body: T,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes a result: its text for people, or its JSON under a type.
    pub(crate) fn result(
        &self,
        kind: &str,
        body: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => Self::text(&text()),
            Format::Json => Self::json(kind, body),
        }
    }

    /// Writes one line of JSON, whatever the format is.
    pub(crate) fn json(kind: &str, body: &impl Serialize) -> Result<(), Failure> {
        let line = Line {
            version: JSON_VERSION,
            r#type: kind,
            body,
        };
        let mut bytes =
            serde_json::to_vec(&line).map_err(|error| Failure::of(Kind::Internal, &error))?;
        bytes.push(b'\n');
        write(&bytes)
    }

    /// Writes text, with a newline at its end.
    pub(crate) fn text(text: &str) -> Result<(), Failure> {
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        write(format!("{text}{newline}").as_bytes())
    }

    /// Reports a failure: words on standard error, and in JSON an object on standard output too.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        if self.is_json() {
            #[derive(Serialize)]
            struct Body<'a> {
                exit_code: u8,
                #[serde(flatten)]
                failure: &'a Failure,
            }
            // A reader that has gone away does not change how the command ended.
            let _ = Self::json(
                "error",
                &Body {
                    exit_code: failure.kind.code(),
                    failure,
                },
            );
        }
        let mut text = format!("error: {}\n", indented(&failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("  cause: {}\n", indented(cause)));
        }
        for line in &failure.output {
            text.push_str(&format!("  | {line}\n"));
        }
        // A violation shows its own hint below its source line.
        for hint in failure
            .hints
            .iter()
            .filter(|hint| !failure.message.contains(*hint))
        {
            text.push_str(&format!("  hint: {}\n", indented(hint)));
        }
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(failure.kind.code())
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

/// A reader that closed the pipe has read enough: that ends the command, and is no failure of it.
fn write(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::of(Kind::Unreachable, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
