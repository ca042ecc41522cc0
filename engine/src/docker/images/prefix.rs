//! Images that are assembled over one of their first instructions, up to the last RUN. That one is built once, and found by its
//! content key in the repository of the function from then on.
//!
//! Not here: which Dockerfiles are divided (`image`), and which image is trusted to be the one (`run`).

use std::sync::Arc;

use super::{Images, Prepared, Source};
use crate::contract::Digest;
use crate::docker::assemble::{BuilderChoice, Job};
use crate::docker::bases::Base;
use crate::docker::context::Context;
use crate::docker::work::Audience;
use crate::image::{BuildPrefix, Registries, RewriteContext, build_prefix, reached, rewrite};
use crate::run::{Built, Fault, ImageOrder, ImageStatus, ImageTags, PrefixStatus};

/// The first instructions of an image, as an image of its own.
pub(super) struct Prefix {
    source: Source,
    divided: BuildPrefix,
}

impl Images {
    /// Divides an image whose bases are all in registries.
    pub(super) fn divide(&self, whole: &Source, platform: &str) -> Option<Prefix> {
        if self.assembler.choice != BuilderChoice::Auto {
            return None;
        }
        let is_pushed = |(_, base): &(_, Base)| matches!(base, Base::Registry(_));
        if !whole.bases.iter().all(is_pushed) {
            return None;
        }
        let divided = build_prefix(&whole.context.dockerfile, &self.build_args, platform)?;
        // What was rewritten is rewritten to itself.
        let context = RewriteContext {
            registries: &Registries::default(),
            stack_version: None,
            esb_tag: None,
        };
        let rewritten = rewrite(&divided.dockerfile, &context).ok()?;
        let bases = whole.bases.iter();
        let bases: Vec<_> = bases
            .filter(|(reference, _)| rewritten.bases.contains(reference))
            .cloned()
            .collect();
        let files = reached(&rewritten.sources, &whole.context.files);
        let context = Arc::new(Context {
            root: whole.context.root.clone(),
            files: files.into_iter().cloned().collect(),
            dockerfile: rewritten.text,
        });
        let digests = bases.iter();
        let digests = digests
            .map(|(reference, base)| (reference.to_string(), base.digest().clone()))
            .collect();
        let source = Source {
            key: self.key(&context, platform, &digests),
            context,
            bases,
            foreign: rewritten.foreign,
            needs_buildkit: rewritten.builder_needs_buildkit,
            heredoc: rewritten.heredoc,
        };
        Some(Prefix { source, divided })
    }

    /// What is known of the image of the first instructions. An image that is there needs none, so that it is not asked for.
    pub(super) async fn prefix_status(
        &self,
        prepared: &Prepared,
        tags: &ImageTags,
    ) -> Result<Option<PrefixStatus>, Fault> {
        let Some(Prefix { source, divided }) = &prepared.prefix else {
            return Ok(None);
        };
        let key = source.key.key.clone();
        let found = match tags.keyed {
            Some(_) => None,
            None => self.registry.digest(&prepared.keyed(&key)).await?,
        };
        let line = divided.line;
        Ok(Some(PrefixStatus { key, line, found }))
    }

    /// Has an image in the registry that is assembled over one of its first instructions: the one that is given, else one that the
    /// engine makes. None when there is no such image.
    pub(super) async fn over_prefix(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        prepared: &Prepared,
        taken: Option<&Digest>,
        audience: Audience<'_>,
    ) -> Result<Option<Built>, Fault> {
        let Some(Prefix { source, divided }) = &prepared.prefix else {
            return Ok(None);
        };
        let digest = if let Some(digest) = taken {
            digest.clone()
        } else {
            let what = format!("prefix of {}", order.function);
            let made = self.build_and_push(order, prepared, source, &what, audience);
            made.await?.0
        };
        let image = prepared.keyed(&source.key.key);
        let whole = &prepared.whole;
        let mut bases = whole.bases.clone();
        bases.push((image.clone(), Base::Registry(digest.clone())));
        let context = Arc::new(Context {
            dockerfile: divided.over(&image),
            ..Context::clone(&whole.context)
        });
        let job = Job {
            registry: &self.registry,
            function: order.function.as_str(),
            context: &context,
            bases: &bases,
            build_args: &self.build_args,
            platform: &prepared.platform,
            keyed: &prepared.keyed(&whole.key.key),
            is_known: status.tags.named.is_some(),
        };
        match self.assembler.make(&job).await? {
            Ok(made) => Ok(Some(Built {
                assembled: taken.is_some(),
                prefix: Some(digest),
                ..Built::taken(made)
            })),
            Err(why) => {
                let function = order.function.as_str();
                tracing::debug!(function, %why, "the image is built as a whole");
                Ok(None)
            }
        }
    }
}
