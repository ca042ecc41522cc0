//! What events say of the documents that they name, held against the documents.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy_journal::DeployJournalError;
use crate::contract::{Digest, FunctionName};
use crate::machine::{
    Document, Images, ImagesKept, OwedImages, Owners, PrunedImages, RecordedEvent, State,
};
use crate::merge::{KeptValues, Ownership};

/// The documents that were named and not yet seen, each with its first event and what is said of it.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<Digest, (u64, BTreeSet<Claim>)>);

/// What an event says of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It says who owns what.
    Owners,
    /// It holds the values of our keys in a file.
    Values,
    /// It lists images that nothing names any more.
    Pruned,
    /// It holds images, this many where that is said.
    Images(Option<u64>),
    /// It holds the images that are kept.
    Kept {
        /// The functions whose images were expected; none stands for all of the document.
        expected: Option<Vec<FunctionName>>,
        /// Those of them that are not kept.
        pending: Vec<FunctionName>,
        count: u64,
        digest: Digest,
    },
}

impl Claims {
    /// Takes what an event says. `state` is the one after it.
    pub(super) fn add(&mut self, event: &RecordedEvent, state: &State) {
        // The deploy that left them may have been pruned.
        let requested = event.event.as_requested();
        let base = requested.and_then(|requested| requested.base.as_ref());
        if let Some(digest) = base.and_then(|base| base.images.as_ref()) {
            self.insert(event.sequence, digest, Claim::Images(None));
        }
        let pruned = event.event.as_pruned();
        if let Some(digest) = pruned.and_then(|pruned| pruned.images.as_ref()) {
            self.insert(event.sequence, digest, Claim::Pruned);
        }
        if let Some(merged) = event.event.as_merged() {
            if let Owners::Document(digest) = &merged.ownership {
                self.insert(event.sequence, digest, Claim::Owners);
            }
            if let OwedImages::Document { digest, count } = &merged.images {
                self.insert(event.sequence, digest, Claim::Images(Some(*count)));
            }
            for digest in merged.values.values() {
                self.insert(event.sequence, digest, Claim::Values);
            }
        }
        if let Some(kept) = event.event.as_images_kept() {
            let deploy = state.deploy.as_ref();
            let merged = deploy.and_then(|deploy| deploy.stage.merged());
            let claim = Claim::kept(kept, merged.map(|merged| &merged.images));
            self.insert(event.sequence, &kept.images, claim);
        }
        let applied = event.event.as_applied();
        if let Some(digest) = applied.and_then(|applied| applied.images.as_ref()) {
            self.insert(event.sequence, digest, Claim::Images(None));
        }
    }

    fn insert(&mut self, sequence: u64, digest: &Digest, claim: Claim) {
        let first = || (sequence, BTreeSet::new());
        let (_, claims) = self.0.entry(digest.clone()).or_insert_with(first);
        claims.insert(claim);
    }

    /// The documents that have not been seen.
    #[cfg(test)]
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.0.keys().cloned().collect()
    }

    /// Sees a document.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), DeployJournalError> {
        let digest = Digest::of(bytes);
        let Some((sequence, claims)) = self.0.remove(&digest) else {
            return Ok(());
        };
        match claims.iter().find_map(|claim| claim.broken_by(bytes)) {
            None => Ok(()),
            Some(problem) => Err(DeployJournalError::Named {
                sequence,
                digest,
                problem,
            }),
        }
    }

    /// Every document that was named has been seen.
    pub(super) fn end(&self) -> Result<(), DeployJournalError> {
        let missing = self.0.iter().min_by_key(|(_, (sequence, _))| *sequence);
        match missing {
            None => Ok(()),
            Some((digest, (sequence, _))) => Err(DeployJournalError::Named {
                sequence: *sequence,
                digest: digest.clone(),
                problem: "is not there".to_owned(),
            }),
        }
    }
}

impl Claim {
    fn kept(kept: &ImagesKept, expected: Option<&OwedImages>) -> Self {
        Self::Kept {
            expected: match expected {
                Some(OwedImages::Stated(functions)) => Some(functions.clone()),
                Some(OwedImages::Document { .. }) | None => None,
            },
            pending: kept.pending.clone(),
            count: kept.count,
            digest: kept.digest.clone(),
        }
    }

    /// What is wrong with a document that should be this.
    fn broken_by(&self, bytes: &[u8]) -> Option<String> {
        let images =
            || Images::from_bytes(bytes).map_err(|error| format!("holds no images: {error}"));
        match self {
            Self::Owners => Ownership::from_bytes(bytes)
                .err()
                .map(|error| format!("does not say who owns what: {error}")),
            Self::Values => KeptValues::from_bytes(bytes)
                .err()
                .map(|error| format!("does not say which values are kept: {error}")),
            Self::Pruned => PrunedImages::from_bytes(bytes)
                .err()
                .map(|error| format!("lists no images: {error}")),
            Self::Images(said) => match images() {
                Ok(Images { images, .. }) => {
                    let found = images.len() as u64;
                    let other = said.filter(|said| *said != found);
                    other.map(|said| format!("holds {found} images and not {said}"))
                }
                Err(problem) => Some(problem),
            },
            Self::Kept {
                expected,
                pending,
                count,
                digest,
            } => match images() {
                Ok(images) => {
                    let expected: Vec<&FunctionName> = match expected {
                        Some(expected) => expected.iter().collect(),
                        None => images.images.keys().collect(),
                    };
                    let kept = expected.into_iter().filter(|one| !pending.contains(one));
                    let found = images.kept(kept);
                    let is_other = (found.0, &found.1) != (*count, digest);
                    is_other.then(|| "holds other images than are said to be kept".to_owned())
                }
                Err(problem) => Some(problem),
            },
        }
    }
}
