//! One request and its answer, wherever the registry redirects to.
//!
//! Redirects are followed here and not by the HTTP client, so that credentials go to one origin only: that of the first request
//! (docs/adr/0043-registry-credentials.md). Not here: what is asked (`client`), and who we are (`token`).

use bytes::{Bytes, BytesMut};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use reqwest::{Response, Url};

use super::blob::Payload;
use super::error::RegistryError;

/// How many redirects are followed.
const REDIRECT_LIMIT: usize = 5;

/// A request to a registry or to a token server.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    /// The value of `Authorization`, for the origin of `url` and nobody else.
    pub(super) proof: Option<HeaderValue>,
}

/// Sends a request and follows its redirects. Once an answer redirects to another origin, the credentials stay behind.
pub(super) async fn send(
    http: &reqwest::Client,
    request: Request,
) -> Result<Response, RegistryError> {
    let home = request.url.origin();
    let mut url = request.url;
    let mut proof = request.proof;
    for _ in 0..=REDIRECT_LIMIT {
        let mut headers = request.headers.clone();
        headers.extend(proof.clone().map(|proof| (AUTHORIZATION, proof)));
        let asked = http.request(request.method.clone(), url.clone());
        let answer = asked.headers(headers).body(request.body.clone()).send();
        let answer = answer.await?;
        let Some(next) = redirect(&answer)? else {
            return Ok(answer);
        };
        let refuse = |why| {
            let to = origin(&next);
            Err(RegistryError::Redirect { to, why })
        };
        if url.scheme() == "https" && next.scheme() != "https" {
            return refuse("which gives up encryption");
        }
        if next.origin() != home {
            if !is_read(&request.method) {
                return refuse("and what is written goes to the registry only");
            }
            proof = None;
        }
        url = next;
    }
    Err(RegistryError::Redirect {
        to: origin(&url),
        why: "after too many other redirects",
    })
}

/// Whether a method changes nothing.
pub(super) fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Scheme, host and port of an address: all of it that may be shown.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// An address without a user and a password, which the HTTP client would send.
pub(super) fn without_user(mut url: Url) -> Option<Url> {
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (is_web && url.set_username("").is_ok() && url.set_password(None).is_ok()).then_some(url)
}

/// Where an answer redirects to. Only redirects that keep the method are followed for requests that write.
fn redirect(answer: &Response) -> Result<Option<Url>, RegistryError> {
    if !matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    ) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(LOCATION) else {
        return Ok(None);
    };
    let text = location.to_str().ok();
    let next = text.and_then(|text| answer.url().join(text).ok());
    let next = next.and_then(without_user);
    next.map(Some)
        .ok_or(RegistryError::Unusable("a redirect to no web address"))
}

/// The body of an answer, if it is not longer than this.
pub(super) async fn read(mut answer: Response, limit: usize) -> Result<Bytes, RegistryError> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(RegistryError::TooLong(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
