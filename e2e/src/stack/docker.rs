//! Functions as containers of the Docker engine.
//!
//! Here: pulling, creating, finding the address, removing. Not here: when (`agent`).

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::TryStreamExt;

use crate::agent::{Containers, LABEL_FUNCTION, Plan, RUNTIME_PORT, StartError};
use crate::{ServiceError, variable};

const SOCKET: &str = "/var/run/docker.sock";
const ENGINE_TIMEOUT_S: u64 = 60;

/// Every container of a function carries the stack's project under this label.
const LABEL_RUN: &str = "com.esb.run";
/// The id of the run that made the stack, so that the containers go away with it whatever happens.
const LABEL_E2E_RUN: &str = "com.esb.e2e.run";

/// The engine that the stack itself runs on.
pub(crate) struct TestEngine {
    docker: Docker,
    project: String,
    run: String,
    network: String,
}

impl TestEngine {
    /// Connects to the socket that the Compose file mounts.
    pub(crate) async fn connect() -> Result<Self, ServiceError> {
        let docker =
            Docker::connect_with_unix(SOCKET, ENGINE_TIMEOUT_S, bollard::API_DEFAULT_VERSION)?
                .negotiate_version()
                .await?;
        Ok(Self {
            docker,
            project: variable("ESB_PROJECT")?,
            run: variable("ESB_RUN")?,
            network: variable("ESB_NETWORK")?,
        })
    }

    fn body(&self, function: &str, plan: &Plan) -> ContainerCreateBody {
        let environment = plan.environment.iter();
        ContainerCreateBody {
            image: Some(plan.image.clone()),
            env: Some(
                environment
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect(),
            ),
            labels: Some(HashMap::from([
                (LABEL_RUN.to_owned(), self.project.clone()),
                (LABEL_E2E_RUN.to_owned(), self.run.clone()),
                (LABEL_FUNCTION.to_owned(), function.to_owned()),
            ])),
            host_config: Some(HostConfig {
                network_mode: Some(self.network.clone()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    async fn address(&self, container: &str) -> Result<String, StartError> {
        let networks = self
            .docker
            .inspect_container(container, None)
            .await?
            .network_settings
            .and_then(|settings| settings.networks);
        networks
            .and_then(|mut networks| networks.remove(&self.network)?.ip_address)
            .filter(|address| !address.is_empty())
            .map(|address| format!("{address}:{RUNTIME_PORT}"))
            .ok_or_else(|| StartError::NoAddress(container.to_owned()))
    }

    /// Removes a container by name or id; one that is not there, or is going already, is what we want.
    async fn remove(&self, container: &str) -> Result<(), bollard::errors::Error> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        match self.docker.remove_container(container, Some(options)).await {
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            other => other,
        }
    }
}

impl Containers for TestEngine {
    async fn start(&self, function: &str, plan: &Plan) -> Result<String, StartError> {
        let pull = CreateImageOptionsBuilder::default()
            .from_image(&plan.image)
            .build();
        self.docker
            .create_image(Some(pull), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let name = format!("{}-fn-{function}", self.project);
        self.remove(&name).await?;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let body = self.body(function, plan);
        self.docker.create_container(Some(options), body).await?;
        self.docker
            .start_container(&name, None::<StartContainerOptions>)
            .await?;
        self.address(&name).await
    }

    async fn remove_all(&self) -> Result<(), StartError> {
        let label = format!("{LABEL_RUN}={}", self.project);
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        for container in self.docker.list_containers(Some(options)).await? {
            if let Some(id) = container.id {
                self.remove(&id).await?;
            }
        }
        Ok(())
    }
}
