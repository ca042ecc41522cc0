//! The model of `artifact.yml`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A manifest that satisfies the payload contract. Its JSON form is the normalised manifest that `Requested` records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// The compose project of the stack, verbatim.
    pub project: String,
    /// The environment.
    pub env: String,
    /// How the stack runs functions.
    pub mode: Mode,
    /// What the artifact asks of the running stack.
    pub runtime_stack: Option<RuntimeStack>,
    /// The entries, in the order in which they merge; at least one.
    pub artifacts: Vec<ArtifactEntry>,
    /// When it was generated (RFC 3339), as written.
    pub generated_at: Option<String>,
    /// What generated it.
    pub generator: Option<Generator>,
}

/// How a stack runs functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The agent runs them on the Docker engine.
    Docker,
    /// A runtime-node runs them on containerd.
    Containerd,
}

impl Mode {
    /// Reads `docker` or `containerd`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "docker" => Some(Self::Docker),
            "containerd" => Some(Self::Containerd),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
        })
    }
}

/// `MAJOR` or `MAJOR.MINOR`; an absent minor is 0. Written `MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = r"^[0-9]+\.[0-9]+$")))]
#[serde(try_from = "String", into = "String")]
pub struct ApiVersion {
    /// Incompatible generations.
    pub major: u32,
    /// Additions within one.
    pub minor: u32,
}

impl ApiVersion {
    /// Reads `1` or `1.0`: plain decimal digits, nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        match text.split_once('.') {
            None => Some(Self {
                major: number(text)?,
                minor: 0,
            }),
            Some((major, minor)) => Some(Self {
                major: number(major)?,
                minor: number(minor)?,
            }),
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not MAJOR or MAJOR.MINOR"))
    }
}

impl From<ApiVersion> for String {
    fn from(version: ApiVersion) -> Self {
        version.to_string()
    }
}

/// What the artifact asks of the running stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeStack {
    /// The api version the artifact was made for.
    pub api_version: ApiVersion,
    /// Equal to the manifest's mode.
    pub mode: Mode,
    /// Release of the stack: exact version, semver range, or a moving tag.
    pub esb_version: Option<String>,
    /// Semver range per service.
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub requires: BTreeMap<String, semver::VersionReq>,
}

/// One entry of `artifacts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArtifactEntry {
    /// The computed id; none without a source template.
    pub id: Option<String>,
    /// As written: absolute, or relative to the manifest's directory.
    pub artifact_root: String,
    /// As written: relative, inside the artifact root.
    pub runtime_config_dir: String,
    /// As written: relative, inside the artifact root.
    pub bundle_manifest: Option<String>,
    /// Names only.
    pub required_secret_env: Vec<String>,
    /// Provenance, never opened.
    pub source_template: Option<SourceTemplate>,
}

/// Where an entry came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceTemplate {
    /// Path of the template, as written.
    pub path: String,
    /// SHA-256 of the template, 64 lowercase hexadecimal digits.
    pub sha256: Option<String>,
    /// Parameters it was rendered with.
    pub parameters: BTreeMap<String, String>,
}

/// What generated the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Generator {
    /// Name of the tool.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// A function's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, since it becomes a part of paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")))]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(String);

impl FunctionName {
    /// Reads a name; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let first = bytes.next()?;
        let fits = first.is_ascii_alphanumeric()
            && text.len() <= 128
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FunctionName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a function name"))
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}
