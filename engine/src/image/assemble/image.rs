//! An image that is assembled: what it is made over, what it adds, and its manifest.

use serde::Serialize;

use super::configuration::ImageConfiguration;
use super::layer::{NewLayer, WrittenLayer};
use super::tree::FileTree;
use crate::contract::Digest;

/// A base as it was read from its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its configuration.
    pub configuration: ImageConfiguration,
    /// Its layers, the lowest first.
    pub layers: Vec<BaseLayer>,
    /// Its files.
    pub tree: FileTree,
    /// How its manifest is written.
    pub format: ManifestFormat,
}

/// A layer that the registry of a base has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseLayer {
    /// The digest of its bytes as the registry has them.
    pub digest: Digest,
    /// The digest of the unpacked layer.
    pub diff_id: Digest,
    /// Number of bytes in the registry.
    pub size: u64,
    /// What the base's manifest calls it.
    pub media_type: String,
}

/// The two ways to write a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ManifestFormat {
    /// Docker's, schema 2.
    #[default]
    Docker,
    /// That of the OCI.
    Oci,
}

impl ManifestFormat {
    /// The media type of a manifest.
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
        }
    }

    /// The media type of an image's configuration.
    pub const fn configuration(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.container.image.v1+json",
            Self::Oci => "application/vnd.oci.image.config.v1+json",
        }
    }

    /// The media type of a compressed layer.
    pub const fn layer(self) -> &'static str {
        match self {
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
        }
    }
}

/// What a Dockerfile makes, but for the digests of the layers that are still to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The layers of the base, unchanged.
    pub base_layers: Vec<BaseLayer>,
    /// The layers over them, the lowest first.
    pub layers: Vec<NewLayer>,
    /// The configuration; its list of layers ends with the base's.
    pub configuration: ImageConfiguration,
    /// How the manifest is written.
    pub format: ManifestFormat,
}

/// An image whose layers are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedImage {
    /// The bytes of the configuration.
    pub configuration: Vec<u8>,
    /// Their digest, which is the image's id.
    pub configuration_digest: Digest,
    /// The bytes of the manifest.
    pub manifest: Vec<u8>,
    /// Their digest, by which a registry knows the image.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    size: u64,
    digest: &'a Digest,
}

impl Assembled {
    /// The image, once every new layer was written; in the order of [`Self::layers`].
    pub fn finish(&self, written: &[WrittenLayer]) -> FinishedImage {
        assert_eq!(
            written.len(),
            self.layers.len(),
            "each new layer was written"
        );
        let mut configuration = self.configuration.clone();
        let base = self.base_layers.iter().map(|layer| &layer.diff_id);
        let new = written.iter().map(|layer| &layer.diff_id);
        configuration.rootfs.diff_ids = base.chain(new).cloned().collect();
        let configuration =
            serde_json::to_vec(&configuration).expect("a configuration is made of texts");
        let configuration_digest = Digest::of(&configuration);
        let base = self.base_layers.iter().map(|layer| Descriptor {
            media_type: &layer.media_type,
            size: layer.size,
            digest: &layer.digest,
        });
        let new = written.iter().map(|layer| Descriptor {
            media_type: self.format.layer(),
            size: layer.size,
            digest: &layer.digest,
        });
        let manifest = Manifest {
            schema_version: 2,
            media_type: self.format.manifest(),
            config: Descriptor {
                media_type: self.format.configuration(),
                size: configuration.len() as u64,
                digest: &configuration_digest,
            },
            layers: base.chain(new).collect(),
        };
        let manifest = serde_json::to_vec(&manifest).expect("a manifest is made of texts");
        FinishedImage {
            digest: Digest::of(&manifest),
            manifest,
            configuration,
            configuration_digest,
            media_type: self.format.manifest(),
        }
    }
}
