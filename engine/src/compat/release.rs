//! Releases: what a version is, and what an artifact may ask of one.

use std::fmt;

use semver::{Version, VersionReq};

/// Reads a release: a full semantic version, with or without a leading `v`.
pub(super) fn parse_version(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

/// What `esb_version` or `requires.<service>` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Exactly this release; build metadata counts only when it is asked for.
    Exact(Version),
    /// Any release in a range.
    Range(VersionReq),
    /// A tag that moves: recorded, not compared.
    MovingTag,
    /// None of these.
    Unreadable,
}

impl Wanted {
    /// Reads the text of `esb_version`. A partial version (`1.4`, `v1.4`) is a range, as semver has it (`^1.4`).
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(version) = parse_version(text) {
            return Self::Exact(version);
        }
        if let Ok(range) = VersionReq::parse(text.strip_prefix('v').unwrap_or(text)) {
            return Self::Range(range);
        }
        if is_tag(text) {
            return Self::MovingTag;
        }
        Self::Unreadable
    }

    /// Whether a release is what is asked for; moving tags and unreadable ones are never compared.
    pub(super) fn matches(&self, found: &Version) -> bool {
        match self {
            Self::Exact(wanted) if wanted.build.is_empty() => wanted.cmp_precedence(found).is_eq(),
            Self::Exact(wanted) => wanted == found,
            Self::Range(range) => range.matches(found),
            Self::MovingTag | Self::Unreadable => false,
        }
    }

    /// A range that takes the release `found` leads to, yet not the pre-release itself.
    pub(super) fn only_lacks_release(&self, found: &Version) -> bool {
        let release = Version::new(found.major, found.minor, found.patch);
        !found.pre.is_empty() && !self.matches(found) && self.matches(&release)
    }
}

/// The releases that a person asks about: one, or a range as semver writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRange(Wanted);

impl ReleaseRange {
    /// Reads `<1.5`, `1.4`, `=1.4.2`, `>=1.4, <2`; none when it says no releases.
    pub fn parse(text: &str) -> Option<Self> {
        let wanted = Wanted::parse(text);
        match wanted {
            Wanted::Exact(_) | Wanted::Range(_) => Some(Self(wanted)),
            Wanted::MovingTag | Wanted::Unreadable => None,
        }
    }

    /// Whether a version is one of them. What is no release is none of them.
    pub fn holds(&self, version: &str) -> bool {
        parse_version(version).is_some_and(|found| self.0.matches(&found))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::MovingTag => f.write_str("a moving tag"),
            Self::Unreadable => f.write_str("neither a version, nor a range, nor a tag"),
        }
    }
}

/// Whether a text may be the tag of an image reference (OCI distribution: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`).
fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next();
    text.len() <= 128
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
