//! Images that a journal does not name any more are deleted from their registry.
//!
//! A digest is deleted, and with it every tag of it. So each tag of the repository is looked at before.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::connect::connect;
use super::credentials::{Credentials, config_path};
use super::limits::Limits;
use super::registry::{ManifestDeletion, Registry};
use crate::contract::Digest;
use crate::image::Reference;
use crate::image::proxy::is_loopback;
use crate::machine::FailureKind;
use crate::run::Fault;

/// Questions at the same time, as many as a deploy asks.
const LOOKUPS: usize = 16;

/// What becomes of an image that nothing names any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageDeletion {
    /// It is deleted, or would be.
    Deleted,
    /// The registry did not have it.
    Absent,
    /// It stays: a tag names it that none of the content keys of this image has.
    Tagged(String),
}

/// Deletes images of one repository, each by its digest with the content keys that were recorded for it, and tells of each. With
/// `dry_run` nothing is deleted.
///
/// The engine of `docker_host` (the value of `DOCKER_HOST`) knows which registries are spoken to without encryption. It is asked only
/// when this one is not on this machine.
pub async fn delete_images(
    docker_host: Option<&str>,
    repository: &Reference,
    images: &BTreeMap<Digest, BTreeSet<Digest>>,
    dry_run: bool,
    each: impl FnMut(&Digest, ImageDeletion),
) -> Result<(), Fault> {
    let limits = Limits::default();
    let host = repository.registry.as_deref();
    let engine = if host.is_some_and(is_loopback) {
        None
    } else {
        connect(docker_host, limits).await.ok()
    };
    let registry = Registry::new(Credentials::read(config_path().as_deref()), engine, limits);
    delete_from(&registry, repository, images, dry_run, each).await
}

async fn delete_from(
    registry: &Registry,
    repository: &Reference,
    images: &BTreeMap<Digest, BTreeSet<Digest>>,
    dry_run: bool,
    mut each: impl FnMut(&Digest, ImageDeletion),
) -> Result<(), Fault> {
    let tagged = tagged(registry, repository).await?;
    for (digest, keys) in images {
        let mut tags = tagged.get(digest).into_iter().flatten();
        if let Some(tag) = tags.find(|tag| !keys.iter().any(|key| is_tag_of(tag, key))) {
            each(digest, ImageDeletion::Tagged(tag.clone()));
            continue;
        }
        if dry_run {
            let by_digest = repository.with_digest(digest);
            each(
                digest,
                match registry.digest(&by_digest).await? {
                    Some(_) => ImageDeletion::Deleted,
                    None => ImageDeletion::Absent,
                },
            );
            continue;
        }
        match registry.delete(repository, digest).await? {
            ManifestDeletion::Deleted => each(digest, ImageDeletion::Deleted),
            ManifestDeletion::Absent => each(digest, ImageDeletion::Absent),
            ManifestDeletion::Unsupported => return Err(unsupported(repository)),
        }
    }
    Ok(())
}

/// The tags of a repository, by what they name.
async fn tagged(
    registry: &Registry,
    repository: &Reference,
) -> Result<BTreeMap<Digest, BTreeSet<String>>, Fault> {
    let tags = registry.tags(repository).await?;
    let questions = tags.into_iter().map(|tag| async move {
        // What cannot be a tag of ours can be none of a reference either.
        let Ok(named) = repository.with_tag(&tag) else {
            return Ok(None);
        };
        let digest = registry.digest(&named).await?;
        Ok::<_, Fault>(digest.map(|digest| (digest, tag)))
    });
    let answers = stream::iter(questions).buffer_unordered(LOOKUPS);
    let answers: Vec<Option<(Digest, String)>> = answers.try_collect().await?;
    let mut tagged: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
    for (digest, tag) in answers.into_iter().flatten() {
        tagged.entry(digest).or_default().insert(tag);
    }
    Ok(tagged)
}

/// The tag is that of a content key, in any version of the algorithm.
fn is_tag_of(tag: &str, key: &Digest) -> bool {
    let parts = tag
        .strip_prefix("key")
        .and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(version, digits)| {
        version.chars().all(|one| one.is_ascii_digit()) && digits == &key.hex()[..40]
    })
}

fn unsupported(repository: &Reference) -> Fault {
    let host = repository.registry.as_deref().unwrap_or_default();
    Fault::new(
        FailureKind::Unreachable,
        format!("the registry `{host}` does not let images be deleted"),
    )
    .hint("allow it there (docker-registry: `REGISTRY_STORAGE_DELETE_ENABLED=true`), or have its owner delete what `--images --dry-run` lists")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::Response;
    use hyper::http::request::Parts;
    use rstest::rstest;

    use super::*;
    use crate::docker::registry::tests::fake::{Fake, plain};
    use crate::docker::registry::tests::{LONG, registry};
    use crate::image::key_tag;

    const KIND: &str = "application/vnd.docker.distribution.manifest.v2+json";

    #[test]
    fn the_tag_of_a_key_is_known_in_every_version() {
        let (key, other) = (Digest::of("one"), Digest::of("other"));
        assert!(is_tag_of(&key_tag(&key), &key));
        assert!(is_tag_of(&format!("key77-{}", &key.hex()[..40]), &key));
        assert!(!is_tag_of(&key_tag(&other), &key));
        assert!(!is_tag_of(&format!("keys-{}", &key.hex()[..40]), &key));
        assert!(!is_tag_of(&format!("x{}", key_tag(&key)), &key));
        assert!(!is_tag_of("latest", &key));
    }

    /// A registry with a tag for each of these pairs, two tags a page, that answers a deletion with this status.
    async fn with_tags(tags: Vec<(String, Digest)>, status: u16, said: &'static str) -> Fake {
        let route = move |_: usize, head: &Parts, _: &str, _: &Bytes| -> Response<Full<Bytes>> {
            let path = head.uri.path();
            if path == "/v2/shop/fn/tags/list" {
                let query = head.uri.query().unwrap_or_default();
                let last = query.split_once("last=").map_or("", |(_, last)| last);
                let page = tags.iter().map(|(tag, _)| tag.as_str());
                let page: Vec<&str> = page.filter(|tag| *tag > last).take(2).collect();
                return plain(200, &serde_json::json!({ "tags": page }).to_string());
            }
            if head.method == "DELETE" {
                return plain(status, said);
            }
            let asked = path.rsplit('/').next().unwrap_or_default();
            let found = tags
                .iter()
                .find(|(tag, digest)| tag == asked || digest.as_str() == asked);
            let Some((_, digest)) = found else {
                return plain(404, "");
            };
            let answer = Response::builder().header("docker-content-digest", digest.as_str());
            let answer = answer.header("content-type", KIND).body(Full::default());
            answer.unwrap()
        };
        Fake::serving("", Arc::new(route)).await
    }

    fn images(all: &[(&Digest, &Digest)]) -> BTreeMap<Digest, BTreeSet<Digest>> {
        let each = all.iter();
        each.map(|(digest, key)| ((*digest).clone(), BTreeSet::from([(*key).clone()])))
            .collect()
    }

    fn deletions(fake: &Fake) -> Vec<String> {
        let seen = fake.seen().into_iter();
        seen.filter(|line| line.starts_with("DELETE")).collect()
    }

    #[tokio::test]
    async fn what_only_its_own_key_names_is_deleted_by_digest_and_nothing_else() {
        let [ours, shared, foreign, bare] = ["ours", "shared", "foreign", "bare"].map(Digest::of);
        let (key, other_key) = (Digest::of("key"), Digest::of("of another journal"));
        let mut tags = vec![
            (key_tag(&key), ours.clone()),
            ("a-release".to_owned(), shared.clone()),
            ("other".to_owned(), Digest::of("other")),
            (key_tag(&other_key), foreign.clone()),
        ];
        tags.sort();
        let fake = with_tags(tags, 202, "").await;
        let all = [&ours, &shared, &foreign, &bare].map(|digest| (digest, &key));
        let images = images(&all);
        for dry_run in [true, false] {
            let mut told = BTreeMap::new();
            let each = |digest: &Digest, deletion| drop(told.insert(digest.clone(), deletion));
            let repository = fake.reference("shop/fn");
            let deleted = delete_from(&registry(LONG), &repository, &images, dry_run, each).await;
            deleted.unwrap();
            assert_eq!(told[&ours], ImageDeletion::Deleted);
            assert_eq!(told[&shared], ImageDeletion::Tagged("a-release".to_owned()));
            assert_eq!(told[&foreign], ImageDeletion::Tagged(key_tag(&other_key)));
            let expected = if dry_run {
                ImageDeletion::Absent
            } else {
                ImageDeletion::Deleted
            };
            assert_eq!(told[&bare], expected, "the registry says what it did");
            assert_eq!(deletions(&fake).is_empty(), dry_run);
        }
        let mut expected =
            [&ours, &bare].map(|digest| format!("DELETE /v2/shop/fn/manifests/{digest}"));
        let mut deleted = deletions(&fake);
        expected.sort();
        deleted.sort();
        assert_eq!(deleted, expected);
    }

    #[rstest]
    #[case::gone(404, "", None)]
    #[case::not_allowed(405, "", Some("does not let images be deleted"))]
    #[case::unsupported(
        400,
        r#"{"errors":[{"code":"UNSUPPORTED"}]}"#,
        Some("does not let images be deleted")
    )]
    #[case::denied(403, r#"{"errors":[{"code":"DENIED"}]}"#, Some("cannot delete"))]
    #[tokio::test]
    async fn what_a_registry_answers_is_told(
        #[case] status: u16,
        #[case] said: &'static str,
        #[case] words: Option<&str>,
    ) {
        let (image, key) = (Digest::of("image"), Digest::of("key"));
        let fake = with_tags(vec![(key_tag(&key), image.clone())], status, said).await;
        let mut told = Vec::new();
        let each = |_: &Digest, deletion| told.push(deletion);
        let images = images(&[(&image, &key)]);
        let repository = fake.reference("shop/fn");
        let deleted = delete_from(&registry(LONG), &repository, &images, false, each).await;
        match words {
            None => assert_eq!(told, [ImageDeletion::Absent]),
            Some(words) => {
                let fault = deleted.unwrap_err();
                assert!(fault.message.contains(words), "{fault:?}");
                assert!(told.is_empty());
            }
        }
    }

    /// What cannot be asked about a tag leaves every image where it is.
    #[tokio::test]
    async fn a_registry_that_fails_at_a_tag_deletes_nothing() {
        let (image, key) = (Digest::of("image"), Digest::of("key"));
        let route = |_: usize, head: &Parts, _: &str, _: &Bytes| {
            if head.uri.path().ends_with("/tags/list") {
                return plain(200, r#"{"tags":["one"]}"#);
            }
            plain(503, "")
        };
        let fake = Fake::serving("", Arc::new(route)).await;
        let images = images(&[(&image, &key)]);
        let repository = fake.reference("shop/fn");
        let deleted = delete_from(&registry(LONG), &repository, &images, false, |_, _| {}).await;
        assert!(deleted.is_err());
        assert!(deletions(&fake).is_empty());
    }
}
