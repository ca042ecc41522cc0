//! Documents that events name by digest: read, and kept before the event that names them is appended.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use journal::{EventLog, StoreError};
use uuid::Uuid;

use super::deploy_journal::{DeployJournal, DeployJournalError, deploy_events};
use crate::contract::{Digest, FunctionName};
use crate::machine::{
    Base, Deploy, Document, ImageBuilt, ImageRecord, Images, ImagesKept, Merged, OwedImages,
    Owners, State,
};

/// Reads the document that an event names.
pub fn document<D: Document>(
    events: &(impl EventLog + ?Sized),
    digest: &Digest,
) -> Result<D, DeployJournalError> {
    let broken = |source| DeployJournalError::Document {
        digest: digest.clone(),
        source,
    };
    let bytes = document_bytes(events, digest)?.ok_or_else(|| broken(None))?;
    D::from_bytes(&bytes).map_err(|source| broken(Some(source)))
}

/// The bytes of the document with this digest; none when the journal has no such document.
pub fn document_bytes(
    events: &(impl EventLog + ?Sized),
    digest: &Digest,
) -> Result<Option<Vec<u8>>, StoreError> {
    let hash = digest.hex().parse();
    events.document(&hash.expect("a digest has the form of a hash"))
}

/// The images that are in effect: those that the deploy which was applied last left. None where no deploy is in effect.
pub fn images_in_effect(
    events: &(impl EventLog + ?Sized),
    state: &State,
) -> Result<Option<Images>, DeployJournalError> {
    let base = state.base().filter(|base| base.applied);
    base.map(|base| images_of(events, &base)).transpose()
}

fn images_of(events: &(impl EventLog + ?Sized), base: &Base) -> Result<Images, DeployJournalError> {
    match &base.images {
        Some(digest) => document(events, digest),
        None => told_by(events, base),
    }
}

/// The tags that an applied deploy moved back to the images that were in effect when it began: somebody else had moved or deleted them.
pub fn healed_tags(
    events: &(impl EventLog + ?Sized),
    deploy: &Deploy,
) -> Result<Vec<String>, DeployJournalError> {
    let base = deploy.request.base.as_ref().filter(|base| base.applied);
    let moved = deploy.stage.applied().map(|applied| &applied.tags);
    let (Some(base), Some(moved)) = (base, moved.filter(|moved| !moved.is_empty())) else {
        return Ok(Vec::new());
    };
    let images = images_of(events, base)?.images.into_values();
    let healed = images.filter(|image| moved.get(&image.reference) == Some(&image.digest));
    let tags: BTreeSet<String> = healed.map(|image| image.reference).collect();
    Ok(tags.into_iter().collect())
}

/// What the journal knows of images when a deploy begins.
#[derive(Debug, Default)]
pub(super) struct RecordedImages {
    /// The images that are in effect once the base deploy is published.
    pub(super) base: Images,
    /// The digest of the document that says so, where the journal has one.
    pub(super) document: Option<Digest>,
    /// What was recorded since, by deploys that published nothing and by attempts of this one; the newest first.
    pub(super) since: Vec<ImageBuilt>,
}

/// How many deploys and holds after the base deploy are looked through. What stands between more of them counts as another machine's.
const SINCE_MAX: usize = 32;

impl RecordedImages {
    /// What is known to a deploy that begins after a base deploy and, where one is named, before an event.
    pub(super) fn read(
        events: &(impl EventLog + ?Sized),
        base: Option<&Base>,
        before: Option<u64>,
    ) -> Result<Self, DeployJournalError> {
        let mut since = Vec::new();
        for (first, deploy) in events.latest_deploys(before, SINCE_MAX)? {
            if base.is_some_and(|base| base.deploy == deploy) {
                break;
            }
            let recorded = deploy_events(events, first)?.into_iter().rev();
            since.extend(recorded.filter_map(|one| one.event.as_image_built().cloned()));
        }
        let document = base.and_then(|base| base.images.clone());
        let base = base.map(|base| images_of(events, base)).transpose()?;
        Ok(Self {
            base: base.unwrap_or_default(),
            document,
            since,
        })
    }

    /// The same for a deploy that has begun: its earlier attempts count.
    pub(super) fn of(
        events: &(impl EventLog + ?Sized),
        deploy: &Deploy,
    ) -> Result<Self, DeployJournalError> {
        let mut known = Self::read(events, deploy.request.base.as_ref(), Some(deploy.first))?;
        let attempts = deploy.earlier_images.values().cloned();
        known.since.splice(0..0, attempts);
        Ok(known)
    }

    /// The base deploy left images of exactly these functions in effect.
    fn are_of(&self, functions: &[FunctionName]) -> bool {
        !functions.is_empty() && self.base.images.keys().eq(functions)
    }

    /// What was merged, with documents in place of what many deploys have in common. `owners` is the document of the base deploy's
    /// owners, where it has one.
    pub(super) fn by_documents(
        &mut self,
        journal: &DeployJournal<'_>,
        mut merged: Merged,
        owners: Option<&Digest>,
    ) -> Result<Merged, DeployJournalError> {
        if let Owners::Stated(ownership) = &merged.ownership
            && let Some(digest) = journal.keep("owners", ownership, owners)?
        {
            merged.ownership = Owners::Document(digest);
        }
        if let OwedImages::Stated(functions) = &merged.images
            && self.are_of(functions)
            && let Some(digest) = self.document(journal)?
        {
            let count = functions.len() as u64;
            merged.images = OwedImages::Document { digest, count };
        }
        Ok(merged)
    }

    /// The document of the images that the base deploy left in effect; it is written where the journal has none. None when it is
    /// larger than any can be.
    pub(super) fn document(
        &mut self,
        journal: &DeployJournal<'_>,
    ) -> Result<Option<Digest>, DeployJournalError> {
        if self.document.is_none() {
            self.document = journal.keep("images", &self.base, None)?;
        }
        Ok(self.document.clone())
    }

    /// Says that images are there as the base deploy left them; the others are pending. None when there is nothing to say, or when no
    /// document can say it.
    pub(super) fn kept<T>(
        &mut self,
        journal: &DeployJournal<'_>,
        deploy: &Deploy,
        kept: &[(FunctionName, T)],
        pending: Vec<FunctionName>,
    ) -> Result<Option<ImagesKept>, DeployJournalError> {
        let merged = deploy.stage.merged();
        let is_stated = merged.is_some_and(|merged| matches!(merged.images, OwedImages::Stated(_)));
        let Some(base) = &deploy.request.base else {
            return Ok(None);
        };
        if is_stated && kept.is_empty() {
            return Ok(None);
        }
        let Some(images) = self.document(journal)? else {
            return Ok(None);
        };
        let (count, digest) = self.base.kept(kept.iter().map(|(function, _)| function));
        Ok(Some(ImagesKept {
            base: base.deploy,
            images,
            count,
            digest,
            pending,
        }))
    }

    /// Keeps the document of all images that are in effect once a deploy is published whose images are all proved. None when there
    /// are none, or when it is larger than any can be: then the deploy's own events say it.
    pub(super) fn keep_in_effect(
        &self,
        journal: &DeployJournal<'_>,
        deploy: &Deploy,
    ) -> Result<Option<Digest>, DeployJournalError> {
        if deploy.images.is_empty()
            && self.since.is_empty()
            && let (Some(kept), Some(merged)) = (&deploy.kept, deploy.stage.merged())
            && let OwedImages::Document { digest, .. } = &merged.images
            && kept.images == *digest
        {
            return Ok(Some(digest.clone()));
        }
        let images = self.in_effect(journal.events(), deploy)?;
        if images.images.is_empty() {
            return Ok(None);
        }
        journal.keep("images", &images, self.document.as_ref())
    }

    /// The images that are in effect once a deploy is published whose images are all proved.
    fn in_effect(
        &self,
        events: &(impl EventLog + ?Sized),
        deploy: &Deploy,
    ) -> Result<Images, DeployJournalError> {
        let mut images = BTreeMap::new();
        if let (Some(kept), Some(merged)) = (&deploy.kept, deploy.stage.merged()) {
            let of_document: Images = if self.document.as_ref() == Some(&kept.images) {
                self.base.clone()
            } else {
                document(events, &kept.images)?
            };
            let pending: BTreeSet<&FunctionName> = kept.pending.iter().collect();
            let is_owed = |function: &FunctionName| match &merged.images {
                OwedImages::Stated(expected) => expected.binary_search(function).is_ok(),
                OwedImages::Document { .. } => true,
            };
            let kept = of_document.images.into_iter();
            images.extend(kept.filter(|(one, _)| is_owed(one) && !pending.contains(one)));
        }
        for (function, built) in &deploy.images {
            let record = ImageRecord::of(built, deploy.id);
            images.insert(function.clone(), record);
        }
        let mut images = Images {
            images,
            former: Vec::new(),
        };
        images.remember(&as_images(&self.since, deploy.id));
        images.remember(&self.base);
        Ok(images)
    }
}

/// The images of a base deploy that wrote no document of them: schema 1 did not, and a deploy that ended before it was applied.
fn told_by(events: &(impl EventLog + ?Sized), base: &Base) -> Result<Images, DeployJournalError> {
    told_within(events, base, SINCE_MAX)
}

/// The same, through at most so many deploys that build upon each other and were not applied.
fn told_within(
    events: &(impl EventLog + ?Sized),
    base: &Base,
    deploys: usize,
) -> Result<Images, DeployJournalError> {
    let mut images = Images::default();
    let Some(first) = events.deploy_start(base.deploy)? else {
        return Ok(images);
    };
    let mut before = Images::default();
    let mut built = Vec::new();
    for recorded in deploy_events(events, first)? {
        let event = recorded.event;
        let named = event.as_requested().and_then(|one| one.base.as_ref());
        match named.map(|earlier| (earlier, &earlier.images)) {
            Some((_, Some(digest))) => before = document(events, digest)?,
            Some((earlier, None)) if !earlier.applied && deploys > 1 => {
                before = told_within(events, earlier, deploys - 1)?;
            }
            Some((_, None)) | None => {}
        }
        if let Some(kept) = event.as_images_kept() {
            let pending: BTreeSet<&FunctionName> = kept.pending.iter().collect();
            let of_document: Images = document(events, &kept.images)?;
            let of_document = of_document.images.into_iter();
            images
                .images
                .extend(of_document.filter(|(one, _)| !pending.contains(one)));
        }
        if let Some(image) = event.as_image_built() {
            let record = ImageRecord::of(image, recorded.deploy);
            images.images.insert(image.function.clone(), record);
            built.insert(0, image.clone());
        }
    }
    images.remember(&as_images(&built, base.deploy));
    images.remember(&before);
    Ok(images)
}

/// Images that were recorded, the newest first, as if they had been in effect.
fn as_images(recorded: &[ImageBuilt], deploy: Uuid) -> Images {
    let mut images = Images::default();
    for image in recorded {
        let record = ImageRecord::of(image, deploy);
        match images.images.entry(image.function.clone()) {
            Entry::Vacant(vacant) => drop(vacant.insert(record)),
            Entry::Occupied(mut newest) => newest.get_mut().remember_built(image),
        }
    }
    images
}
