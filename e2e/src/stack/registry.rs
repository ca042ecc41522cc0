//! Image references between the two views of one registry.
//!
//! Here: the address seen from inside of the stack and the one that the Docker engine sees, and asking for a tag's digest.
//! Not here: pulling.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode};

use crate::http::{self, SendError};
use crate::{ServiceError, variable};

const ASK_LIMIT: Duration = Duration::from_secs(10);
const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// One registry under its two addresses.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    inside: String,
    engine: String,
    /// Which of both images are pulled from.
    puller: Puller,
}

/// Who pulls images.
#[derive(Debug, Clone, Copy)]
enum Puller {
    TestEngine,
    Stack,
}

/// Why an image could not be resolved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("the image `{reference}` is not in the registry of the stack, `{registry}`")]
    Elsewhere { reference: String, registry: String },
    #[error("the registry answered {status} for `{reference}`; was the image pushed?")]
    Refused {
        reference: String,
        status: StatusCode,
    },
    #[error(transparent)]
    Unreachable(#[from] SendError),
    #[error("the registry named no digest for `{0}`")]
    NoDigest(String),
}

impl Registry {
    /// For images that the Docker engine pulls.
    pub(crate) fn seen_by_engine() -> Result<Self, ServiceError> {
        Self::from_env(Puller::TestEngine)
    }

    /// For images that a service of the stack pulls.
    pub(crate) fn seen_from_inside() -> Result<Self, ServiceError> {
        Self::from_env(Puller::Stack)
    }

    /// Takes both addresses from the variables that a deploy uses too.
    fn from_env(puller: Puller) -> Result<Self, ServiceError> {
        Ok(Self {
            inside: variable("CONTAINER_REGISTRY")?,
            engine: variable("HOST_REGISTRY_ADDR")?,
            puller,
        })
    }

    /// Resolves a reference to one that can be pulled and that names a digest.
    pub(crate) async fn resolve(&self, reference: &str) -> Result<String, ResolveError> {
        let path = [&self.inside, &self.engine]
            .into_iter()
            .find_map(|address| reference.strip_prefix(address.as_str())?.strip_prefix('/'))
            .ok_or_else(|| ResolveError::Elsewhere {
                reference: reference.to_owned(),
                registry: self.inside.clone(),
            })?;
        let (named, pinned) = match path.split_once('@') {
            Some((named, digest)) => (named, Some(digest.to_owned())),
            None => (path, None),
        };
        let (repository, tag) = split_tag(named);
        let digest = match pinned {
            Some(digest) => digest,
            None => self.digest(reference, repository, tag).await?,
        };
        let registry = match self.puller {
            Puller::TestEngine => &self.engine,
            Puller::Stack => &self.inside,
        };
        Ok(format!("{registry}/{repository}@{digest}"))
    }

    async fn digest(
        &self,
        reference: &str,
        repository: &str,
        tag: &str,
    ) -> Result<String, ResolveError> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let mut request = http::bare(Method::HEAD, &self.inside, &path, Bytes::new());
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES));
        let response = http::send(&self.inside, request, ASK_LIMIT).await?;
        if response.status() != StatusCode::OK {
            return Err(ResolveError::Refused {
                reference: reference.to_owned(),
                status: response.status(),
            });
        }
        response
            .headers()
            .get("docker-content-digest")
            .and_then(|digest| digest.to_str().ok())
            .map(str::to_owned)
            .ok_or_else(|| ResolveError::NoDigest(reference.to_owned()))
    }
}

/// Splits `repository[:tag]`; the registry's address, which may hold a colon too, is already gone.
fn split_tag(path: &str) -> (&str, &str) {
    path.split_once(':').unwrap_or((path, "latest"))
}
