//! Which keys of the output directory are ours before this deploy, and whose of ours.

use std::collections::{BTreeMap, BTreeSet};

use super::read::Current;
use super::slot::Slot;
use super::{BaseOwnership, Key, SourceKey};
use crate::contract::Digest;

/// One key of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// The source that wrote it.
    pub(super) source: SourceKey,
    /// The digest of what it wrote.
    pub(super) digest: Digest,
}

/// The keys of ours.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Keys with their owner.
    pub(super) owned: BTreeMap<Key, Claim>,
    /// Keys of ours that a deploy was about to remove when it was last heard of.
    pub(super) leftover: BTreeSet<Key>,
}

impl Claims {
    /// Takes the base as it is when it was applied; settles it with what is there when it may have been published in part.
    ///
    /// After a publish of unknown end, each key may stand in its old or in its new form. What has the recorded digest is
    /// the new form, and ours. Something else is the old form: ours as well, unless the base took the key over from
    /// nobody; then it was never replaced, and stays whose it was. What is gone is nobody's.
    pub(super) fn settle(base: &BaseOwnership, current: &Current<'_>) -> Self {
        let standing: BTreeMap<Key, &Digest> = current
            .digests
            .iter()
            .map(|(slot, digest)| (slot.key(), digest))
            .collect();
        let taken: BTreeSet<&Key> = base.taken.iter().collect();
        let mut claims = Self::default();
        for (source, keys) in &base.ownership.sources {
            for (key, recorded) in keys {
                let digest = if base.applied {
                    recorded
                } else {
                    match standing.get(key) {
                        None => continue,
                        Some(found) if *found != recorded && taken.contains(key) => continue,
                        Some(found) => found,
                    }
                };
                let claim = Claim {
                    source: source.clone(),
                    digest: digest.clone(),
                };
                claims.owned.entry(key.clone()).or_insert(claim);
            }
        }
        if !base.applied {
            let removed = base.removed.iter();
            claims.leftover = removed
                .filter(|key| standing.contains_key(*key) && !claims.owned.contains_key(*key))
                .cloned()
                .collect();
        }
        claims
    }

    pub(super) fn owner(&self, slot: &Slot) -> Option<&Claim> {
        self.owned.get(&slot.key())
    }

    pub(super) fn is_leftover(&self, slot: &Slot) -> bool {
        self.leftover.contains(&slot.key())
    }
}
