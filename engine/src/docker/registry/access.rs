//! How each registry is reached: who we are there, with or without encryption, and through which client.
//!
//! As the engine does it (docs/adr/0056-registries-over-tls.md): a registry of this machine, or one that the engine lists as
//! insecure, is asked over HTTPS without verification first and over plain HTTP when it does not speak that. Every other one
//! must prove who it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::HUB;
use super::certificates;
use super::client::{Client, Transport};
use super::error::RegistryError;
use super::pace::Pace;
use crate::docker::connect::Engine;
use crate::docker::credentials::{Credentials, Login};
use crate::docker::limits::Limits;
use crate::docker::wire::Host;
use crate::image::proxy::is_loopback;
use crate::run::Fault;

/// Every registry of a run.
pub(super) struct Hosts {
    credentials: Credentials,
    /// Knows which registries, besides those of this machine, are spoken to without encryption.
    engine: Option<Engine>,
    limits: Limits,
    insecure: OnceCell<BTreeSet<String>>,
    known: Mutex<BTreeMap<String, Arc<OnceCell<Access>>>>,
}

/// How one registry is reached. Cheap to clone.
#[derive(Clone)]
pub(super) struct Access {
    /// Who we are there.
    pub(super) login: Login,
    trust: Trust,
    client: Arc<OnceCell<Client>>,
    pub(super) pace: Arc<Pace>,
}

/// What a registry must prove before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing, because it is on this machine, to which no proxy leads.
    Local,
    /// Nothing, because the engine takes it so.
    Insecure,
    /// Its certificate.
    Certificate,
}

impl Hosts {
    pub(super) fn new(credentials: Credentials, engine: Option<Engine>, limits: Limits) -> Self {
        Self {
            credentials,
            engine,
            limits,
            insecure: OnceCell::new(),
            known: Mutex::default(),
        }
    }

    /// The engine, when others can read a login on the way there.
    pub(super) fn overheard_engine(&self, login: &Login) -> Option<&Host> {
        let engine = self.engine.as_ref().filter(|_| *login != Login::Anonymous);
        engine
            .map(|engine| &engine.host)
            .filter(|host| host.is_overheard())
    }

    /// How a registry is reached; found out once, however many ask at the same time.
    pub(super) async fn access(&self, host: &str) -> Result<Access, Fault> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(host.to_owned()).or_default())
        };
        let find_out = || async {
            let login = self.credentials.login(host, self.limits.query).await;
            let trust = if is_loopback(host) {
                Trust::Local
            } else if self.is_insecure(host).await? {
                Trust::Insecure
            } else {
                Trust::Certificate
            };
            Ok(Access {
                login,
                trust,
                client: Arc::default(),
                pace: Arc::default(),
            })
        };
        cell.get_or_try_init(find_out).await.cloned()
    }

    async fn is_insecure(&self, host: &str) -> Result<bool, Fault> {
        let Some(engine) = &self.engine else {
            return Ok(false);
        };
        let ask = || engine.insecure_registries();
        let insecure = self.insecure.get_or_try_init(ask).await?;
        Ok(insecure.iter().any(|entry| covers(entry, host)))
    }
}

impl Access {
    /// The client, when it is made.
    pub(super) fn made(&self) -> Option<&Client> {
        self.client.get()
    }

    /// The client of the registry with this host. It is made when it is needed: that may read every certificate of this machine.
    pub(super) async fn client(
        &self,
        host: &str,
        limits: &Limits,
    ) -> Result<&Client, RegistryError> {
        let make = || async {
            // Fails when one is installed, which is as good.
            rustls::crypto::ring::default_provider()
                .install_default()
                .ok();
            let client = |transport| {
                let login = self.login.clone();
                Client::new(api_host(host), transport, login, limits.query)
            };
            let is_local = match self.trust {
                Trust::Local => true,
                Trust::Insecure => false,
                Trust::Certificate => {
                    let certificates = certificates::read(Path::new(certificates::FOLDER), host)?;
                    return client(Transport::Verified(certificates));
                }
            };
            let encrypted = client(Transport::Unverified { is_local })?;
            if encrypted.answers().await {
                return Ok(encrypted);
            }
            client(Transport::Plain { is_local })
        };
        self.client.get_or_try_init(make).await
    }
}

/// Where the registry of a name answers.
fn api_host(host: &str) -> &str {
    if host == HUB {
        "registry-1.docker.io"
    } else {
        host
    }
}

/// Does an entry of the engine's insecure registries, a host or a network, cover a registry?
pub(super) fn covers(entry: &str, host: &str) -> bool {
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

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}
