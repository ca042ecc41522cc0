//! What the tags of an image name in the registry, and moving the one that the stack pulls. The artifact is not read for it.

use futures_util::future::try_join;

use super::{Images, keyed, moved};
use crate::contract::Digest;
use crate::image::Reference;
use crate::run::{Fault, ImageOrder, ImageTags};

impl Images {
    /// Asks the registry again what is behind both tags of an image that was inspected; the artifact is not read for it.
    pub(in crate::docker) async fn tags(
        &self,
        order: &ImageOrder,
        key: &Digest,
    ) -> Result<ImageTags, Fault> {
        self.tags_of(&self.wanted(order)?, key).await
    }

    /// Asks the registry for a recorded image by its digest, and what is behind its name.
    pub(in crate::docker) async fn recorded(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> Result<ImageTags, Fault> {
        let wanted = self.wanted(order)?;
        let recorded = wanted.with_digest(digest);
        let (keyed, named) = try_join(
            self.registry.digest(&recorded),
            self.registry.digest(&wanted),
        )
        .await?;
        Ok(ImageTags { keyed, named })
    }

    pub(super) async fn tags_of(
        &self,
        wanted: &Reference,
        key: &Digest,
    ) -> Result<ImageTags, Fault> {
        let keyed = keyed(wanted, key);
        let (keyed, named) =
            try_join(self.registry.digest(&keyed), self.registry.digest(wanted)).await?;
        Ok(ImageTags { keyed, named })
    }

    /// Gives an image of the registry the tag that the stack pulls.
    pub(in crate::docker) async fn tag(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> Result<(), Fault> {
        let wanted = self.wanted(order)?;
        self.registry
            .retag(&wanted.with_digest(digest), &wanted)
            .await?;
        match self.registry.digest(&wanted).await? {
            Some(found) if found == *digest => Ok(()),
            Some(_) | None => Err(moved(&wanted)),
        }
    }
}
