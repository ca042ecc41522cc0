//! What a deploy makes true: an artifact, or the state that the journal recorded of an earlier deploy.
//!
//! The driver is the same for both. Here: which configuration is merged, and which images are owed.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use journal::EventLog;
use uuid::Uuid;

use super::deploy_journal::DeployJournalError;
use super::image_plan::{LOOKUPS, LookedUp};
use super::preparation::configuration;
use super::record::{DeployRecord, deploy_record};
use super::world::{Fault, ImageOrder, ImageStatus, World};
use crate::contract::FunctionName;
use crate::load::Artifact;
use crate::machine::{FailureKind, ImageRecord, Requested};
use crate::merge::{ConfigTrees, EntryConfig, Ownership, restored};

/// What a deploy makes true.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// An artifact.
    Artifact(&'a Artifact),
    /// What an earlier deploy left.
    Recorded(&'a DeployRecord),
}

/// One image that is owed.
pub(super) struct Owed {
    /// Index of its entry in the artifact.
    pub(super) entry: usize,
    /// The reference, as it is written.
    pub(super) image: String,
}

impl Content<'_> {
    /// The entries that are merged. `today` says who owns what before.
    pub(super) fn entries(
        self,
        today: &Ownership,
        standing: &ConfigTrees,
    ) -> Result<Vec<EntryConfig>, Fault> {
        let record = match self {
            Self::Artifact(artifact) => return Ok(configuration(artifact)),
            Self::Recorded(record) => record,
        };
        let name = format!("deploy {}", record.deploy);
        let owned = record.configuration.clone().unwrap_or_default();
        restored(&owned, today, standing, &name)
            .map_err(|lost| unrestorable(record.deploy, lost.iter().map(ToString::to_string)))
    }

    /// The functions whose images are owed: those that are built from the artifact, as they stand after the merge, or those that the
    /// earlier deploy had.
    pub(super) fn owed_images(self) -> BTreeMap<FunctionName, Owed> {
        match self {
            Self::Artifact(artifact) => of_artifact(artifact),
            Self::Recorded(record) => {
                let images = record.images.iter();
                let owed = images.map(|(function, image)| {
                    let image = image.reference.clone();
                    (function.clone(), Owed { entry: 0, image })
                });
                owed.collect()
            }
        }
    }
}

fn of_artifact(artifact: &Artifact) -> BTreeMap<FunctionName, Owed> {
    let index = |entry| {
        artifact
            .entries
            .iter()
            .position(|known| std::ptr::eq(known, entry))
    };
    let pending = artifact.builds().into_iter().filter_map(|(entry, image)| {
        Some((
            image.function.clone(),
            Owed {
                entry: index(entry)?,
                image: image.image.clone(),
            },
        ))
    });
    pending.collect()
}

/// What the journal recorded of the deploy that a request goes back to; none when it goes back to none.
pub(super) fn recorded_content(
    events: &(impl EventLog + ?Sized),
    request: &Requested,
) -> Result<Option<Result<DeployRecord, Fault>>, DeployJournalError> {
    let Some(deploy) = request.rollback_to else {
        return Ok(None);
    };
    let first = events.deploy_start(deploy)?;
    let record = first
        .map(|first| deploy_record(events, first))
        .transpose()?;
    let record = record.flatten().filter(|record| record.is_applied);
    Ok(Some(record.ok_or_else(|| {
        unrestorable(
            deploy,
            ["the journal has no such deploy that was applied".to_owned()],
        )
    })))
}

/// A rollback is refused, with every reason.
pub(super) fn unrestorable(deploy: Uuid, why: impl IntoIterator<Item = String>) -> Fault {
    Fault::new(
        FailureKind::Unrestorable,
        format!("the state of deploy `{deploy}` cannot be restored"),
    )
    .because(why)
    .hint("go back to another deploy, or deploy the artifact again")
}

/// Looks for recorded images by their digests, side by side. Gives those that are there, and a reason for each that is not.
pub(super) async fn find_images<W: World>(
    world: &W,
    orders: Vec<ImageOrder>,
    images: &BTreeMap<FunctionName, ImageRecord>,
) -> Result<(Vec<LookedUp>, Vec<String>), (ImageOrder, Fault)> {
    let recorded = orders.into_iter().filter_map(|order| {
        let image = images.get(&order.function)?;
        Some((order, image))
    });
    let looks = recorded.map(|(order, image)| async move {
        match world.recorded_image(&order, &image.digest).await {
            Ok(tags) => Ok((order, image, tags)),
            Err(fault) => Err((order, fault)),
        }
    });
    let mut looks = Box::pin(stream::iter(looks).buffered(LOOKUPS));
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    while let Some((order, image, tags)) = looks.try_next().await? {
        if tags.keyed.as_ref() != Some(&image.digest) {
            lost.push(format!(
                "the registry does not have the image of `{}` any more: {} of `{}`",
                order.function, image.digest, image.reference
            ));
            continue;
        }
        let status = ImageStatus {
            key: image.key.clone(),
            inputs: image.inputs.clone(),
            bases: image.bases.clone(),
            tags,
            needs_builder: None,
        };
        found.push(LookedUp { order, status });
    }
    Ok((found, lost))
}
