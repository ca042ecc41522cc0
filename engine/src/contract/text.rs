//! What the texts of a manifest may be: paths, names, digests, versions, times.
//!
//! Each function takes a text and gives its value, or the rule it breaks and a message that goes on after the key's name.

use super::fields::Misfit;
use super::ids::canonical_ref;
use super::manifest::{ApiVersion, Mode};
use super::rule::Rule;
use super::source::quoted;

/// The directory of an artifact that is outside of the contract.
pub const RUNTIME_BASE: &str = "runtime-base";

const MAX_NAME: usize = 128;
/// As much as the journal takes for a part of a target.
const MAX_TARGET_NAME: usize = 80;
const MAX_PATH: usize = 4096;
const MAX_TEXT: usize = 256;

/// Any text of a bounded length without control characters, not blank.
pub(super) fn line(text: &str) -> Result<String, Misfit> {
    if text.trim().is_empty() {
        return Err((Rule::BadName, "is empty".to_owned()));
    }
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err((
            Rule::BadName,
            format!("must be one line of at most {MAX_TEXT} bytes"),
        ));
    }
    Ok(text.to_owned())
}

/// A name that becomes an argument of commands and a part of paths.
pub(super) fn name(text: &str) -> Result<String, Misfit> {
    name_within(text, MAX_NAME)
}

/// A project or an environment: together they name a target, whose journal lies in a folder of that name.
pub fn target_name(text: &str) -> Result<String, (Rule, String)> {
    name_within(text, MAX_TARGET_NAME)
}

fn name_within(text: &str, max: usize) -> Result<String, Misfit> {
    let mut bytes = text.bytes();
    let fits = text.len() <= max
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        return Ok(text.to_owned());
    }
    Err((
        Rule::BadName,
        format!(
            "must be 1 to {max} letters, digits, `.`, `_` or `-`, beginning with a letter, a digit or `_`, not {}",
            quoted(text)
        ),
    ))
}

/// The only schema version.
pub(super) fn schema_version(text: &str) -> Result<(), Misfit> {
    if text == "1" {
        return Ok(());
    }
    Err((
        Rule::SchemaVersion,
        format!("must be `1`, not {}", quoted(text)),
    ))
}

/// The only merge policy.
pub(super) fn merge_policy(text: &str) -> Result<(), Misfit> {
    if text == "last_write_wins_v1" {
        return Ok(());
    }
    Err((
        Rule::MergePolicy,
        format!("must be `last_write_wins_v1`, not {}", quoted(text)),
    ))
}

/// `docker` or `containerd`.
pub(super) fn mode(text: &str) -> Result<Mode, Misfit> {
    Mode::parse(text).ok_or_else(|| {
        (
            Rule::BadMode,
            format!("must be `docker` or `containerd`, not {}", quoted(text)),
        )
    })
}

/// `MAJOR` or `MAJOR.MINOR`.
pub(super) fn api_version(text: &str) -> Result<ApiVersion, Misfit> {
    ApiVersion::parse(text).ok_or_else(|| {
        (
            Rule::BadApiVersion,
            format!("must be `MAJOR` or `MAJOR.MINOR`, not {}", quoted(text)),
        )
    })
}

/// An exact version, a semver range, or a tag.
pub(super) fn esb_version(text: &str) -> Result<String, Misfit> {
    let mut bytes = text.bytes();
    let is_tag = text.len() <= MAX_NAME
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let is_version = || semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).is_ok();
    if is_tag || (text.len() <= MAX_TEXT && (is_version() || range(text).is_ok())) {
        return Ok(text.to_owned());
    }
    Err((
        Rule::BadEsbVersion,
        format!(
            "must be a version, a range such as `>=1.4, <2`, or an image tag, not {}",
            quoted(text)
        ),
    ))
}

/// A semver range.
pub(super) fn range(text: &str) -> Result<semver::VersionReq, Misfit> {
    semver::VersionReq::parse(text).map_err(|error| {
        (
            Rule::BadVersionRange,
            format!(
                "must be a semver range such as `>=1.4, <2`, not {}: {error}",
                quoted(text)
            ),
        )
    })
}

/// 64 lowercase hexadecimal digits; blank is none.
pub(super) fn sha256(text: &str) -> Result<Option<String>, Misfit> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 64 && text.bytes().all(hex) {
        return Ok(Some(text.to_owned()));
    }
    Err((
        Rule::BadSha256,
        format!(
            "must be 64 lowercase hexadecimal digits, not {}",
            quoted(text)
        ),
    ))
}

/// An RFC 3339 timestamp.
pub(super) fn timestamp(text: &str) -> Result<String, Misfit> {
    if is_rfc3339(text) && text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(text.to_owned());
    }
    Err((
        Rule::BadTimestamp,
        format!(
            "must be an RFC 3339 time such as `2026-02-20T00:00:00Z`, not {}",
            quoted(text)
        ),
    ))
}

/// The shape `YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM)`; the time crate reads more than RFC 3339 allows.
fn is_rfc3339(text: &str) -> bool {
    let fits = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(b, p)| match p {
                b'0' => b.is_ascii_digit(),
                b'T' => matches!(b, b'T' | b't' | b' '),
                b'+' => matches!(b, b'+' | b'-'),
                _ => b == p,
            })
    };
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if offset.len() == fraction.len() {
                return false;
            }
            offset
        }
        None => rest,
    };
    fits(time, "0000-00-00T00:00:00") && (matches!(offset, "Z" | "z") || fits(offset, "+00:00"))
}

/// The name of an environment variable. The message never repeats it: who writes `NAME=value` here shows a secret.
pub(super) fn secret_name(text: &str) -> Result<String, Misfit> {
    if is_secret_name(text) {
        return Ok(text.to_owned());
    }
    Err((
        Rule::BadSecretName,
        "holds names of environment variables only: letters, digits and `_`, not beginning with a digit"
            .to_owned(),
    ))
}

pub(super) fn is_secret_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MAX_TEXT
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A path that can be handed to an operating system at all.
pub(super) fn path(text: &str) -> Result<String, Misfit> {
    let problem = if text.trim().is_empty() {
        "is empty"
    } else if text.len() > MAX_PATH {
        "is longer than 4096 bytes"
    } else if text.chars().any(char::is_control) {
        "holds a control character"
    } else if text.contains('\\') {
        "holds a backslash; write `/`"
    } else {
        return Ok(text.to_owned());
    };
    Err((Rule::BadPath, problem.to_owned()))
}

/// An artifact root: absolute or relative, `..` allowed, never a `runtime-base`.
pub(super) fn root_path(text: &str) -> Result<String, Misfit> {
    let text = path(text)?;
    if canonical_ref(&text)
        .split('/')
        .any(|part| part == RUNTIME_BASE)
    {
        return Err(in_runtime_base(&text));
    }
    Ok(text)
}

/// A path inside of the artifact root, and not the root itself.
pub(super) fn inner_path(text: &str) -> Result<String, Misfit> {
    let text = path(text)?;
    if text.starts_with('/') {
        return Err((
            Rule::AbsolutePath,
            format!(
                "must be relative to the artifact root, not {}",
                quoted(&text)
            ),
        ));
    }
    let clean = canonical_ref(&text);
    match clean.split('/').next() {
        Some("..") => Err((
            Rule::PathEscape,
            format!(
                "leaves the artifact root: {} is {}",
                quoted(&text),
                quoted(&clean)
            ),
        )),
        Some(".") => Err((
            Rule::PathIsRoot,
            format!("must be below the artifact root, not {}", quoted(&text)),
        )),
        Some(RUNTIME_BASE) => Err(in_runtime_base(&text)),
        Some(_) | None => Ok(text),
    }
}

fn in_runtime_base(text: &str) -> Misfit {
    (
        Rule::RuntimeBase,
        format!(
            "leads into `{RUNTIME_BASE}`, which is outside of the contract: {}",
            quoted(text)
        ),
    )
}

/// A path of a template: provenance, never opened; any system's separators.
pub(super) fn template_path(text: &str) -> Result<String, Misfit> {
    let text = text.trim();
    path(&text.replace('\\', "/"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What passes the contract can be deployed.
    #[rstest]
    #[case("x", true)]
    #[case(&"x".repeat(80), true)]
    #[case(&"x".repeat(81), false)]
    #[case("--help", false)]
    #[case("../x", false)]
    #[case("a/b", false)]
    #[case("", false)]
    fn a_name_of_a_target_is_one_that_the_journal_takes(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(target_name(text).is_ok(), fits);
        assert!(!fits || journal::StreamId::new(text, text).is_ok());
    }
}
