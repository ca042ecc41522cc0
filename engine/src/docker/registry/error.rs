//! Why a registry gave no answer, or none that can be used.

use std::time::Duration;

use hyper::StatusCode;

/// Why a registry gave no answer, or none that can be used. No variant holds an address with its query, which may be signed.
#[derive(Debug, thiserror::Error)]
pub(in crate::docker) enum RegistryError {
    /// It could not be asked, or broke off.
    #[error(transparent)]
    Http(reqwest::Error),
    /// It says no.
    #[error(
        "the registry answered {status}{}{message}{}",
        if message.is_empty() { "" } else { ": " },
        retry_after.map_or_else(String::new, |wait| format!(" (it asks to wait {wait:?})"))
    )]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The codes of its errors, `MANIFEST_UNKNOWN` and so on.
        codes: Vec<String>,
        /// Its words.
        message: String,
        /// How long it wants not to be asked, when it is too busy and says so.
        retry_after: Option<Duration>,
    },
    /// It redirects to an address that is not asked.
    #[error("the registry redirects to `{to}`, {why}")]
    Redirect {
        /// Scheme, host and port.
        to: String,
        /// Why the redirect is not followed.
        why: &'static str,
    },
    /// Another server than the registry asks for credentials.
    #[error("the registry redirects to `{origin}`, which asks for credentials and gets none")]
    Stranger {
        /// Scheme, host and port of that server.
        origin: String,
    },
    /// The registry names a token server that must not see its credentials.
    #[error("the registry names the token server `{realm}`, {why}")]
    Realm {
        /// Scheme, host and port of the token server.
        realm: String,
        /// Why no token is asked for there.
        why: &'static str,
    },
    /// What answers is no registry.
    #[error("`{origin}` answered with {sent} instead of an image manifest")]
    NoManifest {
        /// Scheme, host and port of what answers.
        origin: String,
        /// What came, in words.
        sent: String,
    },
    /// An answer is longer than any that makes sense.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// An answer says what cannot be.
    #[error("the registry sent {0}")]
    Unusable(&'static str),
}

impl From<reqwest::Error> for RegistryError {
    /// The address of the request may hold what others should not read, and is known anyway.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl RegistryError {
    /// The HTTP status, when the registry answered.
    pub(in crate::docker) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Http(_)
            | Self::Redirect { .. }
            | Self::Stranger { .. }
            | Self::Realm { .. }
            | Self::NoManifest { .. }
            | Self::TooLong(_)
            | Self::Unusable(_) => None,
        }
    }

    /// Whether one of these codes is among its errors.
    pub(in crate::docker) fn has_code(&self, wanted: &[&str]) -> bool {
        match self {
            Self::Refused { codes, .. } => codes.iter().any(|code| wanted.contains(&code.as_str())),
            Self::Http(_)
            | Self::Redirect { .. }
            | Self::Stranger { .. }
            | Self::Realm { .. }
            | Self::NoManifest { .. }
            | Self::TooLong(_)
            | Self::Unusable(_) => false,
        }
    }
}
