//! Containers of the provisioner that an attempt has left: waited for by the next attempt, and stopped when one is aborted.
//!
//! Compose has no part in it: the process that started such a container may be gone.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as ContainerState};
use bollard::query_parameters::{
    ListContainersOptions, RemoveContainerOptions, StopContainerOptions,
};
use tokio::time::{Instant, sleep, timeout};

use super::SERVICE;
use crate::docker::connect::Engine;
use crate::docker::fault;
use crate::machine::FailureKind;
use crate::run::Fault;

/// The label of containers that this tool has Compose start, and its value.
pub(super) const LABEL: &str = "artifactctl.provisioner=run";

/// How often a container that still runs is looked at.
const RUNNING_INTERVAL: Duration = Duration::from_millis(500);
/// How long a provisioner may take to stop by itself, in seconds, and how long its engine may take for that.
const STOP_SECONDS: i32 = 5;
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until no provisioner of a project runs any more, whoever started it: two side by side could undo each other's work.
/// Removes those of ours that were made and never started.
pub(super) async fn wait(
    engine: &Engine,
    project: &str,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), Fault> {
    let end = Instant::now() + engine.limits.provision;
    let mut said = false;
    loop {
        let all = list(engine, project).await?;
        let Some(running) = all.iter().find(|one| is_running(one)) else {
            for one in all.iter().filter(|one| is_ours(one)) {
                remove(engine, id(one)).await;
            }
            return Ok(());
        };
        let name = name(running);
        if !said {
            said = true;
            say(&format!(
                "waiting for `{name}`, which an earlier run has left"
            ));
        }
        if Instant::now() >= end {
            return Err(fault::plain(
                FailureKind::Provision,
                format!("provisioner `{name}` of an earlier run still runs"),
                Some(format!(
                    "see what it does with `docker logs {name}`, or stop it: `docker stop {name}`"
                )),
            ));
        }
        sleep(RUNNING_INTERVAL).await;
    }
}

/// A run of the provisioner. When it is dropped before it has ended, its container is stopped and waited for.
pub(super) struct Run<'a> {
    engine: &'a Engine,
    project: Option<&'a str>,
    pub(super) ended: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(engine: &'a Engine, project: Option<&'a str>) -> Self {
        Self {
            engine,
            project,
            ended: false,
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let (false, Some(project)) = (self.ended, self.project) else {
            return;
        };
        let (engine, project) = (self.engine.clone(), project.to_owned());
        // The task is being dropped and can wait for nothing; a thread can.
        let stopping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(stop(&engine, &project)))
        });
        if !matches!(stopping.join(), Ok(Ok(Ok(())))) {
            tracing::warn!(
                "the provisioner may still run: `docker ps` shows it, and the next attempt waits for it"
            );
        }
    }
}

/// Stops and removes what this tool has started.
async fn stop(engine: &Engine, project: &str) -> Result<(), Fault> {
    let all = list(engine, project).await?;
    for one in all.iter().filter(|one| is_ours(one)) {
        let options = StopContainerOptions {
            t: Some(STOP_SECONDS),
            ..StopContainerOptions::default()
        };
        let stopping = engine.docker.stop_container(id(one), Some(options));
        // One that has ended meanwhile, or is gone, is as good.
        timeout(STOP_TIMEOUT, stopping).await.ok();
        remove(engine, id(one)).await;
    }
    let all = list(engine, project).await?;
    match all.iter().find(|one| is_ours(one) && is_running(one)) {
        None => Ok(()),
        Some(one) => Err(fault::plain(
            FailureKind::Provision,
            format!("provisioner `{}` does not stop", name(one)),
            None,
        )),
    }
}

async fn remove(engine: &Engine, id: &str) {
    let options = RemoveContainerOptions {
        force: true,
        ..RemoveContainerOptions::default()
    };
    let removing = engine.docker.remove_container(id, Some(options));
    // Compose may remove it at the same time.
    timeout(engine.limits.query, removing).await.ok();
}

/// Every one-off container of the provisioner of a project, whatever it does.
async fn list(engine: &Engine, project: &str) -> Result<Vec<ContainerSummary>, Fault> {
    let labels = vec![
        format!("com.docker.compose.project={project}"),
        format!("com.docker.compose.service={SERVICE}"),
        "com.docker.compose.oneoff=True".to_owned(),
    ];
    let options = ListContainersOptions {
        all: true,
        filters: Some(HashMap::from([("label".to_owned(), labels)])),
        ..ListContainersOptions::default()
    };
    let list = engine.docker.list_containers(Some(options));
    engine.ask("list the provisioner's containers", list).await
}

fn is_running(container: &ContainerSummary) -> bool {
    matches!(
        container.state,
        Some(ContainerState::RUNNING | ContainerState::PAUSED | ContainerState::RESTARTING)
    )
}

fn is_ours(container: &ContainerSummary) -> bool {
    let (key, value) = LABEL.split_once('=').unwrap_or_default();
    let labels = container.labels.as_ref();
    labels
        .and_then(|labels| labels.get(key))
        .is_some_and(|found| found == value)
}

fn id(container: &ContainerSummary) -> &str {
    container.id.as_deref().unwrap_or_default()
}

fn name(container: &ContainerSummary) -> String {
    let names = container.names.iter().flatten();
    let name = names
        .map(|name| name.trim_start_matches('/').to_owned())
        .next();
    name.unwrap_or_else(|| id(container).to_owned())
}
