//! What says that the first events of a journal were removed, and which images nothing names since then.

use std::collections::{BTreeMap, BTreeSet};

use journal::Head;
use serde::{Deserialize, Serialize};

use super::documents::Document;
use crate::contract::Digest;

/// The first events of the journal were removed on purpose. Who and when is in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pruned {
    /// The first event of the latest deploy, so that opening a target that was pruned costs no history either.
    pub latest: u64,
    /// The last event that went, and its hash: the chain is verified from there.
    pub checkpoint: Head,
    /// How many events went.
    pub events: u64,
    /// How many deploys they belonged to.
    pub deploys: u64,
    /// When the first of them was recorded, RFC 3339.
    pub from: String,
    /// When the last of them was recorded, RFC 3339.
    pub to: String,
    /// The digest of the document of the images that went with the events; none when there are none.
    pub images: Option<Digest>,
    /// Why, as the person said.
    pub message: Option<String>,
}

/// Images of events that were pruned, and that no event which was kept built or had in effect. It may remember some of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrunedImages {
    /// By repository, as the stack names it: the digest of each manifest, with the content keys that were recorded for it.
    pub repositories: BTreeMap<String, BTreeMap<Digest, BTreeSet<Digest>>>,
}

impl PrunedImages {
    /// Adds one.
    pub fn name(&mut self, repository: &str, digest: &Digest, key: &Digest) {
        let images = self.repositories.entry(repository.to_owned()).or_default();
        let keys = images.entry(digest.clone()).or_default();
        keys.insert(key.clone());
    }

    /// Adds others.
    pub fn add(&mut self, others: Self) {
        for (repository, images) in others.repositories {
            let known = self.repositories.entry(repository).or_default();
            for (digest, keys) in images {
                known.entry(digest).or_default().extend(keys);
            }
        }
    }

    /// Forgets those that are named after all.
    pub fn retain_others(&mut self, named: &BTreeSet<Digest>) {
        for images in self.repositories.values_mut() {
            images.retain(|digest, _| !named.contains(digest));
        }
        self.repositories.retain(|_, images| !images.is_empty());
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.repositories.values().map(|one| one.len() as u64).sum()
    }
}

impl Document for PrunedImages {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("repositories are texts")
    }

    fn from_bytes(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}
