//! Which token server may be asked, and asking it.
//!
//! A registry says with its challenge where tokens are given out. Whoever answers for the registry could name a server of its
//! own there, so that the name counts only as far as the connection is proved.

use hyper::Method;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use reqwest::Url;
use serde::Deserialize;

use super::blob::Payload;
use super::error::RegistryError;
use super::refusal::refused;
use super::transport::{self, Request, origin, read};

/// The longest answer of a token server.
const TOKEN_LIMIT: usize = 1 << 20;

/// The token server that a registry names, when its credentials may go there: over HTTPS to any server that a registry with a
/// verified certificate names, else to the registry itself only.
pub(super) fn token_server(
    registry: &Url,
    is_verified: bool,
    realm: &str,
) -> Result<Url, RegistryError> {
    let parsed = Url::parse(realm).ok().and_then(transport::without_user);
    let Some(url) = parsed else {
        return Err(RegistryError::Unusable("a token server without an address"));
    };
    let refuse = |why| {
        let realm = origin(&url);
        Err(RegistryError::Realm { realm, why })
    };
    match registry.scheme() {
        "https" if url.scheme() != "https" => refuse("which has no encryption"),
        "https" if is_verified => Ok(url),
        _ if url.origin() == registry.origin() => Ok(url),
        "https" => refuse("and a registry whose certificate is not verified may name only itself"),
        _ => refuse("and a registry without encryption may name only itself"),
    }
}

/// Asks a token server for a token of one scope or of several, with blanks between them.
pub(super) async fn token(
    http: &reqwest::Client,
    mut server: Url,
    service: Option<&str>,
    scope: &str,
    basic: Option<&str>,
) -> Result<String, RegistryError> {
    #[derive(Deserialize)]
    struct Token {
        #[serde(alias = "access_token")]
        token: String,
    }
    let scopes = scope.split(' ').map(|scope| ("scope", scope));
    server
        .query_pairs_mut()
        .extend_pairs(scopes)
        .extend_pairs(service.map(|service| ("service", service)));
    let proof = basic.map(sensitive).transpose()?;
    let request = Request {
        method: Method::GET,
        url: server.clone(),
        headers: HeaderMap::new(),
        body: Payload::EMPTY,
        proof,
    };
    let answer = transport::send(http, request).await?;
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

/// A value of `Authorization`, which no log shows.
pub(super) fn sensitive(proof: &str) -> Result<HeaderValue, RegistryError> {
    let mut proof = HeaderValue::from_str(proof)
        .map_err(|_| RegistryError::Unusable("a token that is no text"))?;
    proof.set_sensitive(true);
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::https_names_another_host(
        "https://r.example/v2",
        "https://auth.example/t",
        Ok("https://auth.example/t")
    )]
    #[case::https_gives_up_encryption(
        "https://r.example/v2",
        "http://auth.example/t",
        Err("no encryption")
    )]
    #[case::http_names_itself(
        "http://r.example:5000/v2",
        "http://r.example:5000/t?a=b",
        Ok("http://r.example:5000/t?a=b")
    )]
    #[case::http_names_another_host(
        "http://r.example:5000/v2",
        "http://evil.example/t",
        Err("`http://evil.example`, and a registry")
    )]
    #[case::http_names_another_port(
        "http://r.example:5000/v2",
        "http://r.example:5001/t",
        Err("only itself")
    )]
    #[case::http_names_https(
        "http://r.example:5000/v2",
        "https://r.example:5000/t",
        Err("only itself")
    )]
    #[case::http_by_its_user(
        "http://r.example/v2",
        "http://r.example@evil.example/t",
        Err("`http://evil.example`")
    )]
    #[case::user_is_dropped(
        "https://r.example/v2",
        "https://me:pw@r.example/t",
        Ok("https://r.example/t")
    )]
    #[case::no_address("https://r.example/v2", "registry", Err("without an address"))]
    #[case::file(
        "https://r.example/v2",
        "file:///etc/passwd",
        Err("without an address")
    )]
    fn a_realm_is_asked_as_far_as_the_registry_is_proved(
        #[case] registry: &str,
        #[case] realm: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let registry = Url::parse(registry).unwrap();
        let found = token_server(&registry, registry.scheme() == "https", realm);
        match (found, expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    /// Whoever answers without a certificate that is verified may be anybody.
    #[rstest]
    #[case::itself("https://127.0.0.1:5000/token", true)]
    #[case::another_host("https://auth.example/token", false)]
    #[case::another_port("https://127.0.0.1:5001/token", false)]
    #[case::no_encryption("http://127.0.0.1:5000/token", false)]
    fn a_registry_that_is_not_verified_names_itself(#[case] realm: &str, #[case] asked: bool) {
        let registry = Url::parse("https://127.0.0.1:5000/v2").unwrap();
        assert_eq!(token_server(&registry, false, realm).is_ok(), asked);
    }
}
