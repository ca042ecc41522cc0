//! The images that Dockerfiles build on: which image is meant, and having it on the engine under a name that cannot move.
//!
//! Each is looked up once per run, however many functions build on it. A tag may move between the look and the build, so that a
//! Dockerfile is built from digests (docs/adr/0057-built-from-digests.md).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::connect::Engine;
use super::fault;
use super::platform::Platform;
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
    /// On the engine, for each platform.
    ready: Mutex<BTreeMap<String, Arc<OnceCell<Ready>>>>,
}

/// A base that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    /// The digest in the registry when this run pushed it there.
    pub(super) pushed: Option<Digest>,
    /// The name by which it is built from. The reference itself where the engine has the image without a digest.
    pub(super) pin: Reference,
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
    /// only the engine has is pushed, so that it stays resolvable.
    pub(super) async fn make_ready(
        &self,
        place: &Place<'_>,
        reference: &Reference,
        base: &Base,
        audience: Audience<'_>,
    ) -> Result<Ready, Fault> {
        let known = self.known(reference);
        let cell = {
            let mut ready = known.ready.lock().unwrap_or_else(PoisonError::into_inner);
            let of_platform = ready.entry(place.platform.to_owned()).or_default();
            Arc::clone(of_platform)
        };
        let make = || async {
            let (pushed, pin) = match base {
                Base::Registry(digest) => {
                    (None, Some(pull(place, reference, digest, audience).await?))
                }
                Base::Local { absent: true, .. } if place.owns(reference) => {
                    let digest = push(place, reference, audience).await?;
                    let name = by_digest(reference, &digest);
                    let known = place.engine.inspect_image(&name.to_string()).await?;
                    (Some(digest), known.map(|_| name))
                }
                Base::Pulled(digest) => (None, Some(by_digest(reference, digest))),
                Base::Local { .. } => (None, None),
            };
            let pin = pin.unwrap_or_else(|| reference.clone());
            Ok(Ready { pushed, pin })
        };
        cell.get_or_try_init(make).await.cloned()
    }

    /// Checks that a base without a digest still is the image that was looked up.
    pub(super) async fn check_unmoved(
        &self,
        engine: &Engine,
        reference: &Reference,
        base: &Base,
    ) -> Result<(), Fault> {
        let Base::Local { id, .. } = base else {
            return Ok(());
        };
        let image = engine.inspect_image(&reference.to_string()).await?;
        let found = image.and_then(|image| image.id);
        if found.as_deref() == Some(id.as_str()) {
            return Ok(());
        }
        Err(Fault {
            retryable: true,
            ..fault::plain(
                FailureKind::Image,
                format!("base image `{reference}` on the engine is no longer `{id}`"),
                Some("deploy again: its tag was moved while it was built from".to_owned()),
            )
        })
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
    pub(super) asked_platform: Option<&'a str>,
    /// The platform that is built for.
    pub(super) platform: &'a str,
    /// The bases that the Dockerfile names for platforms of its own.
    pub(super) foreign: &'a [Reference],
}

impl Place<'_> {
    /// Whether the engine has the image of this name for the platform. Of a base that the Dockerfile names for another platform
    /// any will do.
    async fn has(&self, name: &Reference) -> Result<bool, Fault> {
        let Some(image) = self.engine.inspect_image(&name.to_string()).await? else {
            return Ok(false);
        };
        let platform = Platform {
            os: image.os.unwrap_or_default(),
            architecture: image.architecture.unwrap_or_default(),
            variant: image.variant.unwrap_or_default(),
        };
        let is_foreign = |base: &Reference| base.name() == name.name();
        Ok(platform.is(self.platform) || self.foreign.iter().any(is_foreign))
    }

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
    let why = refused.map_or("it has no such image".to_owned(), |fault| fault.to_string());
    let used = found.digest();
    tracing::warn!(
        "the registry does not say which image the base `{name}` is ({why}); the engine's own is used: {used}"
    );
    Ok(found)
}

/// Has the image with a digest on the engine, and gives the name by which it is found there.
///
/// The digest may be that of a list. The engine keeps one image under a digest, so that the image of a second platform is only
/// found by a digest of its own.
async fn pull(
    place: &Place<'_>,
    reference: &Reference,
    digest: &Digest,
    audience: Audience<'_>,
) -> Result<Reference, Fault> {
    let name = by_digest(reference, digest);
    if place.has(&name).await? {
        return Ok(name);
    }
    let host = reference.registry.as_deref().unwrap_or(HUB);
    let auth = place.registry.engine_auth(host).await?;
    let pull = |what: Reference| {
        let (engine, auth) = (place.engine, auth.as_str());
        async move {
            engine
                .pull(&what, place.asked_platform, auth, audience)
                .await
        }
    };
    // By its tag, under which it is found later when the registry is away.
    pull(reference.clone()).await?;
    if place.has(&name).await? {
        return Ok(name);
    }
    if place.foreign.contains(reference) {
        pull(name.clone()).await?;
        return Ok(name);
    }
    let platform = place.platform;
    let own = place
        .registry
        .platform_digest(reference, digest, platform)
        .await?;
    let own = own.ok_or_else(|| {
        fault::plain(
            FailureKind::Image,
            format!("base image `{reference}` is there for other platforms than `{platform}`"),
            Some("build for a platform of the base: `--platform`".to_owned()),
        )
    })?;
    let name = by_digest(reference, &own);
    if !place.has(&name).await? {
        pull(name.clone()).await?;
    }
    Ok(name)
}

/// The name of an image that cannot move.
fn by_digest(reference: &Reference, digest: &Digest) -> Reference {
    Reference {
        tag: None,
        digest: Some(digest.clone()),
        ..reference.clone()
    }
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
