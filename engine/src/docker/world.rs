//! The real world of a deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::assemble::{Assembler, BuilderChoice};
use super::bases::Bases;
use super::compose;
use super::connect::Engine;
use super::credentials::{Credentials, config_path};
use super::fault;
use super::images::Images;
use super::limits::Limits;
use super::observe;
use super::redact::Redactor;
use super::registry::Registry;
use crate::compat::Observation;
use crate::contract::{Digest, SecretValues};
use crate::failpoint::Around;
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::{ComposeCall, ProvisionResult};
use crate::publish::{self, PublishError};
use crate::run::{
    Built, ConfigTexts, Fault, ImageOrder, ImageStatus, ImageTags, Publication, Published, World,
};

/// What a deploy brings to the world. Not `Debug`: build arguments may hold credentials.
pub struct WorldOptions {
    /// The output directory.
    pub out: PathBuf,
    /// The artifact, as it was loaded; none for a rollback, which builds nothing.
    pub artifact: Option<Arc<Artifact>>,
    /// The stack's registry under its two names.
    pub registries: Registries,
    /// Tag of a lambda base when the stack's version is not known.
    pub esb_tag: Option<String>,
    /// Build arguments; those of proxies may hold credentials.
    pub build_args: BTreeMap<String, String>,
    /// What builds and the provisioner may print, and nobody may see.
    pub secrets: SecretValues,
    /// How images come into being.
    pub builder: BuilderChoice,
    /// The user's cache directory for this program; none keeps nothing.
    pub cache: Option<PathBuf>,
}

/// A Docker engine, a registry and an output directory.
pub struct DockerWorld {
    images: Images,
    out: PathBuf,
    /// The stack was looked at before: boundaries of further looks have a name of their own.
    observed: AtomicBool,
}

impl DockerWorld {
    /// The world of one run. Registry credentials are those of the Docker configuration.
    pub fn new(engine: Engine, options: WorldOptions) -> Self {
        let credentials = Credentials::read(config_path().as_deref());
        let registry = Registry::new(credentials, Some(engine.clone()), engine.limits);
        Self {
            images: Images {
                registry,
                engine,
                artifact: options.artifact,
                registries: options.registries,
                esb_tag: options.esb_tag,
                redactor: Redactor::of(&options.build_args, &options.secrets),
                build_args: options.build_args,
                bases: Bases::default(),
                assembler: Assembler::new(options.builder, options.cache.as_deref()),
                prepared: Mutex::default(),
            },
            out: options.out,
            observed: AtomicBool::new(false),
        }
    }
}

impl World for DockerWorld {
    async fn observe(&self, project: &str, secrets: &BTreeSet<&str>) -> Result<Observation, Fault> {
        let again = self.observed.swap(true, Ordering::Relaxed);
        let _around = Around::new("observe", if again { "again" } else { "" });
        // Its many questions would make every future that looks a large one.
        Box::pin(observe(&self.images.engine, project, secrets)).await
    }

    async fn config(&self) -> Result<ConfigTexts, Fault> {
        let out = self.out.clone();
        let _around = Around::new("config", "");
        blocking("read the output directory", move || publish::current(&out)).await
    }

    async fn inspect_image(&self, order: &ImageOrder) -> Result<ImageStatus, Fault> {
        let _around = Around::new("inspect", order.function.as_str());
        self.images.inspect(order).await
    }

    async fn image_tags(&self, order: &ImageOrder, key: &Digest) -> Result<ImageTags, Fault> {
        let _around = Around::new("inspect again", order.function.as_str());
        self.images.tags(order, key).await
    }

    async fn recorded_image(
        &self,
        order: &ImageOrder,
        digest: &Digest,
    ) -> Result<ImageTags, Fault> {
        let _around = Around::new("inspect recorded", order.function.as_str());
        self.images.recorded(order, digest).await
    }

    async fn build_image(
        &self,
        order: &ImageOrder,
        status: &ImageStatus,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<Built, Fault> {
        let _around = Around::new("image", order.function.as_str());
        self.images.build(order, status, line).await
    }

    async fn tag_image(&self, order: &ImageOrder, digest: &Digest) -> Result<(), Fault> {
        let _around = Around::new("tag", order.function.as_str());
        self.images.tag(order, digest).await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, Fault> {
        let Publication {
            files, standing, ..
        } = publication.clone();
        let out = self.out.clone();
        let _around = Around::new("publish", "");
        blocking("publish", move || publish::publish(&out, &files, &standing)).await
    }

    async fn provision(
        &self,
        project: &str,
        call: &ComposeCall,
        line: &(dyn Fn(&str) + Sync),
    ) -> Result<ProvisionResult, Fault> {
        let Images {
            engine, redactor, ..
        } = &self.images;
        let _around = Around::new("provision", "");
        compose::provision(engine, Some(project), call, redactor, line).await
    }
}

/// Runs the stack's one-shot provisioner on its own. Without a project the choice is Compose's. Nobody sees the secrets.
pub async fn provision(
    engine: &Engine,
    project: Option<&str>,
    call: &ComposeCall,
    secrets: &SecretValues,
    line: &(dyn Fn(&str) + Sync),
) -> Result<ProvisionResult, Fault> {
    let redactor = Redactor::of(&BTreeMap::new(), secrets);
    compose::provision(engine, project, call, &redactor, line).await
}

/// Checks that the provisioner can be run: Compose, its files, a provisioner in them. Read-only; asks no engine.
pub async fn check_provision(
    project: Option<&str>,
    call: &ComposeCall,
    limits: Limits,
) -> Result<(), Fault> {
    compose::check(project, call, limits).await
}

/// Work on the output directory, away from the tasks that talk.
async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| fault::publish(&error)),
        Err(error) => Err(fault::task(what, &error)),
    }
}
