//! What an answer must be to be a manifest. A status 200 proves nothing: login pages and proxies have it too.

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use reqwest::Response;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::RegistryError;
use super::transport::{origin, read};
use crate::contract::{Digest, printable};
use crate::docker::platform::Platform;

/// The longest manifest: as much as registries are asked to take.
const MANIFEST_LIMIT: usize = 4 << 20;
/// The longest media type that is quoted.
const KIND_LIMIT: usize = 80;

const DIGEST: &str = "docker-content-digest";

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media types of manifests: of one image, and of a list of them for several platforms.
const IMAGES: [&str; 2] = [
    IMAGE,
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEXES: [&str; 2] = [
    INDEX,
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// The media types that a registry is asked for.
pub(super) const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
                                   application/vnd.docker.distribution.manifest.list.v2+json, \
                                   application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Media types by which a server says that it does not know the kind; then the manifest itself has to say it.
const UNSPECIFIC: [&str; 4] = [
    "",
    "application/json",
    "application/octet-stream",
    "text/plain",
];

/// A manifest as it is kept.
#[derive(Debug, Clone)]
pub(in crate::docker) struct Manifest {
    pub(in crate::docker) bytes: Bytes,
    pub(in crate::docker) digest: Digest,
    /// Its media type, one of those that are known.
    pub(in crate::docker) kind: String,
}

/// One image of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlatformImage {
    pub(super) platform: Platform,
    pub(super) digest: Digest,
}

/// What a manifest of one image names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::docker) struct ImageManifest {
    pub(in crate::docker) config: Descriptor,
    pub(in crate::docker) layers: Vec<Descriptor>,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::docker) struct Descriptor {
    pub(in crate::docker) media_type: String,
    pub(in crate::docker) size: u64,
    pub(in crate::docker) digest: Digest,
    /// Where else it may be found.
    #[serde(default)]
    pub(in crate::docker) urls: Vec<String>,
}

impl Manifest {
    /// What the manifest of one image names; nothing of a list, or of what cannot be read.
    pub(in crate::docker) fn image(&self) -> Option<ImageManifest> {
        serde_json::from_slice(&self.bytes).ok()
    }

    /// The images of a list, in its order; nothing of a manifest that is an image itself.
    pub(super) fn images(&self) -> Option<Vec<PlatformImage>> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            manifests: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            digest: String,
            #[serde(default)]
            platform: Platform,
        }
        if !INDEXES.contains(&self.kind.as_str()) {
            return None;
        }
        let list: List = serde_json::from_slice(&self.bytes).unwrap_or(List {
            manifests: Vec::new(),
        });
        let images = list.manifests.into_iter().filter_map(|entry| {
            let digest = Digest::parse(&entry.digest)?;
            let platform = entry.platform;
            Some(PlatformImage { platform, digest })
        });
        Some(images.collect())
    }
}

/// The digest that the head of an answer proves: it has one, and is that of a manifest. Else the body has to be read.
pub(super) fn proven_by_head(answer: &Response) -> Result<Option<Digest>, RegistryError> {
    let digest = digest_of(answer)?;
    let kind = kind_of_answer(answer);
    Ok(digest.filter(|_| is_known(&kind)))
}

/// Reads a manifest and checks that it is one, and the one that was asked for when that is a digest.
pub(super) async fn read_manifest(
    answer: Response,
    wanted: Option<Digest>,
) -> Result<Manifest, RegistryError> {
    let (from, sent) = (origin(answer.url()), kind_of_answer(&answer));
    let no_manifest = |sent: String| RegistryError::NoManifest { origin: from, sent };
    if !is_known(&sent) && !UNSPECIFIC.contains(&sent.as_str()) {
        return Err(no_manifest(described(&sent)));
    }
    let said = digest_of(&answer)?;
    let bytes = read(answer, MANIFEST_LIMIT).await?;
    let kind = kind_of(&bytes, &sent).map_err(|why| no_manifest(why.to_owned()))?;
    let digest = Digest::of(&bytes);
    if said.is_some_and(|said| said != digest) || wanted.is_some_and(|wanted| wanted != digest) {
        return Err(RegistryError::Unusable(
            "a manifest that is not what its digest says",
        ));
    }
    Ok(Manifest {
        bytes,
        digest,
        kind,
    })
}

/// The digest in the head of an answer.
pub(super) fn digest_of(answer: &Response) -> Result<Option<Digest>, RegistryError> {
    let Some(said) = answer.headers().get(DIGEST) else {
        return Ok(None);
    };
    let digest = said.to_str().ok().and_then(Digest::parse);
    digest
        .map(Some)
        .ok_or(RegistryError::Unusable("a digest that is no sha256"))
}

/// The media type of an answer without its parameters, empty when there is none.
fn kind_of_answer(answer: &Response) -> String {
    let kind = answer.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

fn is_known(kind: &str) -> bool {
    IMAGES.contains(&kind) || INDEXES.contains(&kind)
}

fn described(kind: &str) -> String {
    if kind == "text/html" {
        return "a web page (`text/html`)".to_owned();
    }
    let kind: String = kind.chars().take(KIND_LIMIT).collect();
    format!("`{}`", printable(&kind))
}

/// The media type of a manifest, by its own words and by those of the server. OCI manifests may leave theirs out.
fn kind_of(manifest: &[u8], sent: &str) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        schema_version: u32,
        media_type: Option<String>,
        config: Option<Blob>,
        layers: Option<Vec<IgnoredAny>>,
        manifests: Option<Vec<IgnoredAny>>,
    }
    #[derive(Deserialize)]
    struct Blob {
        digest: String,
    }
    let head: Head = serde_json::from_slice(manifest).map_err(|_| "a text that is no manifest")?;
    if head.schema_version != 2 {
        return Err("a manifest of a schema other than 2");
    }
    let implied = match (&head.manifests, &head.config, &head.layers) {
        (Some(_), _, _) => INDEX,
        (None, Some(config), Some(_)) if Digest::parse(&config.digest).is_some() => IMAGE,
        (None, _, _) => return Err("a manifest that names no image"),
    };
    let said = head.media_type.as_deref();
    let kind = said.unwrap_or(if is_known(sent) { sent } else { implied });
    if is_known(sent) && sent != kind {
        return Err("a manifest of another media type than the server says");
    }
    if !is_known(kind) || INDEXES.contains(&kind) != (implied == INDEX) {
        return Err("a manifest of an unknown media type");
    }
    Ok(kind.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Digest, Manifest, Platform, PlatformImage, kind_of};

    const SHA: &str = "sha256:46d4ac86454ef41e49c88ec54cc3ca20e0f6240771e8ed1bbc1ef656e16f3936";
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

    #[rstest]
    #[case::said_by_both(
        r#"{"schemaVersion":2,"mediaType":"DOCKER","config":{"digest":"SHA"},"layers":[]}"#,
        DOCKER,
        Ok(DOCKER)
    )]
    #[case::said_by_itself(
        r#"{"schemaVersion":2,"mediaType":"DOCKER","config":{"digest":"SHA"},"layers":[]}"#,
        "text/plain",
        Ok(DOCKER)
    )]
    #[case::said_by_the_server(
        r#"{"schemaVersion":2,"config":{"digest":"SHA"},"layers":[]}"#,
        OCI,
        Ok(OCI)
    )]
    #[case::implied_image(
        r#"{"schemaVersion":2,"config":{"digest":"SHA"},"layers":[]}"#,
        "",
        Ok(OCI)
    )]
    #[case::implied_index(
        r#"{"schemaVersion":2,"manifests":[{}]}"#,
        "application/json",
        Ok(OCI_INDEX)
    )]
    #[case::said_differently(
        r#"{"schemaVersion":2,"mediaType":"DOCKER","config":{"digest":"SHA"},"layers":[]}"#,
        OCI,
        Err("another media type")
    )]
    #[case::index_that_is_an_image(
        r#"{"schemaVersion":2,"manifests":[]}"#,
        DOCKER,
        Err("unknown media type")
    )]
    #[case::schema_1(r#"{"schemaVersion":1,"fsLayers":[]}"#, "", Err("schema other than 2"))]
    #[case::no_config(r#"{"schemaVersion":2,"layers":[]}"#, "", Err("names no image"))]
    #[case::config_that_is_none(
        r#"{"schemaVersion":2,"config":{"digest":"md5:1"},"layers":[]}"#,
        "",
        Err("names no image")
    )]
    #[case::no_schema(r#"{"config":{"digest":"SHA"},"layers":[]}"#, "", Err("no manifest"))]
    #[case::html("<html>sign in</html>", "", Err("no manifest"))]
    #[case::empty("", "", Err("no manifest"))]
    fn a_manifest_says_what_it_is(
        #[case] manifest: &str,
        #[case] sent: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let manifest = manifest.replace("DOCKER", DOCKER).replace("SHA", SHA);
        match (kind_of(manifest.as_bytes(), sent), expected) {
            (Ok(kind), Ok(expected)) => assert_eq!(kind, expected),
            (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[rstest]
    #[case::an_index(OCI_INDEX, true)]
    #[case::an_image(OCI, false)]
    fn a_list_has_an_image_for_each_platform(#[case] kind: &str, #[case] is_list: bool) {
        let text = r#"{"schemaVersion":2,"manifests":[
            {"digest":"SHA","platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
            {"digest":"md5:1","platform":{"os":"linux","architecture":"amd64"}},
            {"digest":"SHA"}]}"#;
        let bytes = text.replace("SHA", SHA).into_bytes();
        let manifest = Manifest {
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
            kind: kind.to_owned(),
        };
        let image = |platform| PlatformImage {
            platform,
            digest: Digest::parse(SHA).unwrap(),
        };
        let arm = Platform {
            os: "linux".to_owned(),
            architecture: "arm64".to_owned(),
            variant: "v8".to_owned(),
        };
        let expected = is_list.then(|| vec![image(arm), image(Platform::default())]);
        assert_eq!(manifest.images(), expected);
    }
}
