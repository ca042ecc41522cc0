//! Proxy settings for builds, and what must not be seen of them.
//!
//! Here: which settings reach a build, and redaction of lines that may show credentials. Not here: reading the
//! environment (`cli`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::registries::Registries;

#[cfg(test)]
mod tests;

/// Stands where something secret stood.
const REDACTED: &str = "***";
/// The proxies; a build gets each in upper and in lower case, since programs read one or the other.
const PROXIES: [&str; 2] = ["HTTP_PROXY", "HTTPS_PROXY"];
/// What is not reached through them.
const NO_PROXY: &str = "NO_PROXY";

/// Whether Docker takes a build argument of this name without an ARG, and leaves it out of its own cache keys.
pub fn is_predefined(name: &str) -> bool {
    matches!(
        name.to_ascii_uppercase().as_str(),
        "HTTP_PROXY" | "HTTPS_PROXY" | "FTP_PROXY" | "ALL_PROXY" | "NO_PROXY"
    ) && (name == name.to_ascii_uppercase() || name == name.to_ascii_lowercase())
}

/// The build arguments for the proxies in an environment, each in both spellings; registries on this host bypass them.
///
/// A value that is set in one spelling only stands in for the other. The values may hold credentials: they belong
/// into a request's body, never into a log or an argument list.
pub fn build_args(
    env: &BTreeMap<String, String>,
    registries: &Registries,
) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for name in PROXIES {
        for (spelling, value) in spellings(env, name) {
            args.insert(spelling, value);
        }
    }
    let proxied = !args.is_empty();
    let mut bypass = spellings(env, NO_PROXY);
    if proxied && bypass.is_empty() {
        bypass = [NO_PROXY.to_owned(), NO_PROXY.to_ascii_lowercase()]
            .map(|name| (name, String::new()))
            .into();
    }
    for (spelling, value) in bypass {
        let value = with_loopback(&value, registries);
        if !value.is_empty() {
            args.insert(spelling, value);
        }
    }
    args
}

/// The parts of proxy settings that must be seen nowhere: user names with passwords, and passwords.
pub fn credentials(args: &BTreeMap<String, String>) -> Vec<String> {
    let proxies = args
        .iter()
        .filter(|(name, _)| PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy)));
    let mut found = Vec::new();
    for (_, value) in proxies {
        let rest = value
            .split_once("://")
            .map_or(value.as_str(), |(_, rest)| rest);
        let Some((user, _)) = rest.rsplit_once('@') else {
            continue;
        };
        found.push(user.to_owned());
        if let Some((_, password)) = user.split_once(':') {
            found.push(password.to_owned());
            found.push(percent_decoded(password));
        }
    }
    found.retain(|secret| !secret.is_empty());
    found.sort();
    found.dedup();
    found
}

/// Whether the host of an address (`host[:port][/path]`) is this machine.
pub fn is_loopback(address: &str) -> bool {
    let host = host(address).to_ascii_lowercase();
    let ip: Result<IpAddr, _> = host.parse();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// A line with the credentials of every URL in it replaced; also those of `user:password@host` without a scheme.
///
/// A URL with credentials loses everything up to its last `@`, since a password may hold `/` and `@` itself.
pub fn redact_url(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    for token in line.split_inclusive(ends_url) {
        result.push_str(&redact_token(token));
    }
    result
}

/// A line with every occurrence of these secrets replaced, then as [`redact_url`] does. A secret of several lines is
/// replaced line by line.
pub fn redact_line(line: &str, secrets: &[String]) -> String {
    let mut pieces: Vec<&str> = secrets
        .iter()
        .flat_map(|secret| std::iter::once(secret.as_str()).chain(secret.lines()))
        .filter(|piece| !piece.trim().is_empty())
        .collect();
    // The longest first, so that a secret that begins with another is replaced as a whole.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let (shown, length) = match pieces.iter().find(|piece| rest.starts_with(**piece)) {
            Some(piece) => (REDACTED, piece.len()),
            None => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        result.push_str(shown);
        rest = &rest[length..];
    }
    redact_url(&result)
}

/// A setting in both spellings; one that is set stands in for the other.
fn spellings(env: &BTreeMap<String, String>, name: &str) -> Vec<(String, String)> {
    let lower = name.to_ascii_lowercase();
    let value = |name: &str| {
        env.get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    };
    let (upper_value, lower_value) = (value(name), value(&lower));
    [
        (name.to_owned(), upper_value.or(lower_value)),
        (lower, lower_value.or(upper_value)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?.to_owned())))
    .collect()
}

/// A list of hosts with those of the registries that are on this machine.
fn with_loopback(value: &str, registries: &Registries) -> String {
    let mut entries: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect();
    for address in [&registries.host, &registries.container]
        .into_iter()
        .flatten()
    {
        let host = host(address);
        let known = |entry: &&str| *entry == "*" || entry.eq_ignore_ascii_case(host);
        if is_loopback(address) && !entries.iter().any(known) {
            entries.push(host);
        }
    }
    entries.join(",")
}

/// The host of `host[:port][/path]`, an IPv6 address without its brackets.
fn host(address: &str) -> &str {
    let authority = address.split('/').next().unwrap_or(address);
    match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// What ends a URL in running text. Commas, brackets and single quotes may be part of a password and do not.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>')
}

fn redact_token(token: &str) -> String {
    let Some((before, after)) = token.rsplit_once('@') else {
        return token.to_owned();
    };
    let Some((scheme, _)) = before.split_once("://") else {
        return redact_bare(token, before, after);
    };
    // Without a user the first `/` ends the authority: `https://host/@scope/x` has no credentials. A port that is no
    // number is the beginning of a password with a `/` in it.
    let rest = &token[scheme.len() + "://".len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let odd_port = !port.bytes().all(|b| b.is_ascii_digit()) && !port.ends_with(']');
    if authority.contains('@') || odd_port {
        return format!("{scheme}://{REDACTED}@{after}");
    }
    token.to_owned()
}

/// A token without a scheme: `user:password@host`, perhaps behind `name=`. An image with a tag and a digest looks alike.
fn redact_bare(token: &str, before: &str, after: &str) -> String {
    let digest = ["sha256:", "sha384:", "sha512:"]
        .iter()
        .any(|name| after.starts_with(name));
    if digest || !before.contains(':') {
        return token.to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match before.split_once('=') {
        Some((name, _)) if name.chars().all(plain) => format!("{name}={REDACTED}@{after}"),
        Some(_) | None => format!("{REDACTED}@{after}"),
    }
}

/// Text with its `%41` escapes decoded; what is no escape stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| *first == b'%');
        let digits = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
