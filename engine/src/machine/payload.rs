//! What each event carries, schema 2. An event that has been released never changes: it gets a new schema number and an upcast.

mod target;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compat::{Finding, Observation, Policy, Verdict};
use crate::contract::{Digest, FunctionName, Manifest};
use crate::merge::{Changes, ConfigFile, Drift, Ownership};

pub use target::{DriftFound, Held, LostHolder, MovedTag, Released, TakenOver};

/// Someone asked for this deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Why, as the person said; none when nothing was said.
    pub message: Option<String>,
    /// The names of the stack's registry and the tag of its bases, as they were resolved; none in what schema 1 recorded.
    pub registries: Option<RegistryNames>,
    /// What was asked for besides.
    pub options: Options,
    /// The deploy whose keys may stand in the output directory.
    pub base: Option<Base>,
    /// The deploy whose recorded state is to be in effect again; none when an artifact is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<Uuid>,
}

/// The stack's registry under its two names, and the tag of its base images. Never a credential.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistryNames {
    /// What functions.yml says: `CONTAINER_REGISTRY`.
    pub stack: Option<String>,
    /// What builds and pushes of this host use: `HOST_REGISTRY_ADDR`.
    pub host: Option<String>,
    /// The tag of a base image when the stack's version is unknown: `ESB_TAG`.
    pub esb_tag: Option<String>,
}

/// What was asked for besides the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Options {
    /// How unknowns are taken.
    pub compat: Policy,
    /// Warnings of the check count as failures.
    pub strict_warnings: bool,
    /// Build even what is in the registry.
    pub no_cache: bool,
    /// Images with these digests are taken although this journal recorded others under their keys.
    pub accept_digests: BTreeSet<Digest>,
    /// Stale keys of ours are removed.
    pub prune: bool,
    /// A key of ours that somebody changed by hand ends the deploy before anything changes.
    pub fail_on_drift: bool,
    /// Platform to build for; none is the engine's.
    pub platform: Option<String>,
    /// Run the provisioner after publishing, called like this.
    pub provision: Option<ComposeCall>,
    /// Path of the secret file, when one was given; a resume reads it again.
    pub secret_env: Option<String>,
}

/// How Compose is called for the provisioner. Paths are absolute, so that a resume calls it alike from anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Base {
    /// Its id.
    pub deploy: Uuid,
    /// The sequence of its `Merged` event.
    pub merged: u64,
    /// It was applied, so that what it removed is gone.
    pub applied: bool,
    /// The digest of the document of the images that it left in effect; none when it wrote none.
    pub images: Option<Digest>,
}

/// What was running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObservedStack {
    /// The whole observation, each event with its source.
    pub observation: Observation,
}

/// May this artifact meet that stack?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Merged {
    /// Digest of each file that will stand in the output directory.
    pub files: BTreeMap<ConfigFile, Digest>,
    /// Who owns what once this is published.
    pub ownership: Owners,
    /// What differs from the output directory as it is.
    pub changes: Changes,
    /// Keys of ours that somebody changed by hand; they are overwritten.
    pub drift: Vec<Drift>,
    /// The functions whose images this deploy owes to the registry.
    pub images: OwedImages,
    /// Warnings, as `file:line:column: message`.
    pub warnings: Vec<String>,
    /// The digest of the document of the values of our keys in each file. A file without such keys has none, nor has one whose document
    /// would be larger than any can be. Empty in what schema 2.0 recorded, which kept no values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<ConfigFile, Digest>,
}

/// Who owns what: said in full, or by the digest of the document that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Owners {
    /// In full.
    Stated(Ownership),
    /// By the document with this digest, which the journal keeps.
    Document(Digest),
}

/// The functions whose images a deploy owes: each by name, or all those of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OwedImages {
    /// Each by name, sorted.
    Stated(Vec<FunctionName>),
    /// The functions of the document of images that is in effect.
    Document {
        /// The digest of the document, which the journal keeps.
        digest: Digest,
        /// How many functions it names.
        count: u64,
    },
}

/// Images that are in the registry as an earlier deploy recorded them, so that nothing is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImagesKept {
    /// The deploy that recorded them, or kept them itself.
    pub base: Uuid,
    /// The digest of the document that says all about each image.
    pub images: Digest,
    /// How many are kept.
    pub count: u64,
    /// Digest over the names and digests of those that are kept.
    pub digest: Digest,
    /// The functions whose images are not kept, and are pending; sorted.
    pub pending: Vec<FunctionName>,
}

/// One image is in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Built, found in the registry, or adopted from another machine.
    pub source: ImageSource,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Of an image that this process built: no builder was needed. Journals that do not say it are of builders.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assembled: bool,
    /// Of an image that was assembled over one of its first instructions: that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<ImagePrefix>,
}

/// The image of the first instructions of a Dockerfile, up to its last RUN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImagePrefix {
    /// The content key.
    pub key: Digest,
    /// The manifest digest in the registry.
    pub digest: Digest,
    /// Built, found in the registry, or adopted from another machine.
    pub source: ImageSource,
}

/// Where an image came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// Its key was in the registry, with the digest that this journal recorded, or an image of the same deploy serves it.
    Reused,
    /// This process built and pushed it.
    Built,
    /// Its key was in the registry, and this journal never recorded that digest: another machine pushed it.
    Promoted,
}

/// The configuration is published, and provisioned when asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Applied {
    /// Each file, and whether it had to be written.
    pub files: BTreeMap<ConfigFile, PublishedFile>,
    /// The digest of the document of all images that are in effect; none when no document was needed.
    pub images: Option<Digest>,
    /// The tags that functions.yml names and that this deploy moved, each with the digest it names since.
    pub tags: BTreeMap<String, Digest>,
    /// When the stack was observed again, right before publishing, and was unchanged; RFC 3339.
    pub rechecked_at: Option<String>,
    /// What the provisioner said, when it was asked for.
    pub provision: Option<ProvisionResult>,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishedFile {
    /// Its digest.
    pub digest: Digest,
    /// It was written; false when it stood there already.
    pub written: bool,
}

/// What a provisioner run ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvisionResult {
    /// Exit code of the provisioner.
    pub exit_code: i32,
    /// The last lines of its output.
    pub output: Vec<String>,
}

/// A step of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Moving the tags that the configuration names.
    Tag,
    /// Running the provisioner.
    Provision,
}

impl Step {
    /// It changes what the stack uses: an attempt that fails in it may leave a part of each state.
    pub fn is_live(self) -> bool {
        match self {
            Self::Observe | Self::Check | Self::Merge | Self::Image => false,
            Self::Publish | Self::Tag | Self::Provision => true,
        }
    }
}

/// Why an attempt ended. Each kind has its exit code in `cli`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The artifact breaks the payload contract.
    Payload,
    /// The running stack is incompatible, or could not be verified.
    Incompatible,
    /// An image could not be built, pushed or pulled.
    Image,
    /// Somebody changed keys of ours by hand, and the deploy was asked not to overwrite them.
    Drift,
    /// What a rollback goes back to cannot be restored.
    Unrestorable,
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failed {
    /// In which step.
    pub step: Step,
    /// The function, where one image is meant.
    pub function: Option<FunctionName>,
    /// What kind of failure.
    pub kind: FailureKind,
    /// What went wrong, in one sentence.
    pub message: String,
    /// Its causes, the outermost first.
    pub causes: Vec<String>,
    /// The next things to do.
    pub hints: Vec<String>,
    /// The last lines of a failed build or provisioner; at most 40 lines of 400 characters.
    pub output: Vec<String>,
    /// The same command may succeed when it is repeated.
    pub retryable: bool,
}

/// A new attempt goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Abandoned {
    /// Why.
    pub reason: AbandonReason,
    /// What the person said.
    pub note: Option<String>,
}

/// Why a deploy is abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

impl Requested {
    /// The same artifact or recorded state, onto the same target, with the same options: what an unfinished deploy goes on with.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.artifact == other.artifact
            && self.rollback_to == other.rollback_to
            && self.project == other.project
            && self.out == other.out
            && self.options == other.options
            && self.same_registries(other)
    }

    /// The same images go to the same registry. What schema 1 recorded does not say, and fits any.
    fn same_registries(&self, other: &Self) -> bool {
        match (&self.registries, &other.registries) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        }
    }
}

impl Owners {
    /// The document that says it, where one does.
    pub fn document(&self) -> Option<&Digest> {
        if let Self::Document(digest) = self {
            Some(digest)
        } else {
            None
        }
    }
}

impl OwedImages {
    /// How many images are owed.
    pub fn count(&self) -> u64 {
        match self {
            Self::Stated(functions) => functions.len() as u64,
            Self::Document { count, .. } => *count,
        }
    }

    /// The document that names them, where one does.
    pub fn document(&self) -> Option<&Digest> {
        if let Self::Document { digest, .. } = self {
            Some(digest)
        } else {
            None
        }
    }
}
