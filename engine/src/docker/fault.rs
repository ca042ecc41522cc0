//! Every failure of the outside, made into a [`Fault`]: one function per source.
//!
//! A fault names what was tried and where, keeps the causes (one line each) and says what to do next.

use std::error::Error;
use std::time::Duration;

use hyper::StatusCode;

use super::context::ContextError;
use super::redact::Redactor;
use super::registry::{CERTIFICATES, Handshake, RegistryError, authority_file, is_busy_or_broken};
use super::transcript::{Spoken, tidy_lines};
use super::wire::{Host, WireError};
use crate::contract::printable;
use crate::machine::FailureKind;
use crate::publish::PublishError;
use crate::redact::credentials;
use crate::run::Fault;

/// A fault without output. Whatever it quotes is without credentials.
pub(super) fn plain(kind: FailureKind, message: impl Into<String>, hint: Option<String>) -> Fault {
    Fault::new(kind, credentials(&message.into()))
        .hints(hint.map(|hint| credentials(&hint).into_owned()))
}

/// A question to the engine failed.
pub(super) fn engine(host: &Host, what: &str, error: &bollard::errors::Error) -> Fault {
    use bollard::errors::Error as Bollard;
    let answered = if let Bollard::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    };
    let mut fault = plain(
        FailureKind::Unreachable,
        format!("cannot {what} at `{host}`"),
        Some(match answered {
            Some(_) => log_hint(host),
            None => reach_hint(host),
        }),
    )
    .because(chain(error));
    fault.retryable = answered.is_none_or(|status| status >= 500);
    clean(fault)
}

/// An exchange with the engine failed. `kind` is what the failure makes of the deploy when the engine was there and said no.
pub(super) fn wire(host: &Host, what: &str, kind: FailureKind, error: &WireError) -> Fault {
    let message = format!("cannot {what} at `{host}`");
    let away = |hint| plain(FailureKind::Unreachable, message.clone(), Some(hint)).retryable();
    let fault = match error {
        WireError::Connect(cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => plain(
            FailureKind::Unreachable,
            message,
            Some(format!(
                "let this user open `{host}`: add it to the group that owns the socket"
            )),
        ),
        WireError::Connect(_) => away(reach_hint(host)),
        WireError::Broken(_) | WireError::SessionBroken => away(log_hint(host)),
        WireError::Refused { status, .. }
            if status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED =>
        {
            Fault {
                retryable: true,
                ..plain(kind, message, Some(log_hint(host)))
            }
        }
        WireError::Refused { .. } | WireError::Malformed(_) | WireError::TooLong => {
            plain(kind, message, None)
        }
    };
    clean(fault.because(chain(error)))
}

/// Words about a disk that is full.
const NO_SPACE: &str = "no space left on device";

/// Words of an engine about a registry that is away.
const AWAY: [&str; 4] = [
    "connection refused",
    "no such host",
    "i/o timeout",
    "network is unreachable",
];

/// Words of an engine about a registry that broke off or failed on its own.
const BROKEN: [&str; 6] = [
    "eof",
    "connection reset",
    "broken pipe",
    "unexpected http status: 5",
    "internal server error",
    "unknown: unknown error",
];

/// The engine said, in the middle of its work, why it failed. A push and a pull have a registry.
pub(super) fn spoken(what: &str, registry: Option<&str>, spoken: Spoken) -> Fault {
    let words = spoken.message.to_ascii_lowercase();
    let says = |all: &[&str]| all.iter().any(|one| words.contains(one));
    let mut fault =
        plain(FailureKind::Image, format!("cannot {what}"), None).because(spoken.message.lines());
    fault.output = spoken.output;
    if says(&[
        "unauthorized",
        "authentication required",
        "denied",
        "no basic auth credentials",
    ]) {
        fault.hints.extend(registry.map(login_hint));
    } else if says(&["certificate signed by unknown authority"]) {
        fault.hints.extend(registry.map(authority_hint));
    } else if says(&[NO_SPACE, "unexpected http status: 507"]) {
        fault.hints.push(match registry {
            Some(host) => full_hint(host),
            None => "free space on the engine's disk: `docker system df`".to_owned(),
        });
        fault.retryable = true;
    } else if says(&AWAY) || (registry.is_some() && says(&BROKEN)) {
        fault.kind = FailureKind::Unreachable;
        fault.hints.extend(registry.map(registry_hint));
        fault.retryable = true;
    }
    clean(fault)
}

/// A registry failed on its own, and this is what it says of it.
pub(super) fn complained(fault: Fault, host: &str, complaint: &str) -> Fault {
    let fault = fault.because([format!("the registry says: {complaint}")]);
    clean(if complaint.contains(NO_SPACE) {
        Fault {
            kind: FailureKind::Image,
            hints: vec![full_hint(host)],
            retryable: true,
            ..fault
        }
    } else {
        fault
    })
}

/// A build context could not be sent.
pub(super) fn context(what: &str, error: &ContextError) -> Fault {
    let message = format!("cannot {what}");
    let fault = match error {
        ContextError::Changed { .. } => Fault {
            retryable: true,
            ..plain(
                FailureKind::Image,
                message,
                Some("deploy again once nothing writes to the artifact".to_owned()),
            )
        },
        ContextError::Unreadable { path, .. } => plain(
            FailureKind::Image,
            message,
            Some(format!("make `{}` readable for this user", printable(path))),
        ),
        ContextError::Unheard(_) => Fault {
            retryable: true,
            ..plain(FailureKind::Unreachable, message, None)
        },
    };
    clean(fault.because(chain(error)))
}

/// A registry could not be asked, or said no.
pub(super) fn registry(host: &str, what: &str, error: &RegistryError) -> Fault {
    let message = format!("cannot {what}");
    let fault = match error {
        RegistryError::Refused { .. } if is_denied(error) => {
            plain(FailureKind::Image, message, Some(login_hint(host)))
        }
        RegistryError::Refused {
            status,
            message: said,
            ..
        } if *status == StatusCode::INSUFFICIENT_STORAGE || said.contains(NO_SPACE) => Fault {
            retryable: true,
            ..plain(FailureKind::Image, message, Some(full_hint(host)))
        },
        RegistryError::Refused { status, .. } if !is_busy_or_broken(*status) => {
            plain(FailureKind::Image, message, None)
        }
        RegistryError::NoManifest { origin, .. } => plain(
            FailureKind::Unreachable,
            message,
            Some(format!(
                "a login page or a proxy may answer for the registry `{host}`: see what `curl -i {origin}/v2/` shows"
            )),
        ),
        RegistryError::Redirect { .. }
        | RegistryError::Stranger { .. }
        | RegistryError::Realm { .. } => plain(
            FailureKind::Image,
            message,
            Some(format!(
                "the credentials of the registry `{host}` stay there: see what `docker pull` says, and who answers for it"
            )),
        ),
        RegistryError::Certificates { .. } => plain(
            FailureKind::Unreachable,
            message,
            Some(format!(
                "correct the files in `{CERTIFICATES}/{host}`: the Docker engine uses them too"
            )),
        ),
        RegistryError::TooLong(_) | RegistryError::Unusable(_) => {
            plain(FailureKind::Image, message, Some(registry_hint(host)))
        }
        RegistryError::Http(_) | RegistryError::Refused { .. } => {
            let why = error.handshake();
            let hint = why.map_or_else(|| registry_hint(host), |why| handshake_hint(host, why));
            Fault {
                retryable: why.is_none(),
                ..plain(FailureKind::Unreachable, message, Some(hint))
            }
        }
    };
    clean(fault.because(chain(error)))
}

/// The output directory could not be read or published to.
pub(super) fn publish(error: &PublishError) -> Fault {
    Fault {
        retryable: error.is_retryable(),
        ..caused(FailureKind::Publish, error, Some(error.hint()))
    }
}

/// Nothing was heard for longer than may be.
pub(super) fn late(what: &str, limit: Duration, kind: FailureKind, hint: Option<String>) -> Fault {
    overdue(what, "no answer", limit, kind, hint)
}

/// Work took longer than it may, silent or not. `limit` is one of [`Limits`](super::Limits), by its name.
pub(super) fn unfinished(
    what: &str,
    name: &str,
    limit: Duration,
    kind: FailureKind,
    registry: Option<&str>,
) -> Fault {
    let look = registry.map_or("see what takes so long".to_owned(), registry_hint);
    let hint = format!("{look}, or allow more with `ARTIFACTCTL_LIMITS={name}=4h`");
    overdue(what, "not finished", limit, kind, Some(hint))
}

fn overdue(
    what: &str,
    how: &str,
    limit: Duration,
    kind: FailureKind,
    hint: Option<String>,
) -> Fault {
    Fault {
        retryable: true,
        ..plain(kind, format!("cannot {what}"), hint)
            .because([format!("{how} within {} s", limit.as_secs_f32())])
    }
}

/// A task of this program ended on its own: a panic or the end of the runtime.
pub(super) fn task(what: &str, error: &tokio::task::JoinError) -> Fault {
    plain(FailureKind::Internal, format!("cannot {what}"), None).because(chain(error))
}

/// An error and its causes.
pub(super) fn caused(kind: FailureKind, error: &dyn Error, hint: Option<String>) -> Fault {
    let mut causes = chain(error).into_iter();
    let message = causes.next().unwrap_or_default();
    plain(kind, message, hint).because(causes)
}

/// The hint for a registry that does not answer.
pub(super) fn registry_hint(host: &str) -> String {
    format!(
        "see that the registry `{host}` runs and can be reached; `HOST_REGISTRY_ADDR` names the one of the stack"
    )
}

/// The hint for a registry with which no encryption could be agreed on.
fn handshake_hint(host: &str, why: Handshake) -> String {
    match why {
        Handshake::UnknownAuthority => authority_hint(host),
        Handshake::OtherHost => format!(
            "use the name that the certificate of the registry is for, or give it one for `{host}`"
        ),
        Handshake::Expired => {
            format!(
                "give the registry `{host}` a certificate that is valid today, or set the clock"
            )
        }
        Handshake::ClientUnknown => format!(
            "put the certificate and the key that the registry wants into `{CERTIFICATES}/{host}/client.cert` and `client.key`"
        ),
    }
}

/// The hint for a registry whose certificate nobody vouches for. The engine reads the same file.
fn authority_hint(host: &str) -> String {
    format!(
        "put the certificate of the authority that signed the registry's into `{}`, on the engine's machine too",
        authority_file(host).display()
    )
}

/// The hint for an engine that does not answer.
pub(super) fn reach_hint(host: &Host) -> String {
    format!("start the Docker engine, or point `DOCKER_HOST` at one; tried `{host}`")
}

/// The hint for a registry whose disk is full.
fn full_hint(host: &str) -> String {
    format!(
        "free space where the registry `{host}` keeps its images, and on the engine's disk: `docker system df`"
    )
}

fn log_hint(host: &Host) -> String {
    format!("look at the log of the Docker engine at `{host}`")
}

fn login_hint(host: &str) -> String {
    format!("docker login {host}")
}

/// Does the registry want (other) credentials?
pub(super) fn is_denied(error: &RegistryError) -> bool {
    let status = error.status().map(|status| status.as_u16());
    matches!(status, Some(401 | 403)) || error.has_code(&["UNAUTHORIZED", "DENIED"])
}

/// An error and its causes, the outermost first. A cause its parent already spells out is left out.
pub(super) fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !lines.last().is_some_and(|last| last.contains(&text)) {
            lines.push(text);
        }
        next = cause.source();
    }
    lines
}

/// What others said in a fault is printable, bounded and without credentials.
fn clean(mut fault: Fault) -> Fault {
    fault.message = tidy_lines(&fault.message, &Redactor::NONE);
    for cause in &mut fault.causes {
        *cause = tidy_lines(cause, &Redactor::NONE);
    }
    fault
}

#[cfg(test)]
mod tests;
