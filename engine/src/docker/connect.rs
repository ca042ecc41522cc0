//! Finding the engine and agreeing on a version of its API.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ImageInspect;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use futures_util::future::join;
use hyper::Method;
use hyper::header::HeaderMap;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::credentials::config_path;
use super::endpoint::{Endpoint, endpoint};
use super::fault;
use super::limits::Limits;
use super::wire::{self, Host};
use crate::compat;
use crate::contract::ApiVersion;
use crate::machine::FailureKind;
use crate::run::Fault;

/// The API of Docker 20.10, the oldest engine that is spoken to.
const OLDEST_API: ApiVersion = ApiVersion {
    major: 1,
    minor: 41,
};

/// A Docker engine that answered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    endpoint: Endpoint,
    pub(super) host: Host,
    pub(super) limits: Limits,
    /// The version both sides speak.
    pub(super) api: ApiVersion,
    /// Which builder it uses when a Dockerfile leaves the choice.
    pub(super) builder: Builder,
    identity: Arc<OnceCell<compat::ObservedEngine>>,
}

/// One of the two builders of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    /// Step by step, a container each.
    Classic,
    /// `BuildKit`, which needs about half of the classic builder's processor time.
    BuildKit,
}

impl Builder {
    /// Reads the header `Builder-Version` of an engine's answer. Docker 20.10 sends none unless it was told which builder to
    /// prefer, and has both on Linux; `1` comes from an engine that lacks `BuildKit` or was told not to use it.
    fn preferred(version: Option<&str>) -> Self {
        if version == Some("1") {
            Self::Classic
        } else {
            Self::BuildKit
        }
    }

    /// Its number in a request.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Classic => "1",
            Self::BuildKit => "2",
        }
    }
}

/// Connects to the engine `docker_host` names (the value of `DOCKER_HOST`), else to that of the Docker context, else to the
/// default socket (docs/adr/0045-engine-of-the-docker-client.md).
///
/// `unix://` and plain `tcp://` are spoken. Fails when nobody answers, or when the engine is older than Docker 20.10.
pub async fn connect(docker_host: Option<&str>, limits: Limits) -> Result<Engine, Fault> {
    let config = config_path();
    let found = endpoint(
        docker_host,
        |name| std::env::var(name).ok(),
        config.as_deref(),
    )?;
    tracing::info!("the engine is {found}");
    let host = found.host.clone();
    let what = "reach the Docker engine";
    let ping = wire::exchange(
        &host,
        Method::GET,
        "/_ping",
        HeaderMap::new(),
        wire::empty(),
    );
    let failed = |error| fault::wire(&host, what, FailureKind::Unreachable, &error);
    let answer = timeout(limits.query, ping)
        .await
        .map_err(|_| late(&host, what, limits.query))?
        .map_err(failed)?;
    let spoken = answer.header("api-version").and_then(ApiVersion::parse);
    let builder = Builder::preferred(answer.header("builder-version"));
    timeout(limits.query, answer.lines())
        .await
        .map_err(|_| late(&host, what, limits.query))?
        .map_err(failed)?;
    let api = agree(&host, spoken)?;
    let docker =
        client(&host, api, limits.query).map_err(|error| fault::engine(&host, what, &error))?;
    Ok(Engine {
        docker,
        endpoint: found,
        host,
        limits,
        api,
        builder,
        identity: Arc::default(),
    })
}

impl Engine {
    /// Where it listens, and the Docker context or the variable that names it, in words and without credentials.
    pub fn place(&self) -> String {
        self.endpoint.to_string()
    }

    /// Asks one question, within the limit of questions.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Fault> {
        self.ask_maybe(what, question).await?.ok_or_else(|| {
            fault::plain(
                FailureKind::Unreachable,
                format!("cannot {what} at `{}`", self.host),
                None,
            )
            .because(["the engine knows no such thing"])
        })
    }

    /// Asks about something that may not exist.
    pub(super) async fn ask_maybe<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<Option<T>, Fault> {
        use bollard::errors::Error::{DockerResponseServerError, RequestTimeoutError};
        match timeout(self.limits.query, question).await {
            // bollard has a limit of its own, as long as ours.
            Err(_) | Ok(Err(RequestTimeoutError)) => Err(late(&self.host, what, self.limits.query)),
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(DockerResponseServerError {
                status_code: 404, ..
            })) => Ok(None),
            Ok(Err(error)) => Err(fault::engine(&self.host, what, &error)),
        }
    }

    /// Which engine this is; asked once.
    pub(super) async fn identity(&self) -> Result<&compat::ObservedEngine, Fault> {
        let ask = || async {
            let version = self.ask("ask for the engine's version", self.docker.version());
            let info = self.ask_maybe("ask for the engine's name", self.docker.info());
            let (version, info) = join(version, info).await;
            // The id and the name are recorded for people; nothing depends on them.
            let info = info.ok().flatten().unwrap_or_default();
            Ok(compat::ObservedEngine {
                id: info.id.filter(|id| !id.is_empty()),
                name: info.name.filter(|name| !name.is_empty()),
                address: Some(self.host.to_string()),
                ..compat::ObservedEngine::from(version?)
            })
        };
        self.identity.get_or_try_init(ask).await
    }

    /// What the engine knows of a local image.
    pub(super) async fn inspect_image(&self, name: &str) -> Result<Option<ImageInspect>, Fault> {
        let what = format!("look at image `{name}`");
        self.ask_maybe(&what, self.docker.inspect_image(name)).await
    }

    /// The hosts and networks whose registries the engine takes without encryption.
    pub(super) async fn insecure_registries(&self) -> Result<BTreeSet<String>, Fault> {
        let info = self
            .ask("ask for the engine's registries", self.docker.info())
            .await?;
        let config = info.registry_config.unwrap_or_default();
        let named = config.index_configs.unwrap_or_default();
        let named = named
            .into_iter()
            .filter(|(_, index)| index.secure == Some(false))
            .map(|(host, _)| host);
        Ok(named
            .chain(config.insecure_registry_cidrs.unwrap_or_default())
            .collect())
    }
}

/// A question to the engine was not answered in time.
pub(super) fn late(host: &Host, what: &str, limit: Duration) -> Fault {
    let hint = Some(fault::reach_hint(host));
    fault::late(
        &format!("{what} at `{host}`"),
        limit,
        FailureKind::Unreachable,
        hint,
    )
}

/// The newest version both sides speak.
fn agree(host: &Host, spoken: Option<ApiVersion>) -> Result<ApiVersion, Fault> {
    let ours = ApiVersion {
        major: 1,
        minor: u32::try_from(API_DEFAULT_VERSION.minor_version).unwrap_or(u32::MAX),
    };
    let order = |version: ApiVersion| (version.major, version.minor);
    match spoken {
        Some(theirs) if order(theirs) >= order(OLDEST_API) => Ok(if order(theirs) < order(ours) {
            theirs
        } else {
            ours
        }),
        Some(theirs) => Err(fault::plain(
            FailureKind::Unreachable,
            format!("the engine at `{host}` speaks API {theirs}, older than {OLDEST_API}"),
            Some("upgrade the Docker engine to 20.10 or newer".to_owned()),
        )),
        None => Err(fault::plain(
            FailureKind::Unreachable,
            format!("what answers at `{host}` is no Docker engine"),
            Some("point `DOCKER_HOST` at a Docker engine".to_owned()),
        )),
    }
}

/// bollard over the connections of `wire`. The host is none that it would resolve.
fn client(host: &Host, api: ApiVersion, limit: Duration) -> Result<Docker, bollard::errors::Error> {
    let version = ClientVersion {
        major_version: api.major as usize,
        minor_version: api.minor as usize,
    };
    let seconds = limit.as_secs().max(1);
    let host = host.clone();
    let transport = move |question: BollardRequest| {
        let host = host.clone();
        async move { wire::ask(&host, question).await }
    };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), seconds, &version)
}

#[cfg(test)]
mod tests;
