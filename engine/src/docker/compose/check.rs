//! Whether the provisioner can be run at all, found out before anything is changed.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::{PROFILE, PROGRAMS, SERVICE, common, program};
use crate::docker::fault;
use crate::docker::limits::Limits;
use crate::docker::redact::Redactor;
use crate::docker::transcript::tidy_lines;
use crate::machine::{ComposeCall, FailureKind};
use crate::run::Fault;

/// Checks that Compose is installed, that the files it is called with are there, and that they have a provisioner.
pub(in crate::docker) async fn check(
    project: Option<&str>,
    call: &ComposeCall,
    limits: Limits,
) -> Result<(), Fault> {
    let refuse = |message: String, hint: &str| {
        Err(fault::plain(
            FailureKind::Payload,
            message,
            Some(hint.to_owned()),
        ))
    };
    for file in &call.files {
        if !Path::new(file).is_file() {
            return refuse(
                format!("the Compose file `{file}` is not there"),
                "name the stack's Compose files with `--compose-file`",
            );
        }
    }
    if let Some(file) = call
        .env_file
        .as_ref()
        .filter(|file| !Path::new(file).exists())
    {
        return refuse(
            format!("the environment file `{file}` of Compose is not there"),
            "name it with `--env-file`",
        );
    }
    if let Some(folder) = call
        .project_dir
        .as_ref()
        .filter(|dir| !Path::new(dir).is_dir())
    {
        return refuse(
            format!("the project folder `{folder}` of Compose is not there"),
            "name it with `--project-dir`",
        );
    }
    let program = program(&PROGRAMS, limits.provision).await?;
    let asking = Command::new(program[0])
        .args(&program[1..])
        .args(common(project, call)?)
        .args(["--profile", PROFILE, "config", "--services"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let what = format!("`{} config --services`", program.join(" "));
    let output = match timeout(limits.provision, asking).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return refuse(format!("cannot run {what}\n{error}"), "install Compose"),
        Err(_) => {
            let (limit, kind) = (limits.provision, FailureKind::Provision);
            let what = format!("run {what}");
            return Err(fault::unfinished(&what, "provision", limit, kind, None));
        }
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = tidy_lines(&said, &Redactor::NONE);
        return refuse(
            format!("Compose does not take the stack's files\n{said}"),
            "name them with `--compose-file`, `--project-dir` and `--env-file`",
        );
    }
    let services = String::from_utf8_lossy(&output.stdout);
    if services.lines().any(|service| service.trim() == SERVICE) {
        return Ok(());
    }
    refuse(
        format!("the Compose files have no service `{SERVICE}` in the profile `{PROFILE}`"),
        "name the stack's files with `--compose-file`, or leave `--provision` out",
    )
}
