//! Why a registry gave no answer, or none that can be used.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use rustls::{AlertDescription, CertificateError};

use crate::contract::Digest;

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
        /// The blobs that it says are not there.
        missing: Vec<Digest>,
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
    /// A file with certificates for it cannot be used.
    #[error("`{}` {problem}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
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
        if let Self::Refused { status, .. } = self {
            Some(*status)
        } else {
            None
        }
    }

    /// The blobs that the registry says are not there.
    pub(in crate::docker) fn missing(&self) -> &[Digest] {
        if let Self::Refused { missing, .. } = self {
            missing
        } else {
            &[]
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
            | Self::Certificates { .. }
            | Self::TooLong(_)
            | Self::Unusable(_) => false,
        }
    }

    /// Why no encrypted connection came about, when that is known.
    pub(in crate::docker) fn handshake(&self) -> Option<Handshake> {
        let Self::Http(error) = self else { return None };
        Handshake::of(tls_error(error)?)
    }
}

/// The error of TLS behind an error. An I/O error does not name the error that it wraps as its source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    match error.downcast_ref::<io::Error>() {
        Some(wrapping) => tls_error(wrapping.get_ref()?),
        None => tls_error(error.source()?),
    }
}

/// Why no encrypted connection to a registry came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::docker) enum Handshake {
    /// Nobody who is trusted vouches for its certificate.
    UnknownAuthority,
    /// Its certificate is another host's.
    OtherHost,
    /// Its certificate is not valid today.
    Expired,
    /// It asks who we are, or does not take the certificate that says it.
    ClientUnknown,
}

impl Handshake {
    fn of(error: &rustls::Error) -> Option<Self> {
        use rustls::Error as Tls;
        if let Tls::InvalidCertificate(why) = error {
            use CertificateError as Why;
            // An authority of the same name with another key did not sign it.
            return if matches!(why, Why::UnknownIssuer | Why::BadSignature) {
                Some(Self::UnknownAuthority)
            } else if matches!(
                why,
                Why::NotValidForName | Why::NotValidForNameContext { .. }
            ) {
                Some(Self::OtherHost)
            } else if matches!(
                why,
                Why::Expired
                    | Why::ExpiredContext { .. }
                    | Why::NotValidYet
                    | Why::NotValidYetContext { .. }
            ) {
                Some(Self::Expired)
            } else {
                None
            };
        }
        let Tls::AlertReceived(alert) = error else {
            return None;
        };
        matches!(
            alert,
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        )
        .then_some(Self::ClientUnknown)
    }
}
