//! The port to everything that is not a rule: two implementations run in this workspace, Docker and the simulated world.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::compat::Observation;
use crate::contract::{Digest, FunctionName};
use crate::machine::{ComposeCall, FailureKind, ProvisionResult, PublishedFile};
use crate::merge::ConfigFile;

/// What a deploy needs of the world. Every call is bounded in time by its implementation, and may be repeated:
/// doing it twice is the same as doing it once. A dropped call is an aborted call.
pub trait World: Sync {
    /// Looks at what runs under a compose project, and which of these secrets its gateway has. Read-only.
    fn observe(
        &self,
        project: &str,
        secrets: &BTreeSet<&str>,
    ) -> impl Future<Output = Result<Observation, Fault>> + Send;

    /// Reads the configuration files that stand in the output directory. Read-only; a missing file has no entry.
    fn config(&self) -> impl Future<Output = Result<ConfigTexts, Fault>> + Send;

    /// Computes the content key of an image and asks the registry what is behind its key's tag and behind its name. Read-only.
    fn inspect_image(
        &self,
        order: &ImageOrder,
    ) -> impl Future<Output = Result<ImageStatus, Fault>> + Send;

    /// Asks the registry again what is behind the two tags of an image that was inspected. Read-only.
    fn image_tags(
        &self,
        order: &ImageOrder,
        key: &Digest,
    ) -> impl Future<Output = Result<ImageTags, Fault>> + Send;

    /// Asks the registry for an image that was recorded, by its digest and whatever tags name, and what is behind its name. The artifact
    /// that it was built from is not needed. Read-only.
    fn recorded_image(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> impl Future<Output = Result<ImageTags, Fault>> + Send;

    /// Builds an image and pushes it under its key's tag, whatever that names by now, and under no other: what is live stays as it
    /// is. `line` is told what the build says.
    fn build_image(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        line: &(dyn Fn(&str) + Sync),
    ) -> impl Future<Output = Result<Built, Fault>> + Send;

    /// Gives the image with this digest, which the registry has, the tag that the stack pulls.
    fn tag_image(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Makes the output directory hold these files, each atomically. Refuses when somebody has changed one since they were merged.
    fn publish(
        &self,
        publication: &Publication,
    ) -> impl Future<Output = Result<Published, Fault>> + Send;

    /// Runs the stack's one-shot provisioner. `line` is told what it says.
    fn provision(
        &self,
        project: &str,
        call: &ComposeCall,
        line: &(dyn Fn(&str) + Sync),
    ) -> impl Future<Output = Result<ProvisionResult, Fault>> + Send;
}

/// The texts of the configuration files of an output directory.
pub type ConfigTexts = BTreeMap<ConfigFile, String>;

/// One image that a deploy owes to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOrder {
    /// The function.
    pub function: FunctionName,
    /// Index of its entry in the artifact.
    pub entry: usize,
    /// The reference the stack pulls, as functions.yml will say.
    pub reference: String,
    /// Observed version of the stack, where one is known: the tag of an untagged lambda base.
    pub stack_version: Option<String>,
    /// Platform to build for; none is the engine's.
    pub platform: Option<String>,
    /// Build without the engine's layer cache.
    pub no_cache: bool,
}

/// What is known of an image before it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageStatus {
    /// The content key.
    pub key: Digest,
    /// What went into the key, part by part.
    pub inputs: BTreeMap<String, Digest>,
    /// The digest of each base, by reference.
    pub bases: BTreeMap<String, Digest>,
    /// What the registry has of it.
    pub tags: ImageTags,
    /// Where images are assembled: the line that needs a builder, and why.
    pub needs_builder: Option<String>,
}

/// What is behind the two tags of an image in the registry: the digest of a manifest each, where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTags {
    /// Behind the tag of its content key: this very content, built before. Of a recorded image: that image, while it is there.
    pub keyed: Option<Digest>,
    /// Behind the tag that the stack pulls: whatever was published under it last.
    pub named: Option<Digest>,
}

/// An image that was built and pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The manifest digest of what was pushed, whatever its tag names by now.
    pub digest: Digest,
    /// The key that the next deploy looks for, where bases that were pushed with the image make another of it.
    pub rekeyed: Option<Rekeyed>,
    /// No builder was needed.
    pub assembled: bool,
}

impl Built {
    /// An image under the key that was looked up.
    pub fn taken(digest: Digest) -> Self {
        Self {
            digest,
            rekeyed: None,
            assembled: false,
        }
    }

    /// An image under the key that was looked up, made without a builder.
    pub fn assembled(digest: Digest) -> Self {
        Self {
            assembled: true,
            ..Self::taken(digest)
        }
    }
}

/// A key under which an image is found from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The content key.
    pub key: Digest,
    /// What goes into the key, part by part.
    pub inputs: BTreeMap<String, Digest>,
    /// The digest of each base in the registry, by reference.
    pub bases: BTreeMap<String, Digest>,
}

/// Files to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Each file's whole text.
    pub files: BTreeMap<ConfigFile, String>,
    /// The digest of each file that was there when these were merged.
    pub standing: BTreeMap<ConfigFile, Digest>,
    /// The references of images that the functions named when these were merged.
    pub live: BTreeSet<String>,
}

/// What publishing did.
pub type Published = BTreeMap<ConfigFile, PublishedFile>;

/// The world refused, failed or is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure this makes the deploy.
    pub kind: FailureKind,
    /// What went wrong, in one sentence.
    pub message: String,
    /// Its causes, the outermost first.
    pub causes: Vec<String>,
    /// The next things to do.
    pub hints: Vec<String>,
    /// The last lines of output, where there were some.
    pub output: Vec<String>,
    /// Repeating may help.
    pub retryable: bool,
}

impl Fault {
    /// A fault in one sentence; repeating does not help.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            output: Vec::new(),
            retryable: false,
        }
    }

    /// The same with causes below those that it has.
    #[must_use]
    pub fn because<T: Into<String>>(mut self, causes: impl IntoIterator<Item = T>) -> Self {
        self.causes.extend(causes.into_iter().map(Into::into));
        self
    }

    /// The same with one more thing to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.hints([hint.into()])
    }

    /// The same with more things to do next, if there are any.
    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// The same, when repeating may help.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            retryable: true,
            ..self
        }
    }
}

impl std::error::Error for Fault {}

/// The message and its causes in one line.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.causes
            .iter()
            .try_for_each(|cause| write!(f, ": {cause}"))
    }
}
