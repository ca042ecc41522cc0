//! Bases as their registries have them: manifest, configuration and the index of each layer.
//!
//! A base is untrusted: everything that is read of it has a bound, and what cannot be read that way is left to the builder, which
//! has its own ways. Not here: which image a reference means (`bases`).

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;

use super::layer_cache::LayerCache;
use crate::contract::{Digest, Hasher};
use crate::docker::fault;
use crate::docker::platform::Platform;
use crate::docker::registry::{Blob, Descriptor, ImageManifest, Registry};
use crate::image::Reference;
use crate::image::assemble::{
    BaseImage, BaseLayer, FileTree, ImageConfiguration, LayerIndex, ManifestFormat,
};
use crate::run::Fault;

/// The longest configuration.
const MAX_CONFIGURATION: u64 = 8 << 20;
/// The largest layer: packed, and unpacked.
const MAX_PACKED: u64 = 20 << 30;
const MAX_UNPACKED: u64 = 64 << 30;
/// How many layers an image has.
const MAX_LAYERS: usize = 512;

/// Every base of a Dockerfile, by the reference that it has there.
pub(super) type BaseSet = BTreeMap<Reference, BaseImage>;

/// Why a base is left to the builder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("base image `{reference}` needs a builder: {why}")]
pub(in crate::docker) struct Unreadable {
    pub(super) reference: Reference,
    pub(super) why: String,
}

/// The bases of a run.
pub(super) struct BaseImages {
    cache: Option<LayerCache>,
    known: Mutex<BTreeMap<SetKey, SetCell>>,
}

/// References with the digests that they stand for, and the platform.
type SetKey = (Vec<(Reference, Digest)>, String);
/// What reading them gave, once it was tried.
type SetCell = Arc<OnceCell<Result<Arc<BaseSet>, Unreadable>>>;

impl BaseImages {
    pub(super) fn new(cache: Option<LayerCache>) -> Self {
        Self {
            cache,
            known: Mutex::default(),
        }
    }

    /// Reads these bases for a platform, once however many images are made over them.
    pub(super) async fn read(
        &self,
        registry: &Registry,
        wanted: Vec<(Reference, Digest)>,
        platform: &str,
    ) -> Result<Result<Arc<BaseSet>, Unreadable>, Fault> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (wanted.clone(), platform.to_owned());
            Arc::clone(known.entry(key).or_default())
        };
        let read = || async {
            let bases = wanted.iter().map(|(reference, digest)| async move {
                let base = self.read_one(registry, reference, digest, platform);
                let base = base.await?.map_err(|why| Unreadable {
                    reference: reference.clone(),
                    why,
                });
                Ok::<_, Fault>(base.map(|base| (reference.clone(), base)))
            });
            let bases = try_join_all(bases).await?;
            let bases: Result<BaseSet, Unreadable> = bases.into_iter().collect();
            Ok(bases.map(Arc::new))
        };
        cell.get_or_try_init(read).await.cloned()
    }

    async fn read_one(
        &self,
        registry: &Registry,
        reference: &Reference,
        digest: &Digest,
        platform: &str,
    ) -> Result<Result<BaseImage, String>, Fault> {
        let manifest = registry.image_manifest(reference, digest, platform).await?;
        let Some(manifest) = manifest else {
            return Ok(Err(format!("it has no image for `{platform}`")));
        };
        let format = match manifest.kind.as_str() {
            kind if kind == ManifestFormat::Oci.manifest() => ManifestFormat::Oci,
            _ => ManifestFormat::Docker,
        };
        let Some(ImageManifest { config, layers }) = manifest.image() else {
            return Ok(Err("its manifest cannot be read".to_owned()));
        };
        if config.size > MAX_CONFIGURATION || layers.len() > MAX_LAYERS {
            return Ok(Err("it is larger than images are".to_owned()));
        }
        if let Some(why) = layers.iter().find_map(unusable) {
            return Ok(Err(why));
        }
        let blob = registry
            .fetch_blob(reference, &config.digest, config.size)
            .await?;
        let configuration = match configuration(&blob, &layers, platform) {
            Ok(configuration) => configuration,
            Err(why) => return Ok(Err(why)),
        };
        let layers: Vec<BaseLayer> = layers
            .into_iter()
            .zip(&configuration.rootfs.diff_ids)
            .map(|(layer, diff_id)| BaseLayer {
                digest: layer.digest,
                diff_id: diff_id.clone(),
                size: layer.size,
                media_type: layer.media_type,
            })
            .collect();
        let mut tree = FileTree::default();
        for layer in &layers {
            match self.index(registry, reference, layer).await? {
                Ok(index) => tree.apply_layer(&layer.digest, &index),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(BaseImage {
            configuration,
            layers,
            tree,
            format,
        }))
    }

    async fn index(
        &self,
        registry: &Registry,
        reference: &Reference,
        layer: &BaseLayer,
    ) -> Result<Result<LayerIndex, String>, Fault> {
        let digest = layer.digest.clone();
        if let Some(cache) = self.cache.clone() {
            let look = move || cache.read(&digest);
            if let Some(index) = blocking("read the index of a layer", look).await? {
                return Ok(Ok(index));
            }
        }
        let blob = registry
            .fetch_blob(reference, &layer.digest, layer.size)
            .await?;
        let (cache, layer) = (self.cache.clone(), layer.clone());
        let read = move || {
            let index = index(&blob, &layer.diff_id)
                .map_err(|error| format!("its layer `{}` cannot be read: {error}", layer.digest))?;
            if let Some(cache) = cache
                && let Err(error) = cache.write(&layer.digest, &index)
            {
                tracing::debug!(%error, "the index of a layer is not kept");
            }
            Ok(index)
        };
        blocking("read a layer", read).await
    }
}

/// Why a layer cannot be read here.
fn unusable(layer: &Descriptor) -> Option<String> {
    let kind = &layer.media_type;
    let is_known = [
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar",
    ]
    .contains(&kind.as_str());
    if !is_known || !layer.urls.is_empty() {
        let kind = crate::contract::printable(kind);
        return Some(format!("its layers are of the kind `{kind}`"));
    }
    (layer.size > MAX_PACKED).then(|| "one of its layers is larger than layers are".to_owned())
}

fn configuration(
    blob: &Blob,
    layers: &[Descriptor],
    platform: &str,
) -> Result<ImageConfiguration, String> {
    let read: Result<ImageConfiguration, _> =
        serde_json::from_reader(io::BufReader::new(blob.reader()));
    let read = read.map_err(|error| format!("its configuration cannot be read: {error}"))?;
    if read.rootfs.diff_ids.len() != layers.len() {
        return Err("its configuration names other layers than its manifest".to_owned());
    }
    let found = Platform {
        os: read.os.clone(),
        architecture: read.architecture.clone(),
        variant: read.variant.clone(),
    };
    if found.is(platform) {
        return Ok(read);
    }
    Err(format!("it is for another platform than `{platform}`"))
}

/// Reads a layer, which is what its diff id says.
fn index(layer: &Blob, diff_id: &Digest) -> io::Result<LayerIndex> {
    let mut unpacked = Hashed {
        inner: unpacked(layer),
        hash: Hasher::default(),
    };
    let index = LayerIndex::read(&mut unpacked)?;
    // Archives end before their last bytes.
    io::copy(&mut unpacked, &mut io::sink())?;
    if unpacked.hash.finish() != *diff_id {
        return Err(io::Error::other("it is not what its configuration says"));
    }
    Ok(index)
}

/// The bytes of a layer, unpacked when they are packed.
pub(super) fn unpacked(layer: &Blob) -> Box<dyn Read> {
    let mut magic = [0; 2];
    let begin = layer.reader().read_exact(&mut magic);
    let is_packed = begin.is_ok() && magic == [0x1f, 0x8b];
    let reader = io::BufReader::with_capacity(64 << 10, layer.reader());
    if is_packed {
        Box::new(MultiGzDecoder::new(reader).take(MAX_UNPACKED))
    } else {
        Box::new(reader.take(MAX_UNPACKED))
    }
}

/// Hashes what is read.
struct Hashed<R> {
    inner: R,
    hash: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Work that takes the processor or the disk, away from the tasks that talk.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| fault::task(what, &error))
}
