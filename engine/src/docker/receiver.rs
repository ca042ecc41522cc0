//! A receiver of events over HTTP: one request at a time, its answer bounded, and never redirected.
//!
//! Not here: what is sent, and when it is sent again.

use std::time::Duration;

use bytes::BytesMut;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};

use super::names::Names;
use crate::image::proxy::is_loopback;

/// How much of an answer that refuses is read, in bytes.
const SAID_MAX: usize = 2048;

/// Where events are sent to.
pub struct EventReceiver {
    http: Client,
    url: Url,
    proof: Option<HeaderValue>,
}

/// An event did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// Events cannot be sent there at all.
    #[error("{0}")]
    Url(&'static str),
    /// The token cannot stand in a header.
    #[error("the token has characters that no HTTP header can carry")]
    Token,
    /// Nobody answered, or the answer is no HTTP.
    #[error("the receiver cannot be reached")]
    Http(#[source] reqwest::Error),
    /// The receiver refused.
    #[error("the receiver answered {status}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// How long it wants not to be asked.
        retry_after: Option<Duration>,
        /// What it said, at most 2048 bytes.
        said: String,
    },
}

impl ReceiverError {
    /// The same request may succeed later: nobody answered, or the receiver is too busy or broken now.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Url(_) | Self::Token => false,
            Self::Http(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
        }
    }

    /// How long the receiver wants not to be asked, when it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self {
            *retry_after
        } else {
            None
        }
    }
}

impl EventReceiver {
    /// The receiver at an `http` or `https` URL. `token` goes into `Authorization: Bearer`. `limit` bounds each request, with its
    /// answer.
    pub fn new(url: &str, token: Option<&str>, limit: Duration) -> Result<Self, ReceiverError> {
        let url = Url::parse(url).map_err(|_| ReceiverError::Url("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(ReceiverError::Url(
                "events are sent to `http://` and `https://` only",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ReceiverError::Url(
                "it names a user or a password, which everybody on this machine could read",
            ));
        }
        let proof = token.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let mut proof = proof.transpose().map_err(|_| ReceiverError::Token)?;
        if let Some(proof) = &mut proof {
            proof.set_sensitive(true);
        }
        // Fails when one is installed, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let http = Client::builder()
            .user_agent(concat!("artifactctl/", env!("CARGO_PKG_VERSION")))
            .timeout(limit)
            // A token is for the receiver that was named.
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Names::default())
            .referer(false);
        // A proxy is for what is elsewhere.
        let http = if is_loopback(&authority(&url)) {
            http.no_proxy()
        } else {
            http
        };
        let http = http
            .build()
            .map_err(|error| ReceiverError::Http(error.without_url()))?;
        Ok(Self { http, url, proof })
    }

    /// A token goes out with each request, and everybody between here and there could read it: the URL is no `https`, and its host
    /// is not this machine.
    pub fn is_overheard(&self) -> bool {
        self.proof.is_some() && self.url.scheme() == "http" && !is_loopback(&authority(&self.url))
    }

    /// The URL without its query, which may be a secret.
    pub fn name(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        shown.to_string()
    }

    /// Sends a body of a media type, and waits until the receiver has taken it.
    pub async fn post(&self, media_type: &'static str, body: String) -> Result<(), ReceiverError> {
        let failed = |error: reqwest::Error| ReceiverError::Http(error.without_url());
        let mut request = self.http.post(self.url.clone());
        request = request.header(CONTENT_TYPE, media_type).body(body);
        if let Some(proof) = &self.proof {
            request = request.header(AUTHORIZATION, proof.clone());
        }
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut said = BytesMut::new();
        while said.len() < SAID_MAX
            && let Ok(Some(piece)) = answer.chunk().await
        {
            said.extend_from_slice(&piece);
        }
        said.truncate(SAID_MAX);
        Err(ReceiverError::Refused {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            said: String::from_utf8_lossy(&said).trim().to_owned(),
        })
    }
}

/// `host[:port]` of a URL, an IPv6 address in brackets.
fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}{}",
        url.host_str().unwrap_or_default(),
        port.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::EventReceiver;

    #[rstest]
    #[case::elsewhere("http://events.example/in", Some("t"), true)]
    #[case::an_address("http://192.0.2.1:8080/in", Some("t"), true)]
    #[case::encrypted("https://events.example/in", Some("t"), false)]
    #[case::nothing_to_read("http://events.example/in", None, false)]
    #[case::this_machine("http://localhost:8080/in", Some("t"), false)]
    #[case::this_machine_by_address("http://127.0.0.1/in", Some("t"), false)]
    #[case::this_machine_by_its_long_address("http://[::1]:8080/in", Some("t"), false)]
    fn a_token_is_overheard_where_it_leaves_this_machine_unencrypted(
        #[case] url: &str,
        #[case] token: Option<&str>,
        #[case] overheard: bool,
    ) {
        let receiver = EventReceiver::new(url, token, Duration::from_secs(1)).unwrap();
        assert_eq!(receiver.is_overheard(), overheard);
    }
}
