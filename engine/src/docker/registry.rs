//! The registry, asked directly: which image is behind a tag, and giving one image a second tag.
//!
//! Asking the engine to ask costs it ten times as much as asking oneself. Here: what is read and written at a registry.
//! Not here: layers (the engine pushes and pulls) and which registry is meant (`image`).

mod access;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use oci_client::Reference as OciReference;
use oci_client::errors::{OciDistributionError, OciErrorCode};
use tokio::time::{sleep, timeout};

use super::connect::Engine;
use super::credentials::{Credentials, Login};
use super::fault;
use super::limits::Limits;
use super::wire::{self, Host};
use crate::contract::Digest;
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;
use access::{Access, Hosts};

/// The registry of references that name none.
pub(super) const HUB: &str = "docker.io";

/// How long to wait before a question is asked again; as many repetitions as there are entries.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Kinds of manifest that are known.
const MANIFESTS: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    OCI_MANIFEST,
    OCI_INDEX,
];
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

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
        let target = oci(reference);
        let host = target.registry();
        let access = self.hosts.access(host).await?;
        let glance = timeout(self.limits.query, glance(&access, &target));
        if let Some(answer) = glance.await.map_err(|_| self.late(&what, host))? {
            return answer.map_err(|sent| unusable(&what, sent));
        }
        let failed = |error| fault::registry(host, &what, &error);
        let client = access.client(&self.limits).await.map_err(failed)?;
        let auth = access.login.for_client();
        let ask = || client.fetch_manifest_digest(&target, &auth);
        match self.repeat(&what, host, ask).await? {
            Ok(digest) => parse(&what, &digest).map(Some),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives the image behind `from` the tag of `to`, in the same repository. The image itself is not moved.
    pub(super) async fn retag(&self, from: &Reference, to: &Reference) -> Result<Digest, Fault> {
        let what = format!("tag `{from}` as `{to}` in the registry");
        let (source, target) = (oci(from), oci(to));
        let host = target.registry();
        let failed = |error| fault::registry(host, &what, &error);
        let access = self.hosts.access(host).await?;
        let client = access.client(&self.limits).await.map_err(failed)?;
        let auth = access.login.for_client();
        let ask = || client.pull_manifest_raw(&source, &auth, &MANIFESTS);
        let (bytes, digest) = self.repeat(&what, host, ask).await?.map_err(failed)?;
        let kind = HeaderValue::from_str(&kind_of(&bytes));
        let kind = kind.map_err(|_| unusable(&what, "a manifest of no kind"))?;
        // Writing the same manifest again is harmless: it may have arrived although its answer did not.
        let write = || client.push_manifest_raw(&target, bytes.clone(), kind.clone());
        self.repeat(&what, host, write).await?.map_err(failed)?;
        parse(&what, &digest)
    }

    /// Who we are at a registry, for the engine that pushes to it or pulls from it.
    pub(super) async fn engine_auth(&self, host: &str) -> Result<String, Fault> {
        Ok(self.hosts.access(host).await?.login.for_engine(host))
    }

    /// Asks, and asks again when the registry stumbled.
    async fn repeat<T, F>(
        &self,
        what: &str,
        host: &str,
        ask: impl Fn() -> F,
    ) -> Result<Result<T, OciDistributionError>, Fault>
    where
        F: Future<Output = Result<T, OciDistributionError>>,
    {
        let mut waits = BACKOFF.iter();
        loop {
            let answer = timeout(self.limits.query, ask())
                .await
                .map_err(|_| self.late(what, host))?;
            match (answer, waits.next()) {
                (Err(error), Some(wait)) if is_passing(&error) => {
                    tracing::debug!(registry = host, "the registry stumbled and is asked again");
                    sleep(*wait).await;
                }
                (Err(error), _) if is_late(&error) => return Err(self.late(what, host)),
                (answer, _) => return Ok(answer),
            }
        }
    }

    fn late(&self, what: &str, host: &str) -> Fault {
        let hint = Some(fault::registry_hint(host));
        fault::late(what, self.limits.query, FailureKind::Unreachable, hint)
    }
}

/// Asks a registry of this machine, where we are nobody, with a single request: the client makes two of each question, and
/// a deploy of hundreds of unchanged functions is made of such questions. `None` unless the answer is plain; the error is what
/// was sent in place of one: without a digest the client would read a whole manifest, however long.
async fn glance(
    access: &Access,
    target: &OciReference,
) -> Option<Result<Option<Digest>, &'static str>> {
    if !access.is_local || access.login != Login::Anonymous {
        return None;
    }
    let host = target.registry();
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = Host::Tcp(if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    });
    let reference = target.digest().or(target.tag())?;
    let path = format!("/v2/{}/manifests/{reference}", target.repository());
    let accept = HeaderValue::from_str(&MANIFESTS.join(", ")).ok()?;
    let headers = HeaderMap::from_iter([(ACCEPT, accept)]);
    let asked = wire::exchange(&host, Method::HEAD, &path, headers, wire::empty());
    // Whatever went wrong, the client finds it too, and says it better.
    let answer = asked.await.ok()?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Some(Ok(None));
    }
    if answer.status() != StatusCode::OK {
        return None;
    }
    let digest = answer.header("docker-content-digest");
    let digest = digest.and_then(Digest::parse);
    Some(digest.map(Some).ok_or("no digest of the image"))
}

/// The reference as the registry client takes it. What is left out is filled in as the engine does.
fn oci(reference: &Reference) -> OciReference {
    let registry = reference.registry.as_deref().unwrap_or(HUB);
    let mut repository = reference.repository.clone();
    if registry == HUB && !repository.contains('/') {
        repository.insert_str(0, "library/");
    }
    let registry = registry.to_owned();
    if let Some(digest) = &reference.digest {
        return OciReference::with_digest(registry, repository, digest.to_string());
    }
    let tag = reference.tag.as_deref().unwrap_or("latest");
    OciReference::with_tag(registry, repository, tag.to_owned())
}

/// The media type of a manifest. OCI manifests may leave it out.
fn kind_of(manifest: &[u8]) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Manifest {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let manifest: Manifest = serde_json::from_slice(manifest).unwrap_or_default();
    let implied = if manifest.manifests.is_some() {
        OCI_INDEX
    } else {
        OCI_MANIFEST
    };
    manifest.media_type.unwrap_or_else(|| implied.to_owned())
}

fn parse(what: &str, digest: &str) -> Result<Digest, Fault> {
    Digest::parse(digest).ok_or_else(|| unusable(what, "a digest that is no sha256"))
}

fn unusable(what: &str, sent: &str) -> Fault {
    let message = format!("cannot {what}\nthe registry sent {sent}");
    fault::plain(FailureKind::Image, message, None)
}

fn is_absent(error: &OciDistributionError) -> bool {
    use OciErrorCode as Code;
    if let OciDistributionError::RegistryError { envelope, .. } = error {
        let absent = [Code::ManifestUnknown, Code::NameUnknown, Code::NotFound];
        return envelope.errors.iter().any(|one| absent.contains(&one.code));
    }
    fault::status_of(error) == Some(404)
}

/// The client has limits of its own, as long as ours.
fn is_late(error: &OciDistributionError) -> bool {
    matches!(error, OciDistributionError::RequestError(error) if error.is_timeout())
}

/// May the same question have an answer a moment later? A refused connection may not: nobody listens.
fn is_passing(error: &OciDistributionError) -> bool {
    if let OciDistributionError::RequestError(error) = error {
        return !error.is_connect() && !error.is_timeout() && !error.is_builder();
    }
    fault::status_of(error).is_some_and(|status| status >= 500)
}
