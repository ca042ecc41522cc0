//! User names and passwords in addresses.

use super::REDACTED;

/// A text with the credentials of every URL in it replaced; also those of `user:password@host` without a scheme.
///
/// A URL with credentials loses everything up to its last `@`, since a password may hold `/` and `@` itself.
pub(super) fn redacted(text: &str) -> Option<String> {
    if !text.contains('@') {
        return None;
    }
    let mut result = String::with_capacity(text.len());
    for token in text.split_inclusive(ends_url) {
        match redacted_token(token) {
            Some(token) => result.push_str(&token),
            None => result.push_str(token),
        }
    }
    Some(result)
}

/// What ends a URL in running text. Commas, brackets and single quotes may be part of a password and do not.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>')
}

fn redacted_token(token: &str) -> Option<String> {
    let (before, after) = token.rsplit_once('@')?;
    let Some((scheme, _)) = before.split_once("://") else {
        return redacted_bare(before, after);
    };
    // Without a user the first `/` ends the authority: `https://host/@scope/x` has no credentials. A port that is no
    // number is the beginning of a password with a `/` in it.
    let rest = &token[scheme.len() + "://".len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let odd_port = !port.bytes().all(|b| b.is_ascii_digit()) && !port.ends_with(']');
    (authority.contains('@') || odd_port).then(|| format!("{scheme}://{REDACTED}@{after}"))
}

/// A token without a scheme: `user:password@host`, perhaps behind `name=`. An image with a tag and a digest looks alike.
fn redacted_bare(before: &str, after: &str) -> Option<String> {
    let digest = ["sha256:", "sha384:", "sha512:"]
        .iter()
        .any(|name| after.starts_with(name));
    if digest || !before.contains(':') {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    Some(match before.split_once('=') {
        Some((name, _)) if name.chars().all(plain) => format!("{name}={REDACTED}@{after}"),
        Some(_) | None => format!("{REDACTED}@{after}"),
    })
}
