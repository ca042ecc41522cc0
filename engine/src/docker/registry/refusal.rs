//! What a registry says with its no.

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::Value;

use super::error::RegistryError;

/// How much of an error is read.
const ERROR_LIMIT: usize = 64 << 10;
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
    let mut body = BytesMut::new();
    while body.len() < ERROR_LIMIT
        && let Ok(Some(piece)) = answer.chunk().await
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(ERROR_LIMIT);
    let (codes, message) = understand(&body);
    RegistryError::Refused {
        status,
        codes,
        message,
    }
}

/// The codes and the words of an answer.
fn understand(body: &[u8]) -> (Vec<String>, String) {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => {
            let all: Vec<String> = envelope.errors.iter().map(One::words).collect();
            let codes = envelope.errors.into_iter().map(|one| one.code);
            (codes.collect(), all.join("\n"))
        }
        Err(_) => (Vec::new(), String::from_utf8_lossy(body).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::understand;

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
        assert_eq!(understand(answer.as_bytes()).1, expected);
    }
}
