//! Bringing an image to its repository: what the registry lacks, and the manifest last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::Mutex as AsyncMutex;

use super::{Assembler, BaseSet, Job, MadeLayer, base_layer, write};
use crate::contract::Digest;
use crate::docker::fault;
use crate::docker::registry::{Blob, Manifest, Mount, Progress, Written};
use crate::failpoint;
use crate::image::Reference;
use crate::image::assemble::{Assembled, FinishedImage, NewLayer};
use crate::machine::FailureKind;
use crate::run::Fault;

/// A blob of fewer bytes is sent without asking whether it is there: asking costs as much.
const ASKED_FOR: u64 = 64 << 10;

/// Where each blob of a run can be mounted from, by registry and digest.
#[derive(Default)]
pub(super) struct Homes(Mutex<BTreeMap<(String, Digest), Home>>);

/// The repository that has a blob. Whoever brings the first one there keeps it locked.
type Home = Arc<AsyncMutex<Option<Reference>>>;

impl Homes {
    fn of(&self, registry: &Reference, digest: &Digest) -> Home {
        let mut homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = registry.registry.clone().unwrap_or_default();
        Arc::clone(homes.entry((host, digest.clone())).or_default())
    }
}

/// One blob of an image.
struct Part<'a> {
    digest: Digest,
    origin: Origin<'a>,
}

/// Where the bytes of a blob come from.
enum Origin<'a> {
    /// A repository that has it.
    Base(&'a Reference),
    /// A layer that can be written again.
    Layer(&'a NewLayer, Option<Blob>),
    /// Memory.
    Bytes(Blob),
}

impl Assembler {
    /// Has the image in its repository under its key's tag.
    ///
    /// The manifest is tried first where the repository may have all of it: then it is the only request.
    pub(super) async fn upload(
        &self,
        job: &Job<'_>,
        bases: &BaseSet,
        assembled: &Assembled,
        layers: Vec<MadeLayer>,
        image: &FinishedImage,
    ) -> Result<(), Fault> {
        let manifest = Manifest {
            bytes: image.manifest.clone().into(),
            digest: image.digest.clone(),
            kind: image.media_type.to_owned(),
        };
        let mut parts = parts(bases, assembled, layers, image);
        if job.is_known {
            match job.registry.put_manifest(job.keyed, &manifest).await? {
                Written::Done => {
                    failpoint::reached(|| format!("written {}", job.function));
                    return Ok(());
                }
                Written::Lacking { missing, .. } if !missing.is_empty() => {
                    parts.retain(|part| missing.contains(&part.digest));
                }
                Written::Lacking { .. } => {}
            }
        }
        let bring = parts.iter().map(|part| self.bring(job, bases, part));
        try_join_all(bring).await?;
        match job.registry.put_manifest(job.keyed, &manifest).await? {
            Written::Done => {
                failpoint::reached(|| format!("written {}", job.function));
                Ok(())
            }
            Written::Lacking { fault, .. } => Err(fault.retryable()),
        }
    }

    /// Has a blob in the repository of an image: mounted from where it is, else uploaded.
    async fn bring(&self, job: &Job<'_>, bases: &BaseSet, part: &Part<'_>) -> Result<(), Fault> {
        let home = self.homes.of(job.keyed, &part.digest);
        let mut locked = home.lock().await;
        if let Origin::Base(base) = part.origin
            && locked.is_none()
            && base.registry == job.keyed.registry
        {
            *locked = Some(base.clone());
        }
        let Some(from) = locked.clone() else {
            let blob = self.bytes(job, bases, part).await?;
            self.send(job, &blob, None).await?;
            *locked = Some(job.keyed.clone());
            return Ok(());
        };
        drop(locked);
        if from.name() == job.keyed.name() {
            return Ok(());
        }
        match job
            .registry
            .mount_blob(job.keyed, &part.digest, &from)
            .await?
        {
            Mount::Mounted => {
                failpoint::reached(|| place("mounted", job, &part.digest));
                Ok(())
            }
            Mount::Refused(begun) => {
                let blob = self.bytes(job, bases, part).await?;
                self.send(job, &blob, begun).await
            }
        }
    }

    async fn send(
        &self,
        job: &Job<'_>,
        blob: &Blob,
        begun: Option<crate::docker::registry::Upload>,
    ) -> Result<(), Fault> {
        let (registry, to) = (job.registry, job.keyed);
        if begun.is_none() && blob.size >= ASKED_FOR && registry.has_blob(to, &blob.digest).await? {
            return Ok(());
        }
        let progress = Arc::new(Progress::default());
        registry.push_blob(to, blob, begun, &progress).await?;
        failpoint::reached(|| place("uploaded", job, &blob.digest));
        Ok(())
    }

    async fn bytes(&self, job: &Job<'_>, bases: &BaseSet, part: &Part<'_>) -> Result<Blob, Fault> {
        match &part.origin {
            Origin::Bytes(blob) | Origin::Layer(_, Some(blob)) => Ok(blob.clone()),
            Origin::Base(_) => base_layer(job.registry, bases, &part.digest).await,
            Origin::Layer(layer, None) => {
                let (_, blob) = write(job, bases, layer).await?;
                if blob.digest == part.digest {
                    return Ok(blob);
                }
                let message = format!("layer `{}` was written differently", part.digest);
                Err(fault::plain(FailureKind::Internal, message, None))
            }
        }
    }
}

/// The name of a boundary: the bytes of a part are the same in every run.
fn place(what: &str, job: &Job<'_>, digest: &Digest) -> String {
    format!("{what} {} {}", job.function, &digest.hex()[..8])
}

/// All that the manifest of an image names, each once.
fn parts<'a>(
    bases: &'a BaseSet,
    assembled: &'a Assembled,
    layers: Vec<MadeLayer>,
    image: &FinishedImage,
) -> Vec<Part<'a>> {
    let base = assembled.base_layers.iter().map(|layer| {
        let mut all = bases.iter();
        let has = |base: &crate::image::assemble::BaseImage| base.layers.contains(layer);
        let (reference, _) = all
            .find(|(_, base)| has(base))
            .expect("a layer of a base is one of its layers");
        Part {
            digest: layer.digest.clone(),
            origin: Origin::Base(reference),
        }
    });
    let new = assembled
        .layers
        .iter()
        .zip(layers)
        .map(|(layer, made)| Part {
            digest: made.written.digest,
            origin: Origin::Layer(layer, made.blob),
        });
    let configuration = Part {
        digest: image.configuration_digest.clone(),
        origin: Origin::Bytes(Blob::of(image.configuration.clone())),
    };
    let mut parts: Vec<Part<'a>> = Vec::new();
    for part in base.chain(new).chain([configuration]) {
        if parts.iter().all(|known| known.digest != part.digest) {
            parts.push(part);
        }
    }
    parts
}
