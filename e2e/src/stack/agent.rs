//! The agent: functions run in containers that it starts from the registry and keeps warm.
//!
//! Here: one container for each function, replaced when the image's digest or the configuration has changed.
//! Not here: routing (`gateway`), resolving references (`registry`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use hyper::{Method, StatusCode};
use tokio::sync::Mutex;

use crate::config::{self, Functions};
use crate::http::{self, Call, Reply, SendError};
use crate::registry::{Registry, ResolveError};
use crate::{ServiceError, chain, variable};

const PORT: u16 = 7070;
const SOCKET: &str = "/var/run/docker.sock";
const ENGINE_TIMEOUT_S: u64 = 60;
const RUNTIME_PORT: u16 = 8080;
const INVOKE_LIMIT: Duration = Duration::from_secs(40);
const START_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// Every container of the agent carries the stack's project under this label.
const LABEL_RUN: &str = "com.esb.run";
/// The id of the run that made the stack, so that the containers go away with it whatever happens.
const LABEL_E2E_RUN: &str = "com.esb.e2e.run";
/// And the name of its function under this one.
const LABEL_FUNCTION: &str = "com.esb.function";

/// Starts, keeps and replaces the containers of functions.
pub(crate) struct Agent {
    docker: Docker,
    registry: Registry,
    project: String,
    run: String,
    network: String,
    /// One slot for each function; its lock makes concurrent calls share one cold start.
    warm: Mutex<BTreeMap<String, Arc<Mutex<Option<Warm>>>>>,
}

/// A running container and what it was made from.
#[derive(Debug, Clone)]
struct Warm {
    plan: Plan,
    address: String,
}

/// What decides whether a container is still the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    image: String,
    environment: BTreeMap<String, String>,
}

/// Why a function could not answer.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("there is no function `{0}`")]
    UnknownFunction(String),
    #[error("the function `{0}` has no image")]
    NoImage(String),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("the Docker engine refused")]
    Engine(#[from] bollard::errors::Error),
    #[error("the container of `{0}` has no address in the network of the stack")]
    NoAddress(String),
    #[error(transparent)]
    Send(#[from] SendError),
}

impl InvokeError {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownFunction(_) => StatusCode::NOT_FOUND,
            Self::Config(_) | Self::NoImage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Resolve(_) | Self::Engine(_) | Self::NoAddress(_) | Self::Send(_) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }
}

impl Agent {
    /// Connects to the engine and removes what an agent before this one left behind.
    pub(crate) async fn from_env() -> Result<Arc<Self>, ServiceError> {
        let docker =
            Docker::connect_with_unix(SOCKET, ENGINE_TIMEOUT_S, bollard::API_DEFAULT_VERSION)?
                .negotiate_version()
                .await?;
        let agent = Self {
            docker,
            registry: Registry::from_env()?,
            project: variable("ESB_PROJECT")?,
            run: variable("ESB_RUN")?,
            network: variable("ESB_NETWORK")?,
            warm: Mutex::default(),
        };
        agent.remove_containers().await?;
        Ok(Arc::new(agent))
    }

    /// Serves until the process ends.
    pub(crate) async fn serve(self: &Arc<Self>) -> Result<(), ServiceError> {
        let agent = Arc::clone(self);
        http::serve(PORT, move |call| {
            let agent = Arc::clone(&agent);
            async move { agent.answer(call).await }
        })
        .await
    }

    /// Removes every container that belongs to this stack's functions.
    pub(crate) async fn remove_containers(&self) -> Result<(), ServiceError> {
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

    async fn answer(&self, call: Call) -> Reply {
        let Some(function) = call.path.strip_prefix("/invoke/") else {
            return Reply::message(StatusCode::NOT_FOUND, "expected POST /invoke/<function>");
        };
        if call.method != Method::POST {
            return Reply::message(StatusCode::METHOD_NOT_ALLOWED, "expected POST");
        }
        match self.invoke(function, call.body).await {
            Ok(reply) => reply,
            Err(error) => {
                let message = chain(&error);
                eprintln!("{function}: {message}");
                Reply::message(error.status(), &message)
            }
        }
    }

    async fn invoke(&self, function: &str, event: Bytes) -> Result<Reply, InvokeError> {
        let plan = self.plan(function).await?;
        let address = self.ensure(function, &plan).await?;
        let sent = match send(&address, event.clone()).await {
            // The container ended behind our back: one more start, then the truth.
            Err(SendError::Connect { .. }) => {
                self.forget(function).await;
                let address = self.ensure(function, &plan).await?;
                send(&address, event).await
            }
            other => other,
        };
        Ok(sent?)
    }

    /// Reads what the function should run as, at this moment.
    async fn plan(&self, function: &str) -> Result<Plan, InvokeError> {
        let mut published: Functions = config::read("functions.yml")?;
        let own = published
            .functions
            .remove(function)
            .ok_or_else(|| InvokeError::UnknownFunction(function.to_owned()))?;
        let image = own
            .image
            .filter(|image| !image.trim().is_empty())
            .ok_or_else(|| InvokeError::NoImage(function.to_owned()))?;
        let mut environment = published.defaults.environment;
        environment.extend(own.environment);
        Ok(Plan {
            image: self.registry.resolve(image.trim()).await?,
            environment,
        })
    }

    async fn slot(&self, function: &str) -> Arc<Mutex<Option<Warm>>> {
        let mut warm = self.warm.lock().await;
        Arc::clone(warm.entry(function.to_owned()).or_default())
    }

    async fn forget(&self, function: &str) {
        *self.slot(function).await.lock().await = None;
    }

    /// Gives the address of a container that runs the plan, starting one when there is none.
    async fn ensure(&self, function: &str, plan: &Plan) -> Result<String, InvokeError> {
        let slot = self.slot(function).await;
        let mut warm = slot.lock().await;
        if let Some(running) = warm.as_ref().filter(|running| running.plan == *plan) {
            return Ok(running.address.clone());
        }
        let address = self.start(function, plan).await?;
        *warm = Some(Warm {
            plan: plan.clone(),
            address: address.clone(),
        });
        Ok(address)
    }

    async fn start(&self, function: &str, plan: &Plan) -> Result<String, InvokeError> {
        let pull = CreateImageOptionsBuilder::default()
            .from_image(&plan.image)
            .build();
        self.docker
            .create_image(Some(pull), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let name = format!("{}-fn-{function}", self.project);
        self.remove(&name).await?;
        let body = ContainerCreateBody {
            image: Some(plan.image.clone()),
            env: Some(
                plan.environment
                    .iter()
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
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        self.docker.create_container(Some(options), body).await?;
        self.docker
            .start_container(&name, None::<StartContainerOptions>)
            .await?;
        println!("{function}: started from {}", plan.image);
        let address = self.address(&name).await?;
        wait_until_ready(&address).await?;
        Ok(address)
    }

    async fn address(&self, container: &str) -> Result<String, InvokeError> {
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
            .ok_or_else(|| InvokeError::NoAddress(container.to_owned()))
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

async fn send(address: &str, event: Bytes) -> Result<Reply, SendError> {
    let request = http::post(address, "/", event);
    let response = http::send(address, request, INVOKE_LIMIT).await?;
    Ok(Reply {
        status: response.status(),
        body: response.into_body(),
    })
}

/// Waits until the runtime accepts connections; a container that never does is reported as what its address said last.
async fn wait_until_ready(address: &str) -> Result<(), SendError> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let connected = tokio::time::timeout(START_LIMIT, tokio::net::TcpStream::connect(address))
            .await
            .unwrap_or_else(|elapsed| Err(elapsed.into()));
        match connected {
            Ok(_) => return Ok(()),
            Err(source) if Instant::now() >= deadline => {
                return Err(SendError::Connect {
                    to: address.to_owned(),
                    source,
                });
            }
            Err(_) => tokio::time::sleep(CONNECT_PAUSE).await,
        }
    }
}
