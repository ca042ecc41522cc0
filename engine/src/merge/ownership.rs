//! Which keys of the output directory are ours, and whose of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::Digest;

/// A file of the runtime configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConfigFile {
    /// `functions.yml`.
    Functions,
    /// `routing.yml`.
    Routing,
    /// `resources.yml`.
    Resources,
}

impl ConfigFile {
    /// All three, in the order in which they are published: a route never points at a function that is not there yet.
    pub const ALL: [Self; 3] = [Self::Resources, Self::Functions, Self::Routing];

    /// Its name in the configuration directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Functions => "functions.yml",
            Self::Routing => "routing.yml",
            Self::Resources => "resources.yml",
        }
    }
}

/// The source of an entry: its canonical template path and parameters, or its artifact root when it has none.
/// Stable across deploys; two deploys of the same source own the same keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceKey(pub String);

/// One key of the configuration, as text:
/// `functions/<name>`, `defaults/<key>`, `defaults/environment/<key>`, `defaults/scaling/<key>`,
/// `routes/<METHOD> <path>`, `dynamodb/<TableName>`, `s3/<BucketName>`, `layers/<Name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Key(pub String);

impl Key {
    /// The file in which it stands.
    pub fn file(&self) -> ConfigFile {
        match self.0.split('/').next() {
            Some("functions" | "defaults") => ConfigFile::Functions,
            Some("routes") => ConfigFile::Routing,
            Some(_) | None => ConfigFile::Resources,
        }
    }
}

/// Keys one source wrote, with the digest of each value (of its canonical YAML).
pub type OwnedKeys = BTreeMap<Key, Digest>;

/// Who owns what in one output directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ownership {
    /// Per source: the keys it wrote.
    pub sources: BTreeMap<SourceKey, OwnedKeys>,
}

impl Ownership {
    /// Every key with the digest of its value, whoever wrote it.
    pub fn digests(&self) -> BTreeMap<&Key, &Digest> {
        self.sources.values().flatten().collect()
    }
}

/// What a merge changes against what is in the output directory, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Changes {
    /// Keys that were not there.
    pub added: Vec<Key>,
    /// Keys whose value changes.
    pub changed: Vec<Key>,
    /// Those of the changed keys that were nobody's of ours until now. A later deploy needs them when this one may have
    /// been published in part: what was never replaced is not ours to remove.
    pub taken: Vec<Key>,
    /// Keys an earlier deploy of the same source wrote and this one does not.
    pub removed: Vec<Key>,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// A key of ours that somebody changed or removed by hand since we wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drift {
    /// The key.
    pub key: Key,
    /// What was written.
    pub written: Digest,
    /// What is there; none when it is gone.
    pub found: Option<Digest>,
}

impl Drift {
    /// `functions/a was changed by hand`.
    pub fn sentence(&self) -> String {
        let how = match &self.found {
            Some(_) => "was changed by hand",
            None => "is gone",
        };
        format!("{} {how}", self.key.0)
    }
}
