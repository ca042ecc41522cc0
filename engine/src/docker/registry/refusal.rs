//! What a registry says with its no.

use std::time::Duration;

use bytes::BytesMut;
use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use serde_json::Value;

use super::error::RegistryError;
use crate::contract::Digest;

/// How much of an error is read.
const ERROR_LIMIT: usize = 64 << 10;
/// A manifest names a blob that its repository does not have.
pub(super) const BLOB_UNKNOWN: [&str; 2] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"];
/// `ENOSPC`: registries write errors of their system as numbers.
const NO_SPACE: i64 = 28;

#[derive(Default, Deserialize)]
#[serde(default)]
struct One {
    code: String,
    message: String,
    detail: Value,
}

impl One {
    /// The blob that it is about.
    fn digest(&self) -> Option<Digest> {
        let text = self.detail.as_str();
        Digest::parse(text.or_else(|| self.detail["digest"].as_str())?)
    }

    /// In words, with the detail that matters: an error of the registry's own system is unknown to all but that.
    fn words(&self) -> String {
        let said = format!("{} {}", self.code, self.message);
        let said = said.trim();
        let system = &self.detail["Enclosed"];
        if let Some(detail) = self.detail.as_str() {
            return format!("{said}: {detail}");
        }
        if system["Err"] == NO_SPACE {
            let path = system["Path"].as_str().unwrap_or_default();
            return format!("{said}: {path}: no space left on device");
        }
        said.to_owned()
    }
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<One>,
}

/// Reads the answer; what it says beyond the bound is not read.
pub(super) async fn refused(mut answer: reqwest::Response) -> RegistryError {
    let status = answer.status();
    let retry_after = retry_after(status, answer.headers(), Timestamp::now());
    let mut body = BytesMut::new();
    while body.len() < ERROR_LIMIT
        && let Ok(Some(piece)) = answer.chunk().await
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(ERROR_LIMIT);
    let Words {
        codes,
        missing,
        message,
    } = understand(&body);
    RegistryError::Refused {
        status,
        codes,
        missing,
        message,
        retry_after,
    }
}

/// How long a registry that is too busy (429, 503) wants not to be asked: `Retry-After` in seconds, or as a date.
pub(super) fn retry_after(
    status: StatusCode,
    headers: &HeaderMap,
    now: Timestamp,
) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date that is past is no reason to wait.
    Some(
        date.duration_since(now)
            .try_into()
            .unwrap_or(Duration::ZERO),
    )
}

/// What an answer says.
struct Words {
    codes: Vec<String>,
    missing: Vec<Digest>,
    message: String,
}

fn understand(body: &[u8]) -> Words {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope { errors }) => {
            let message: Vec<String> = errors.iter().map(One::words).collect();
            let unknown = |one: &&One| BLOB_UNKNOWN.contains(&one.code.as_str());
            let missing = errors.iter().filter(unknown).filter_map(One::digest);
            Words {
                missing: missing.collect(),
                message: message.join("\n"),
                codes: errors.into_iter().map(|one| one.code).collect(),
            }
        }
        Err(_) => Words {
            codes: Vec::new(),
            missing: Vec::new(),
            message: String::from_utf8_lossy(body).trim().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::text(
        r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":"write /data/x: no space left on device"}]}"#,
        "UNKNOWN unknown error: write /data/x: no space left on device"
    )]
    #[case::number(
        r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Path":"/data/y","Err":28}}}]}"#,
        "UNKNOWN unknown error: /data/y: no space left on device"
    )]
    #[case::another_number(
        r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Enclosed":{"Err":5}}}]}"#,
        "UNKNOWN unknown error"
    )]
    #[case::code_only(r#"{"errors":[{"code":"UNAVAILABLE"}]}"#, "UNAVAILABLE")]
    #[case::something_else("out of paper\n", "out of paper")]
    fn the_words_of_a_registry(#[case] answer: &str, #[case] expected: &str) {
        assert_eq!(understand(answer.as_bytes()).message, expected);
    }

    #[test]
    fn a_registry_names_the_blobs_that_it_lacks() {
        let [one, other] = ["1", "2"].map(Digest::of);
        let answer = serde_json::json!({ "errors": [
            { "code": "MANIFEST_BLOB_UNKNOWN", "detail": one },
            { "code": "BLOB_UNKNOWN", "detail": { "digest": other } },
            { "code": "MANIFEST_BLOB_UNKNOWN", "detail": "what" },
            { "code": "UNKNOWN", "detail": Digest::of("3") },
        ] });
        let words = understand(answer.to_string().as_bytes());
        assert_eq!(words.missing, [one, other]);
    }

    #[rstest]
    #[case::seconds(429, Some("7"), Some(7))]
    #[case::unavailable(503, Some(" 7 "), Some(7))]
    #[case::a_date(429, Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37))]
    #[case::a_date_that_is_past(429, Some("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0))]
    #[case::no_header(429, None, None)]
    #[case::another_status(500, Some("7"), None)]
    #[case::negative(429, Some("-7"), None)]
    #[case::no_time(429, Some("soon"), None)]
    fn a_busy_registry_says_how_long_to_wait(
        #[case] status: u16,
        #[case] header: Option<&str>,
        #[case] seconds: Option<u64>,
    ) {
        let header = header.map(|text| (RETRY_AFTER, text.parse().unwrap()));
        let headers = HeaderMap::from_iter(header);
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let wait = retry_after(StatusCode::from_u16(status).unwrap(), &headers, now);
        assert_eq!(wait, seconds.map(Duration::from_secs));
    }
}
