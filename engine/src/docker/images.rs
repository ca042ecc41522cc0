//! The images of a deploy: what goes into each, whether the registry has it, and building it when it has not.
//!
//! Looking (`inspect`) changes nothing anywhere. Not here: what a key is made of (`image`), how the engine is talked to (`work`),
//! how the engine makes an image (`built`), images that need no engine (`assembled`), what of an image needs one (`prefix`), what
//! tags name (`tagged`).

mod assembled;
mod built;
mod prefix;
mod tagged;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{try_join, try_join_all};

use super::assemble::Assembler;
use super::bases::{Base, Bases};
use super::connect::Engine;
use super::context::Context;
use super::fault;
use super::redact::Redactor;
use super::registry::{HUB, Registry};
use super::work::Audience;
use crate::contract::{Digest, FunctionName};
use crate::image::{
    ContentKey, DockerfileError, KeyInputs, Reference, Registries, RewriteContext, Rewritten,
    content_key, key_tag, rewrite,
};
use crate::load::{self, Artifact};
use crate::machine::FailureKind;
use crate::run::{Built, Fault, ImageOrder, ImageStatus};
use prefix::Prefix;

/// Everything that is the same for every image of a run.
pub(super) struct Images {
    pub(super) engine: Engine,
    pub(super) registry: Registry,
    pub(super) artifact: Option<Arc<Artifact>>,
    pub(super) registries: Registries,
    pub(super) esb_tag: Option<String>,
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) redactor: Redactor,
    pub(super) bases: Bases,
    pub(super) assembler: Assembler,
    pub(super) prepared: Mutex<BTreeMap<(usize, FunctionName), Arc<Prepared>>>,
}

/// One image, ready to be looked for and to be built.
pub(super) struct Prepared {
    whole: Source,
    /// Its first instructions, where an image of them is gone on from.
    prefix: Option<Prefix>,
    platform: String,
    /// Where this host finds it in the registry.
    wanted: Reference,
}

/// What an image is made of.
struct Source {
    context: Arc<Context>,
    bases: Vec<(Reference, Base)>,
    /// Those of them that the Dockerfile names for platforms of its own.
    foreign: Vec<Reference>,
    key: ContentKey,
    needs_buildkit: bool,
    heredoc: Option<u32>,
}

impl Prepared {
    fn keyed(&self, key: &Digest) -> Reference {
        keyed(&self.wanted, key)
    }
}

impl Source {
    fn base_digests(&self) -> BTreeMap<String, Digest> {
        let pairs = self.bases.iter();
        pairs
            .map(|(reference, base)| (reference.to_string(), base.digest().clone()))
            .collect()
    }
}

impl Images {
    /// Computes the content key and asks the registry what is behind both of the image's tags.
    pub(super) async fn inspect(&self, order: &ImageOrder) -> Result<ImageStatus, Fault> {
        let prepared = self.prepare(order).await?;
        let Source { key, .. } = &prepared.whole;
        let tags = self.tags_of(&prepared.wanted, &key.key).await?;
        Ok(ImageStatus {
            key: key.key.clone(),
            inputs: key.inputs.clone(),
            bases: prepared.whole.base_digests(),
            needs_builder: self.needs_builder(order, &prepared),
            prefix: self.prefix_status(&prepared, &tags).await?,
            tags,
        })
    }

    /// Has the image with this key in the registry, under its key's tag. `prefix` is the image of its first instructions that is
    /// gone on from.
    pub(super) async fn build(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        prefix: Option<&Digest>,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<Built, Fault> {
        let prepared = self.prepared_as(order, &status.key).await?;
        let say = |text: String| line(&text);
        let audience = Audience {
            redactor: &self.redactor,
            say: &say,
        };
        if let Some(built) = self
            .over_prefix(order, status, &prepared, prefix, audience)
            .await?
        {
            return Ok(built);
        }
        if let Some(digest) = self.assembled(order, status, &prepared).await? {
            return Ok(Built::assembled(digest));
        }
        let what = order.function.as_str();
        let (digest, pushed_bases) = self
            .build_and_push(order, &prepared, &prepared.whole, what, audience)
            .await?;
        let rekeyed = if pushed_bases.is_empty() {
            None
        } else {
            Some(self.rekey(&prepared, &digest, pushed_bases).await?)
        };
        Ok(Built {
            rekeyed,
            ..Built::taken(digest)
        })
    }

    /// What `inspect` found, when that is still what is meant; else everything is read again.
    async fn prepared_as(&self, order: &ImageOrder, key: &Digest) -> Result<Arc<Prepared>, Fault> {
        let known = {
            let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            prepared
                .get(&(order.entry, order.function.clone()))
                .cloned()
        };
        if let Some(known) = known.filter(|known| known.whole.key.key == *key) {
            return Ok(known);
        }
        let prepared = self.prepare(order).await?;
        if prepared.whole.key.key == *key {
            return Ok(prepared);
        }
        Err(Fault {
            retryable: true,
            ..fault::plain(
                FailureKind::Image,
                format!(
                    "what the image of function `{}` is made of changed since it was looked at",
                    order.function
                ),
                Some("deploy again once nothing writes to the artifact".to_owned()),
            )
        })
    }

    async fn prepare(&self, order: &ImageOrder) -> Result<Arc<Prepared>, Fault> {
        let (root, dockerfile) = self.source(order)?;
        let wanted = self.wanted(order)?;
        let rewritten = self.rewrite(order, dockerfile)?;
        let platform = match &order.platform {
            Some(platform) => platform.clone(),
            None => self.engine.identity().await?.platform.clone(),
        };
        let look_up = |base: Reference| async move {
            let found = self
                .bases
                .look_up(&self.engine, &self.registry, &base)
                .await?;
            Ok((base, found))
        };
        let (files, bases) = try_join(
            read_inputs(root.clone(), order.function.clone(), rewritten.sources),
            try_join_all(rewritten.bases.into_iter().map(look_up)),
        )
        .await?;
        let context = Arc::new(Context {
            root,
            dockerfile: rewritten.text,
            files,
        });
        let digests = bases.iter();
        let digests = digests
            .map(|(reference, base)| (reference.to_string(), base.digest().clone()))
            .collect();
        let whole = Source {
            key: self.key(&context, &platform, &digests),
            context,
            bases,
            foreign: rewritten.foreign,
            needs_buildkit: rewritten.builder_needs_buildkit,
            heredoc: rewritten.heredoc,
        };
        let prepared = Arc::new(Prepared {
            prefix: self.divide(&whole, &platform),
            whole,
            platform,
            wanted,
        });
        let slot = (order.entry, order.function.clone());
        let mut all = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(slot, Arc::clone(&prepared));
        Ok(prepared)
    }

    fn key(
        &self,
        context: &Context,
        platform: &str,
        bases: &BTreeMap<String, Digest>,
    ) -> ContentKey {
        content_key(&KeyInputs {
            dockerfile: &context.dockerfile,
            files: &context.files,
            build_args: &self.build_args,
            platform,
            bases,
        })
    }

    fn source(&self, order: &ImageOrder) -> Result<(PathBuf, &str), Fault> {
        let entries = self.artifact.as_ref().map(|artifact| &artifact.entries);
        let entry = entries.and_then(|entries| entries.get(order.entry));
        let found = entry.and_then(|entry| {
            let image = entry
                .images
                .iter()
                .find(|image| image.function == order.function)?;
            Some((entry.root.clone(), image.dockerfile.as_deref()?))
        });
        found.ok_or_else(|| {
            fault::plain(
                FailureKind::Internal,
                format!(
                    "function `{}` has no Dockerfile in entry {}",
                    order.function, order.entry
                ),
                None,
            )
        })
    }

    /// Where this host finds the image in the registry.
    fn wanted(&self, order: &ImageOrder) -> Result<Reference, Fault> {
        let refuse = |message: String, hint: &str| {
            Err(fault::plain(
                FailureKind::Payload,
                message,
                Some(hint.to_owned()),
            ))
        };
        let written = match Reference::parse(&order.reference) {
            Ok(reference) => reference,
            Err(error) => {
                return Err(Fault::new(
                    FailureKind::Payload,
                    format!(
                        "the image of function `{}` has no usable name",
                        order.function
                    ),
                )
                .because([error.to_string()])
                .hint("write it as `registry/repository:tag` in functions.yml"));
            }
        };
        if written.digest.is_some() {
            return refuse(
                format!(
                    "the image `{written}` of function `{}` is pinned by digest and cannot be built",
                    order.function
                ),
                "leave the digest out, or take the Dockerfile away",
            );
        }
        let mut wanted = self.registries.own_for_host(&written);
        if wanted.registry.is_none() {
            return refuse(
                format!(
                    "the image `{written}` of function `{}` names no registry",
                    order.function
                ),
                "set `CONTAINER_REGISTRY` and `HOST_REGISTRY_ADDR`, or name the registry in functions.yml",
            );
        }
        wanted.tag.get_or_insert_with(|| "latest".to_owned());
        Ok(wanted)
    }

    fn rewrite(&self, order: &ImageOrder, dockerfile: &str) -> Result<Rewritten, Fault> {
        let context = RewriteContext {
            registries: &self.registries,
            stack_version: order.stack_version.as_deref(),
            esb_tag: self.esb_tag.as_deref(),
        };
        let rewritten = rewrite(dockerfile, &context).map_err(|error| unusable(order, &error))?;
        for warning in &rewritten.warnings {
            let file = file_of(order);
            tracing::warn!(file, line = warning.line, "{}", warning.message);
        }
        Ok(rewritten)
    }
}

/// The tag under which the registry has the content with this key.
fn keyed(wanted: &Reference, key: &Digest) -> Reference {
    wanted
        .with_tag(&key_tag(key))
        .expect("a key's tag is made of letters, digits and a dash")
}

/// The Dockerfile of a function, from the root of its entry.
fn file_of(order: &ImageOrder) -> String {
    format!("functions/{}/Dockerfile", order.function)
}

fn unusable(order: &ImageOrder, error: &DockerfileError) -> Fault {
    let file = file_of(order);
    let hint = Some(format!("correct `{file}` in the artifact"));
    let message = format!("`{file}` cannot be used");
    fault::plain(FailureKind::Payload, message, hint).because([error.to_string()])
}

fn moved(reference: &Reference) -> Fault {
    Fault {
        retryable: true,
        ..fault::plain(
            FailureKind::Image,
            format!("`{reference}` is not the image that was pushed"),
            Some("deploy again, and see who else pushes this tag".to_owned()),
        )
    }
}

fn host(reference: &Reference) -> &str {
    reference.registry.as_deref().unwrap_or(HUB)
}

async fn read_inputs(
    root: PathBuf,
    function: FunctionName,
    sources: Vec<String>,
) -> Result<Vec<crate::image::InputFile>, Fault> {
    let what = format!("read what the image of function `{function}` is made of");
    let read = move || load::inputs(&root, function.as_str(), &sources);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(files)) => Ok(files),
        Ok(Err(error)) => Err(
            fault::plain(FailureKind::Payload, format!("cannot {what}"), None)
                .because(fault::chain(&error)),
        ),
        Err(error) => Err(fault::task(&what, &error)),
    }
}
