//! The registry, asked directly: which image is behind a tag, giving one image a second tag, and the blobs of images.
//!
//! Asking the engine to ask costs it ten times as much as asking oneself. Here: what is read and written at a registry, how
//! often it is asked, and how much at a time. Not here: which registry is meant (`image`).

mod access;
mod blob;
mod blobs;
mod certificates;
mod challenge;
mod client;
mod deletion;
mod error;
mod manifest;
mod pace;
mod refusal;
#[cfg(test)]
pub(super) mod tests;
mod token;
mod transfer;
mod transport;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{sleep, timeout};

use super::connect::Engine;
use super::credentials::Credentials;
use super::fault;
use super::limits::Limits;
use crate::contract::Digest;
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;
use access::{Access, Hosts};
pub(super) use blob::{Blob, Progress, Spool};
pub(super) use blobs::Upload;
pub(super) use certificates::{FOLDER as CERTIFICATES, authority_file};
use client::{Client, Target};
pub(super) use deletion::ManifestDeletion;
pub(super) use error::{Handshake, RegistryError};
pub(super) use manifest::{Descriptor, ImageManifest, Manifest};
use pace::Pace;
pub(super) use transfer::{Mount, Written};

/// The registry of references that name none.
pub(super) const HUB: &str = "docker.io";

/// How long to wait before a question is asked again; as many repetitions as there are entries.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// How often a registry that is too busy is waited for, at one question.
const BUSY_WAITS: usize = 5;

/// All registries a deploy talks to.
pub(super) struct Registry {
    hosts: Hosts,
    limits: Limits,
    /// It was said that logins can be overheard.
    warned: AtomicBool,
}

impl Registry {
    /// Talks to registries as `credentials` say, and in the clear where `engine` does.
    pub(super) fn new(credentials: Credentials, engine: Option<Engine>, limits: Limits) -> Self {
        Self {
            hosts: Hosts::new(credentials, engine, limits),
            limits,
            warned: AtomicBool::new(false),
        }
    }

    /// The digest of the manifest behind a reference; `None` when the registry has no such image.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Option<Digest>, Fault> {
        let what = format!("ask the registry for `{reference}`");
        let (host, target) = target(reference);
        let reached = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &reached);
        self.repeat(&call, || reached.client().digest(&target))
            .await
    }

    /// The digest of the image for a platform behind the digest of a manifest, which may be a list of images for several; `None`
    /// when the list has none for it.
    pub(super) async fn platform_digest(
        &self,
        reference: &Reference,
        digest: &Digest,
        platform: &str,
    ) -> Result<Option<Digest>, Fault> {
        let manifest = self.manifest(reference, digest).await?;
        Ok(match manifest.images() {
            None => Some(manifest.digest),
            Some(images) => images
                .into_iter()
                .find(|image| image.platform.is(platform))
                .map(|image| image.digest),
        })
    }

    /// The manifest of the image for a platform behind the digest of a manifest, as [`Self::platform_digest`] finds it.
    pub(super) async fn image_manifest(
        &self,
        reference: &Reference,
        digest: &Digest,
        platform: &str,
    ) -> Result<Option<Manifest>, Fault> {
        let manifest = self.manifest(reference, digest).await?;
        let Some(images) = manifest.images() else {
            return Ok(Some(manifest));
        };
        let mut images = images.into_iter();
        match images.find(|image| image.platform.is(platform)) {
            Some(image) => self.manifest(reference, &image.digest).await.map(Some),
            None => Ok(None),
        }
    }

    async fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Manifest, Fault> {
        let what = format!("ask the registry for `{}@{digest}`", reference.name());
        let (host, target) = target(reference);
        let target = Target {
            reference: digest.to_string(),
            ..target
        };
        let reached = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &reached);
        let ask = || reached.client().manifest(&target);
        self.repeat(&call, ask).await
    }

    /// Gives the image behind `from` the tag of `to`, in the same repository. The image itself is not moved.
    pub(super) async fn retag(&self, from: &Reference, to: &Reference) -> Result<Digest, Fault> {
        let what = format!("tag `{from}` as `{to}` in the registry");
        let ((host, source), (_, target)) = (target(from), target(to));
        let reached = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &reached);
        let client = reached.client();
        let manifest = self.repeat(&call, || client.manifest(&source)).await?;
        // Writing the same manifest again is harmless: it may have arrived although its answer did not.
        let write = || client.write(&target, &manifest);
        self.repeat(&call, write).await?;
        Ok(manifest.digest)
    }

    /// Adds to a push of the engine that failed what the registry itself says, when it takes nothing in. What it could not take
    /// to the end before is still there, so that one whose disk is full says that.
    pub(super) async fn explain<T>(
        &self,
        reference: &Reference,
        pushed: Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Err(fault) = pushed else {
            return pushed;
        };
        let (host, target) = target(reference);
        let ask = async {
            let access = self.hosts.access(host).await.ok()?;
            let client = access.client(host, &self.limits).await.ok()?;
            client.try_upload(&target.repository).await.err()
        };
        Err(match timeout(self.limits.query, ask).await {
            Ok(Some(RegistryError::Refused { message, .. })) => {
                fault::complained(fault, host, &message)
            }
            Ok(
                Some(
                    RegistryError::Http(_)
                    | RegistryError::Redirect { .. }
                    | RegistryError::Stranger { .. }
                    | RegistryError::Realm { .. }
                    | RegistryError::NoManifest { .. }
                    | RegistryError::Certificates { .. }
                    | RegistryError::TooLong(_)
                    | RegistryError::Unusable(_),
                )
                | None,
            )
            | Err(_) => fault,
        })
    }

    /// Who we are at a registry, for the engine that pushes to it or pulls from it.
    ///
    /// An engine on another machine gets it in the clear, because it is spoken to in no other way: that is warned of once.
    pub(super) async fn engine_auth(&self, host: &str) -> Result<String, Fault> {
        let login = self.hosts.access(host).await?.login;
        if let Some(engine) = self.hosts.overheard_engine(&login)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "the login of the registry `{host}` goes to the engine at `{engine}` without encryption; `ssh -L` forwards a socket"
            );
        }
        Ok(login.for_engine(host))
    }

    /// The registry of a host, ready to be asked.
    async fn reach(&self, what: &str, host: &str) -> Result<Reached, Fault> {
        let access = self.hosts.access(host).await?;
        let made = access.client(host, &self.limits).await.map(drop);
        made.map_err(|error| fault::registry(host, what, &error))?;
        Ok(Reached(access))
    }

    /// Asks as [`Self::try_repeat`] does; that there is no answer is a fault.
    async fn repeat<T, F>(&self, call: &Call<'_>, ask: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let answer = self.try_repeat(call, ask).await;
        answer.map_err(|ended| self.fault(call, ended))
    }

    /// Asks, and asks again when the registry stumbled, or when it was too busy and the time that it asks to wait is over.
    ///
    /// All that waiting for a busy registry takes at most `limits.silence`; a registry that asks for more is given up at once.
    async fn try_repeat<T, F>(&self, call: &Call<'_>, ask: impl Fn() -> F) -> Result<T, Ended>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let host = call.host;
        let mut backoff = BACKOFF.iter();
        let mut busy = Busy::new(self.limits.silence);
        loop {
            let turn = call.pace.turn().await;
            let error = match self.in_time(call, ask()).await {
                Some(Ok(answer)) => {
                    turn.answered();
                    return Ok(answer);
                }
                Some(Err(error)) => error,
                None => {
                    turn.too_busy();
                    return Err(Ended::Late);
                }
            };
            if is_late(&error) || is_too_much(&error) {
                turn.too_busy();
            } else {
                turn.answered();
            }
            let wait = match asked_wait(&error) {
                Some(asked) => busy.wait(asked).inspect(|_| {
                    tracing::warn!(
                        "the registry `{host}` is busy and asks to wait {asked:?}; waiting"
                    );
                }),
                None if is_passing(&error) => backoff.next().copied().inspect(|_| {
                    tracing::debug!(registry = host, "the registry stumbled and is asked again");
                }),
                None => None,
            };
            match wait {
                Some(wait) => sleep(wait).await,
                None if is_late(&error) => return Err(Ended::Late),
                None => return Err(Ended::Error(error)),
            }
        }
    }

    /// An answer; none when it comes too late. Of a transfer only its silence counts.
    async fn in_time<T>(&self, call: &Call<'_>, answer: impl Future<Output = T>) -> Option<T> {
        let limit = self.limit(call);
        let Some(progress) = call.progress else {
            return timeout(limit, answer).await.ok();
        };
        let mut answer = pin!(answer);
        loop {
            let before = progress.bytes();
            match timeout(limit, &mut answer).await {
                Ok(answer) => return Some(answer),
                Err(_) if progress.bytes() == before => return None,
                Err(_) => {}
            }
        }
    }

    fn limit(&self, call: &Call<'_>) -> Duration {
        match call.progress {
            Some(_) => self.limits.silence,
            None => self.limits.query,
        }
    }

    fn fault(&self, call: &Call<'_>, ended: Ended) -> Fault {
        match ended {
            Ended::Late => {
                let hint = Some(fault::registry_hint(call.host));
                let kind = FailureKind::Unreachable;
                fault::late(call.what, self.limit(call), kind, hint)
            }
            Ended::Error(error) => fault::registry(call.host, call.what, &error),
        }
    }
}

/// A registry whose client is made.
struct Reached(Access);

impl Reached {
    fn client(&self) -> &Client {
        self.0.made().expect("`reach` has made it")
    }
}

/// What a registry is asked.
struct Call<'a> {
    /// In words, for a fault.
    what: &'a str,
    host: &'a str,
    pace: &'a Pace,
    /// Of a transfer: what went over the wire.
    progress: Option<&'a Progress>,
}

impl<'a> Call<'a> {
    /// Few bytes go to and fro.
    fn question(what: &'a str, host: &'a str, registry: &'a Reached) -> Self {
        Self {
            what,
            host,
            pace: &registry.0.pace,
            progress: None,
        }
    }

    /// Many bytes go to or fro.
    fn transfer(
        what: &'a str,
        host: &'a str,
        registry: &'a Reached,
        progress: &'a Progress,
    ) -> Self {
        Self {
            progress: Some(progress),
            ..Self::question(what, host, registry)
        }
    }
}

/// Why a registry was asked no further.
enum Ended {
    /// It did not answer in time.
    Late,
    /// It could not be asked, or said no.
    Error(RegistryError),
}

/// The registry of a reference, and what is asked for there. What is left out is filled in as the engine does.
fn target(reference: &Reference) -> (&str, Target) {
    let registry = reference.registry.as_deref().unwrap_or(HUB);
    let mut repository = reference.repository.clone();
    if registry == HUB && !repository.contains('/') {
        repository.insert_str(0, "library/");
    }
    let tag = reference.tag.as_deref().unwrap_or("latest");
    let digest = reference.digest.as_ref().map(ToString::to_string);
    let target = Target {
        repository,
        reference: digest.unwrap_or_else(|| tag.to_owned()),
    };
    (registry, target)
}

/// How long a busy registry may still be waited for, and how often.
struct Busy {
    time: Duration,
    waits: usize,
}

impl Busy {
    fn new(limit: Duration) -> Self {
        Self {
            time: limit,
            waits: BUSY_WAITS,
        }
    }

    /// The time to wait when the registry asks for this; none when it is too long or was asked for too often.
    fn wait(&mut self, asked: Duration) -> Option<Duration> {
        let wait = asked.max(BACKOFF[0]);
        self.waits = self.waits.checked_sub(1)?;
        self.time = self.time.checked_sub(wait)?;
        Some(wait)
    }
}

/// How long a busy registry wants not to be asked, when it says so.
fn asked_wait(error: &RegistryError) -> Option<Duration> {
    match error {
        RegistryError::Refused { retry_after, .. } => *retry_after,
        RegistryError::Http(_)
        | RegistryError::Redirect { .. }
        | RegistryError::Stranger { .. }
        | RegistryError::Realm { .. }
        | RegistryError::NoManifest { .. }
        | RegistryError::Certificates { .. }
        | RegistryError::TooLong(_)
        | RegistryError::Unusable(_) => None,
    }
}

/// Too many ask at a time.
fn is_too_much(error: &RegistryError) -> bool {
    let status = error.status();
    status == Some(StatusCode::TOO_MANY_REQUESTS) || asked_wait(error).is_some()
}

/// The client has limits of its own, as long as ours.
fn is_late(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Http(error) if error.is_timeout())
}

/// Does a registry that answers this way perhaps answer otherwise a moment later?
pub(super) fn is_busy_or_broken(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// May the same question have an answer a moment later? A refused connection may not: nobody listens.
fn is_passing(error: &RegistryError) -> bool {
    match error {
        RegistryError::Http(error) => {
            !error.is_connect() && !error.is_timeout() && !error.is_builder()
        }
        RegistryError::Refused { status, .. } => is_busy_or_broken(*status),
        RegistryError::Redirect { .. }
        | RegistryError::Stranger { .. }
        | RegistryError::Realm { .. }
        | RegistryError::NoManifest { .. }
        | RegistryError::Certificates { .. }
        | RegistryError::TooLong(_)
        | RegistryError::Unusable(_) => false,
    }
}
