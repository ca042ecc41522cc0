//! What a registry on this host has.
//!
//! Here: asking for tags and their digests. Not here: pushing (the engine), resolving for the stack (its services).

use std::collections::BTreeMap;
use std::io::{Error, Result};

use crate::http;

const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.manifest.v1+json";

/// Every tag of a repository with its digest; none when the registry does not know it. A tag that is being written is listed a moment
/// before it can be asked for, and is not there yet.
pub fn tags(port: u16, repository: &str) -> Result<BTreeMap<String, String>> {
    let list = http::call(port, "GET", &format!("/v2/{repository}/tags/list"), "")?.json();
    let tags = list["tags"].as_array().into_iter().flatten();
    tags.filter_map(serde_json::Value::as_str)
        .filter_map(|tag| match digest(port, repository, tag) {
            Ok(digest) => digest.map(|digest| Ok((tag.to_owned(), digest))),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// The digest of a tag, as the registry names it; none when it has no such tag.
fn digest(port: u16, repository: &str, tag: &str) -> Result<Option<String>> {
    let path = format!("/v2/{repository}/manifests/{tag}");
    let reply = http::call_with(port, "HEAD", &path, &[("Accept", ACCEPT)], "")?;
    if reply.status == 404 {
        return Ok(None);
    }
    let digest = reply.header("docker-content-digest").map(str::to_owned);
    let unnamed = || Error::other(format!("the registry names no digest for `{path}`"));
    digest.map(Some).ok_or_else(unnamed)
}
