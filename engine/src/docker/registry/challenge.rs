//! How a registry says that it wants to know who asks.

use http_auth::parse_challenges;
use hyper::header::{HeaderMap, WWW_AUTHENTICATE};

/// A way to say who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token, from a server that is named.
    Bearer {
        /// The server's address.
        realm: String,
        /// What the token is for.
        service: Option<String>,
    },
}

/// The challenges that are known, in the order in which they are made.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut known = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let made = value
            .to_str()
            .ok()
            .and_then(|text| parse_challenges(text).ok());
        for challenge in made.into_iter().flatten() {
            let param = |wanted: &str| {
                let mut all = challenge.params.iter();
                let found = all.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                known.push(Challenge::Basic);
            } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let bearer = param("realm").map(|realm| Challenge::Bearer {
                    realm,
                    service: param("service"),
                });
                known.extend(bearer);
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use rstest::rstest;

    use super::{Challenge, HeaderMap, WWW_AUTHENTICATE, challenges};

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        }
    }

    #[rstest]
    #[case("Basic realm=\"r\"", vec![Challenge::Basic])]
    #[case(
        "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull\"",
        vec![bearer("https://a/t", Some("s"))]
    )]
    #[case("bearer Realm=\"https://a/t\"", vec![bearer("https://a/t", None)])]
    #[case("Negotiate, Basic realm=\"r\"", vec![Challenge::Basic])]
    #[case("Bearer service=\"s\"", vec![])]
    #[case("=", vec![])]
    fn challenges_are_those_that_are_known(#[case] text: &str, #[case] known: Vec<Challenge>) {
        let value = HeaderValue::from_str(text).unwrap();
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]);
        assert_eq!(challenges(&headers), known);
    }
}
