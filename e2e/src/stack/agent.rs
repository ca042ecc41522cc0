//! The agent: functions run in containers that it keeps warm.
//!
//! Here: one container for each function, replaced when the image's digest or the configuration has changed, and the
//! limit of a call. Not here: how a container is made (`docker`, `containerd`), routing (`gateway`), resolving references
//! (`registry`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::http::{self, Call, HEALTH_PATH, Reply, SendError};
use crate::registry::{Registry, ResolveError};
use crate::{ServiceError, chain, containerd, docker};

const PORT: u16 = 7070;
const START_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The port that the runtime of a function listens on when it is told no other.
pub(crate) const RUNTIME_PORT: u16 = 8080;

/// Containers carry the name of their function under this label.
pub(crate) const LABEL_FUNCTION: &str = "com.esb.function";

/// What makes the containers of functions: the Docker engine, or a containerd of the stack's own.
pub(crate) trait Containers: Send + Sync + 'static {
    /// Replaces the container of a function by one that runs the plan, and gives its address.
    fn start(
        &self,
        function: &str,
        plan: &Plan,
    ) -> impl Future<Output = Result<String, StartError>> + Send;

    /// Removes every container that belongs to the functions of this stack.
    fn remove_all(&self) -> impl Future<Output = Result<(), StartError>> + Send;
}

/// What decides whether a container is still the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Where to pull from; names a digest.
    pub(crate) image: String,
    /// Variables of the function.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Why a container could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the Docker engine refused")]
    TestEngine(#[from] bollard::errors::Error),
    #[error("the container of `{0}` has no address in the network of the stack")]
    NoAddress(String),
    #[error(transparent)]
    Containerd(#[from] containerd::CtrError),
}

/// Keeps functions warm.
pub(crate) struct Agent<C> {
    containers: C,
    registry: Registry,
    /// One slot for each function; its lock makes concurrent calls share one cold start.
    warm: Mutex<BTreeMap<String, Arc<Mutex<Option<Warm>>>>>,
}

/// A running container and what it was made from.
#[derive(Debug, Clone)]
struct Warm {
    plan: Plan,
    address: String,
}

/// What the gateway asks for: a function as `functions.yml` has it at this moment, and an event for it.
#[derive(Debug, Deserialize)]
struct Invocation {
    image: Option<String>,
    environment: BTreeMap<String, String>,
    /// Seconds that the call may take.
    timeout: u64,
    event: String,
}

/// Why a function could not answer.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error("the gateway asked for something else than a call")]
    Malformed(#[from] serde_json::Error),
    #[error("the function `{0}` has no image")]
    NoImage(String),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Send(#[from] SendError),
}

impl InvokeError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NoImage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Send(SendError::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::Resolve(_) | Self::Start(_) | Self::Send(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Runs functions on the Docker engine until the process is stopped.
pub(crate) async fn run_on_docker() -> Result<(), ServiceError> {
    let containers = docker::TestEngine::connect().await?;
    run(containers, Registry::seen_by_engine()?).await
}

/// Runs functions on a containerd of its own until the process is stopped.
pub(crate) async fn run_on_containerd() -> Result<(), ServiceError> {
    let containers = containerd::Node::start().await?;
    run(containers, Registry::seen_from_inside()?).await
}

/// Begins and ends without containers: an agent knows only those that it started itself.
async fn run<C: Containers>(containers: C, registry: Registry) -> Result<(), ServiceError> {
    containers.remove_all().await?;
    let agent = Arc::new(Agent {
        containers,
        registry,
        warm: Mutex::default(),
    });
    let ended = crate::until_stopped(serve(&agent)).await;
    agent.containers.remove_all().await?;
    ended
}

async fn serve<C: Containers>(agent: &Arc<Agent<C>>) -> Result<(), ServiceError> {
    let agent = Arc::clone(agent);
    http::serve(PORT, move |call| {
        let agent = Arc::clone(&agent);
        async move { agent.answer(call).await }
    })
    .await
}

impl<C: Containers> Agent<C> {
    async fn answer(&self, call: Call) -> Reply {
        if call.path == HEALTH_PATH && call.method == Method::GET {
            return Reply::message(StatusCode::OK, "functions can be called");
        }
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

    async fn invoke(&self, function: &str, asked: Bytes) -> Result<Reply, InvokeError> {
        let asked: Invocation = serde_json::from_slice(&asked)?;
        let limit = Duration::from_secs(asked.timeout);
        let event = Bytes::from(asked.event);
        let plan = self.plan(function, asked.image, asked.environment).await?;
        let address = self.ensure(function, &plan).await?;
        let sent = match send(&address, event.clone(), limit).await {
            // The container ended behind our back: one more start, then the truth.
            Err(SendError::Connect { .. }) => {
                self.forget(function, &address).await;
                let address = self.ensure(function, &plan).await?;
                send(&address, event, limit).await
            }
            other => other,
        };
        Ok(sent?)
    }

    async fn plan(
        &self,
        function: &str,
        image: Option<String>,
        environment: BTreeMap<String, String>,
    ) -> Result<Plan, InvokeError> {
        let image = image.filter(|image| !image.trim().is_empty());
        let image = image.ok_or_else(|| InvokeError::NoImage(function.to_owned()))?;
        let image = self.registry.resolve(image.trim()).await?;
        Ok(Plan { image, environment })
    }

    async fn slot(&self, function: &str) -> Arc<Mutex<Option<Warm>>> {
        let mut warm = self.warm.lock().await;
        Arc::clone(warm.entry(function.to_owned()).or_default())
    }

    /// Forgets the container at this address; another call may have started a new one by now.
    async fn forget(&self, function: &str, address: &str) {
        let slot = self.slot(function).await;
        let mut warm = slot.lock().await;
        if warm
            .as_ref()
            .is_some_and(|running| running.address == address)
        {
            *warm = None;
        }
    }

    /// Gives the address of a container that runs the plan, starting one when there is none.
    async fn ensure(&self, function: &str, plan: &Plan) -> Result<String, InvokeError> {
        let slot = self.slot(function).await;
        let mut warm = slot.lock().await;
        if let Some(running) = warm.as_ref().filter(|running| running.plan == *plan) {
            return Ok(running.address.clone());
        }
        let address = self.containers.start(function, plan).await?;
        println!("{function}: started from {}", plan.image);
        wait_until_ready(&address).await?;
        *warm = Some(Warm {
            plan: plan.clone(),
            address: address.clone(),
        });
        Ok(address)
    }
}

async fn send(address: &str, event: Bytes, limit: Duration) -> Result<Reply, SendError> {
    let request = http::post(address, "/", event);
    let response = http::send(address, request, limit).await?;
    Ok(Reply::json(response.status(), response.into_body()))
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
