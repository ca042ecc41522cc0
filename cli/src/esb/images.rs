//! `--build-images`: images of an artifact in the registry, before anything is deployed. A deploy finds them there and reuses
//! them, since both look for the same content keys.

use std::collections::BTreeSet;
use std::path::Path;

use engine::docker::BuilderChoice;
use engine::run::{World, image_orders};

use crate::applier::prepare;
use crate::args::RegistryArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::process_limits;
use crate::report::talk;

/// Builds and pushes what the registry does not have, one after the other.
pub(super) fn build(
    manifest: &Path,
    no_cache: bool,
    platform: Option<String>,
    registries: &RegistryArgs,
    output: &Output,
) -> Result<(), Failure> {
    let prepared = prepare::builds(manifest, no_cache, platform, registries)?;
    let runtime = process_limits::runtime()?;
    runtime.block_on(async {
        let world = prepared.world(BuilderChoice::Engine).await?;
        // A build runs nothing: it needs no secret.
        let observation = world
            .observe(&prepared.request.project, &BTreeSet::new())
            .await?;
        let artifact = prepared.artifact.as_deref();
        let artifact = artifact.expect("what is built comes from an artifact");
        let orders = image_orders(
            artifact,
            &prepared.registries,
            &prepared.request.options,
            &observation,
        );
        for order in &orders {
            let status = world.inspect_image(order).await?;
            if status.tags.keyed.is_some() && !no_cache {
                talk(&format!("reused: {} {}", order.function, order.reference));
                continue;
            }
            talk(&format!("building {}", order.function));
            let line = |text: &str| {
                if !output.is_json() {
                    talk(&format!("  | {text}"));
                }
            };
            let built = world.build_image(order, &status, &line).await?;
            talk(&format!(
                "built: {} {} {}",
                order.function, order.reference, built.digest
            ));
        }
        Ok::<(), Failure>(())
    })
}
