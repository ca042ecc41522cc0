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

    /// Knows the credentials inside of build arguments, and the secrets of the artifact in each spelling in which programs
    /// print them. What has less than four characters is in every text, and no secret.
    pub(super) fn of(build_args: &BTreeMap<String, String>, values: &SecretValues) -> Self {
        let values = values.iter().filter(|value| value.chars().count() >= 4);
        let mut secrets = proxy::credentials(build_args);
        secrets.extend(values.flat_map(spellings));
        Self { secrets }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        proxy::redact_line(text, &self.secrets)
    }
}

/// A value as it is, in JSON, in a URL and in base64.
fn spellings(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let padless = |text: String| text.trim_end_matches('=').to_owned();
    vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        form_urlencoded::byte_serialize(value.as_bytes())
            .collect::<String>()
            .replace('+', "%20"),
        padless(STANDARD.encode(value)),
        padless(URL_SAFE.encode(value)),
    ]
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
        ] {
            let cleaned = redactor.clean(text);
            assert!(cleaned.contains("***"), "{text}: {cleaned}");
            assert!(
                !cleaned.contains("b+c") && !cleaned.contains("%2Bc"),
                "{cleaned}"
            );
        }
        assert_eq!(redactor.clean("dev is no secret"), "dev is no secret");
    }
}
