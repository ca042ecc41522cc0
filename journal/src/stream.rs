//! The name of a stream of events: the target that is deployed to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Kept as they are in a path part; every other byte is percent-encoded.
const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// Longest part, in bytes: percent-encoded it is still a file name (255 bytes at most).
const PART_MAX: usize = 80;

/// A target, `project/env`. Within a part, `%` and `/` are written `%25` and `%2F`, so that the text names one target only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = r"^[^/]+/[^/]+$")))]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    project: String,
    env: String,
}

/// The text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamIdError {
    /// Not two parts.
    #[error("`{text}` is not a target, expected `project/env`")]
    Form {
        /// What was given.
        text: String,
    },
    /// A part is empty, too long, or holds a control character.
    #[error("`{part}` cannot be a part of a target: 1 to 80 bytes without control characters")]
    Part {
        /// What was given.
        part: String,
    },
}

impl StreamId {
    /// Names a target by its two parts, taken as they are.
    pub fn new(project: impl Into<String>, env: impl Into<String>) -> Result<Self, StreamIdError> {
        let (project, env) = (project.into(), env.into());
        for part in [&project, &env] {
            if part.is_empty() || part.len() > PART_MAX || part.chars().any(char::is_control) {
                return Err(StreamIdError::Part {
                    part: part.escape_debug().to_string(),
                });
            }
        }
        Ok(Self { project, env })
    }

    /// The project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The environment.
    pub fn env(&self) -> &str {
        &self.env
    }

    /// The relative folder of this target: two path parts that are never `.`, `..` or empty.
    pub fn to_path(&self) -> PathBuf {
        [path_part(&self.project), path_part(&self.env)]
            .iter()
            .collect()
    }

    /// Reads a folder name that [`StreamId::to_path`] wrote; any other name is `None`.
    pub(crate) fn part_from_path(name: &str) -> Option<String> {
        let part = percent_decode_str(name).decode_utf8().ok()?.into_owned();
        (path_part(&part) == name).then_some(part)
    }
}

fn path_part(part: &str) -> String {
    match part {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        other => utf8_percent_encode(other, PATH_PART).to_string(),
    }
}

fn text_part(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", text_part(&self.project), text_part(&self.env))
    }
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, StreamIdError> {
        let form = || StreamIdError::Form {
            text: text.escape_debug().to_string(),
        };
        let decode = |part| percent_decode_str(part).decode_utf8().map_err(|_| form());
        let (project, env) = text.split_once('/').ok_or_else(form)?;
        let stream = Self::new(decode(project)?, decode(env)?)?;
        // One target has one spelling.
        if stream.to_string() == text {
            Ok(stream)
        } else {
            Err(form())
        }
    }
}

impl TryFrom<String> for StreamId {
    type Error = StreamIdError;

    fn try_from(text: String) -> Result<Self, StreamIdError> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}
