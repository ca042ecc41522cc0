//! `status`: how each target stands now.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Stage, State};
use engine::publish;
use engine::run::latest_state;
use engine::views::{Status as DeployStatus, summarise};
use journal::{Facts, StreamId};
use serde::Serialize;

use crate::Ended;
use crate::args::{Global, Status};
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::target;

#[derive(Serialize)]
struct TargetStatus {
    target: String,
    deploy: uuid::Uuid,
    status: DeployStatus,
    stage: &'static str,
    attempts: u32,
    actor: String,
    requested_at: jiff::Timestamp,
    error: Option<String>,
    /// Files of the output directory that are not what was applied.
    drift: Vec<String>,
    head: String,
}

/// Shows each target.
pub(crate) fn run(global: &Global, args: &Status, output: &Output) -> Ended {
    let (root, targets) = target::all_or(global, args.target.as_deref())?;
    let mut unsettled = false;
    for stream in &targets {
        let Some(status) = of_target(&root, stream)? else {
            continue;
        };
        unsettled |= !status.drift.is_empty()
            || matches!(
                status.status,
                DeployStatus::Unfinished | DeployStatus::Failed
            );
        output.result("status", &status, || text(&status))?;
    }
    if targets.is_empty() {
        crate::report::talk("no deploy has been recorded");
    }
    Ok(if args.exit_code && unsettled {
        ExitCode::from(Kind::Drift.code())
    } else {
        ExitCode::SUCCESS
    })
}

fn of_target(root: &Path, stream: &StreamId) -> Result<Option<TargetStatus>, Failure> {
    let reader = target::reader(root, stream)?;
    let head = reader
        .head()
        .map_err(|error| target::store_failure(&error))?;
    let Some(&(first, _)) = reader
        .latest_deploys(None, 1)
        .map_err(|error| target::store_failure(&error))?
        .first()
    else {
        return Ok(None);
    };
    let facts =
        target::raw_deploy(&reader, first).map_err(|error| target::store_failure(&error))?;
    let Some(summary) = summarise(&facts) else {
        return Ok(None);
    };
    let state = latest_state(&reader).map_err(|error| target::ledger_failure(&error))?;
    Ok(Some(TargetStatus {
        target: stream.to_string(),
        deploy: summary.deploy,
        status: summary.status,
        stage: state.stage_name(),
        attempts: summary.attempts,
        actor: summary.actors.join(", "),
        requested_at: summary.requested_at,
        error: summary.error,
        drift: drift(&state)?,
        head: target::head_text(&head),
    }))
}

/// Only an applied deploy says what the output directory should hold.
fn drift(state: &State) -> Result<Vec<String>, Failure> {
    let Some(deploy) = &state.deploy else {
        return Ok(Vec::new());
    };
    let Stage::Applied(applied) = &deploy.stage else {
        return Ok(Vec::new());
    };
    let current = publish::current(Path::new(&deploy.request.out))
        .map_err(|error| Failure::of(Kind::Publish, &error))?;
    let differs = applied.files.iter().filter(|(file, published)| {
        current.get(file).map(Digest::of).as_ref() != Some(&published.digest)
    });
    Ok(differs
        .map(|(file, _)| file.file_name().to_owned())
        .collect())
}

fn text(status: &TargetStatus) -> String {
    let mut text = format!(
        "{}: {} by {} at {}, deploy {} (attempt {}), head {}",
        status.target,
        status.status.word(),
        status.actor,
        status.requested_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        status.deploy,
        status.attempts,
        status.head
    );
    if let Some(error) = &status.error {
        text.push_str(&format!(
            "\n  {error}\n  go on with `artifactctl resume {}`",
            status.target
        ));
    }
    for file in &status.drift {
        text.push_str(&format!("\n  drift: {file} is not what was applied"));
    }
    text
}
