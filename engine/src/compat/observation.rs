//! What was running, each fact with the place it was read from.

use serde::{Deserialize, Serialize};

use crate::contract::Mode;

/// Everything that was observed of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observation {
    /// The compose project that was looked at.
    pub project: String,
    /// The Docker engine.
    pub engine: ObservedEngine,
    /// The running containers of the project, sorted by service, then name.
    pub containers: Vec<Container>,
    /// The api version of the stack and the service whose label says so.
    pub api_version: Option<Observed<String, String>>,
    /// The mode of the stack.
    pub mode: Option<Observed<Mode, ModeSource>>,
    /// The names of the required secrets that the gateway's environment has, sorted; none when that was not looked at.
    pub gateway_secrets: Option<Vec<String>>,
    /// Other compose projects that run something, sorted; at most 32. Only ever used to word a hint.
    pub other_projects: Vec<String>,
}

impl Observation {
    /// It shows the same stack as another one. Which other projects run is no part of a stack.
    pub fn shows_the_same_stack(&self, other: &Self) -> bool {
        let Self {
            project,
            engine,
            containers,
            api_version,
            mode,
            gateway_secrets,
            other_projects: _,
        } = self;
        *project == other.project
            && *engine == other.engine
            && *containers == other.containers
            && *api_version == other.api_version
            && *mode == other.mode
            && *gateway_secrets == other.gateway_secrets
    }
}

/// A fact and where it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observed<T, S> {
    /// The fact.
    pub value: T,
    /// Where it was read from.
    pub source: S,
}

/// The Docker engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObservedEngine {
    /// Its id; none when it says none.
    pub id: Option<String>,
    /// The name of its host; none when it says none.
    pub name: Option<String>,
    /// Where it was reached, without credentials.
    pub address: Option<String>,
    /// Its release, as it says.
    pub version: String,
    /// The newest API version it speaks.
    pub api_version: String,
    /// `linux/amd64` and the like.
    pub platform: String,
}

/// One running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Container {
    /// Container name, without the leading slash.
    pub name: String,
    /// Label `com.docker.compose.service`.
    pub service: String,
    /// The image reference it was started from.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// The image's digest in a registry, when it has one.
    pub repo_digest: Option<String>,
    /// The version, as written at its source; none when unknown.
    pub version: Option<Observed<String, VersionSource>>,
    /// The tag of the image reference, kept when it is no version.
    pub tag: Option<String>,
    /// Label `com.esb.api_version`.
    pub api_version: Option<String>,
    /// Label `com.esb.mode`, verbatim.
    pub mode: Option<String>,
}

/// Where the version of a service was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// Label `com.esb.version`.
    EsbLabel,
    /// Label `org.opencontainers.image.version`.
    OciLabel,
    /// The tag of the image.
    ImageTag,
}

/// Where the mode of the stack was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModeSource {
    /// Label `com.esb.mode` of this service.
    Label(String),
    /// A running `runtime-node`.
    RuntimeNode,
    /// The ending of this image's name.
    ImageName(String),
    /// A running `agent`.
    Agent,
}
