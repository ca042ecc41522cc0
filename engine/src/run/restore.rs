//! What a rollback does that a deploy of an artifact does not: it finds images by their digests, and proves at the end that what it
//! went back to is there.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::content::{find_images, unrestorable};
use super::drive::{Run, StepEnd};
use super::image_plan::{LOOKUPS, LookedUp};
use super::preparation::{self, Merge};
use super::record::DeployRecord;
use super::round::{Round, of_image};
use super::world::{Fault, ImageOrder, World};
use crate::contract::Digest;
use crate::machine::{Deploy, FailureKind, Step};

impl<W: World> Run<'_, W> {
    /// Looks for the recorded images. Refuses when one is gone: nothing can build it again.
    pub(super) async fn find(
        &self,
        record: &DeployRecord,
        orders: Vec<ImageOrder>,
    ) -> Result<Vec<LookedUp>, StepEnd> {
        let find = find_images(self.world, orders, &record.images);
        let (found, lost) = self
            .abortable(Step::Image, find)
            .await?
            .map_err(|(order, fault)| of_image(Step::Image, &order, fault))?;
        if lost.is_empty() {
            return Ok(found);
        }
        let fault = unrestorable(record.deploy, lost);
        Err(StepEnd::fault(Step::Image)(fault))
    }

    /// The same fault, with a reason for each image that is gone too: who cannot restore the configuration is told everything at once.
    pub(super) async fn with_lost_images(
        &self,
        deploy: &Deploy,
        round: &Round,
        fault: Fault,
    ) -> Result<Fault, StepEnd> {
        let (Some(record), Some(observed)) = (&round.content, &deploy.observed) else {
            return Ok(fault);
        };
        if fault.kind != FailureKind::Unrestorable {
            return Ok(fault);
        }
        let orders = preparation::orders(
            self.content(round),
            self.registries,
            &deploy.request.options,
            &observed.observation,
            None,
        );
        let find = find_images(self.world, orders, &record.images);
        Ok(match self.abortable(Step::Merge, find).await? {
            Ok((_, lost)) => fault.because(lost),
            // That a registry does not answer is not why the configuration cannot be restored.
            Err(_) => fault,
        })
    }

    /// Proves that files and images are those of the deploy that was gone back to.
    pub(super) async fn verify(&self, merge: &Merge, round: &Round) -> Result<(), StepEnd> {
        self.go_on()?;
        let stands = self.abortable(Step::Merge, self.world.config()).await?;
        let stands = stands.map_err(StepEnd::fault(Step::Merge))?;
        let digests = |files: &super::ConfigTexts| -> BTreeMap<_, _> {
            let files = files.iter();
            files
                .map(|(file, text)| (*file, Digest::of(text)))
                .collect()
        };
        if digests(&stands) != digests(&merge.texts) {
            let fault =
                otherwise("the files of the output directory are not those that were published");
            return Err(StepEnd::fault(Step::Merge)(fault));
        }
        self.go_on()?;
        let looks = round.images().map(|image| async move {
            let found = self.world.recorded_image(&image.order, &image.digest).await;
            let tags = found.map_err(|fault| of_image(Step::Image, &image.order, fault))?;
            if tags.named.as_ref() == Some(&image.digest) {
                return Ok(());
            }
            let message = format!(
                "`{}` does not name the image that was restored",
                image.order.reference
            );
            Err(of_image(Step::Image, &image.order, otherwise(&message)))
        });
        let looks = stream::iter(looks)
            .buffer_unordered(LOOKUPS)
            .try_collect::<Vec<()>>();
        self.abortable(Step::Image, looks).await??;
        self.go_on()
    }
}

/// Somebody changed what was restored before it could be proved.
fn otherwise(message: &str) -> Fault {
    Fault::new(FailureKind::Publish, message)
        .hint("see who else changes it, then run the same command again")
        .retryable()
}
