//! The secrets of this run, for taking them out of what people see and the journal keeps.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::contract::SecretValues;
use crate::image::proxy;

/// Takes credentials out of texts: those of every URL, and those this run knows.
#[derive(Clone)]
pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// Knows no secrets besides those that every URL may carry.
    pub(super) const NONE: Self = Self {
        secrets: Vec::new(),
    };

    /// Knows the credentials inside of build arguments and the secrets of the artifact, in each spelling in which programs
    /// print them. A secret of less than four characters is in every text, and none.
    pub(super) fn of(build_args: &BTreeMap<String, String>, values: &SecretValues) -> Self {
        let credentials = proxy::credentials(build_args);
        let values = values.iter().filter(|value| value.chars().count() >= 4);
        let known = credentials.iter().map(String::as_str).chain(values);
        Self {
            secrets: known.flat_map(spellings).collect(),
        }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        proxy::redact_line(text, &self.secrets)
    }
}

/// A value as it is, in JSON, in a URL and in base64.
fn spellings(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let url: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut all = vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        url.replace('+', "%20"),
        url,
    ];
    all.extend(base64_of(value));
    all
}

/// The digits that stand for a value in the base64 of any text that holds it: three bytes are four digits, so that there are
/// three ways to begin. Digits at the ends, in which neighbours have a part, are left out.
fn base64_of(value: &str) -> impl Iterator<Item = String> {
    (0..3).flat_map(move |before| {
        let text = [&b"\0\0"[..before], value.as_bytes()].concat();
        let digits = (before * 8).div_ceil(6)..text.len() * 8 / 6;
        let encoded = [STANDARD.encode(&text), URL_SAFE.encode(&text)];
        let known = encoded.map(|digits_of_all| digits_of_all[digits.clone()].to_owned());
        known.into_iter().filter(|digits| digits.len() >= 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::secret_values;

    #[test]
    fn credentials_of_build_arguments_are_taken_out_and_not_shown() {
        let args = [(
            "HTTP_PROXY".to_owned(),
            "http://me:hunter22@proxy".to_owned(),
        )];
        let redactor = Redactor::of(&args.into(), &SecretValues::default());
        assert_eq!(
            redactor.clean("the word hunter22 is out"),
            "the word *** is out"
        );
        assert_eq!(
            redactor.clean("see https://a:b@host/x"),
            "see https://***@host/x"
        );
        assert!(!format!("{redactor:?}").contains("hunter22"));
    }

    #[test]
    fn a_secret_is_taken_out_in_every_spelling() {
        let values = secret_values("A='a \"b+c'\nB=dev\n", &["A", "B"].into());
        let redactor = Redactor::of(&BTreeMap::new(), &values);
        for text in [
            "a \"b+c",
            r#"{"A":"a \"b+c"}"#,
            "?a=a%20%22b%2Bc&b",
            "?a=a+%22b%2Bc&b",
            "YSAiYitj",
            &STANDARD.encode("me:a \"b+c:you"),
            &STANDARD.encode("you:a \"b+c"),
            &STANDARD.encode("me too:a \"b+c, and more"),
        ] {
            let cleaned = redactor.clean(text);
            assert!(cleaned.contains("***"), "{text}: {cleaned}");
            assert!(
                !cleaned.contains("b+c") && !cleaned.contains("%2Bc"),
                "{cleaned}"
            );
            let digits = base64_of("a \"b+c").find(|digits| cleaned.contains(digits));
            assert_eq!(digits, None, "{cleaned}");
        }
        assert_eq!(redactor.clean("dev is no secret"), "dev is no secret");
    }
}
