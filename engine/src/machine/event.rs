//! The typed events, version 1. Events never change: add a schema number and an upcast.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compat::{Finding, Observation, Policy, Verdict};
use crate::contract::{Digest, FunctionName, Manifest};
use crate::merge::{Changes, ConfigFile, Drift, Ownership};

/// One event of a deploy.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful live at a time; a box would only hide the shape"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Someone asked for this deploy.
    Requested(Requested),
    /// What was running.
    Observed(ObservedStack),
    /// May this artifact meet that stack?
    CompatChecked(CompatChecked),
    /// What the configuration will be.
    Merged(Merged),
    /// One image is in the registry.
    ImageBuilt(ImageBuilt),
    /// The configuration is published, and provisioned when asked.
    Applied(Applied),
    /// This attempt ended here.
    Failed(Failed),
    /// A new attempt goes on.
    Resumed(Resumed),
    /// It will never be finished.
    Abandoned(Abandoned),
    /// The owner before this one ended without letting go of the target.
    TakenOver(TakenOver),
    /// A person holds the target.
    Held(Held),
    /// A person let go of the target.
    Released(Released),
}

/// Someone asked for this deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Digest over the normalised manifest and every payload file and build input: what is the same artifact.
    pub artifact: Digest,
    /// The manifest's path, absolute; a resume reads it again.
    pub manifest_path: String,
    /// The normalised manifest.
    pub manifest: Manifest,
    /// The compose project that is deployed onto.
    pub project: String,
    /// The output directory, absolute.
    pub out: String,
    /// What was asked for besides.
    pub options: Options,
    /// The deploy whose keys may stand in the output directory.
    pub base: Option<Base>,
}

/// What was asked for besides the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// How unknowns are taken.
    pub compat: Policy,
    /// Warnings of the check count as failures.
    pub strict_warnings: bool,
    /// Build even what is in the registry.
    pub no_cache: bool,
    /// Stale keys of ours are removed.
    pub prune: bool,
    /// Platform to build for; none is the engine's.
    pub platform: Option<String>,
    /// Run the provisioner after publishing, called like this.
    pub provision: Option<ComposeCall>,
    /// Path of the secret file, when one was given; a resume reads it again.
    pub secret_env: Option<String>,
}

/// How Compose is called for the provisioner. Paths are absolute, so that a resume calls it alike from anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ComposeCall {
    /// Compose files, in order; none leaves the choice to Compose.
    pub files: Vec<String>,
    /// Compose's environment file.
    pub env_file: Option<String>,
    /// Compose's project directory.
    pub project_dir: Option<String>,
    /// Compose starts what the provisioner depends on.
    pub with_deps: bool,
}

/// The deploy whose keys may stand in the output directory: the last that was applied, or that may have begun to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its id.
    pub deploy: Uuid,
    /// The sequence of its `Merged` event.
    pub merged: u64,
    /// It was applied, so that what it removed is gone.
    pub applied: bool,
}

/// What was running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedStack {
    /// The whole observation, each event with its source.
    pub observation: Observation,
}

/// May this artifact meet that stack?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompatChecked {
    /// Yes or no.
    pub verdict: Verdict,
    /// How unknowns were taken.
    pub policy: Policy,
    /// Warnings counted as failures.
    pub strict_warnings: bool,
    /// Every finding, passed ones too.
    pub findings: Vec<Finding>,
}

/// What the configuration will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Digest of each file that will stand in the output directory.
    pub files: BTreeMap<ConfigFile, Digest>,
    /// Who owns what once this is published.
    pub ownership: Ownership,
    /// What differs from the output directory as it is.
    pub changes: Changes,
    /// Keys of ours that somebody changed by hand; they are overwritten.
    pub drift: Vec<Drift>,
    /// The functions whose images this deploy owes to the registry.
    pub images: Vec<FunctionName>,
    /// Warnings, as `file:line:column: message`.
    pub warnings: Vec<String>,
}

/// One image is in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBuilt {
    /// The function.
    pub function: FunctionName,
    /// The reference the stack pulls.
    pub reference: String,
    /// The content key.
    pub key: Digest,
    /// What went into the key, part by part; a later deploy explains a rebuild with it.
    pub inputs: BTreeMap<String, Digest>,
    /// The manifest digest in the registry.
    pub digest: Digest,
    /// The digest of each base, by reference.
    pub bases: BTreeMap<String, Digest>,
    /// Found in the registry, or built.
    pub source: ImageSource,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// Where an image came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// Its key was in the registry.
    Reused,
    /// It was built and pushed.
    Built,
}

/// The configuration is published, and provisioned when asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Each file, and whether it had to be written.
    pub files: BTreeMap<ConfigFile, PublishedFile>,
    /// What the provisioner said, when it was asked for.
    pub provision: Option<ProvisionResult>,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Its digest.
    pub digest: Digest,
    /// It was written; false when it stood there already.
    pub written: bool,
}

/// What a provisioner run ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionResult {
    /// Exit code of the provisioner.
    pub exit_code: i32,
    /// The last lines of its output.
    pub output: Vec<String>,
}

/// A step of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Looking at the running stack.
    Observe,
    /// Checking the artifact against it.
    Check,
    /// Merging the configuration.
    Merge,
    /// Building and pushing an image.
    Image,
    /// Publishing the configuration.
    Publish,
    /// Running the provisioner.
    Provision,
}

/// Why an attempt ended. Each kind has its exit code in `cli`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The artifact breaks the payload contract.
    Payload,
    /// The running stack is incompatible, or could not be verified.
    Incompatible,
    /// An image could not be built, pushed or pulled.
    Image,
    /// The configuration could not be published.
    Publish,
    /// The provisioner failed.
    Provision,
    /// Engine or registry cannot be reached.
    Unreachable,
    /// A person stopped it.
    Interrupted,
    /// A bug.
    Internal,
}

/// This attempt ended here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// In which step.
    pub step: Step,
    /// The function, where one image is meant.
    pub function: Option<FunctionName>,
    /// What kind of failure.
    pub kind: FailureKind,
    /// What went wrong, with its causes: one line each, the outermost first.
    pub message: String,
    /// The next thing to do; one line each where there are several.
    pub hint: Option<String>,
    /// The last lines of a failed build or provisioner; at most 40 lines of 400 characters.
    pub output: Vec<String>,
    /// The same command may succeed when it is repeated.
    pub retryable: bool,
}

/// A new attempt goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Number of the new attempt, from 2.
    pub attempt: Attempt,
    /// Why the last one ended; none when it was killed and could not say.
    pub last_failure: Option<FailureKind>,
}

/// Number of an attempt at a deploy, from 1.
pub type Attempt = u32;

/// It will never be finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoned {
    /// Why.
    pub reason: AbandonReason,
    /// What the person said.
    pub note: Option<String>,
}

/// Why a deploy is abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbandonReason {
    /// Another artifact was deployed onto the same target.
    Superseded {
        /// The digest of the other artifact.
        by: Digest,
    },
    /// A person gave it up.
    GivenUp,
}

/// The owner before this one ended without letting go of the target: killed, crashed, or the power went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// Who it was.
    pub holder: LostHolder,
}

/// An owner that ended without letting go, as its lock named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Held {
    /// Why.
    pub message: String,
    /// The first event of the latest deploy, so that opening a target that was held costs no history either.
    pub latest: Option<u64>,
}

/// A person let go of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// What the person said.
    pub note: Option<String>,
}

impl Requested {
    /// The same artifact, onto the same target, with the same options: what an unfinished deploy goes on with.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.artifact == other.artifact
            && self.project == other.project
            && self.out == other.out
            && self.options == other.options
    }
}

impl Event {
    /// Every kind: those of a deploy in its order, then those of the target's lock.
    pub const KINDS: [&'static str; 12] = [
        "Requested",
        "Observed",
        "CompatChecked",
        "Merged",
        "ImageBuilt",
        "Applied",
        "Failed",
        "Resumed",
        "Abandoned",
        "TakenOver",
        "Held",
        "Released",
    ];

    /// The kinds that are about who may use the target, and not about how far a deploy is.
    pub const LOCK_KINDS: [&'static str; 3] = ["TakenOver", "Held", "Released"];

    /// The kind, as journal envelopes carry it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Requested(_) => "Requested",
            Self::Observed(_) => "Observed",
            Self::CompatChecked(_) => "CompatChecked",
            Self::Merged(_) => "Merged",
            Self::ImageBuilt(_) => "ImageBuilt",
            Self::Applied(_) => "Applied",
            Self::Failed(_) => "Failed",
            Self::Resumed(_) => "Resumed",
            Self::Abandoned(_) => "Abandoned",
            Self::TakenOver(_) => "TakenOver",
            Self::Held(_) => "Held",
            Self::Released(_) => "Released",
        }
    }
}
