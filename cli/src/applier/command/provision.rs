//! `provision`: runs the stack's one-shot provisioner.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::contract::SecretValues;
use engine::docker::{check_provision, connect, provision};
use engine::load;
use engine::machine::ComposeCall;

use crate::applier::args::Provision;
use crate::applier::prepare::{compose_call, limits, load_failure, unusable};
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::process_limits;
use crate::program::Ended;
use crate::report::talk;
use crate::signals;

/// Provisions.
pub(crate) fn run(args: &Provision, output: &Output) -> Ended {
    let call = compose_call(&args.compose)?;
    let limits = limits()?;
    let secrets = secrets(&call)?;
    let runtime = process_limits::runtime()?;
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
            result = provision(&engine, project, &call, &secrets, &line) => result.map_err(Failure::from),
            () = interrupts.first() => Err(Failure::new(Kind::Interrupted, "interrupted while the provisioner ran; it was stopped")),
        }
    })?;
    output.result(Type::Provisioned, &result, || {
        format!("provisioner exited {}", result.exit_code)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the provisioner may print and nobody may see. No artifact says which names are secret, so that their form does.
fn secrets(call: &ComposeCall) -> Result<SecretValues, Failure> {
    let Some(file) = env_file(call) else {
        return Ok(SecretValues::default());
    };
    let environment = |name: &str| std::env::var(name).ok();
    load::secrets_by_name(&file, &environment).map_err(|error| load_failure(&error))
}

/// The environment file that Compose reads: the one that is named, else `.env` in the project's folder, where there is one.
fn env_file(call: &ComposeCall) -> Option<PathBuf> {
    if let Some(file) = &call.env_file {
        return Some(PathBuf::from(file));
    }
    let beside = call.files.first().map(|file| Path::new(file).parent());
    let folder = call.project_dir.as_deref().map(Path::new);
    let folder = folder.or(beside.flatten()).unwrap_or(Path::new(""));
    Some(folder.join(".env")).filter(|file| file.is_file())
}
