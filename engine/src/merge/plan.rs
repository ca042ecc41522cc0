//! Who writes what, what goes away, and who owns what afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::{Claim, Claims};
use super::read::{Current, Item, digest};
use super::slot::Slot;
use super::{Changes, Drift, Key, Ownership, SourceKey};
use crate::contract::Digest;
use crate::yaml::Node;

/// What will be done to the output directory.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// What fills each written slot.
    pub(super) writes: BTreeMap<Slot, Write<'a>>,
    /// The written slots in the order in which they first appear in the entries.
    pub(super) order: Vec<Slot>,
    /// Slots that are emptied.
    pub(super) removes: BTreeSet<Slot>,
    /// Slots of ours that stay as they are.
    pub(super) kept: BTreeSet<Slot>,
    /// Written and kept slots that stand in the old form, and are put where the provisioner reads them.
    pub(super) moves: BTreeSet<Slot>,
}

impl Plan<'_> {
    /// Whether the slot is ours once this is published.
    pub(super) fn is_ours(&self, slot: &Slot) -> bool {
        self.writes.contains_key(slot) || self.kept.contains(slot)
    }
}

/// One write.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) source: &'a SourceKey,
    pub(super) node: &'a Node,
    pub(super) digest: Digest,
}

/// What one entry writes, in the order of its files.
pub(super) struct Writer<'a> {
    pub(super) source: &'a SourceKey,
    pub(super) items: &'a [Item<'a>],
}

/// Everything the rules look at.
pub(super) struct Situation<'a> {
    pub(super) current: &'a Current<'a>,
    pub(super) claims: &'a Claims,
    pub(super) writers: &'a [Writer<'a>],
    /// The sources of the writers.
    pub(super) here: BTreeSet<&'a SourceKey>,
    pub(super) prune: bool,
}

/// One entry's wish to fill a slot.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    source: &'a SourceKey,
    node: &'a Node,
}

impl<'a> Situation<'a> {
    /// Decides every slot.
    pub(super) fn plan(&self) -> Plan<'a> {
        let mut order = Vec::new();
        let mut candidates: BTreeMap<&Slot, Vec<Candidate<'a>>> = BTreeMap::new();
        for writer in self.writers {
            for item in writer.items {
                let wishes = candidates.entry(&item.slot).or_default();
                if wishes.is_empty() {
                    order.push(&item.slot);
                }
                wishes.push(Candidate {
                    source: writer.source,
                    node: &item.node,
                });
            }
        }
        let mut plan = Plan::default();
        for slot in order {
            if let Some(winner) = self.winner(slot, &candidates[slot]) {
                let write = Write {
                    source: winner.source,
                    node: winner.node,
                    digest: digest(winner.node),
                };
                plan.writes.insert(slot.clone(), write);
                plan.order.push(slot.clone());
            }
        }
        if self.prune {
            let stale = self.current.digests.keys().filter(|slot| {
                !plan.writes.contains_key(slot)
                    && (self.owner_is_here(slot) || self.claims.is_leftover(slot))
            });
            plan.removes = stale.cloned().collect();
        }
        let standing = self.current.digests.keys();
        let kept = standing.filter(|slot| {
            !plan.writes.contains_key(slot)
                && !plan.removes.contains(slot)
                && self.claims.owner(slot).is_some()
        });
        plan.kept = kept.cloned().collect();
        let old = self.current.old_form.iter();
        plan.moves = old.filter(|slot| plan.is_ours(slot)).cloned().collect();
        plan
    }

    fn winner(&self, slot: &Slot, wishes: &[Candidate<'a>]) -> Option<Candidate<'a>> {
        if !slot.is_default() {
            return wishes.last().copied();
        }
        let first = wishes.first().copied();
        if let Some(claim) = self.claims.owner(slot) {
            let owner = wishes.iter().find(|wish| *wish.source == claim.source);
            if owner.is_some() {
                return owner.copied();
            }
        }
        let gives_way = !self.current.digests.contains_key(slot)
            || self.claims.is_leftover(slot)
            || (self.prune && self.owner_is_here(slot));
        first.filter(|_| gives_way)
    }

    /// Whether an entry of this artifact has the source that owns the slot.
    fn owner_is_here(&self, slot: &Slot) -> bool {
        self.claims
            .owner(slot)
            .is_some_and(|claim| self.here.contains(&claim.source))
    }

    /// Who owns what once the plan is published.
    pub(super) fn ownership(&self, plan: &Plan<'_>) -> Ownership {
        let mut ownership = Ownership::default();
        for writer in self.writers {
            ownership.sources.entry(writer.source.clone()).or_default();
        }
        let mut give = |source: &SourceKey, key: Key, digest: &Digest| {
            let keys = ownership.sources.entry(source.clone()).or_default();
            keys.insert(key, digest.clone());
        };
        let mut settled = BTreeSet::new();
        for (slot, write) in &plan.writes {
            settled.insert(slot.key());
            give(write.source, slot.key(), &write.digest);
        }
        settled.extend(plan.removes.iter().map(Slot::key));
        let standing: BTreeSet<Key> = self.current.digests.keys().map(Slot::key).collect();
        for (key, Claim { source, digest }) in &self.claims.owned {
            let gone = self.here.contains(source) && !standing.contains(key);
            if !settled.contains(key) && !gone {
                give(source, key.clone(), digest);
            }
        }
        ownership
    }

    /// Keys of ours that are overwritten or removed, and are not as we wrote them.
    pub(super) fn drift(&self, plan: &Plan<'_>) -> Vec<Drift> {
        let touched = plan.writes.keys().chain(&plan.removes);
        let mut drift: Vec<_> = touched
            .filter_map(|slot| {
                let claim = self.claims.owner(slot)?;
                let found = self.current.digests.get(slot);
                (found != Some(&claim.digest)).then(|| Drift {
                    key: slot.key(),
                    written: claim.digest.clone(),
                    found: found.cloned(),
                })
            })
            .collect();
        drift.sort();
        drift
    }

    /// What differs from the output directory as it is.
    pub(super) fn changes(&self, plan: &Plan<'_>) -> Changes {
        let mut changes = Changes::default();
        for (slot, write) in &plan.writes {
            match self.current.digests.get(slot) {
                None => changes.added.push(slot.key()),
                Some(found) if *found == write.digest && !plan.moves.contains(slot) => {}
                Some(_) => {
                    changes.changed.push(slot.key());
                    if self.claims.owner(slot).is_none() && !self.claims.is_leftover(slot) {
                        changes.taken.push(slot.key());
                    }
                }
            }
        }
        let moved = plan.moves.intersection(&plan.kept);
        changes.changed.extend(moved.map(Slot::key));
        changes.removed = plan.removes.iter().map(Slot::key).collect();
        for keys in [
            &mut changes.added,
            &mut changes.changed,
            &mut changes.taken,
            &mut changes.removed,
        ] {
            keys.sort();
        }
        changes
    }
}
