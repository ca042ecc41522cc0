//! Services of the fixture stack in one static binary: `stack gateway|agent|runtime-node|provisioner|runtime`.
//!
//! Here: choosing the service and stopping on a signal. Each service has a file of its own; `http` and `config` are what
//! they share. Not here: bringing the stack up, which is the library's `stack` module.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "services speak to the container's log"
)]

mod agent;
mod containerd;
mod docker;
mod http;
mod invocation;
mod ports;
mod registry;
mod runtime;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// What makes a service stop before its time.
#[derive(Debug, thiserror::Error)]
enum ServiceError {
    #[error("unknown service `{0}`, expected agent, runtime-node, runtime, invocation or ports")]
    UnknownService(String),
    #[error("the environment variable `{0}` is not set")]
    MissingVariable(&'static str),
    #[error("cannot serve HTTP on port {port}")]
    Serve { port: u16, source: std::io::Error },
    #[error("the Docker engine did not answer")]
    TestEngine(#[from] bollard::errors::Error),
    #[error(transparent)]
    Containerd(#[from] containerd::CtrError),
    #[error(transparent)]
    Containers(#[from] agent::StartError),
    #[error("`{variable}` is `{value}`, which is no port")]
    NoPort {
        variable: &'static str,
        value: String,
    },
    #[error("cannot watch for signals")]
    Signal(std::io::Error),
    #[error(transparent)]
    Port(#[from] ports::PortError),
    #[error(transparent)]
    Invocation(#[from] invocation::InvocationError),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let service = std::env::args().nth(1).unwrap_or_default();
    match run(&service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(service: &str) -> Result<(), ServiceError> {
    match service {
        "agent" => agent::run_on_docker().await,
        "runtime-node" => agent::run_on_containerd().await,
        "ports" => ports::publish(&std::env::args().skip(2).collect::<Vec<_>>()).await,
        "invocation" => invocation::run(&std::env::args().nth(2).unwrap_or_default()).await,
        "runtime" => until_stopped(runtime::serve()).await,
        other => Err(ServiceError::UnknownService(other.to_owned())),
    }
}

/// Runs a service until it fails or the container is asked to stop. As process 1 of a container it gets no default
/// signal handlers, so without this every stop would wait for the engine's kill.
async fn until_stopped(
    service: impl Future<Output = Result<(), ServiceError>>,
) -> Result<(), ServiceError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServiceError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServiceError::Signal)?;
    tokio::select! {
        ended = service => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Reads a variable the Compose file must set.
fn variable(name: &'static str) -> Result<String, ServiceError> {
    std::env::var(name).map_err(|_| ServiceError::MissingVariable(name))
}

/// Renders an error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
