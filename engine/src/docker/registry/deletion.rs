//! Deleting the manifests of images, and what must be known before: the tags of their repository.

use std::collections::BTreeSet;

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::blob::Payload;
use super::client::{Client, pull};
use super::refusal::refused;
use super::transport::read;
use super::{Call, Registry, RegistryError, target};
use crate::contract::Digest;
use crate::image::Reference;
use crate::run::Fault;

/// Most bytes of one answer with tags.
const TAGS_LIMIT: usize = 16 << 20;
/// How many tags are asked for at a time.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct Tags {
    /// `null` where a repository has none.
    tags: Option<Vec<String>>,
}

/// What a registry did with a manifest that it was to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::docker) enum ManifestDeletion {
    /// It is not there any more.
    Deleted,
    /// It was not there.
    Absent,
    /// This registry deletes nothing, whoever asks.
    Unsupported,
}

impl Registry {
    /// Every tag of the repository of a reference. A repository that is not there has none.
    pub(in crate::docker) async fn tags(
        &self,
        reference: &Reference,
    ) -> Result<BTreeSet<String>, Fault> {
        let what = format!("ask the registry for the tags of `{}`", reference.name());
        let (host, target) = target(reference);
        let reached = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &reached);
        let mut tags = BTreeSet::new();
        // A registry that knows no pages says everything each time.
        loop {
            let last = tags.last().cloned();
            let ask = || reached.client().tags(&target.repository, last.as_deref());
            let page = self.repeat(&call, ask).await?;
            let before = tags.len();
            tags.extend(page);
            if tags.len() == before {
                return Ok(tags);
            }
        }
    }

    /// Deletes the manifest with this digest, and with it every tag that names it.
    pub(in crate::docker) async fn delete(
        &self,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<ManifestDeletion, Fault> {
        let what = format!("delete `{}@{digest}` in the registry", reference.name());
        let (host, target) = target(reference);
        let reached = self.reach(&what, host).await?;
        let call = Call::question(&what, host, &reached);
        let ask = || reached.client().delete(&target.repository, digest);
        self.repeat(&call, ask).await
    }
}

impl Client {
    /// A page of the tags of a repository, after one of them.
    async fn tags(
        &self,
        repository: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, RegistryError> {
        let mut url = self.url(repository, "tags/list")?;
        url.query_pairs_mut().append_pair("n", &PAGE.to_string());
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("last", after);
        }
        let answer = self
            .ask(
                Method::GET,
                &pull(repository),
                url,
                HeaderMap::new(),
                Payload::EMPTY,
            )
            .await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(Vec::new()),
            StatusCode::OK => {}
            _ => return Err(refused(answer).await),
        }
        let bytes = read(answer, TAGS_LIMIT).await?;
        let read: Tags = serde_json::from_slice(&bytes)
            .map_err(|_| RegistryError::Unusable("something else than a list of tags"))?;
        Ok(read.tags.unwrap_or_default())
    }

    async fn delete(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<ManifestDeletion, RegistryError> {
        let url = self.url(repository, &format!("manifests/{digest}"))?;
        let scope = format!("repository:{repository}:pull,push,delete");
        let answer = self
            .ask(
                Method::DELETE,
                &scope,
                url,
                HeaderMap::new(),
                Payload::EMPTY,
            )
            .await?;
        match answer.status() {
            status if status.is_success() => Ok(ManifestDeletion::Deleted),
            StatusCode::NOT_FOUND => Ok(ManifestDeletion::Absent),
            StatusCode::METHOD_NOT_ALLOWED => Ok(ManifestDeletion::Unsupported),
            _ => {
                let error = refused(answer).await;
                if error.has_code(&["UNSUPPORTED"]) {
                    return Ok(ManifestDeletion::Unsupported);
                }
                Err(error)
            }
        }
    }
}
