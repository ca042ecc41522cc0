//! `provision`: runs the stack's one-shot provisioner.

use std::process::ExitCode;

use engine::docker::{connect, provision};

use crate::applier::args::Provision;
use crate::applier::prepare::{compose_call, limits};
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::talk;

/// Provisions.
pub(crate) fn run(args: &Provision, output: &Output) -> Ended {
    let call = compose_call(&args.compose)?;
    let limits = limits()?;
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::of(Kind::Internal, &error))?;
    let line = |text: &str| talk(&format!("provisioner: {text}"));
    let result = runtime.block_on(async {
        let docker_host = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty());
        let engine = connect(docker_host.as_deref(), limits).await?;
        provision(&engine, args.compose_project.as_deref(), &call, &line).await
    })?;
    output.result(Type::Provisioned, &result, || {
        format!("provisioner exited {}", result.exit_code)
    })?;
    Ok(ExitCode::SUCCESS)
}
