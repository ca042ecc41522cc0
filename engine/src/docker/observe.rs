//! Looking at what runs: one list, one version, one look at each image. Nothing here changes anything.
//!
//! The environment of a container is looked at for one question only: which of the required secrets the gateway has. The
//! answer holds names; no value leaves `held_by_all`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum as State, SystemVersion,
};
use bollard::query_parameters::ListContainersOptions;
use futures_util::future::{try_join, try_join_all};

use super::connect::Engine;
use crate::compat::{self, Container, Observation};
use crate::run::Fault;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
/// The service that replaces references to secrets in `functions.yml`.
const GATEWAY: &str = "gateway";
/// Says that `docker compose run` has made a container: it is no replica of its service.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// How many other projects are named at most.
const OTHER_PROJECTS: usize = 32;

/// Looks at the running containers of a compose project, and at the environment of its gateway when secrets are required.
pub async fn observe(
    engine: &Engine,
    project: &str,
    secrets: &BTreeSet<&str>,
) -> Result<Observation, Fault> {
    let (running, version) = try_join(running(engine), engine.identity()).await?;
    let (mine, others) = parted(running, project);
    let mine = serving(mine);
    for halted in mine.iter().filter(|container| !is_running(container)) {
        warn_halted(halted);
    }
    let images: BTreeSet<&str> = mine
        .iter()
        .filter_map(|container| container.image_id.as_deref())
        .collect();
    let digests = try_join_all(images.into_iter().map(|id| repo_digests(engine, id))).await?;
    let digests: BTreeMap<String, Vec<String>> = digests.into_iter().collect();
    let references = try_join_all(mine.iter().map(|one| reference(engine, one))).await?;

    Ok(Observation {
        gateway_secrets: gateway_secrets(engine, &mine, secrets).await?,
        ..seen(
            project,
            version.clone(),
            &mine,
            references,
            &digests,
            &others,
        )
    })
}

/// The required secrets that every replica of the gateway has; none when no secret is required or no gateway runs.
async fn gateway_secrets(
    engine: &Engine,
    mine: &[ContainerSummary],
    secrets: &BTreeSet<&str>,
) -> Result<Option<Vec<String>>, Fault> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let ids = mine
        .iter()
        .filter(|one| label(one, SERVICE) == Some(GATEWAY))
        .filter_map(|one| one.id.as_deref());
    let looks = ids.map(|id| {
        let inspect = engine.docker.inspect_container(id, None);
        engine.ask_maybe("look at the gateway", inspect)
    });
    let replicas: Vec<_> = try_join_all(looks).await?.into_iter().flatten().collect();
    Ok(held_by_all(secrets, &replicas))
}

/// The names, sorted, that have a value in the environment of each of these containers; none when there is no container.
fn held_by_all(
    secrets: &BTreeSet<&str>,
    replicas: &[ContainerInspectResponse],
) -> Option<Vec<String>> {
    let has = |replica: &ContainerInspectResponse, name: &str| {
        let config = replica.config.as_ref();
        let mut lines = config
            .and_then(|config| config.env.as_ref())
            .into_iter()
            .flatten()
            .rev();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.is_some_and(|value| !value.trim().is_empty())
    };
    let held = secrets
        .iter()
        .filter(|name| replicas.iter().all(|replica| has(replica, name)));
    (!replicas.is_empty()).then(|| held.map(|name| (*name).to_owned()).collect())
}

/// What the engine's replies say of a project, its containers apart from those of other projects.
fn seen(
    project: &str,
    engine: compat::ObservedEngine,
    mine: &[ContainerSummary],
    references: Vec<String>,
    digests: &BTreeMap<String, Vec<String>>,
    others: &[ContainerSummary],
) -> Observation {
    let mut containers: Vec<Container> = mine
        .iter()
        .zip(references)
        .map(|(summary, image)| container(summary, image, digests))
        .collect();
    containers.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    let other_projects: BTreeSet<&str> = others
        .iter()
        .filter_map(|container| label(container, PROJECT))
        .collect();
    Observation {
        project: project.to_owned(),
        engine,
        api_version: compat::facts::api_version_of(&containers),
        mode: compat::facts::mode_of(&containers),
        containers,
        gateway_secrets: None,
        other_projects: other_projects
            .into_iter()
            .take(OTHER_PROJECTS)
            .map(str::to_owned)
            .collect(),
    }
}

/// Those of a project, and the others.
fn parted(
    running: Vec<ContainerSummary>,
    project: &str,
) -> (Vec<ContainerSummary>, Vec<ContainerSummary>) {
    running
        .into_iter()
        .partition(|container| label(container, PROJECT) == Some(project))
}

/// Reads recorded replies: to the list of containers, and to the question for the version.
///
/// The digests and the references that further questions would give are those of the list.
pub(super) fn recorded(
    project: &str,
    containers: &[u8],
    version: &[u8],
) -> serde_json::Result<Observation> {
    let (mine, others) = parted(serde_json::from_slice(containers)?, project);
    let mine = serving(mine);
    let references = mine.iter().map(|one| one.image.clone().unwrap_or_default());
    let references = references.collect();
    let engine = compat::ObservedEngine::from(serde_json::from_slice::<SystemVersion>(version)?);
    Ok(seen(
        project,
        engine,
        &mine,
        references,
        &BTreeMap::new(),
        &others,
    ))
}

/// The replicas of each service that run, or those that are halted where none runs: they say what they are all the same.
fn serving(mine: Vec<ContainerSummary>) -> Vec<ContainerSummary> {
    let mine = mine
        .into_iter()
        .filter(|container| label(container, ONE_OFF) != Some("True"));
    let (running, halted): (Vec<_>, Vec<_>) = mine.partition(is_running);
    let runs = |service: Option<&str>| running.iter().any(|one| label(one, SERVICE) == service);
    let halted: Vec<_> = halted
        .into_iter()
        .filter(|one| !runs(label(one, SERVICE)))
        .collect();
    running.into_iter().chain(halted).collect()
}

fn is_running(container: &ContainerSummary) -> bool {
    !matches!(container.state, Some(State::PAUSED | State::RESTARTING))
}

fn warn_halted(container: &ContainerSummary) {
    let name = name(container);
    let (state, hint) = if container.state == Some(State::PAUSED) {
        ("paused", format!("go on with it: `docker unpause {name}`"))
    } else {
        (
            "restarting again and again",
            format!("see why: `docker logs {name}`"),
        )
    };
    let service = label(container, SERVICE).unwrap_or_default();
    tracing::warn!("`{name}`, the `{service}` of the stack, is {state}; {hint}");
}

impl From<SystemVersion> for compat::ObservedEngine {
    fn from(version: SystemVersion) -> Self {
        let text = Option::<String>::unwrap_or_default;
        Self {
            id: None,
            name: None,
            address: None,
            platform: format!("{}/{}", text(version.os), text(version.arch)),
            version: text(version.version),
            api_version: text(version.api_version),
        }
    }
}

/// Every container of any compose project that runs, or would if nobody held it.
async fn running(engine: &Engine) -> Result<Vec<ContainerSummary>, Fault> {
    let options = ListContainersOptions {
        filters: Some(HashMap::from([
            ("label".to_owned(), vec![PROJECT.to_owned()]),
            (
                "status".to_owned(),
                ["running", "paused", "restarting"]
                    .map(str::to_owned)
                    .into(),
            ),
        ])),
        ..ListContainersOptions::default()
    };
    let list = engine.docker.list_containers(Some(options));
    engine.ask("list the running containers", list).await
}

/// The digests of one image in registries. The image of a running container can be gone; then there are none.
async fn repo_digests(engine: &Engine, id: &str) -> Result<(String, Vec<String>), Fault> {
    let inspected = engine.inspect_image(id).await?;
    let mut digests = inspected
        .and_then(|image| image.repo_digests)
        .unwrap_or_default();
    digests.sort();
    Ok((id.to_owned(), digests))
}

/// The reference a container was started from. The list shows an id once the tag names another image;
/// the container itself still knows.
async fn reference(engine: &Engine, summary: &ContainerSummary) -> Result<String, Fault> {
    let listed = summary.image.clone().unwrap_or_default();
    let image_id = summary.image_id.as_deref().unwrap_or_default();
    let hex = image_id.strip_prefix("sha256:").unwrap_or(image_id);
    let is_id = listed.starts_with("sha256:")
        || (listed.len() >= 12 && !hex.is_empty() && hex.starts_with(&listed));
    let (true, Some(id)) = (is_id, summary.id.as_deref()) else {
        return Ok(listed);
    };
    let inspect = engine.docker.inspect_container(id, None);
    let found = engine.ask_maybe("look at a container", inspect).await?;
    let asked_for = found
        .and_then(|found| found.config)
        .and_then(|config| config.image);
    Ok(asked_for.unwrap_or(listed))
}

fn container(
    summary: &ContainerSummary,
    image: String,
    digests: &BTreeMap<String, Vec<String>>,
) -> Container {
    let labels: BTreeMap<String, String> = summary
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let image_id = summary.image_id.clone().unwrap_or_default();
    let repo_digest = digests
        .get(&image_id)
        .and_then(|all| digest_for(&image, all));
    let (version, tag) = compat::facts::version_of(&labels, &image);
    Container {
        name: name(summary).to_owned(),
        service: labels.get(SERVICE).cloned().unwrap_or_default(),
        image,
        image_id,
        repo_digest,
        version,
        tag,
        api_version: labels.get("com.esb.api_version").cloned(),
        mode: labels.get("com.esb.mode").cloned(),
    }
}

fn name(summary: &ContainerSummary) -> &str {
    let names = summary.names.iter().flatten();
    let mut names = names.map(|name| name.trim_start_matches('/'));
    // A linked container has further names, below the name of the other one.
    names.find(|name| !name.contains('/')).unwrap_or_default()
}

/// The digest in the repository the container was started from, else the first there is.
fn digest_for(image: &str, digests: &[String]) -> Option<String> {
    let same = digests.iter().find(|digest| {
        let repository = digest.split('@').next().unwrap_or(digest);
        image
            .strip_prefix(repository)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
    });
    same.or(digests.first()).cloned()
}

fn label<'a>(container: &'a ContainerSummary, key: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests;
