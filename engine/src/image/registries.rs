//! The registry of the stack under its two names: as the stack's containers see it, and as this host sees it.
//!
//! Here: reading the settings and mapping references. Not here: reading the environment (`cli`), talking to it (`docker`).

use super::reference::{Reference, ReferenceError};

#[cfg(test)]
mod tests;

/// The one registry of a stack, under the names it has for containers and for this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registries {
    /// What the stack pulls from and functions.yml says: `host[:port][/path]`.
    pub container: Option<String>,
    /// The same registry seen from this host: what builds read and pushes write.
    pub host: Option<String>,
}

/// A registry setting that cannot be used. Never shows the value where it may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It has a `user:password@` part.
    #[error("`{setting}` holds credentials; leave them out and use `docker login`")]
    Credentials {
        /// Name of the setting.
        setting: &'static str,
    },
    /// It is no address.
    #[error("`{setting}` is not a registry address")]
    Address {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        #[source]
        source: ReferenceError,
    },
    /// Its first part would be read as a part of a repository.
    #[error(
        "`{setting}` is not a registry address: `{shown}` needs a `.`, a port, or to be `localhost`"
    )]
    Bare {
        /// Name of the setting.
        setting: &'static str,
        /// The address, known to be a plain name.
        shown: String,
    },
}

impl Registries {
    /// From the values of `CONTAINER_REGISTRY`, `HOST_REGISTRY_ADDR` and `REGISTRY`; the last stands in for either.
    ///
    /// Blank values count as unset; a scheme and trailing slashes are dropped.
    pub fn new(
        container: Option<&str>,
        host: Option<&str>,
        fallback: Option<&str>,
    ) -> Result<Self, RegistryError> {
        let fallback = address("REGISTRY", fallback)?;
        let container = address("CONTAINER_REGISTRY", container)?;
        let host = address("HOST_REGISTRY_ADDR", host)?;
        Ok(Self {
            container: container.or_else(|| fallback.clone()),
            host: host.or(fallback),
        })
    }

    /// The reference as builds and pushes of this host use it: the containers' name of the registry becomes the host's.
    pub fn for_host(&self, reference: &Reference) -> Reference {
        moved(reference, self.container.as_deref(), self.host.as_deref())
    }

    /// The reference as functions.yml says it: the host's name of the registry becomes the containers'.
    pub fn for_stack(&self, reference: &Reference) -> Reference {
        moved(reference, self.host.as_deref(), self.container.as_deref())
    }

    /// As [`Self::for_host`], for an image of ours: one that names no registry gets the registry.
    pub fn own_for_host(&self, reference: &Reference) -> Reference {
        let ours = owned(
            reference,
            self.host.as_deref().or(self.container.as_deref()),
        );
        self.for_host(&ours)
    }

    /// As [`Self::for_stack`], for an image of ours: one that names no registry gets the registry.
    pub fn own_for_stack(&self, reference: &Reference) -> Reference {
        let ours = owned(
            reference,
            self.container.as_deref().or(self.host.as_deref()),
        );
        self.for_stack(&ours)
    }

    /// Whether an image is in our registry, under either of its names.
    pub fn holds(&self, reference: &Reference) -> bool {
        let name = reference.name();
        [&self.container, &self.host]
            .into_iter()
            .flatten()
            .any(|address| below(&name, address).is_some())
    }
}

/// Reads one setting.
fn address(setting: &'static str, value: Option<&str>) -> Result<Option<String>, RegistryError> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let lower = value.to_ascii_lowercase();
    let scheme = ["http://", "https://"]
        .iter()
        .find(|scheme| lower.starts_with(**scheme))
        .map_or(0, |scheme| scheme.len());
    let value = value[scheme..].trim_end_matches('/');
    if value.contains('@') {
        return Err(RegistryError::Credentials { setting });
    }
    if value.is_empty() {
        return Ok(None);
    }
    // A name behind it makes a reference of it, and the rules of references say whether it is an address.
    let probe = Reference::parse(&format!("{value}/x"))
        .map_err(|source| RegistryError::Address { setting, source })?;
    if probe.registry.is_none() {
        let shown = value.to_owned();
        return Err(RegistryError::Bare { setting, shown });
    }
    Ok(Some(value.to_owned()))
}

/// What follows `address/` in a name.
fn below<'a>(name: &'a str, address: &str) -> Option<&'a str> {
    name.strip_prefix(address)?.strip_prefix('/')
}

fn moved(reference: &Reference, from: Option<&str>, to: Option<&str>) -> Reference {
    let (Some(from), Some(to)) = (from, to) else {
        return reference.clone();
    };
    match below(&reference.name(), from) {
        None => reference.clone(),
        Some(rest) => placed(reference, to, rest),
    }
}

fn owned(reference: &Reference, address: Option<&str>) -> Reference {
    match (&reference.registry, address) {
        (None, Some(address)) => placed(reference, address, &reference.repository),
        (Some(_), _) | (None, None) => reference.clone(),
    }
}

/// The reference with `address/repository` as its name.
fn placed(reference: &Reference, address: &str, repository: &str) -> Reference {
    let (registry, repository) = match address.split_once('/') {
        None => (address, repository.to_owned()),
        Some((registry, path)) => (registry, format!("{path}/{repository}")),
    };
    Reference {
        registry: Some(registry.to_owned()),
        repository,
        tag: reference.tag.clone(),
        digest: reference.digest.clone(),
    }
}
