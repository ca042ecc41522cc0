//! What a registry on this host has.
//!
//! Here: asking for tags and their digests. Not here: pushing (the engine), resolving for the stack (its services).

use std::collections::BTreeMap;
use std::io::{Error, Result};

use crate::http;

const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.manifest.v1+json";

/// Every tag of a repository with its digest; none when the registry does not know it.
pub fn tags(port: u16, repository: &str) -> Result<BTreeMap<String, String>> {
    let list = http::call(port, "GET", &format!("/v2/{repository}/tags/list"), "")?.json();
    let tags = list["tags"].as_array().into_iter().flatten();
    tags.filter_map(serde_json::Value::as_str)
        .map(|tag| Ok((tag.to_owned(), digest(port, repository, tag)?)))
        .collect()
}

/// The digest of a tag, as the registry names it.
fn digest(port: u16, repository: &str, tag: &str) -> Result<String> {
    let path = format!("/v2/{repository}/manifests/{tag}");
    let reply = http::call_with(port, "HEAD", &path, &[("Accept", ACCEPT)], "")?;
    let digest = reply.header("docker-content-digest").map(str::to_owned);
    digest.ok_or_else(|| Error::other(format!("the registry names no digest for `{path}`")))
}
