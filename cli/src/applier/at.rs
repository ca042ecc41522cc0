//! A journal as it was when it ended with an earlier fact, and a steady view of one that is being written.

use journal::{Fact, Facts, Head, Kept, StoreError, StreamId};
use uuid::Uuid;

use crate::applier::target;
use crate::failure::{Failure, Kind};

/// The facts up to one of them. What is appended meanwhile does not show.
pub(crate) struct At<'a> {
    facts: &'a dyn Facts,
    head: Head,
}

impl<'a> At<'a> {
    /// Up to a sequence, or up to the present head.
    pub(crate) fn new(facts: &'a dyn Facts, sequence: Option<u64>) -> Result<Self, Failure> {
        let present = facts
            .head()
            .map_err(|error| target::store_failure(&error))?;
        let head = match sequence {
            None => present,
            Some(sequence) => journal::fact(facts, sequence)
                .map_err(|error| target::store_failure(&error))?
                .map(|fact| Head {
                    sequence,
                    hash: fact.header.hash,
                })
                .ok_or_else(|| {
                    Failure::new(
                        Kind::Usage,
                        format!("the journal of `{}` has no fact {sequence}", facts.stream()),
                    )
                    .hint(format!("its facts are 1 to {}", present.sequence))
                })?,
        };
        Ok(Self { facts, head })
    }
}

impl Facts for At<'_> {
    fn stream(&self) -> &StreamId {
        self.facts.stream()
    }

    fn head(&self) -> Result<Head, StoreError> {
        Ok(self.head)
    }

    /// The one that is kept, which belongs to the present: only a verification asks, and that is of the whole.
    fn kept_head(&self) -> Result<Kept, StoreError> {
        self.facts.kept_head()
    }

    fn facts(&self, from: u64, limit: usize) -> Result<Vec<Fact>, StoreError> {
        let mut facts = self.facts.facts(from, limit)?;
        facts.retain(|fact| fact.header.sequence <= self.head.sequence);
        Ok(facts)
    }

    fn deploy_start(&self, deploy: Uuid) -> Result<Option<u64>, StoreError> {
        let first = self.facts.deploy_start(deploy)?;
        Ok(first.filter(|&first| first <= self.head.sequence))
    }

    fn latest_deploys(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Uuid)>, StoreError> {
        let end = self.head.sequence.saturating_add(1);
        let before = before.map_or(end, |before| before.min(end));
        self.facts.latest_deploys(Some(before), limit)
    }
}
