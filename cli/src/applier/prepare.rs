//! From flags, or from a recorded request, to everything a run needs. Every check that needs no side effect is here.

mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::compat::{Observation, Policy};
use engine::contract::{SecretValues, Unknown, printable, required_secrets, target_name};
use engine::docker::{
    BuilderChoice, DockerWorld, Limits, WorldOptions, check_provision, connect, observe,
};
use engine::image::{Registries, proxy};
use engine::load::{self, Artifact, LoadError};
use engine::machine::{ComposeCall, Options, RegistryNames, Requested};
use engine::run::Fault;
use journal::StreamId;

pub(crate) use self::recorded::{again, back_to, recorded};
use crate::applier::args::{Compose, Request};
use crate::applier::loading::are_given;
pub(crate) use crate::applier::loading::load_failure;
use crate::applier::{output_dir, target};
use crate::args::RegistryArgs;
use crate::failure::{Failure, Kind};
use crate::report;

/// A request that has passed the payload contract.
pub(crate) struct Prepared {
    /// The artifact; none where the request goes back to an earlier deploy.
    pub(crate) artifact: Option<Arc<Artifact>>,
    pub(crate) request: Requested,
    pub(crate) registries: Registries,
    pub(crate) target: StreamId,
    limits: Limits,
    secrets: SecretValues,
}

impl Prepared {
    /// The same, with why it is asked for.
    pub(crate) fn saying(mut self, message: Option<String>) -> Self {
        self.request.message = message;
        self
    }

    fn esb_tag(&self) -> Option<String> {
        self.request.registries.as_ref()?.esb_tag.clone()
    }

    /// Checks that the provisioner can be run, when it is asked for.
    pub(crate) async fn check_provision(&self) -> Result<(), Failure> {
        let Some(call) = &self.request.options.provision else {
            return Ok(());
        };
        let project = Some(self.request.project.as_str());
        let checked = check_provision(project, call, self.limits).await;
        checked.map_err(unusable)
    }

    /// Reaches the engine. The fault says what is not there.
    pub(crate) async fn world(&self, builder: BuilderChoice) -> Result<DockerWorld, Fault> {
        let docker_host = variable("DOCKER_HOST");
        let engine = connect(docker_host.as_deref(), self.limits).await?;
        let options = WorldOptions {
            out: PathBuf::from(&self.request.out),
            artifact: self.artifact.clone(),
            registries: self.registries.clone(),
            esb_tag: self.esb_tag(),
            build_args: proxy::build_args(&proxy_environment(), &self.registries),
            secrets: self.secrets.clone(),
            builder,
            cache: target::cache(),
        };
        Ok(DockerWorld::new(engine, options))
    }
}

/// The names of the registry as they are recorded: what is known of both, and the tag of bases.
fn names(registries: &Registries) -> RegistryNames {
    RegistryNames {
        stack: registries.container.clone(),
        host: registries.host.clone(),
        esb_tag: variable("ESB_TAG"),
    }
}

/// How Compose is called cannot work: found out before anything is changed.
pub(crate) fn unusable(fault: Fault) -> Failure {
    Failure {
        kind: Kind::Usage,
        ..fault.into()
    }
}

/// A variable of the environment; a blank one counts as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// Checks the artifact, the secrets and the environment, before anything else happens.
pub(crate) fn request(request: &Request, needed: Needed) -> Result<Prepared, Failure> {
    let applying = &request.applying;
    let options = Options {
        compat: applying.compat.into(),
        strict_warnings: applying.strict_warnings,
        no_cache: applying.no_cache,
        accept_digests: applying.accept_digest.iter().cloned().collect(),
        prune: !applying.no_prune,
        platform: applying.platform.clone(),
        provision: applying
            .provision
            .then(|| compose_call(&applying.compose))
            .transpose()?,
        fail_on_drift: applying.fail_on_drift,
        secret_env: applying.secret_env.as_deref().map(absolute).transpose()?,
    };
    prepare(
        &request.artifact,
        &applying.out,
        applying.compose_project.as_deref(),
        options,
        names(&applying.registries.registries()?),
        needed,
        unknown(request.allow_unknown),
    )
}

/// How keys and folders are taken that look like misspellings.
pub(crate) fn unknown(is_allowed: bool) -> Unknown {
    if is_allowed {
        Unknown::Kept
    } else {
        Unknown::Refused
    }
}

/// Only what builds of an artifact need: nothing is applied, so that no secret is needed.
pub(crate) fn builds(
    manifest: &Path,
    no_cache: bool,
    platform: Option<String>,
    registries: &RegistryArgs,
) -> Result<Prepared, Failure> {
    let options = Options {
        compat: Policy::Strict,
        strict_warnings: false,
        no_cache,
        accept_digests: BTreeSet::new(),
        prune: false,
        platform,
        provision: None,
        fail_on_drift: false,
        secret_env: None,
    };
    prepare(
        manifest,
        Path::new("."),
        None,
        options,
        names(&registries.registries()?),
        Needed::Builds,
        Unknown::Refused,
    )
}

/// Looks at what runs under a compose project.
pub(crate) async fn look(project: &str, limits: Limits) -> Result<Observation, Fault> {
    let docker_host = variable("DOCKER_HOST");
    let engine = connect(docker_host.as_deref(), limits).await?;
    observe(&engine, project, &BTreeSet::new()).await
}

/// What a request is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Everything, secrets too.
    Apply,
    /// A plan: nothing runs, so that a secret that is not given is only warned of.
    Plan,
    /// Builds: nothing runs, so that no secret is needed.
    Builds,
}

fn prepare(
    manifest: &Path,
    out: &Path,
    project: Option<&str>,
    options: Options,
    names: RegistryNames,
    needed: Needed,
    unknown: Unknown,
) -> Result<Prepared, Failure> {
    let elsewhere = match needed {
        Needed::Apply | Needed::Plan => output_dir::functions(out),
        Needed::Builds => None,
    };
    let complete = load::complete(manifest, unknown, elsewhere.as_ref())
        .map_err(|error| load_failure(&error))?;
    let (artifact, inputs) = (complete.artifact, complete.inputs);
    for warning in artifact.warnings.iter().chain(&inputs.warnings) {
        report::talk(&format!("warning: {warning}"));
    }
    let required = match needed {
        Needed::Apply | Needed::Plan => required_secrets(&artifact.manifest),
        Needed::Builds => BTreeSet::new(),
    };
    let environment = |name: &str| std::env::var(name).ok();
    let secret_env = options.secret_env.as_deref().map(Path::new);
    let secrets = match load::secrets(secret_env, &required, &environment) {
        Err(LoadError::Violations(missing)) if needed == Needed::Plan && are_given(&missing) => {
            for violation in &missing {
                report::talk(&format!(
                    "warning: {}; a plan needs no secrets, a deploy does",
                    violation.message
                ));
            }
            SecretValues::default()
        }
        read => read.map_err(|error| load_failure(&error))?,
    };
    // Compose gives the provisioner the values of its own file, which may be the same ones.
    let env_file = options.provision.as_ref();
    let env_file = env_file.and_then(|call| call.env_file.as_deref());
    let secrets = match env_file {
        Some(path) => secrets.and(
            load::secrets_among(Path::new(path), &required, &environment)
                .map_err(|error| load_failure(&error))?,
        ),
        None => secrets,
    };
    let registries = Registries {
        container: names.stack.clone(),
        host: names.host.clone(),
    };
    let proxies = proxy::build_args(&proxy_environment(), &registries);
    let without_registry = load::without_registry(&artifact, &registries);
    if let Some(first) = without_registry.first() {
        let message = match without_registry.len() {
            1 => first.message.clone(),
            count => format!("{}, and {} more images name none", first.message, count - 1),
        };
        let failure = Failure::new(Kind::Usage, message);
        return Err(first.hint.iter().cloned().fold(failure, Failure::hint));
    }
    let violations = inputs.proxy_passwords(&proxies);
    if !violations.is_empty() {
        return Err(load_failure(&LoadError::Violations(violations)));
    }
    let project = match project {
        Some(project) => target_name(project)
            .map_err(|(_, why)| Failure::new(Kind::Usage, format!("`--compose-project` {why}")))?,
        None => artifact.manifest.project.clone(),
    };
    let target = StreamId::new(&project, &artifact.manifest.env)
        .map_err(|error| Failure::of(Kind::Payload, &error))?;
    let out = PathBuf::from(absolute(out)?);
    if needed != Needed::Builds {
        outside_of_the_artifact(&out, &artifact)?;
        output_dir::must_take_files(&out)?;
    }
    let request = Requested {
        artifact: artifact.digest_with(&inputs.digests()),
        manifest_path: artifact.manifest_path.display().to_string(),
        manifest: artifact.manifest.clone(),
        project,
        out: out.display().to_string(),
        message: None,
        registries: Some(names),
        options,
        base: None,
        rollback_to: None,
    };
    Ok(Prepared {
        artifact: Some(Arc::new(artifact)),
        request,
        registries,
        target,
        limits: limits()?,
        secrets,
    })
}

/// An artifact is only ever read, so nothing is published into it.
fn outside_of_the_artifact(out: &Path, artifact: &Artifact) -> Result<(), Failure> {
    let real = output_dir::real(out);
    match artifact
        .entries
        .iter()
        .find(|entry| real.starts_with(&entry.root))
    {
        None => Ok(()),
        Some(entry) => Err(Failure::new(
            Kind::Usage,
            format!(
                "the output directory `{}` is inside of the artifact root `{}`",
                printable(&out.display().to_string()),
                printable(&entry.shown_root.display().to_string())
            ),
        )
        .hint("`--out` names the configuration directory of the stack")),
    }
}

/// How long calls may take: the defaults, and what the environment changes in them.
pub(crate) fn limits() -> Result<Limits, Failure> {
    let text = variable("ARTIFACTCTL_LIMITS");
    text.map_or(Ok(Limits::default()), |text| text.parse())
        .map_err(|error| {
            Failure::of(Kind::Usage, &error).hint(
                "set `ARTIFACTCTL_LIMITS` to something like `query=30s,build=1h`, or unset it",
            )
        })
}

/// The proxy variables, in both spellings; nothing else of the environment reaches a build.
fn proxy_environment() -> BTreeMap<String, String> {
    let names = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ];
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect()
}

/// How Compose is called, with absolute paths.
pub(crate) fn compose_call(compose: &Compose) -> Result<ComposeCall, Failure> {
    Ok(ComposeCall {
        files: compose
            .compose_file
            .iter()
            .map(|path| absolute(path))
            .collect::<Result<_, _>>()?,
        env_file: compose.env_file.as_deref().map(absolute).transpose()?,
        project_dir: compose.project_dir.as_deref().map(absolute).transpose()?,
        with_deps: compose.with_deps,
    })
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::of(Kind::Usage, &error))?;
    absolute.into_os_string().into_string().map_err(|path| {
        Failure::new(
            Kind::Usage,
            format!("path `{}` is not valid UTF-8", path.to_string_lossy()),
        )
    })
}

/// Builds at a time: as asked, else twice the processors (a build waits for the engine and the registry), at most 8.
pub(crate) fn jobs(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked
        .or_else(|| NonZeroUsize::new((2 * processors).min(8)))
        .unwrap_or(NonZeroUsize::MIN)
}
