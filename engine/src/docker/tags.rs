//! What tags of registries name at this moment, for whoever only looks. Nothing is changed, and an engine is not needed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::connect::connect;
use super::credentials::{Credentials, config_path};
use super::fault;
use super::limits::Limits;
use super::registry::Registry;
use crate::contract::Digest;
use crate::image::Reference;
use crate::image::proxy::is_loopback;
use crate::machine::FailureKind;
use crate::run::Fault;

/// Questions at the same time, as many as a deploy asks.
const LOOKUPS: usize = 16;

/// Asks for the digest of the manifest behind each reference, `None` where the registry has none. What is not answered within `limit`
/// altogether is a fault.
///
/// The engine of `docker_host` (the value of `DOCKER_HOST`) knows which registries are spoken to without encryption. It is asked
/// only when one of these is not on this machine, and may be away.
pub async fn tags_now(
    docker_host: Option<&str>,
    references: impl IntoIterator<Item = Reference>,
    limit: Duration,
) -> BTreeMap<Reference, Result<Option<Digest>, Fault>> {
    let references: Vec<_> = references.into_iter().collect();
    let end = Instant::now() + limit;
    let limits = Limits {
        query: limit,
        ..Limits::default()
    };
    let is_elsewhere = |reference: &Reference| {
        let host = reference.registry.as_deref();
        !host.is_some_and(is_loopback)
    };
    let engine = if references.iter().any(is_elsewhere) {
        // Half of the time, so that registries that do not need it are asked all the same.
        let half = end - limit / 2;
        let connected = timeout_at(half, connect(docker_host, limits)).await;
        connected.ok().and_then(Result::ok)
    } else {
        None
    };
    let registry = Registry::new(Credentials::read(config_path().as_deref()), engine, limits);
    let registry = &registry;
    let questions = references.into_iter().map(|reference| async move {
        let asked = timeout_at(end, registry.digest(&reference)).await;
        let late = |_| {
            let what = format!("ask the registry for `{reference}`");
            Err(fault::late(&what, limit, FailureKind::Unreachable, None))
        };
        let answer = asked.unwrap_or_else(late);
        (reference, answer)
    });
    stream::iter(questions)
        .buffer_unordered(LOOKUPS)
        .collect()
        .await
}
