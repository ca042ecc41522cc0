//! Events as the laws read them: with what their documents say, as if it stood in the events.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use journal::{MemoryStore, StoredEvent};

use crate::contract::Digest;
use crate::machine::{ImageBuilt, ImageSource, Images, Merged, OwedImages, Owners, RecordedEvent};
use crate::run::deploy_journal::typed;
use crate::run::document;

/// An event, and what the documents that it names say.
#[derive(Debug)]
pub(super) struct ReadEvent {
    recorded: RecordedEvent,
    /// What was merged, in full.
    pub(super) merged: Option<Merged>,
    /// The images that it says are in the registry: the one that was recorded, or all that are kept.
    pub(super) images: Vec<ImageBuilt>,
}

impl Deref for ReadEvent {
    type Target = RecordedEvent;

    fn deref(&self) -> &RecordedEvent {
        &self.recorded
    }
}

impl ReadEvent {
    /// Reads an event, and each document that it names: it must be there by then.
    pub(super) fn of(stored: &StoredEvent, store: &MemoryStore, before: &[Arc<Self>]) -> Self {
        let recorded = typed(stored).unwrap();
        let images_of = |digest: &Digest| document::<Images>(store, digest).unwrap().images;
        let (mut merged, mut images) = (None, Vec::new());
        if let Some(said) = recorded.event.as_merged() {
            let mut said = said.clone();
            if let Owners::Document(digest) = &said.ownership {
                said.ownership = Owners::Stated(document(store, digest).unwrap());
            }
            if let OwedImages::Document { digest, .. } = &said.images {
                let expected = images_of(digest).into_keys().collect();
                said.images = OwedImages::Stated(expected);
            }
            merged = Some(said);
        }
        if let Some(kept) = recorded.event.as_images_kept() {
            let last = before.iter().rev().find_map(|event| event.merged.as_ref());
            let expected = match last.map(|merged| &merged.images) {
                Some(OwedImages::Stated(expected)) => expected.iter().collect(),
                Some(OwedImages::Document { .. }) | None => BTreeSet::new(),
            };
            for (function, image) in images_of(&kept.images) {
                if expected.contains(&function) && !kept.pending.contains(&function) {
                    images.push(ImageBuilt {
                        function,
                        reference: image.reference,
                        key: image.key,
                        inputs: image.inputs,
                        digest: image.digest,
                        bases: image.bases,
                        source: ImageSource::Reused,
                        duration_ms: 0,
                        assembled: false,
                        prefix: None,
                    });
                }
            }
            assert_eq!(images.len() as u64, kept.count, "{kept:?}");
        }
        images.extend(recorded.event.as_image_built().cloned());
        let applied = recorded.event.as_applied();
        if let Some(digest) = applied.and_then(|applied| applied.images.as_ref()) {
            images_of(digest);
        }
        Self {
            recorded,
            merged,
            images,
        }
    }
}
