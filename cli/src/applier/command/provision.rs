//! `provision`: runs the stack's one-shot provisioner.

use std::process::ExitCode;

use engine::docker::{check_provision, connect, provision};

use crate::applier::args::Provision;
use crate::applier::prepare::{compose_call, limits, unusable};
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::talk;
use crate::signals;

/// Provisions.
pub(crate) fn run(args: &Provision, output: &Output) -> Ended {
    let call = compose_call(&args.compose)?;
    let limits = limits()?;
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::of(Kind::Internal, &error))?;
    let line = |text: &str| talk(&format!("provisioner: {text}"));
    let result = runtime.block_on(async {
        let interrupts = signals::listen()?;
        let docker_host = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty());
        let project = args.compose_project.as_deref();
        check_provision(project, &call, limits)
            .await
            .map_err(unusable)?;
        let engine = connect(docker_host.as_deref(), limits).await?;
        // What is dropped here stops the provisioner and waits for it.
        tokio::select! {
            result = provision(&engine, project, &call, &line) => result.map_err(Failure::from),
            () = interrupts.first() => Err(Failure::new(Kind::Interrupted, "interrupted while the provisioner ran; it was stopped")),
        }
    })?;
    output.result(Type::Provisioned, &result, || {
        format!("provisioner exited {}", result.exit_code)
    })?;
    Ok(ExitCode::SUCCESS)
}
