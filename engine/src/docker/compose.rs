//! The stack's one-shot provisioner, run with Compose.
//!
//! No shell: every argument is handed over as it is, and values are written behind `=`, so that none of them becomes an option.

mod check;
mod child;
mod leftover;
mod output;

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::connect::Engine;
use super::fault;
use super::redact::Redactor;
use super::transcript::{Tail, tidy};
use crate::machine::{ComposeCall, FailureKind, ProvisionResult};
use crate::run::Fault;
pub(super) use check::check;
use child::watch;

/// The service that provisions, and the profile it is in.
const SERVICE: &str = "provisioner";
const PROFILE: &str = "deploy";

/// The Compose programs that are tried, in order.
const PROGRAMS: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// Builds the provisioner's image where it has one to build, then runs the provisioner once.
///
/// Without a project the choice is Compose's. `line` is told each line of output, cleaned of credentials.
pub(super) async fn provision(
    engine: &Engine,
    project: Option<&str>,
    call: &ComposeCall,
    redactor: &Redactor,
    say: &(dyn Fn(&str) + Sync),
) -> Result<ProvisionResult, Fault> {
    let program = program(&PROGRAMS, engine.limits.provision).await?;
    let common = common(project, call)?;
    if let Some(project) = project {
        leftover::wait(engine, project, say).await?;
    }
    let mut started = leftover::Run::new(engine, project);
    let mut tail = Tail::default();
    for step in [prebuild(), run(call.with_deps)] {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args(&common)
            .args(step)
            .env("DOCKER_HOST", engine.host.to_string())
            .env_remove("DOCKER_CONTEXT");
        let what = format!("`{} {}`", program.join(" "), step.join(" "));
        let ran = timeout(
            engine.limits.provision,
            watch(command, |line| {
                let line = tidy(&line, redactor);
                if !line.trim().is_empty() {
                    say(&line);
                    tail.push(line);
                }
            }),
        );
        let ended = match ran.await {
            Err(_) => Err(fault::unfinished(
                &format!("run {what}"),
                "provision",
                engine.limits.provision,
                FailureKind::Provision,
                None,
            )),
            Ok(Err(error)) => {
                Err(
                    fault::plain(FailureKind::Provision, format!("cannot run {what}"), None)
                        .because([error.to_string()]),
                )
            }
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                // Compose that ends by itself has taken its container away.
                started.ended = status.code().is_some();
                Err(ended_badly(&what, project, status))
            }
        };
        if let Err(fault) = ended {
            return Err(Fault {
                output: tail.lines(),
                ..fault
            });
        }
    }
    started.ended = true;
    Ok(ProvisionResult {
        exit_code: 0,
        output: tail.lines(),
    })
}

fn ended_badly(what: &str, project: Option<&str>, status: ExitStatus) -> Fault {
    let project = project
        .map(|project| format!(" --compose-project {project}"))
        .unwrap_or_default();
    let how = match status.code() {
        Some(code) => format!("{what} ended with exit code {code}"),
        None => format!("{what} was stopped by a signal"),
    };
    Fault {
        retryable: true,
        ..fault::plain(
            FailureKind::Provision,
            how,
            Some(format!("repeat it with `artifactctl provision{project}`")),
        )
    }
}

/// The first Compose program that answers. One that says nothing is not missing: on a busy machine it is slow to start.
async fn program<'a>(
    programs: &'a [&'a [&'a str]],
    limit: Duration,
) -> Result<&'a [&'a str], Fault> {
    for program in programs {
        let version = Command::new(program[0])
            .args(&program[1..])
            .arg("version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        match timeout(limit, version).await {
            Ok(Ok(status)) if status.success() => return Ok(program),
            Ok(Ok(_) | Err(_)) => {}
            Err(_) => {
                return Err(fault::unfinished(
                    &format!("run `{} version`", program.join(" ")),
                    "provision",
                    limit,
                    FailureKind::Provision,
                    None,
                ));
            }
        }
    }
    Err(fault::plain(
        FailureKind::Provision,
        "neither `docker compose` nor `docker-compose` answers",
        Some(
            "install the Compose plugin of Docker, or put `docker-compose` on the PATH".to_owned(),
        ),
    ))
}

/// The arguments before the command. Compose reads options anywhere, so a project that looks like one is refused.
fn common(project: Option<&str>, call: &ComposeCall) -> Result<Vec<OsString>, Fault> {
    if let Some(project) = project.filter(|project| project.starts_with('-')) {
        return Err(fault::plain(
            FailureKind::Provision,
            format!("`{project}` is no compose project"),
            Some("name the project with `--compose-project`".to_owned()),
        ));
    }
    let option = |name: &str, value: &std::ffi::OsStr| {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        argument
    };
    let named = project.map(|project| option("project-name", project.as_ref()));
    let files = call.files.iter().map(|file| option("file", file.as_ref()));
    let folder = call
        .project_dir
        .as_ref()
        .map(|folder| option("project-directory", folder.as_ref()));
    let env_file = call
        .env_file
        .as_ref()
        .map(|file| option("env-file", file.as_ref()));
    Ok(named
        .into_iter()
        .chain(files)
        .chain(folder)
        .chain(env_file)
        .collect())
}

fn prebuild() -> &'static [&'static str] {
    &["--profile", PROFILE, "build", SERVICE]
}

fn run(with_deps: bool) -> &'static [&'static str] {
    if with_deps {
        &[
            "--profile",
            PROFILE,
            "run",
            "--rm",
            "--label",
            leftover::LABEL,
            SERVICE,
        ]
    } else {
        &[
            "--profile",
            PROFILE,
            "run",
            "--rm",
            "--no-deps",
            "--label",
            leftover::LABEL,
            SERVICE,
        ]
    }
}

#[cfg(test)]
mod tests;
