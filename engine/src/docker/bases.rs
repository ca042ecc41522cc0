//! The images that Dockerfiles build on: which image is meant, and having it on the engine.
//!
//! Each is looked up once per run, however many functions build on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::connect::Engine;
use super::fault;
use super::registry::{HUB, Registry};
use super::work::Audience;
use crate::contract::Digest;
use crate::image::{LAMBDA_BASE, Reference, Registries};
use crate::machine::FailureKind;
use crate::run::Fault;

/// Which image a reference means, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// The registry, or the reference itself: the digest of a manifest.
    Registry(Digest),
    /// The engine, since the registry could not be asked: the digest the image had when it was pulled.
    Pulled(Digest),
    /// The engine: the id of an image that no registry is known to have. `absent` when its own registry says so.
    Local {
        /// The image id.
        id: Digest,
        /// Its registry answered that it has no such image.
        absent: bool,
    },
}

impl Base {
    /// What goes into a content key.
    pub(super) fn digest(&self) -> &Digest {
        match self {
            Self::Registry(digest) | Self::Pulled(digest) => digest,
            Self::Local { id, .. } => id,
        }
    }
}

/// All bases of one run.
#[derive(Default)]
pub(super) struct Bases {
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

#[derive(Default)]
struct Known {
    base: OnceCell<Base>,
    /// On the engine; the digest in the registry when this run pushed it there.
    ready: OnceCell<Option<Digest>>,
}

impl Bases {
    /// Which image a reference means. Read-only.
    pub(super) async fn look_up(
        &self,
        engine: &Engine,
        registry: &Registry,
        reference: &Reference,
    ) -> Result<Base, Fault> {
        let known = self.known(reference);
        let ask = || look_up(engine, registry, reference);
        known.base.get_or_try_init(ask).await.cloned()
    }

    /// Has the image on the engine, pulled when it is not the one that was looked up. A lambda base of our registry that
    /// only the engine has is pushed, so that it stays resolvable; then its digest in the registry is returned.
    pub(super) async fn make_ready(
        &self,
        place: &Place<'_>,
        reference: &Reference,
        base: &Base,
        audience: Audience<'_>,
    ) -> Result<Option<Digest>, Fault> {
        let known = self.known(reference);
        let make = || async {
            match base {
                Base::Registry(digest) => pull(place, reference, digest, audience)
                    .await
                    .map(|()| None),
                Base::Local { absent: true, .. } if place.owns(reference) => {
                    push(place, reference, audience).await.map(Some)
                }
                Base::Pulled(_) | Base::Local { .. } => Ok(None),
            }
        };
        known.ready.get_or_try_init(make).await.cloned()
    }

    fn known(&self, reference: &Reference) -> Arc<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(reference.to_string()).or_default())
    }
}

/// Where bases are made ready.
pub(super) struct Place<'a> {
    /// The engine that builds.
    pub(super) engine: &'a Engine,
    /// The registries it pulls from.
    pub(super) registry: &'a Registry,
    /// Which of them is ours.
    pub(super) registries: &'a Registries,
    /// The platform that was asked for.
    pub(super) platform: Option<&'a str>,
}

impl Place<'_> {
    fn owns(&self, reference: &Reference) -> bool {
        reference.last_part() == LAMBDA_BASE && self.registries.holds(reference)
    }
}

async fn look_up(
    engine: &Engine,
    registry: &Registry,
    reference: &Reference,
) -> Result<Base, Fault> {
    if let Some(digest) = &reference.digest {
        return Ok(Base::Registry(digest.clone()));
    }
    let asked = registry.digest(reference).await;
    let refused = match asked {
        Ok(Some(digest)) => return Ok(Base::Registry(digest)),
        Ok(None) => None,
        Err(fault) => Some(fault),
    };
    let name = reference.to_string();
    let Some(image) = engine.inspect_image(&name).await? else {
        return Err(refused.unwrap_or_else(|| {
            fault::plain(
                FailureKind::Image,
                format!("base image `{reference}` is neither in its registry nor on the engine"),
                Some(format!("push it: `docker push {reference}`")),
            )
        }));
    };
    let absent = refused.is_none();
    let prefix = format!("{}@", reference.name());
    let pulled = image.repo_digests.iter().flatten();
    let pulled = pulled
        .filter_map(|digest| Digest::parse(digest.strip_prefix(&prefix)?))
        .min();
    let found = match pulled {
        Some(digest) if !absent => Some(Base::Pulled(digest)),
        _ => {
            let id = image.id.as_deref().and_then(Digest::parse);
            id.map(|id| Base::Local { id, absent })
        }
    };
    let found = found.ok_or_else(|| {
        fault::plain(
            FailureKind::Image,
            format!("the engine knows no digest of base image `{reference}`"),
            None,
        )
    })?;
    tracing::warn!(
        base = name,
        registry = refused.map_or("it has no such image".to_owned(), |fault| fault.to_string()),
        used = %found.digest(),
        "the registry does not say which image a base is; the engine's own is used"
    );
    Ok(found)
}

async fn pull(
    place: &Place<'_>,
    reference: &Reference,
    digest: &Digest,
    audience: Audience<'_>,
) -> Result<(), Fault> {
    if is_local(place.engine, reference, digest).await? {
        return Ok(());
    }
    let host = reference.registry.as_deref().unwrap_or(HUB);
    let auth = place.registry.engine_auth(host).await?;
    place
        .engine
        .pull(reference, place.platform, &auth, audience)
        .await?;
    if is_local(place.engine, reference, digest).await? {
        return Ok(());
    }
    Err(Fault {
        retryable: true,
        ..fault::plain(
            FailureKind::Image,
            format!("base image `{reference}` is no longer `{digest}`"),
            Some("deploy again: its tag was moved while it was pulled".to_owned()),
        )
    })
}

/// Is the image behind a reference on the engine the one with this digest?
async fn is_local(engine: &Engine, reference: &Reference, digest: &Digest) -> Result<bool, Fault> {
    let image = engine.inspect_image(&reference.to_string()).await?;
    let digests = image.and_then(|image| image.repo_digests);
    let ending = format!("@{digest}");
    Ok(digests.iter().flatten().any(|one| one.ends_with(&ending)))
}

async fn push(
    place: &Place<'_>,
    reference: &Reference,
    audience: Audience<'_>,
) -> Result<Digest, Fault> {
    let host = reference.registry.as_deref().unwrap_or(HUB);
    let auth = place.registry.engine_auth(host).await?;
    let pushed = place.engine.push(reference, &auth, audience).await;
    place.registry.explain(reference, pushed).await?;
    place.registry.digest(reference).await?.ok_or_else(|| {
        fault::plain(
            FailureKind::Image,
            format!("base image `{reference}` was pushed and is not in the registry"),
            None,
        )
    })
}
