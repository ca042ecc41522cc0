//! One registry over HTTP: manifests, and who we are to it. Blobs are asked for in `blobs`.
//!
//! Every answer has a bound, whatever the registry sends: that is why this is not a client of somebody else's
//! (docs/adr/0010-registry-client.md). Here: questions and challenges. Not here: redirects (`transport`), token servers (`token`),
//! what a manifest is (`manifest`), which question is asked how often (`registry`), what becomes of an error (`fault`).

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use reqwest::Url;

use super::blob::Payload;
use super::certificates::Certificates;
use super::challenge::{Challenge, challenges};
use super::error::RegistryError;
use super::manifest::{ACCEPTED, Manifest, digest_of, proven_by_head, read_manifest};
use super::refusal::{refused, retry_after};
use super::token::{sensitive, token, token_server};
use super::transport::{self, Request, is_read, origin};
use crate::contract::Digest;
use crate::docker::credentials::Login;
use crate::docker::names::Names;

/// What is asked for: a repository, and a tag or a digest in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) repository: String,
    pub(super) reference: String,
}

/// How a registry is reached. No proxy leads to one of this machine.
pub(super) enum Transport {
    /// Plain HTTP.
    Plain {
        /// It is on this machine.
        is_local: bool,
    },
    /// With encryption, and whoever answers is believed.
    Unverified {
        /// It is on this machine.
        is_local: bool,
    },
    /// With encryption, and a certificate that these authorities or those of this machine vouch for.
    Verified(Certificates),
}

/// How long an insecure registry may take to show that it speaks HTTPS. One that speaks plain HTTP refuses at once.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

impl Transport {
    fn builder(&self, limit: Duration) -> reqwest::ClientBuilder {
        let http = reqwest::Client::builder()
            .user_agent(concat!("artifactctl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limit)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Names::default())
            .referer(false);
        match self {
            // Certificates are not needed, and reading all of this machine's takes longer than a question.
            Self::Plain { is_local: true } => http.no_proxy().tls_certs_only([]),
            Self::Plain { is_local: false } => http,
            Self::Unverified { is_local } => {
                let http = http.tls_danger_accept_invalid_certs(true);
                if *is_local { http.no_proxy() } else { http }
            }
            Self::Verified(certificates) => {
                let http = http.tls_certs_merge(certificates.authorities.iter().cloned());
                match &certificates.client {
                    Some(client) => http.identity(client.clone()),
                    None => http,
                }
            }
        }
    }

    /// Whether a registry that is reached so has proved who it is.
    fn is_verified(&self) -> bool {
        match self {
            Self::Plain { .. } | Self::Unverified { .. } => false,
            Self::Verified(_) => true,
        }
    }
}

/// A registry.
pub(super) struct Client {
    /// Keeps connections.
    http: reqwest::Client,
    /// Keeps none; made when an answer has shown that the next one on its connection may be misread.
    single: OnceLock<reqwest::Client>,
    transport: Transport,
    limit: Duration,
    /// `https://host/v2`.
    base: Url,
    login: Login,
    /// What proved who we are, by what was allowed with it.
    proofs: Mutex<BTreeMap<String, HeaderValue>>,
}

impl Client {
    /// A registry by its host and port.
    pub(super) fn new(
        host: &str,
        transport: Transport,
        login: Login,
        limit: Duration,
    ) -> Result<Self, RegistryError> {
        let protocol = match transport {
            Transport::Plain { .. } => "http",
            Transport::Unverified { .. } | Transport::Verified(_) => "https",
        };
        Ok(Self {
            http: transport.builder(limit).build()?,
            single: OnceLock::new(),
            transport,
            limit,
            base: address(&format!("{protocol}://{host}/v2"))?,
            login,
            proofs: Mutex::default(),
        })
    }

    /// Whether anything answers that speaks as we do. Nothing is said about who asks.
    pub(super) async fn answers(&self) -> bool {
        let Ok(url) = address(&format!("{}/", self.base)) else {
            return false;
        };
        let asked = self.http.get(url).timeout(PROBE_LIMIT).send();
        match asked.await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(registry = self.base.host_str(), %error, "no HTTPS");
                false
            }
        }
    }

    /// The digest of a manifest; `None` when it is not there.
    pub(super) async fn digest(&self, target: &Target) -> Result<Option<Digest>, RegistryError> {
        let answer = self
            .ask_manifest(Method::HEAD, target, HeaderMap::new(), Bytes::new())
            .await?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if status == StatusCode::OK
            && let Some(digest) = proven_by_head(&answer)?
        {
            return Ok(Some(digest));
        }
        if retry_after(status, answer.headers(), Timestamp::now()).is_some() {
            return Err(refused(answer).await);
        }
        // Not everybody answers a HEAD, and nobody says with it what is wrong. Who answers it with a body leaves that body on the
        // connection, where it would be read as the beginning of the next answer.
        self.keep_no_connections()?;
        match self.manifest(target).await {
            Err(error) if error.status() != Some(StatusCode::NOT_FOUND) => Err(error),
            // A registry that fails at one question is not relied upon at another.
            Ok(_) | Err(_) if status.is_server_error() => Err(RegistryError::Refused {
                status,
                codes: Vec::new(),
                missing: Vec::new(),
                message: String::new(),
                retry_after: None,
            }),
            Ok(manifest) => Ok(Some(manifest.digest)),
            Err(_) => Ok(None),
        }
    }

    /// A manifest, which is what its digest says.
    pub(super) async fn manifest(&self, target: &Target) -> Result<Manifest, RegistryError> {
        let answer = self
            .ask_manifest(Method::GET, target, HeaderMap::new(), Bytes::new())
            .await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer).await);
        }
        read_manifest(answer, Digest::parse(&target.reference)).await
    }

    /// Writes a manifest under a tag. The registry must have taken it for what it is.
    pub(super) async fn write(
        &self,
        target: &Target,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let kind = HeaderValue::from_str(&manifest.kind)
            .map_err(|_| RegistryError::Unusable("a manifest of no kind"))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self
            .ask_manifest(Method::PUT, target, headers, manifest.bytes.clone())
            .await?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        match digest_of(&answer)? {
            Some(said) if said != manifest.digest => Err(RegistryError::Unusable(
                "the digest of another manifest than was written",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Begins an upload and gives it up at once: whether the registry takes anything in.
    pub(super) async fn try_upload(&self, repository: &str) -> Result<(), RegistryError> {
        let scope = push(repository);
        let ask = |method, path: String| {
            let scope = &scope;
            async move {
                let url = self.url(repository, &path)?;
                self.ask(method, scope, url, HeaderMap::new(), Payload::EMPTY)
                    .await
            }
        };
        let answer = ask(Method::POST, "blobs/uploads/".to_owned()).await?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let begun = answer.headers().get(LOCATION);
        let begun = begun.and_then(|location| location.to_str().ok());
        let begun = begun.and_then(|location| location.split_once(&format!("/v2/{repository}/")));
        if let Some((_, path)) = begun {
            // One that stays is removed by the registry itself, some day.
            drop(ask(Method::DELETE, path.to_owned()).await);
        }
        Ok(())
    }

    async fn ask_manifest(
        &self,
        method: Method,
        target: &Target,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, RegistryError> {
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let repository = &target.repository;
        let url = self.url(repository, &format!("manifests/{}", target.reference))?;
        let scope = if is_read(&method) {
            pull(repository)
        } else {
            push(repository)
        };
        self.ask(method, &scope, url, headers, Payload::Bytes(body))
            .await
    }

    /// The address of something in a repository.
    pub(super) fn url(&self, repository: &str, path: &str) -> Result<Url, RegistryError> {
        address(&format!("{}/{repository}/{path}", self.base))
    }

    /// Sends one request; when the registry wants to know who asks, says it and sends the request again. Another origin, to which an
    /// upload may lead, is told nothing.
    pub(super) async fn ask(
        &self,
        method: Method,
        scope: &str,
        url: Url,
        headers: HeaderMap,
        body: Payload,
    ) -> Result<reqwest::Response, RegistryError> {
        let is_home = url.origin() == self.base.origin();
        let send = |proof: Option<HeaderValue>| {
            let request = Request {
                method: method.clone(),
                url: url.clone(),
                headers: headers.clone(),
                body: body.clone(),
                proof,
            };
            transport::send(self.http(), request)
        };
        let answer = match send(self.proof(scope).filter(|_| is_home)).await {
            Err(error @ RegistryError::Http(_)) => {
                // It may have been misread because of a body that should not be.
                self.keep_no_connections()?;
                return Err(error);
            }
            answer => answer?,
        };
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if answer.url().origin() != self.base.origin() {
            let origin = origin(answer.url());
            return Err(RegistryError::Stranger { origin });
        }
        // An old proof may have run out; a new one is asked for once.
        match self.prove(&answer, scope).await? {
            Some(proof) => send(Some(proof)).await,
            None => Ok(answer),
        }
    }

    fn http(&self) -> &reqwest::Client {
        self.single.get().unwrap_or(&self.http)
    }

    /// From here on each request has a connection of its own.
    fn keep_no_connections(&self) -> Result<(), RegistryError> {
        if self.single.get().is_none() {
            let builder = self.transport.builder(self.limit);
            let single = builder.pool_max_idle_per_host(0).build()?;
            self.single.get_or_init(|| single);
        }
        Ok(())
    }

    fn proof(&self, scope: &str) -> Option<HeaderValue> {
        let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.get(scope).cloned()
    }

    /// Answers a challenge; `None` when it is one that we cannot answer.
    async fn prove(
        &self,
        answer: &reqwest::Response,
        scope: &str,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let mut proof = None;
        for challenge in challenges(answer.headers()) {
            proof = match challenge {
                Challenge::Basic => self.login.basic(),
                Challenge::Bearer { realm, service } => {
                    let server = token_server(&self.base, self.transport.is_verified(), &realm)?;
                    let basic = self.login.basic();
                    let (service, basic) = (service.as_deref(), basic.as_deref());
                    let token = token(self.http(), server, service, scope, basic).await?;
                    Some(format!("Bearer {token}"))
                }
            };
            if proof.is_some() {
                break;
            }
        }
        let Some(proof) = proof else { return Ok(None) };
        let proof = sensitive(&proof)?;
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.insert(scope.to_owned(), proof.clone());
        Ok(Some(proof))
    }
}

/// What is allowed to whoever reads a repository.
pub(super) fn pull(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// What is allowed to whoever writes to a repository.
pub(super) fn push(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

fn address(text: &str) -> Result<Url, RegistryError> {
    Url::parse(text).map_err(|_| RegistryError::Unusable("an address that is none"))
}
