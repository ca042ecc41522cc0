//! Which images are assembled, and what becomes of one that needs a builder.

use super::{Images, Prepared, file_of};
use crate::contract::Digest;
use crate::docker::assemble::{BuilderChoice, Job};
use crate::docker::fault;
use crate::image::recipe;
use crate::machine::FailureKind;
use crate::run::{Fault, ImageOrder, ImageStatus};

impl Images {
    /// The line of a Dockerfile that needs a builder, where images are assembled. What bases and files need is found out later.
    pub(super) fn needs_builder(&self, order: &ImageOrder, prepared: &Prepared) -> Option<String> {
        if self.assembler.choice == BuilderChoice::Engine {
            return None;
        }
        let Prepared {
            whole, platform, ..
        } = prepared;
        let dockerfile = &whole.context.dockerfile;
        let why = recipe(dockerfile, &self.build_args, platform).err()?;
        Some(format!("`{}`, {why}", file_of(order)))
    }

    /// Assembles the image, when it is to be and can be.
    pub(super) async fn assembled(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        prepared: &Prepared,
    ) -> Result<Option<Digest>, Fault> {
        let choice = self.assembler.choice;
        if choice == BuilderChoice::Engine {
            return Ok(None);
        }
        let job = Job {
            registry: &self.registry,
            function: order.function.as_str(),
            context: &prepared.whole.context,
            bases: &prepared.whole.bases,
            build_args: &self.build_args,
            platform: &prepared.platform,
            keyed: &prepared.keyed(&prepared.whole.key.key),
            is_known: status.tags.named.is_some(),
        };
        match self.assembler.make(&job).await? {
            Ok(digest) => Ok(Some(digest)),
            Err(why) if choice == BuilderChoice::Assemble => {
                let file = file_of(order);
                let message = format!("`{file}` cannot be assembled");
                let hint = "let the engine build it: `--builder auto`".to_owned();
                Err(fault::plain(FailureKind::Image, message, Some(hint))
                    .because([why.to_string()]))
            }
            Err(why) => {
                let function = order.function.as_str();
                tracing::debug!(function, %why, "the image is built");
                Ok(None)
            }
        }
    }
}
