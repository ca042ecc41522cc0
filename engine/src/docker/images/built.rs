//! Images that the engine makes: its bases are made ready, it builds, and it pushes.

use std::collections::BTreeMap;

use super::{Images, Prepared, Source, file_of, host, moved, unusable};
use crate::contract::Digest;
use crate::docker::bases::Place;
use crate::docker::connect::Builder;
use crate::docker::context::Context;
use crate::docker::fault;
use crate::docker::work::Audience;
use crate::failpoint;
use crate::image::{HEREDOC_ENGINE, Reference, pinned};
use crate::machine::FailureKind;
use crate::run::{Fault, ImageOrder, Rekeyed};

/// The names by which bases are built from, by how the Dockerfile names them.
type Pins = BTreeMap<Reference, Reference>;

impl Images {
    /// Has the engine make an image of this source and push it under its key's tag. Gives its digest, and those of bases that were
    /// pushed with it. `what` names it among the boundaries of a deploy.
    pub(super) async fn build_and_push(
        &self,
        order: &ImageOrder,
        prepared: &Prepared,
        source: &Source,
        what: &str,
        audience: Audience<'_>,
    ) -> Result<(Digest, BTreeMap<String, Digest>), Fault> {
        let keyed = prepared.keyed(&source.key.key);
        self.check_heredoc(order, source).await?;
        let (pins, pushed_bases) = self
            .make_bases_ready(order, prepared, source, audience)
            .await?;
        self.build_on_engine(order, source, &keyed, &pins, audience)
            .await?;
        for (reference, base) in &source.bases {
            let bases = &self.bases;
            bases.check_unmoved(&self.engine, reference, base).await?;
        }
        failpoint::reached(|| format!("built {what}"));
        let digest = self.push(&keyed, audience).await?;
        failpoint::reached(|| format!("pushed {what}"));
        Ok((digest, pushed_bases))
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
    pub(super) async fn rekey(
        &self,
        prepared: &Prepared,
        digest: &Digest,
        pushed_bases: BTreeMap<String, Digest>,
    ) -> Result<Rekeyed, Fault> {
        let whole = &prepared.whole;
        let mut bases = whole.base_digests();
        bases.extend(pushed_bases);
        let next = self.key(&whole.context, &prepared.platform, &bases);
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

    /// Refuses a heredoc that the engine takes for instructions it does not know.
    async fn check_heredoc(&self, order: &ImageOrder, source: &Source) -> Result<(), Fault> {
        let Some(line) = source.heredoc else {
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
        source: &Source,
        audience: Audience<'_>,
    ) -> Result<(Pins, BTreeMap<String, Digest>), Fault> {
        let place = Place {
            engine: &self.engine,
            registry: &self.registry,
            registries: &self.registries,
            asked_platform: order.platform.as_deref(),
            platform: &prepared.platform,
            foreign: &source.foreign,
        };
        let (mut pins, mut pushed) = (Pins::new(), BTreeMap::new());
        for (reference, base) in &source.bases {
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
        source: &Source,
        keyed: &Reference,
        pins: &Pins,
        audience: Audience<'_>,
    ) -> Result<(), Fault> {
        let builder = if source.needs_buildkit {
            Builder::BuildKit
        } else {
            self.engine.builder
        };
        let build_args =
            serde_json::to_string(&self.build_args).expect("a map of texts is valid JSON");
        let keyed = keyed.to_string();
        let dockerfile = source.context.dockerfile_name();
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
        let what = format!("build image `{}`", self.wanted(order)?);
        let mut context = Context::clone(&source.context);
        context.dockerfile =
            pinned(&context.dockerfile, pins).map_err(|error| unusable(order, &error))?;
        self.engine
            .build(&what, builder, &query, context, audience)
            .await
    }
}
