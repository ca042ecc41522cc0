//! What the check found.

use serde::{Deserialize, Serialize};

/// How a requirement that could not be observed is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It fails.
    #[default]
    Strict,
    /// It warns.
    Lenient,
}

/// May this artifact meet that stack?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Compatible,
    /// No.
    Incompatible,
}

/// How one finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Satisfied.
    Pass,
    /// Recorded, not compared.
    Note,
    /// Odd, still accepted.
    Warn,
    /// Not satisfied.
    Fail,
}

/// One comparison of a requirement with an observation; passed ones are recorded too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was compared: `api_version`, `mode`, `esb_version`, a service, or `secret NAME`.
    pub component: String,
    /// The container, where one is meant.
    pub container: Option<String>,
    /// How it counts.
    pub grade: Grade,
    /// What was found; none when it could not be observed.
    pub found: Option<String>,
    /// What was required.
    pub required: String,
    /// Where `found` was read from, in words: `label com.esb.version`.
    pub source: Option<String>,
    /// The next thing to do, on warnings and failures.
    pub hint: Option<String>,
}
