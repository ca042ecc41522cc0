//! Image references: `[registry/]repository[:tag][@digest]`, by the rules of the `distribution` project.
//!
//! Here: reading, writing, exchanging a part. Not here: which registry is ours (`registries`).

use std::fmt;
use std::str::FromStr;

use crate::contract::Digest;

#[cfg(test)]
mod tests;

/// Longest registry and repository together, as registries enforce it.
const MAX_NAME: usize = 255;
/// Longest tag.
const MAX_TAG: usize = 128;
/// Longest text that is looked at: name, tag and a sha256 digest with their separators.
const MAX_TEXT: usize = MAX_NAME + 1 + MAX_TAG + 1 + "sha256:".len() + 64;
/// How much of an offending part an error shows.
const SHOWN: usize = 80;

/// An image reference, as written: nothing is filled in, so that `alpine` stays `alpine`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Host of the registry with its port; none is what the engine takes as default.
    pub registry: Option<String>,
    /// Path within the registry.
    pub repository: String,
    /// The tag, where one is written.
    pub tag: Option<String>,
    /// The digest, where one is written.
    pub digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} `{shown}` {reason}")]
pub struct ReferenceError {
    /// The offending part.
    pub part: ReferencePart,
    /// Its text, with control characters escaped, cut to 80 characters.
    pub shown: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A part of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferencePart {
    /// The whole text.
    Whole,
    /// The registry's host and port.
    Registry,
    /// The path within the registry.
    Repository,
    /// The tag.
    Tag,
    /// The digest.
    Digest,
}

impl fmt::Display for ReferencePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "image reference",
            Self::Registry => "registry",
            Self::Repository => "repository",
            Self::Tag => "tag",
            Self::Digest => "digest",
        })
    }
}

impl Reference {
    /// Reads a reference. A first part with `.` or `:`, or `localhost`, or one with an upper-case letter, is a registry.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(error(ReferencePart::Whole, text, "is empty"));
        }
        if text.len() > MAX_TEXT {
            return Err(error(ReferencePart::Whole, text, "is too long"));
        }
        if text.contains("://") {
            // What follows may be `user:password@host`, so the text is not shown.
            return Err(error(ReferencePart::Whole, "…://…", "begins with a scheme"));
        }
        // From the right, so that a text like `user:p@ss@host/x` is refused showing only what follows the last `@`.
        let (rest, digest) = match text.rsplit_once('@') {
            None => (text, None),
            Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        };
        if rest.contains('@') {
            return Err(error(
                ReferencePart::Whole,
                "…@…@…",
                "has more than one `@`",
            ));
        }
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            None => (rest, None),
            Some(colon) => {
                let (name, tag) = rest.split_at(slash + colon);
                (name, Some(check_tag(&tag[1..])?))
            }
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            Some(_) | None => (None, name),
        };
        if let Some(registry) = registry {
            check_registry(registry)?;
        }
        check_repository(repository)?;
        if name.len() > MAX_NAME {
            let reason = "is longer than 255 characters with its registry";
            return Err(error(ReferencePart::Repository, name, reason));
        }
        Ok(Self {
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The part of the repository behind its last `/`.
    pub fn last_part(&self) -> &str {
        self.repository
            .rsplit_once('/')
            .map_or(self.repository.as_str(), |(_, last)| last)
    }

    /// Registry and repository, without tag and digest.
    pub fn name(&self) -> String {
        match &self.registry {
            None => self.repository.clone(),
            Some(registry) => format!("{registry}/{}", self.repository),
        }
    }

    /// The same image in another registry; none takes the registry away.
    pub fn with_registry(&self, registry: Option<&str>) -> Result<Self, ReferenceError> {
        if let Some(registry) = registry {
            if !is_registry(registry) {
                let reason = "is no registry: it needs a `.`, a port, or to be `localhost`";
                return Err(error(ReferencePart::Registry, registry, reason));
            }
            check_registry(registry)?;
        }
        Ok(Self {
            registry: registry.map(str::to_owned),
            ..self.clone()
        })
    }

    /// The same image under another tag; a digest is kept.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        Ok(Self {
            tag: Some(check_tag(tag)?.to_owned()),
            ..self.clone()
        })
    }

    /// The image with this digest in the same repository, whatever its tags.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest.clone()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

fn error(part: ReferencePart, text: &str, reason: &'static str) -> ReferenceError {
    let shown = text.chars().take(SHOWN).flat_map(char::escape_debug);
    ReferenceError {
        part,
        shown: shown.collect(),
        reason,
    }
}

fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.chars().any(|c| c.is_ascii_uppercase())
}

fn parse_digest(text: &str) -> Result<Digest, ReferenceError> {
    let reason = "is not `sha256:` and 64 lower-case hexadecimal digits";
    Digest::parse(text).ok_or_else(|| error(ReferencePart::Digest, text, reason))
}

fn check_tag(tag: &str) -> Result<&str, ReferenceError> {
    let refuse = |reason| Err(error(ReferencePart::Tag, tag, reason));
    if tag.is_empty() {
        return refuse("is empty");
    }
    if tag.len() > MAX_TAG {
        return refuse("is longer than 128 characters");
    }
    if tag.starts_with(['.', '-']) {
        return refuse("begins with `.` or `-`");
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if !tag.bytes().all(fits) {
        return refuse("holds a character that is not a letter, a digit, `_`, `.` or `-`");
    }
    Ok(tag)
}

fn check_registry(registry: &str) -> Result<(), ReferenceError> {
    let refuse = |reason| Err(error(ReferencePart::Registry, registry, reason));
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return refuse("has no closing `]`");
            };
            let hex = |b: u8| b.is_ascii_hexdigit() || b == b':';
            if address.is_empty() || !address.bytes().all(hex) {
                return refuse("is not an IPv6 address in brackets");
            }
            match after.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if after.is_empty() => (None, None),
                None => return refuse("has text behind its `]`"),
            }
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    if let Some(host) = host {
        let label = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !host.split('.').all(label) {
            return refuse("is not a host name");
        }
    }
    match port {
        Some(port) if !port.bytes().all(|b| b.is_ascii_digit()) => {
            refuse("has a port that is no number")
        }
        Some(port) if port.parse::<u16>().is_err() => refuse("has a port outside of 0 to 65535"),
        Some(_) | None => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), ReferenceError> {
    let refuse = |reason| Err(error(ReferencePart::Repository, repository, reason));
    if repository.is_empty() {
        return refuse("is empty");
    }
    if repository.starts_with('-') {
        return refuse("begins with `-`");
    }
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return refuse("holds an upper-case letter");
    }
    let fits = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/')
    };
    if !repository.bytes().all(fits) {
        return refuse(
            "holds a character that is not a lower-case letter, a digit, `.`, `_`, `-` or `/`",
        );
    }
    if !repository.split('/').all(is_component) {
        return refuse("has a part that is empty or has a separator at its edge or doubled");
    }
    if repository.len() == 64 && repository.bytes().all(|b| b.is_ascii_hexdigit()) {
        return refuse("is an image id, not a name");
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, over bytes that are known to be in the alphabet.
fn is_component(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_alphanumeric();
    let bytes = part.as_bytes();
    let edges = bytes.first().is_some_and(|b| alnum(*b)) && bytes.last().is_some_and(|b| alnum(*b));
    edges
        && part
            .split(|c: char| c.is_ascii_alphanumeric())
            .all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
            })
}
