//! `status`: how each target stands now.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Stage, State};
use engine::publish;
use engine::run::latest_state;
use engine::views::{Status as DeployStatus, summarise};
use journal::{Facts, Holder, StreamId};
use serde::Serialize;

use crate::applier::args::Status;
use crate::applier::at::At;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

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
    /// Who deploys onto it at this moment.
    holder: Option<Holder>,
    head: String,
}

/// Shows each target.
pub(crate) fn run(global: &Global, args: &Status, output: &Output) -> Ended {
    let (root, targets) = match args.past.at {
        // A sequence belongs to one target.
        Some(_) => {
            let (root, one) = target::one(global, args.target.as_deref())?;
            (root, vec![one])
        }
        None => target::all_or(global, args.target.as_deref())?,
    };
    let mut unsettled = false;
    for stream in &targets {
        let Some(status) = of_target(&root, stream, args.past.at)? else {
            continue;
        };
        unsettled |= !status.drift.is_empty()
            || matches!(
                status.status,
                DeployStatus::Unfinished | DeployStatus::Failed
            );
        output.result(Type::Status, &status, || text(&status))?;
    }
    if targets.is_empty() {
        target::nothing_in(&root);
    }
    Ok(if args.exit_code && unsettled {
        ExitCode::from(Kind::Drift.code())
    } else {
        ExitCode::SUCCESS
    })
}

fn of_target(
    root: &Path,
    stream: &StreamId,
    at: Option<u64>,
) -> Result<Option<TargetStatus>, Failure> {
    let reader = target::reader(root, stream)?;
    // Asked before the facts are read: a deploy that ends meanwhile shows as ended, never as left alone.
    let holder = match at {
        None => reader
            .holder()
            .map_err(|error| target::store_failure(&error))?,
        Some(_) => None,
    };
    let facts = At::new(&reader, at)?;
    let head = facts
        .head()
        .map_err(|error| target::store_failure(&error))?;
    let Some(&(first, _)) = facts
        .latest_deploys(None, 1)
        .map_err(|error| target::store_failure(&error))?
        .first()
    else {
        return Ok(None);
    };
    let raw = deploys::raw(&facts, first).map_err(|error| target::store_failure(&error))?;
    let Some(summary) = summarise(&raw) else {
        return Ok(None);
    };
    let state = latest_state(&facts).map_err(|error| target::ledger_failure(&error))?;
    Ok(Some(TargetStatus {
        target: stream.to_string(),
        deploy: summary.deploy,
        status: summary.status,
        stage: state.stage_name(),
        attempts: summary.attempts,
        actor: summary.actors.join(", "),
        requested_at: summary.requested_at,
        error: summary.error,
        // What the output directory is today says nothing about what it was.
        drift: match at {
            None => drift(&state)?,
            Some(_) => Vec::new(),
        },
        holder,
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
        "{}: {}\n  deploy {} (attempt {}) by {}, asked for at {}\n  journal head {}",
        status.target,
        status.status.word(),
        status.deploy,
        status.attempts,
        status.actor,
        status.requested_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        status.head
    );
    if let Some(error) = &status.error {
        text.push_str(&format!("\n  {error}"));
    }
    match (&status.holder, status.status) {
        (Some(holder), _) => text.push_str(&format!("\n  {}", target::held(holder))),
        (None, DeployStatus::Unfinished | DeployStatus::Failed) => text.push_str(&format!(
            "\n  go on with `artifactctl resume {0}`, or give it up with `artifactctl abandon {0}`",
            status.target
        )),
        (None, DeployStatus::Applied | DeployStatus::Abandoned) => {}
    }
    for file in &status.drift {
        text.push_str(&format!("\n  drift: {file} is not what was applied"));
    }
    text
}
