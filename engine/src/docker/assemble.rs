//! Images that are assembled and uploaded without an engine.
//!
//! What an image is made of is decided in `image::assemble`, which sees no file and no registry. Here: its bases are read, its new
//! layers written, what the registry lacks is brought there, and the manifest comes last, under the key's tag and no other. Not
//! here: images that need a builder (`images`).

mod base_images;
mod content;
mod layer_cache;
mod upload;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::bases::Base;
use super::context::{self, Context, Opened};
use super::fault;
use super::registry::{Blob, Registry, Spool};
use crate::contract::Digest;
use crate::image::assemble::{Added, Assembled, AssemblyInputs, NewLayer, WrittenLayer, assemble};
use crate::image::{NotAssembled, Recipe, Reference, recipe};
use crate::machine::FailureKind;
use crate::run::Fault;
use base_images::{BaseImages, BaseSet, Unreadable, blocking};
use content::{Contents, Members};
use layer_cache::LayerCache;
use upload::Homes;

/// How images come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuilderChoice {
    /// Assembled where that is possible, else built.
    #[default]
    Auto,
    /// Assembled; a Dockerfile that needs a builder ends the deploy.
    Assemble,
    /// Built by the engine.
    Engine,
}

/// Assembles the images of a run.
pub(super) struct Assembler {
    pub(super) choice: BuilderChoice,
    bases: BaseImages,
    /// The new layers that were written, by their keys.
    written: Mutex<BTreeMap<Digest, Arc<OnceCell<WrittenLayer>>>>,
    homes: Homes,
}

/// Why an image is left to a builder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NeedsBuilder {
    /// An instruction does.
    #[error(transparent)]
    Instruction(#[from] NotAssembled),
    /// A base does.
    #[error(transparent)]
    Base(#[from] Unreadable),
}

/// An image to be assembled.
pub(super) struct Job<'a> {
    pub(super) registry: &'a Registry,
    pub(super) function: &'a str,
    pub(super) context: &'a Arc<Context>,
    pub(super) bases: &'a [(Reference, Base)],
    pub(super) build_args: &'a BTreeMap<String, String>,
    pub(super) platform: &'a str,
    /// Where the image goes.
    pub(super) keyed: &'a Reference,
    /// An image of the function is in the repository, so that it may have all that this one needs.
    pub(super) is_known: bool,
}

/// A layer that was written. Whoever wrote it has its bytes.
struct MadeLayer {
    written: WrittenLayer,
    blob: Option<Blob>,
}

impl Assembler {
    /// `cache` is the user's cache directory for this program.
    pub(super) fn new(choice: BuilderChoice, cache: Option<&Path>) -> Self {
        Self {
            choice,
            bases: BaseImages::new(cache.map(LayerCache::below)),
            written: Mutex::default(),
            homes: Homes::default(),
        }
    }

    /// Has an image in the registry, or says why a builder must make it.
    pub(super) async fn make(&self, job: &Job<'_>) -> Result<Result<Digest, NeedsBuilder>, Fault> {
        let (bases, assembled) = match self.plan(job).await? {
            Ok(planned) => planned,
            Err(why) => return Ok(Err(why)),
        };
        let mut layers = Vec::new();
        for layer in &assembled.layers {
            layers.push(self.layer(job, &bases, layer).await?);
        }
        let written: Vec<WrittenLayer> = layers.iter().map(|layer| layer.written.clone()).collect();
        let image = assembled.finish(&written);
        self.upload(job, &bases, &assembled, layers, &image).await?;
        Ok(Ok(image.digest))
    }

    async fn plan(
        &self,
        job: &Job<'_>,
    ) -> Result<Result<(Arc<BaseSet>, Arc<Assembled>), NeedsBuilder>, Fault> {
        let recipe = match recipe(&job.context.dockerfile, job.build_args, job.platform) {
            Ok(recipe) => recipe,
            Err(why) => return Ok(Err(why.into())),
        };
        let wanted = match wanted(&recipe, job.bases) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(why.into())),
        };
        let bases = match self.bases.read(job.registry, wanted, job.platform).await? {
            Ok(bases) => bases,
            Err(why) => return Ok(Err(why.into())),
        };
        let (context, set) = (Arc::clone(job.context), Arc::clone(&bases));
        let assembled = blocking("assemble an image", move || {
            let added = |file: &crate::image::InputFile| {
                let root = context.open().map_err(|error| error.to_string())?;
                let Ok(Opened::File { reader, .. }) = context::open(&root, file) else {
                    return Err("it cannot be read".to_owned());
                };
                Added::of(reader).map_err(|error| error.to_string())
            };
            let inputs = AssemblyInputs {
                bases: &set,
                files: &context.files,
                added: &added,
                epoch: 0,
            };
            assemble(&recipe, &inputs)
        });
        Ok(match assembled.await? {
            Ok(assembled) => Ok((bases, Arc::new(assembled))),
            Err(why) => Err(why.into()),
        })
    }

    /// Writes a new layer, unless it was written for another image.
    async fn layer(
        &self,
        job: &Job<'_>,
        bases: &BaseSet,
        layer: &NewLayer,
    ) -> Result<MadeLayer, Fault> {
        let cell = {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(written.entry(layer.key()).or_default())
        };
        let mut blob = None;
        // What reads layers of bases makes a large future, and few layers need it.
        let write = Box::pin(async {
            let (written, bytes) = write(job, bases, layer).await?;
            blob = Some(bytes);
            Ok::<_, Fault>(written)
        });
        let written = cell.get_or_try_init(|| write).await?.clone();
        Ok(MadeLayer { written, blob })
    }
}

/// The digests of the bases that a recipe needs; all of them must be in a registry.
fn wanted(
    recipe: &Recipe,
    bases: &[(Reference, Base)],
) -> Result<Vec<(Reference, Digest)>, Unreadable> {
    let needed = recipe.bases().into_iter();
    let digests = needed.map(|reference| {
        let found = bases.iter().find(|(base, _)| base == reference);
        match found {
            Some((_, Base::Registry(digest))) => Ok((reference.clone(), digest.clone())),
            Some((_, Base::Pulled(_) | Base::Local { .. })) | None => Err(Unreadable {
                reference: reference.clone(),
                why: "no registry has it".to_owned(),
            }),
        }
    });
    digests.collect()
}

/// Writes a layer and keeps its bytes.
async fn write(
    job: &Job<'_>,
    bases: &BaseSet,
    layer: &NewLayer,
) -> Result<(WrittenLayer, Blob), Fault> {
    let mut members = Members::new();
    for (digest, paths) in content::wanted(layer) {
        let blob = base_layer(job.registry, bases, &digest).await?;
        let taken = blocking("read a layer", move || content::take(&blob, &paths)).await?;
        members.extend(taken.map_err(|error| not_written(job, &error))?);
    }
    let (context, layer) = (Arc::clone(job.context), layer.clone());
    let written = blocking("write a layer", move || {
        let mut contents = Contents::of(&context, &members).map_err(NotWritten::Context)?;
        let mut spool = Spool::default();
        let written = layer.write(&mut contents, &mut spool);
        match (written, contents.failed) {
            (_, Some(error)) => Err(NotWritten::Context(error)),
            (Err(error), None) => Err(NotWritten::Io(error)),
            (Ok(written), None) => Ok((written, spool.finish())),
        }
    });
    written.await?.map_err(|error| match error {
        NotWritten::Context(error) => fault::context(&what(job), &error),
        NotWritten::Io(error) => not_written(job, &error),
    })
}

/// Why a layer was not written.
enum NotWritten {
    Context(context::ContextError),
    Io(std::io::Error),
}

/// Reads a layer of a base.
async fn base_layer(registry: &Registry, bases: &BaseSet, digest: &Digest) -> Result<Blob, Fault> {
    let mut all = bases.iter();
    let found = all.find_map(|(reference, base)| {
        let mut layers = base.layers.iter();
        let layer = layers.find(|layer| layer.digest == *digest)?;
        Some((reference, layer.size))
    });
    let (reference, size) = found.expect("a layer of a base is one of its layers");
    registry.fetch_blob(reference, digest, size).await
}

fn what(job: &Job<'_>) -> String {
    format!("assemble image `{}`", job.keyed)
}

fn not_written(job: &Job<'_>, error: &std::io::Error) -> Fault {
    fault::caused(
        FailureKind::Image,
        error,
        Some("see that there is space for temporary files".to_owned()),
    )
    .because([format!("cannot {}", what(job))])
}

#[cfg(test)]
mod tests;
