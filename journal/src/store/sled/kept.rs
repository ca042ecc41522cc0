//! The store and the head that is kept apart from its events.

use crate::chain::{Damage, DamageKind};
use crate::hash::Hash;
use crate::store::stored_head::StoredHeadFile;
use crate::store::validate_append::AppendState;
use crate::store::{EventLog, StoreError, StoredHead, event};

use super::SledStore;

impl SledStore {
    /// A log that ends before the head kept apart, or whose end cannot be read, has lost events by being opened.
    pub(super) fn compare_with_kept(&self) {
        let (Some(log_backup), Ok(kept)) = (&self.log_backup, self.kept_head()) else {
            return;
        };
        let whole = match (self.end().tip, kept) {
            (Ok(tip), StoredHead::Head(head)) => head.sequence <= tip.head.sequence,
            // One that has just been made, or whose making was cut off, has no head yet and has lost nothing.
            (Ok(tip), StoredHead::Missing) => tip.head.sequence == 0,
            (Ok(_), StoredHead::Damaged) | (Err(_), _) => false,
        };
        if !whole {
            log_backup.damaged();
        }
    }

    /// Compares the stream with the head kept apart: it may lag, and never leads.
    pub(crate) fn check_kept(&self) -> Result<AppendState, StoreError> {
        let tip = self.end().tip?;
        let damage = |sequence, what| Err(Damage::at(sequence, what).into());
        match self.kept_head()? {
            StoredHead::Head(head) if head.sequence > tip.head.sequence => {
                return damage(
                    tip.head.sequence.saturating_add(1),
                    DamageKind::LostTail(head.sequence),
                );
            }
            StoredHead::Head(head) => {
                if self.hash_at(head.sequence)? != Some(head.hash) {
                    return damage(head.sequence, DamageKind::OtherHead);
                }
            }
            StoredHead::Missing if tip.head.sequence > 0 => {
                return damage(tip.head.sequence, DamageKind::KeptHeadMissing);
            }
            StoredHead::Damaged => {
                return damage(tip.head.sequence, DamageKind::KeptHeadDamaged);
            }
            // A store that was being made when the power went.
            StoredHead::Missing => {}
        }
        Ok(tip)
    }

    /// The hash of the stream at a sequence; none before its checkpoint.
    fn hash_at(&self, sequence: u64) -> Result<Option<Hash>, StoreError> {
        let checkpoint = self.checkpoint()?;
        if sequence <= checkpoint.sequence {
            return Ok((sequence == checkpoint.sequence).then_some(checkpoint.hash));
        }
        Ok(event(self, sequence)?.map(|event| event.header.hash))
    }

    /// Checks the end of the stream, and takes the head kept apart to be written.
    pub(super) fn claim(&self) -> Result<(), StoreError> {
        let tip = self.check_kept()?;
        let path = &self.kept_path;
        let kept = StoredHeadFile::open(path).map_err(StoreError::io(path))?;
        kept.write(&tip.head, &self.stream)
            .and_then(|()| kept.sync(&self.disk))
            .and_then(|()| self.disk.sync_folder(&self.folder))
            .map_err(StoreError::io(path))?;
        self.appending().kept = Some(kept);
        Ok(())
    }
}
