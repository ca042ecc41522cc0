//! One registry over HTTP: manifests, and who we are to it.
//!
//! Every answer has a bound, whatever the registry sends: that is why this is not a client of somebody else's
//! (docs/adr/0010-registry-client.md). Here: requests, challenges, tokens, bounds. Not here: which question is asked how often
//! (`registry`), what becomes of an error (`fault`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::challenge::{Challenge, challenges};
use super::refusal::refused;
use crate::contract::Digest;
use crate::docker::credentials::Login;

/// The longest manifest: as much as registries are asked to take.
const MANIFEST_LIMIT: usize = 4 << 20;
/// The longest answer of a token server.
const TOKEN_LIMIT: usize = 1 << 20;

const DIGEST: &str = "docker-content-digest";

/// Kinds of manifest that are known.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Why a registry gave no answer, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::docker) enum RegistryError {
    /// It could not be asked, or broke off.
    #[error(transparent)]
    Http(reqwest::Error),
    /// It says no.
    #[error("the registry answered {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The codes of its errors, `MANIFEST_UNKNOWN` and so on.
        codes: Vec<String>,
        /// Its words.
        message: String,
    },
    /// An answer is longer than any that makes sense.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// An answer says what cannot be.
    #[error("the registry sent {0}")]
    Unusable(&'static str),
}

impl From<reqwest::Error> for RegistryError {
    /// The address of the request may hold what others should not read, and is known anyway.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl RegistryError {
    /// The HTTP status, when the registry answered.
    pub(in crate::docker) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Http(_) | Self::TooLong(_) | Self::Unusable(_) => None,
        }
    }

    /// Whether one of these codes is among its errors.
    pub(in crate::docker) fn has_code(&self, wanted: &[&str]) -> bool {
        match self {
            Self::Refused { codes, .. } => codes.iter().any(|code| wanted.contains(&code.as_str())),
            Self::Http(_) | Self::TooLong(_) | Self::Unusable(_) => false,
        }
    }
}

/// What is asked for: a repository, and a tag or a digest in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) repository: String,
    pub(super) reference: String,
}

/// A manifest as it is kept.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
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
    base: String,
    scheme: Scheme,
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
            .read_timeout(limit);
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
            base: format!("{protocol}://{host}/v2"),
            scheme,
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
            && let Some(digest) = digest_of(&answer)?
        {
            return Ok(Some(digest));
        }
        // Not everybody answers a HEAD, and nobody says with it what is wrong.
        match self.manifest(target).await {
            Err(error) if error.status() != Some(StatusCode::NOT_FOUND) => Err(error),
            // A registry that fails at one question is not relied upon at another.
            Ok(_) | Err(_) if status.is_server_error() => Err(RegistryError::Refused {
                status,
                codes: Vec::new(),
                message: String::new(),
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
        let said = digest_of(&answer)?;
        let bytes = read(answer, MANIFEST_LIMIT).await?;
        let digest = Digest::of(&bytes);
        let wanted = Digest::parse(&target.reference);
        if said.is_some_and(|said| said != digest) || wanted.is_some_and(|wanted| wanted != digest)
        {
            return Err(RegistryError::Unusable(
                "a manifest that is not what its digest says",
            ));
        }
        Ok(Manifest { bytes, digest })
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
        headers.insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
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
        let reads = [Method::GET, Method::HEAD].contains(&method);
        let actions = if reads { "pull" } else { "pull,push" };
        let scope = format!("repository:{repository}:{actions}");
        let send = |proof: Option<HeaderValue>| {
            let url = format!("{}/{repository}/{path}", self.base);
            let request = self.http.request(method.clone(), url);
            let mut headers = headers.clone();
            if let Some(proof) = proof {
                headers.insert(AUTHORIZATION, proof);
            }
            request.headers(headers).body(body.clone()).send()
        };
        let answer = send(self.proof(&scope)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // An old proof may have run out; a new one is asked for once.
        match self.prove(&answer, &scope).await? {
            Some(proof) => Ok(send(Some(proof)).await?),
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
                    let token = self.token(&realm, service.as_deref(), scope).await?;
                    Some(format!("Bearer {token}"))
                }
            };
            if proof.is_some() {
                break;
            }
        }
        let Some(proof) = proof else { return Ok(None) };
        let mut proof = HeaderValue::from_str(&proof)
            .map_err(|_| RegistryError::Unusable("a token that is no text"))?;
        proof.set_sensitive(true);
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.insert(scope.to_owned(), proof.clone());
        Ok(Some(proof))
    }

    /// Asks a token server, which the registry named.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
    ) -> Result<String, RegistryError> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: String,
        }
        if self.scheme == Scheme::Encrypted && !realm.starts_with("https://") {
            return Err(RegistryError::Unusable("a token server without encryption"));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("scope", scope)
            .extend_pairs(service.map(|service| ("service", service)))
            .finish();
        let mark = if realm.contains('?') { '&' } else { '?' };
        let mut request = self.http.get(format!("{realm}{mark}{query}"));
        if let Some(basic) = self.login.basic() {
            request = request.header(AUTHORIZATION, basic);
        }
        let answer = request.send().await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer).await);
        }
        let text = read(answer, TOKEN_LIMIT).await?;
        // The error of the parser would quote the answer.
        let token: Result<Token, _> = serde_json::from_slice(&text);
        token
            .map(|token| token.token)
            .map_err(|_| RegistryError::Unusable("a token that is none"))
    }
}

/// The digest that an answer has in its head.
fn digest_of(answer: &reqwest::Response) -> Result<Option<Digest>, RegistryError> {
    let Some(said) = answer.headers().get(DIGEST) else {
        return Ok(None);
    };
    let digest = said.to_str().ok().and_then(Digest::parse);
    digest
        .map(Some)
        .ok_or(RegistryError::Unusable("a digest that is no sha256"))
}

/// The body of an answer, if it is not longer than this.
async fn read(mut answer: reqwest::Response, limit: usize) -> Result<Bytes, RegistryError> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(RegistryError::TooLong(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
