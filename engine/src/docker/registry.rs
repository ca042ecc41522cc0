//! The registry, asked directly: which image is behind a tag, and giving one image a second tag.
//!
//! Asking the engine to ask costs it ten times as much as asking oneself. Here: what is read and written at a registry.
//! Not here: layers (the engine pushes and pulls) and which registry is meant (`image`).

mod access;
mod challenge;
mod client;
mod error;
mod manifest;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod transport;

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::time::{sleep, timeout};

use super::connect::Engine;
use super::credentials::Credentials;
use super::fault;
use super::limits::Limits;
use crate::contract::Digest;
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;
use access::Hosts;
use client::Target;
pub(super) use error::RegistryError;

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
}

impl Registry {
    /// Talks to registries as `credentials` say, and in the clear where `engine` does.
    pub(super) fn new(credentials: Credentials, engine: Option<Engine>, limits: Limits) -> Self {
        Self {
            hosts: Hosts::new(credentials, engine, limits),
            limits,
        }
    }

    /// The digest of the manifest behind a reference; `None` when the registry has no such image.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Option<Digest>, Fault> {
        let what = format!("ask the registry for `{reference}`");
        let (host, target) = target(reference);
        let access = self.hosts.access(host).await?;
        let failed = |error: RegistryError| fault::registry(host, &what, &error);
        let client = access.client(host, &self.limits).await.map_err(failed)?;
        self.repeat(&what, host, || client.digest(&target)).await
    }

    /// Gives the image behind `from` the tag of `to`, in the same repository. The image itself is not moved.
    pub(super) async fn retag(&self, from: &Reference, to: &Reference) -> Result<Digest, Fault> {
        let what = format!("tag `{from}` as `{to}` in the registry");
        let ((host, source), (_, target)) = (target(from), target(to));
        let access = self.hosts.access(host).await?;
        let failed = |error: RegistryError| fault::registry(host, &what, &error);
        let client = access.client(host, &self.limits).await.map_err(failed)?;
        let manifest = self
            .repeat(&what, host, || client.manifest(&source))
            .await?;
        let kind = HeaderValue::from_str(&manifest.kind);
        let kind = kind.map_err(|_| failed(RegistryError::Unusable("a manifest of no kind")))?;
        // Writing the same manifest again is harmless: it may have arrived although its answer did not.
        let write = || client.write(&target, kind.clone(), manifest.bytes.clone());
        self.repeat(&what, host, write).await?;
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
                    | RegistryError::TooLong(_)
                    | RegistryError::Unusable(_),
                )
                | None,
            )
            | Err(_) => fault,
        })
    }

    /// Who we are at a registry, for the engine that pushes to it or pulls from it.
    pub(super) async fn engine_auth(&self, host: &str) -> Result<String, Fault> {
        Ok(self.hosts.access(host).await?.login.for_engine(host))
    }

    /// Asks, and asks again when the registry stumbled, or when it was too busy and the time that it asks to wait is over.
    ///
    /// All that waiting for a busy registry takes at most `limits.silence`; a registry that asks for more is given up at once.
    async fn repeat<T, F>(&self, what: &str, host: &str, ask: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut backoff = BACKOFF.iter();
        let mut busy = Busy::new(self.limits.silence);
        loop {
            let answer = timeout(self.limits.query, ask())
                .await
                .map_err(|_| self.late(what, host))?;
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
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
                None if is_late(&error) => return Err(self.late(what, host)),
                None => return Err(fault::registry(host, what, &error)),
            }
        }
    }

    fn late(&self, what: &str, host: &str) -> Fault {
        let hint = Some(fault::registry_hint(host));
        fault::late(what, self.limits.query, FailureKind::Unreachable, hint)
    }
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
        | RegistryError::TooLong(_)
        | RegistryError::Unusable(_) => None,
    }
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
        | RegistryError::TooLong(_)
        | RegistryError::Unusable(_) => false,
    }
}
