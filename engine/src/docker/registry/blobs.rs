//! Blobs of one registry over HTTP: layers and configurations, one request each.
//!
//! Here: what a registry is asked about a blob, and what counts as an answer. Not here: how often (`transfer`), where the bytes are
//! (`blob`), who we are (`client`).

use bytes::Bytes;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RANGE,
};
use hyper::{Method, StatusCode};
use reqwest::{Response, Url};

use super::blob::{Blob, Payload};
use super::client::{Client, pull, push};
use super::error::RegistryError;
use super::manifest::digest_of;
use super::refusal::refused;
use super::transport::without_user;
use crate::contract::Digest;

/// What a registry says of the smallest chunk that it takes.
const CHUNK_LEAST: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that a registry waits for.
#[derive(Debug, Clone)]
pub(in crate::docker) struct Upload {
    /// Where its next bytes go.
    place: Url,
    /// How many bytes the registry has.
    pub(super) taken: u64,
    /// It takes no smaller chunks, but for the last.
    pub(super) chunk_least: u64,
}

/// How an upload began.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is over: the registry had the blob in another repository.
    Mounted,
    /// The bytes are to be sent.
    Upload(Upload),
}

/// A blob that is being read.
pub(super) struct Download {
    answer: Response,
    /// The first byte that comes.
    pub(super) from: u64,
}

impl Download {
    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        Ok(self.answer.chunk().await?)
    }
}

impl Client {
    /// Whether a repository has a blob.
    pub(super) async fn has_blob(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let url = self.url(repository, &format!("blobs/{digest}"))?;
        let scope = pull(repository);
        let answer = self
            .ask(Method::HEAD, &scope, url, HeaderMap::new(), Payload::EMPTY)
            .await?;
        match answer.status() {
            StatusCode::OK => says(&answer, digest).map(|()| true),
            // Not everybody answers a HEAD. What is sent although it is there does no harm.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            _ => Err(refused(answer).await),
        }
    }

    /// Reads a blob from its first byte, or from a later one when the registry can do that.
    pub(super) async fn read_blob(
        &self,
        repository: &str,
        digest: &Digest,
        from: u64,
    ) -> Result<Download, RegistryError> {
        let url = self.url(repository, &format!("blobs/{digest}"))?;
        let mut headers = HeaderMap::new();
        if from > 0 {
            headers.insert(RANGE, value(format!("bytes={from}-")));
        }
        let scope = pull(repository);
        let answer = self
            .ask(Method::GET, &scope, url, headers, Payload::EMPTY)
            .await?;
        match answer.status() {
            StatusCode::OK => Ok(Download { answer, from: 0 }),
            StatusCode::PARTIAL_CONTENT if begins_at(&answer, from) => {
                Ok(Download { answer, from })
            }
            StatusCode::PARTIAL_CONTENT => Err(RegistryError::Unusable(
                "another part of a blob than it was asked for",
            )),
            _ => Err(refused(answer).await),
        }
    }

    /// Begins to upload a blob, or has it mounted from another repository.
    pub(super) async fn begin_upload(
        &self,
        repository: &str,
        mount: Option<(&str, &Digest)>,
    ) -> Result<Begun, RegistryError> {
        let mut url = self.url(repository, "blobs/uploads/")?;
        let mut scope = push(repository);
        if let Some((from, digest)) = mount {
            url.query_pairs_mut()
                .append_pair("mount", digest.as_str())
                .append_pair("from", from);
            scope = format!("{scope} {}", pull(from));
        }
        let answer = self
            .ask(Method::POST, &scope, url, HeaderMap::new(), Payload::EMPTY)
            .await?;
        match (answer.status(), mount) {
            (StatusCode::CREATED, Some((_, digest))) => {
                says(&answer, digest).map(|()| Begun::Mounted)
            }
            (StatusCode::ACCEPTED, _) => {
                let least = answer.headers().get(CHUNK_LEAST);
                let least = least.and_then(|least| least.to_str().ok()?.parse().ok());
                Ok(Begun::Upload(Upload {
                    place: place(&answer)?.ok_or(NO_PLACE)?,
                    taken: 0,
                    chunk_least: least.unwrap_or(0),
                }))
            }
            _ => Err(refused(answer).await),
        }
    }

    /// Sends the next bytes of an upload.
    pub(super) async fn send_chunk(
        &self,
        repository: &str,
        upload: &Upload,
        length: u64,
        chunk: Payload,
    ) -> Result<Upload, RegistryError> {
        let end = upload.taken + length;
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(OCTETS)),
            (
                CONTENT_RANGE,
                value(format!("{}-{}", upload.taken, end.saturating_sub(1))),
            ),
        ]);
        let answer = self
            .ask(
                Method::PATCH,
                &push(repository),
                upload.place.clone(),
                headers,
                chunk,
            )
            .await?;
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(Upload {
                place: place(&answer)?.unwrap_or_else(|| upload.place.clone()),
                taken: end,
                chunk_least: upload.chunk_least,
            }),
            _ => Err(refused(answer).await),
        }
    }

    /// Asks how far an upload has come.
    pub(super) async fn upload_status(
        &self,
        repository: &str,
        upload: &Upload,
    ) -> Result<Upload, RegistryError> {
        let place_of = upload.place.clone();
        let answer = self
            .ask(
                Method::GET,
                &push(repository),
                place_of,
                HeaderMap::new(),
                Payload::EMPTY,
            )
            .await?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        Ok(Upload {
            place: place(&answer)?.unwrap_or_else(|| upload.place.clone()),
            taken: taken(answer.headers()).ok_or(RegistryError::Unusable(
                "an upload without saying how far it is",
            ))?,
            chunk_least: upload.chunk_least,
        })
    }

    /// Ends an upload, with the rest of its bytes. The registry must have made the blob of them that was meant.
    pub(super) async fn end_upload(
        &self,
        repository: &str,
        upload: &Upload,
        blob: &Blob,
        rest: Payload,
    ) -> Result<(), RegistryError> {
        let mut url = upload.place.clone();
        url.query_pairs_mut()
            .append_pair("digest", blob.digest.as_str());
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(OCTETS)),
            (
                CONTENT_LENGTH,
                HeaderValue::from(blob.size.saturating_sub(upload.taken)),
            ),
        ]);
        let answer = self
            .ask(Method::PUT, &push(repository), url, headers, rest)
            .await?;
        if answer.status().is_success() {
            return says(&answer, &blob.digest);
        }
        Err(refused(answer).await)
    }
}

const OCTETS: &str = "application/octet-stream";
const NO_PLACE: RegistryError = RegistryError::Unusable("an upload without an address");

/// What an answer says of a blob must be what was meant.
fn says(answer: &Response, digest: &Digest) -> Result<(), RegistryError> {
    match digest_of(answer)? {
        Some(said) if said != *digest => Err(RegistryError::Unusable(
            "the digest of another blob than was meant",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Where an upload goes on. It may be on another host, which gets no credentials; encryption is not given up.
fn place(answer: &Response) -> Result<Option<Url>, RegistryError> {
    let Some(location) = answer.headers().get(LOCATION) else {
        return Ok(None);
    };
    let text = location.to_str().ok();
    let url = text.and_then(|text| answer.url().join(text).ok());
    let Some(url) = url.and_then(without_user) else {
        return Err(NO_PLACE);
    };
    if answer.url().scheme() == "https" && url.scheme() != "https" {
        return Err(RegistryError::Redirect {
            to: super::transport::origin(&url),
            why: "which gives up encryption",
        });
    }
    Ok(Some(url))
}

/// How many bytes a registry has, by its `Range: 0-LAST`. It says `0-0` of none as well as of one, so that one is sent again.
fn taken(headers: &HeaderMap) -> Option<u64> {
    let (first, last) = headers.get(RANGE)?.to_str().ok()?.split_once('-')?;
    let first = first.strip_prefix("bytes=").unwrap_or(first);
    let last: u64 = last.parse().ok()?;
    (first == "0").then_some(if last == 0 { 0 } else { last + 1 })
}

/// Whether an answer with a part of a blob has the part from this byte on.
fn begins_at(answer: &Response, from: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes "));
    range
        .and_then(|range| range.split_once('-'))
        .is_some_and(|(first, _)| first.parse() == Ok(from))
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and a dash may stand in a header")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0-0", Some(0))]
    #[case("0-4194303", Some(4_194_304))]
    #[case("bytes=0-9", Some(10))]
    #[case("5-9", None)]
    #[case("0-", None)]
    #[case("ten", None)]
    fn a_range_says_how_far_an_upload_is(#[case] range: &str, #[case] expected: Option<u64>) {
        let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
        assert_eq!(taken(&headers), expected);
    }
}
