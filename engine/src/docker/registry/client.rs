//! One registry over HTTP: manifests, and who we are to it.
//!
//! Every answer has a bound, whatever the registry sends: that is why this is not a client of somebody else's
//! (docs/adr/0010-registry-client.md). Here: questions and challenges. Not here: redirects (`transport`), token servers (`token`),
//! what a manifest is (`manifest`), which question is asked how often (`registry`), what becomes of an error (`fault`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use reqwest::Url;

use super::challenge::{Challenge, challenges};
use super::error::RegistryError;
use super::manifest::{ACCEPTED, Manifest, proven_by_head, read_manifest};
use super::refusal::{refused, retry_after};
use super::token::{sensitive, token, token_server};
use super::transport::{self, Request, is_read, origin};
use crate::contract::Digest;
use crate::docker::credentials::Login;

/// What is asked for: a repository, and a tag or a digest in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) repository: String,
    pub(super) reference: String,
}

/// How a registry is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Plain HTTP on this machine, to which no proxy leads.
    Local,
    /// Plain HTTP.
    Plain,
    /// With encryption.
    Encrypted,
}

/// A registry.
pub(super) struct Client {
    http: reqwest::Client,
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
        scheme: Scheme,
        login: Login,
        limit: Duration,
    ) -> Result<Self, RegistryError> {
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("artifactctl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limit)
            .read_timeout(limit)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false);
        if scheme == Scheme::Local {
            // Certificates are not needed, and reading all of this machine's takes longer than a question.
            http = http.no_proxy().tls_certs_only([]);
        }
        let protocol = match scheme {
            Scheme::Local | Scheme::Plain => "http",
            Scheme::Encrypted => "https",
        };
        Ok(Self {
            http: http.build()?,
            base: address(&format!("{protocol}://{host}/v2"))?,
            login,
            proofs: Mutex::default(),
        })
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
        // Not everybody answers a HEAD, and nobody says with it what is wrong.
        match self.manifest(target).await {
            Err(error) if error.status() != Some(StatusCode::NOT_FOUND) => Err(error),
            // A registry that fails at one question is not relied upon at another.
            Ok(_) | Err(_) if status.is_server_error() => Err(RegistryError::Refused {
                status,
                codes: Vec::new(),
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

    /// Writes a manifest of a media type under a tag.
    pub(super) async fn write(
        &self,
        target: &Target,
        kind: HeaderValue,
        manifest: Bytes,
    ) -> Result<(), RegistryError> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self
            .ask_manifest(Method::PUT, target, headers, manifest)
            .await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            _ => Err(refused(answer).await),
        }
    }

    /// Begins an upload and gives it up at once: whether the registry takes anything in.
    pub(super) async fn try_upload(&self, repository: &str) -> Result<(), RegistryError> {
        let ask = |method, path: String| async move {
            self.ask(method, repository, &path, HeaderMap::new(), Bytes::new())
                .await
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
        let path = format!("manifests/{}", target.reference);
        self.ask(method, &target.repository, &path, headers, body)
            .await
    }

    /// Sends one request about a repository; when the registry wants to know who asks, says it and sends the request again.
    async fn ask(
        &self,
        method: Method,
        repository: &str,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, RegistryError> {
        let actions = if is_read(&method) {
            "pull"
        } else {
            "pull,push"
        };
        let scope = format!("repository:{repository}:{actions}");
        let url = address(&format!("{}/{repository}/{path}", self.base))?;
        let send = |proof: Option<HeaderValue>| {
            let request = Request {
                method: method.clone(),
                url: url.clone(),
                headers: headers.clone(),
                body: body.clone(),
                proof,
            };
            transport::send(&self.http, request)
        };
        let answer = send(self.proof(&scope)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if answer.url().origin() != self.base.origin() {
            let origin = origin(answer.url());
            return Err(RegistryError::Stranger { origin });
        }
        // An old proof may have run out; a new one is asked for once.
        match self.prove(&answer, &scope).await? {
            Some(proof) => send(Some(proof)).await,
            None => Ok(answer),
        }
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
                    let server = token_server(&self.base, &realm)?;
                    let basic = self.login.basic();
                    let (service, basic) = (service.as_deref(), basic.as_deref());
                    let token = token(&self.http, server, service, scope, basic).await?;
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

fn address(text: &str) -> Result<Url, RegistryError> {
    Url::parse(text).map_err(|_| RegistryError::Unusable("an address that is none"))
}
