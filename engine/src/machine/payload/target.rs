//! What the events carry that are about a target, and not about how far a deploy is: its locks, and its drift.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compat::Finding;
use crate::contract::{Digest, FunctionName};
use crate::merge::{ConfigFile, Drift};

/// The owner before this one ended without letting go of the target: killed, crashed, or the power went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakenOver {
    /// Who it was.
    pub holder: LostHolder,
}

/// An owner that ended without letting go, as its lock named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LostHolder {
    /// Who.
    pub actor: String,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// The machine's boot id: after a restart a process number means nothing.
    pub boot_id: String,
    /// Since when it held the target, RFC 3339.
    pub since: String,
    /// The deploy that it ran, once that was known.
    pub deploy: Option<Uuid>,
}

/// A person holds the target: nothing is deployed onto it until somebody lets go of it. Who and since when is in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// Why.
    pub message: String,
    /// The first event of the latest deploy, so that opening a target that was held costs no history either.
    pub latest: Option<u64>,
}

/// A person let go of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Released {
    /// What the person said.
    pub note: Option<String>,
}

/// Somebody compared what is there with what was applied, and it is otherwise. Who and when is in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DriftFound {
    /// The first event of the latest deploy, so that opening a target whose drift was recorded costs no history either.
    pub latest: u64,
    /// The deploy that was compared: the one in effect.
    pub in_effect: Uuid,
    /// Files of the output directory that are not what was applied.
    pub files: Vec<ConfigFile>,
    /// Keys of ours that stand otherwise.
    pub keys: Vec<Drift>,
    /// Tags that name another image than was applied, or none.
    pub tags: Vec<MovedTag>,
    /// The checks that the running stack fails.
    pub refused: Vec<Finding>,
}

/// A tag that does not name the image that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MovedTag {
    /// The function.
    pub function: FunctionName,
    /// The tag, as functions.yml says.
    pub reference: String,
    /// The digest that was applied.
    pub applied: Digest,
    /// What it names; none when the registry has no such tag.
    pub found: Option<Digest>,
}
