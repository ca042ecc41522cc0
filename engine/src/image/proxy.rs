//! Proxy settings for builds, and what must not be seen of them.
//!
//! Here: which settings reach a build, and the credentials in them. Not here: reading the environment (`cli`), and taking
//! credentials out of texts (`redact`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::registries::Registries;

#[cfg(test)]
mod tests;

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

/// Whether the address of a proxy holds a user or a password.
pub fn has_credentials(url: &str) -> bool {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .contains('@')
}

/// Whether the host of an address (`host[:port][/path]`) is this machine.
pub fn is_loopback(address: &str) -> bool {
    let host = host(address).to_ascii_lowercase();
    let ip: Result<IpAddr, _> = host.parse();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
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
