//! The images of a deploy: what goes into each, whether the registry has it, and building it when it has not.
//!
//! Looking (`inspect`) changes nothing anywhere. Not here: what a key is made of (`image`), how the engine is talked to (`work`),
//! images that need no engine (`assembled`), what tags name (`tagged`).

mod assembled;
mod tagged;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{try_join, try_join_all};

use super::assemble::Assembler;
use super::bases::{Base, Bases, Place};
use super::connect::{Builder, Engine};
use super::context::Context;
use super::fault;
use super::redact::Redactor;
use super::registry::{HUB, Registry};
use super::work::Audience;
use crate::contract::{Digest, FunctionName};
use crate::failpoint;
use crate::image::{
    ContentKey, DockerfileError, HEREDOC_ENGINE, KeyInputs, Reference, Registries, RewriteContext,
    Rewritten, content_key, key_tag, pinned, rewrite,
};
use crate::load::{self, Artifact};
use crate::machine::FailureKind;
use crate::run::{Built, Fault, ImageOrder, ImageStatus, Rekeyed};

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
    context: Arc<Context>,
    bases: Vec<(Reference, Base)>,
    /// Those of them that the Dockerfile names for platforms of its own.
    foreign: Vec<Reference>,
    platform: String,
    key: ContentKey,
    /// Where this host finds it in the registry.
    wanted: Reference,
    needs_buildkit: bool,
    heredoc: Option<u32>,
}

impl Prepared {
    fn keyed(&self, key: &Digest) -> Reference {
        keyed(&self.wanted, key)
    }

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
        Ok(ImageStatus {
            key: prepared.key.key.clone(),
            inputs: prepared.key.inputs.clone(),
            bases: prepared.base_digests(),
            tags: self.tags_of(&prepared.wanted, &prepared.key.key).await?,
            needs_builder: self.needs_builder(order, &prepared),
        })
    }

    /// Has the image with this key in the registry, under its key's tag.
    pub(super) async fn build(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<Built, Fault> {
        let prepared = self.prepared_as(order, &status.key).await?;
        let say = |text: String| line(&text);
        let audience = Audience {
            redactor: &self.redactor,
            say: &say,
        };
        let keyed = prepared.keyed(&prepared.key.key);
        if let Some(digest) = self.assembled(order, status, &prepared, &keyed).await? {
            return Ok(Built::assembled(digest));
        }
        self.check_heredoc(order, &prepared).await?;
        let (pins, pushed_bases) = self.make_bases_ready(order, &prepared, audience).await?;
        self.build_on_engine(order, &prepared, &keyed, &pins, audience)
            .await?;
        for (reference, base) in &prepared.bases {
            let bases = &self.bases;
            bases.check_unmoved(&self.engine, reference, base).await?;
        }
        failpoint::reached(|| format!("built {}", order.function));
        let digest = self.push(&keyed, audience).await?;
        failpoint::reached(|| format!("pushed {}", order.function));
        let rekeyed = if pushed_bases.is_empty() {
            None
        } else {
            Some(self.rekey(&prepared, &digest, pushed_bases).await?)
        };
        Ok(Built {
            digest,
            rekeyed,
            assembled: false,
        })
    }

    /// Pushes an image under its key's tag. What the engine says it pushed is the image, whoever else moves the tag.
    async fn push(&self, keyed: &Reference, audience: Audience<'_>) -> Result<Digest, Fault> {
        let auth = self.registry.engine_auth(host(keyed)).await?;
        let pushed = self.engine.push(keyed, &auth, audience).await;
        if let Some(digest) = self.registry.explain(keyed, pushed).await? {
            return Ok(digest);
        }
        let found = self.registry.digest(keyed).await?;
        found.ok_or_else(|| moved(keyed))
    }

    /// The next deploy finds bases in the registry that were pushed with this image, and looks for the key that they make.
    async fn rekey(
        &self,
        prepared: &Prepared,
        digest: &Digest,
        pushed_bases: BTreeMap<String, Digest>,
    ) -> Result<Rekeyed, Fault> {
        let mut bases = prepared.base_digests();
        bases.extend(pushed_bases);
        let next = self.key(&prepared.context, &prepared.platform, &bases);
        let image = prepared.wanted.with_digest(digest);
        self.registry
            .retag(&image, &prepared.keyed(&next.key))
            .await?;
        Ok(Rekeyed {
            key: next.key,
            inputs: next.inputs,
            bases,
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
        if let Some(known) = known.filter(|known| known.key.key == *key) {
            return Ok(known);
        }
        let prepared = self.prepare(order).await?;
        if prepared.key.key == *key {
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
        let prepared = Arc::new(Prepared {
            key: self.key(&context, &platform, &digests),
            context,
            bases,
            foreign: rewritten.foreign,
            platform,
            wanted,
            needs_buildkit: rewritten.builder_needs_buildkit,
            heredoc: rewritten.heredoc,
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

    /// Refuses a heredoc that the engine takes for instructions it does not know.
    async fn check_heredoc(&self, order: &ImageOrder, prepared: &Prepared) -> Result<(), Fault> {
        let Some(line) = prepared.heredoc else {
            return Ok(());
        };
        let version = &self.engine.identity().await?.version;
        let major = version.split('.').next().and_then(|text| text.parse().ok());
        if major.is_none_or(|major: u64| major >= HEREDOC_ENGINE) {
            return Ok(());
        }
        let file = file_of(order);
        Err(fault::plain(
            FailureKind::Image,
            format!(
                "line {line} of `{file}` begins a heredoc, which Docker Engine {version} does not know"
            ),
            Some(format!(
                "begin `{file}` with the line `# syntax=docker/dockerfile:1`, or use Docker Engine {HEREDOC_ENGINE}.0 or newer"
            )),
        ))
    }

    async fn make_bases_ready(
        &self,
        order: &ImageOrder,
        prepared: &Prepared,
        audience: Audience<'_>,
    ) -> Result<(Pins, BTreeMap<String, Digest>), Fault> {
        let place = Place {
            engine: &self.engine,
            registry: &self.registry,
            registries: &self.registries,
            asked_platform: order.platform.as_deref(),
            platform: &prepared.platform,
            foreign: &prepared.foreign,
        };
        let (mut pins, mut pushed) = (Pins::new(), BTreeMap::new());
        for (reference, base) in &prepared.bases {
            let ready = self.bases.make_ready(&place, reference, base, audience);
            let ready = ready.await?;
            pins.insert(reference.clone(), ready.pin);
            pushed.extend(ready.pushed.map(|digest| (reference.to_string(), digest)));
        }
        Ok((pins, pushed))
    }

    async fn build_on_engine(
        &self,
        order: &ImageOrder,
        prepared: &Prepared,
        keyed: &Reference,
        pins: &Pins,
        audience: Audience<'_>,
    ) -> Result<(), Fault> {
        let builder = if prepared.needs_buildkit {
            Builder::BuildKit
        } else {
            self.engine.builder
        };
        let build_args =
            serde_json::to_string(&self.build_args).expect("a map of texts is valid JSON");
        let keyed = keyed.to_string();
        let dockerfile = prepared.context.dockerfile_name();
        let mut query = vec![
            ("dockerfile", dockerfile.as_str()),
            ("t", &keyed),
            ("nocache", if order.no_cache { "1" } else { "0" }),
            // Containers of the classic builder go away, those of failed steps too.
            ("rm", "1"),
            ("forcerm", "1"),
            ("buildargs", &build_args),
        ];
        query.extend(order.platform.as_deref().map(|one| ("platform", one)));
        let what = format!("build image `{}`", prepared.wanted);
        let mut context = Context::clone(&prepared.context);
        context.dockerfile =
            pinned(&context.dockerfile, pins).map_err(|error| unusable(order, &error))?;
        self.engine
            .build(&what, builder, &query, context, audience)
            .await
    }
}

/// The tag under which the registry has the content with this key.
fn keyed(wanted: &Reference, key: &Digest) -> Reference {
    wanted
        .with_tag(&key_tag(key))
        .expect("a key's tag is made of letters, digits and a dash")
}

/// The names by which bases are built from, by how the Dockerfile names them.
type Pins = BTreeMap<Reference, Reference>;

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
