//! The registry, asked directly: which image is behind a tag, and giving one image a second tag.
//!
//! Asking the engine to ask costs it ten times as much as asking oneself. Here: what is read and written at a registry.
//! Not here: layers (the engine pushes and pulls) and which registry is meant (`image`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference as OciReference};
use tokio::sync::OnceCell;

use super::connect::Engine;
use super::credentials::{Credentials, Login};
use super::fault;
use super::limits::Limits;
use crate::contract::Digest;
use crate::image::Reference;
use crate::image::proxy::is_loopback;
use crate::machine::FailureKind;
use crate::run::Fault;

/// How long to wait before a question is asked again; as many repetitions as there are entries.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Kinds of manifest that are given a second tag.
const MANIFESTS: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// All registries a deploy talks to.
pub(super) struct Registry {
    credentials: Credentials,
    /// Knows which registries, besides those of this machine, are spoken to without encryption.
    engine: Option<Engine>,
    limits: Limits,
    insecure: OnceCell<BTreeSet<String>>,
    hosts: Mutex<BTreeMap<String, Arc<OnceCell<Access>>>>,
}

/// How one registry is reached.
#[derive(Clone)]
struct Access {
    client: Client,
    auth: RegistryAuth,
    login: Login,
}

impl Registry {
    /// Talks to registries as `credentials` say, and in the clear where `engine` does.
    pub(super) fn new(credentials: Credentials, engine: Option<Engine>, limits: Limits) -> Self {
        // Fails when one is installed, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Self {
            credentials,
            engine,
            limits,
            insecure: OnceCell::new(),
            hosts: Mutex::default(),
        }
    }

    /// The digest of the manifest behind a reference; `None` when the registry has no such image.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Option<Digest>, Fault> {
        let what = format!("ask the registry for `{reference}`");
        let target = oci(reference, &what)?;
        let access = self.access(target.registry()).await?;
        let ask = || access.client.fetch_manifest_digest(&target, &access.auth);
        match self.repeat(&what, target.registry(), ask).await? {
            Ok(digest) => match Digest::parse(&digest) {
                Some(digest) => Ok(Some(digest)),
                None => Err(fault::plain(
                    FailureKind::Image,
                    format!("cannot {what}\nits digest `{digest}` is no sha256"),
                    None,
                )),
            },
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(fault::registry(target.registry(), &what, &error)),
        }
    }

    /// Gives the image behind `from` the tag of `to`, in the same repository. The image itself is not moved.
    pub(super) async fn retag(&self, from: &Reference, to: &Reference) -> Result<Digest, Fault> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Kind {
            media_type: String,
        }
        impl Default for Kind {
            fn default() -> Self {
                // OCI image manifests may leave their kind out.
                Self {
                    media_type: MANIFESTS[2].to_owned(),
                }
            }
        }
        let what = format!("tag `{from}` as `{to}` in the registry");
        let (source, target) = (oci(from, &what)?, oci(to, &what)?);
        let host = target.registry();
        let access = self.access(host).await?;
        let ask = || {
            access
                .client
                .pull_manifest_raw(&source, &access.auth, MANIFESTS)
        };
        let (bytes, digest) = self
            .repeat(&what, host, ask)
            .await?
            .map_err(|error| fault::registry(host, &what, &error))?;
        let kind = serde_json::from_slice::<Kind>(&bytes).unwrap_or_default();
        let unusable = |text: &str| {
            fault::plain(
                FailureKind::Image,
                format!("cannot {what}\nthe registry sent {text}"),
                None,
            )
        };
        let kind = kind
            .media_type
            .parse()
            .map_err(|_| unusable("a manifest of no kind"))?;
        let push = access.client.push_manifest_raw(&target, bytes, kind);
        tokio::time::timeout(self.limits.query, push)
            .await
            .map_err(|_| self.late(&what, host))?
            .map_err(|error| fault::registry(host, &what, &error))?;
        Digest::parse(&digest).ok_or_else(|| unusable("a digest that is no sha256"))
    }

    /// Who we are at a registry, for the engine that pushes to it or pulls from it.
    pub(super) async fn engine_auth(&self, host: &str) -> Result<String, Fault> {
        Ok(self.access(host).await?.login.for_engine(host))
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
            let answer = tokio::time::timeout(self.limits.query, ask())
                .await
                .map_err(|_| self.late(what, host))?;
            match (answer, waits.next()) {
                (Err(error), Some(wait)) if is_passing(&error) => {
                    tracing::debug!(registry = host, "the registry stumbled and is asked again");
                    tokio::time::sleep(*wait).await;
                }
                (answer, _) => return Ok(answer),
            }
        }
    }

    fn late(&self, what: &str, host: &str) -> Fault {
        let hint = Some(fault::registry_hint(host));
        fault::late(what, self.limits.query, FailureKind::Unreachable, hint)
    }

    /// The client of one registry, made once however many ask for it at the same time.
    async fn access(&self, host: &str) -> Result<Access, Fault> {
        let cell = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host.to_owned()).or_default())
        };
        let access = cell.get_or_try_init(|| async {
            let login = self.credentials.login(host, self.limits.query).await;
            let plain = is_loopback(host) || self.is_insecure(host).await?;
            let client = Client::try_from(self.config(host, plain))
                .map_err(|error| fault::registry(host, "set up a registry client", &error))?;
            Ok(Access {
                client,
                auth: login.for_client(),
                login,
            })
        });
        access.await.cloned()
    }

    async fn is_insecure(&self, host: &str) -> Result<bool, Fault> {
        let Some(engine) = &self.engine else {
            return Ok(false);
        };
        let ask = || engine.insecure_registries();
        let insecure = self.insecure.get_or_try_init(ask).await?;
        Ok(insecure.iter().any(|entry| covers(entry, host)))
    }

    fn config(&self, host: &str, plain: bool) -> ClientConfig {
        let mut config = ClientConfig {
            protocol: if plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            connect_timeout: Some(self.limits.query),
            read_timeout: Some(self.limits.query),
            user_agent: concat!("artifactctl/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        if is_loopback(host) {
            // The client takes proxies from the environment unless one is named; this one has every host as an exception.
            config.http_proxy = Some("http://127.0.0.1:9".to_owned());
            config.no_proxy = Some("*,0.0.0.0/0,::/0".to_owned());
        }
        config
    }
}

fn oci(reference: &Reference, what: &str) -> Result<OciReference, Fault> {
    reference.to_string().parse().map_err(|error| {
        fault::plain(
            FailureKind::Image,
            format!("cannot {what}\n{}", fault::chain(&error)),
            Some("write the reference as `registry/repository:tag`".to_owned()),
        )
    })
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Does an entry of the engine's insecure registries, a host or a network, cover a registry?
fn covers(entry: &str, host: &str) -> bool {
    if entry == host {
        return true;
    }
    let Some((network, bits)) = entry.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(bits), Ok(address)) = (
        network.parse::<IpAddr>(),
        bits.parse::<u32>(),
        without_port(host).parse::<IpAddr>(),
    ) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            bits <= 32 && differ.leading_zeros() >= bits
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            bits <= 128 && differ.leading_zeros() >= bits
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn is_absent(error: &OciDistributionError) -> bool {
    use oci_client::errors::OciErrorCode as Code;
    if let OciDistributionError::RegistryError { envelope, .. } = error {
        let absent = [Code::ManifestUnknown, Code::NameUnknown, Code::NotFound];
        return envelope.errors.iter().any(|one| absent.contains(&one.code));
    }
    fault::status_of(error) == Some(404)
}

/// May the same question have an answer a moment later? A refused connection may not: nobody listens.
fn is_passing(error: &OciDistributionError) -> bool {
    if let OciDistributionError::RequestError(error) = error {
        return !error.is_connect() && !error.is_timeout() && !error.is_builder();
    }
    fault::status_of(error).is_some_and(|status| status >= 500)
}

#[cfg(test)]
mod tests;
