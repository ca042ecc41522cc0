//! What an engine said, read from its bytes alone, as the adapter reads it from a connection.
//!
//! For replies that were recorded, and for those that no engine should give: tests and the fuzz targets come in here.

use super::observe;
use super::redact::Redactor;
use super::transcript::Transcript;
use crate::compat::Observation;

/// The observation of a project that replies in JSON make: to the list of containers, and to the question for the version.
pub fn observation(
    project: &str,
    containers: &[u8],
    version: &[u8],
) -> serde_json::Result<Observation> {
    observe::recorded(project, containers, version)
}

/// How a build, a push or a pull ended whose lines these were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Every line that a person sees while it goes on.
    pub lines: Vec<String>,
    /// Why it failed, when the engine said so.
    pub error: Option<String>,
    /// The last lines, which a failure keeps.
    pub kept: Vec<String>,
}

/// What the lines of a build, a push or a pull tell.
pub fn told<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: String| {
        said.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(line);
    };
    let redactor = Redactor::NONE;
    let mut transcript = Transcript::new(&redactor, &say);
    for line in lines {
        transcript.read(line);
    }
    let (error, kept) = match transcript.end() {
        Ok(_) => (None, Vec::new()),
        Err(spoken) => (Some(spoken.message), spoken.output),
    };
    let lines = said
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Told { lines, error, kept }
}
