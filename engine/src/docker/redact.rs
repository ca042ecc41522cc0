//! The secrets of this run, for taking them out of what people see and the journal keeps.

use std::collections::BTreeMap;
use std::fmt;

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

    /// Knows the credentials inside of build arguments.
    pub(super) fn of(build_args: &BTreeMap<String, String>) -> Self {
        Self {
            secrets: proxy::credentials(build_args),
        }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        proxy::redact_line(text, &self.secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_build_arguments_are_taken_out_and_not_shown() {
        let args = [(
            "HTTP_PROXY".to_owned(),
            "http://me:hunter22@proxy".to_owned(),
        )];
        let redactor = Redactor::of(&args.into());
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
}
