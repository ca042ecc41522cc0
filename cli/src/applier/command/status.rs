//! `status`: how each target stands now.

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Stage, State};
use engine::publish;
use engine::run::{latest_deploy, latest_state};
use engine::views::{Status as DeployStatus, summarise};
use journal::{EventLog, Holder, StreamId};
use serde::Serialize;

use crate::applier::args::Status;
use crate::applier::at::At;
use crate::applier::failing::Failing;
use crate::applier::target::HoldLine;
use crate::applier::{deploys, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::program::Ended;

#[derive(Serialize)]
struct TargetStatus {
    target: String,
    /// The latest deploy; none when only a hold has been recorded.
    #[serde(flatten)]
    latest: Option<Latest>,
    /// Files of the output directory that are not what was applied.
    drift: Vec<String>,
    /// Who deploys onto it at this moment.
    holder: Option<Holder>,
    /// The hold that a person has on it.
    hold: Option<HoldLine>,
    head: String,
}

/// How the latest deploy stands.
#[derive(Serialize)]
struct Latest {
    deploy: uuid::Uuid,
    status: DeployStatus,
    stage: &'static str,
    attempts: u32,
    actor: String,
    requested_at: jiff::Timestamp,
    error: Option<String>,
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
    let (mut unsettled, mut failing) = (false, Failing::among(&targets));
    for stream in &targets {
        let status = of_target(&root, stream, args.past.at);
        let Some(status) = failing.of(stream, status).flatten() else {
            continue;
        };
        unsettled |= !status.drift.is_empty()
            || matches!(
                status.latest,
                Some(Latest {
                    status: DeployStatus::Unfinished | DeployStatus::Failed,
                    ..
                })
            );
        output.result(Type::Status, &status, || text(&status))?;
    }
    if targets.is_empty() {
        target::nothing_in(&root);
    }
    failing.ended(if args.exit_code && unsettled {
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
    // Asked before the events are read: a deploy that ends meanwhile shows as ended, never as left alone.
    let holder = match at {
        None => reader
            .holder()
            .map_err(|error| target::store_failure(&error))?,
        Some(_) => None,
    };
    let events = At::new(&reader, at)?;
    let head = events
        .head()
        .map_err(|error| target::store_failure(&error))?;
    if head.sequence == 0 {
        return Ok(None);
    }
    let state = match latest_state(&events) {
        // What an older tool can tell of it is told.
        Err(error) if error.is_newer() => None,
        state => Some(state.map_err(|error| target::deploy_journal_failure(&error))?),
    };
    let first = latest_deploy(&events).map_err(|error| target::deploy_journal_failure(&error))?;
    let raw = first
        .map(|first| deploys::raw(&events, first))
        .transpose()
        .map_err(|error| target::store_failure(&error))?;
    let latest = raw.and_then(|raw| summarise(&raw)).map(|summary| Latest {
        deploy: summary.deploy,
        status: summary.status,
        stage: state.as_ref().map_or("unknown", State::stage_name),
        attempts: summary.attempts,
        actor: summary.actors.join(", "),
        requested_at: summary.requested_at,
        error: summary.error,
    });
    let hold = state
        .as_ref()
        .map(|state| HoldLine::of(&events, state))
        .transpose()?;
    Ok(Some(TargetStatus {
        target: stream.to_string(),
        latest,
        // What the output directory is today says nothing about what it was.
        drift: match (at, &state) {
            (None, Some(state)) => drift(state)?,
            (None, None) | (Some(_), _) => Vec::new(),
        },
        holder,
        hold: hold.flatten(),
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
    let mut text = match &status.latest {
        Some(latest) => format!(
            "{}: {}\n  deploy {} (attempt {}) by {}, asked for at {}",
            status.target,
            latest.status.word(),
            latest.deploy,
            latest.attempts,
            latest.actor,
            latest.requested_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        ),
        None => format!("{}: no deploy yet", status.target),
    };
    text.push_str(&format!("\n  journal head {}", status.head));
    if let Some(error) = status
        .latest
        .as_ref()
        .and_then(|latest| latest.error.as_ref())
    {
        text.push_str(&format!("\n  {error}"));
    }
    if let Some(hold) = &status.hold {
        text.push_str(&format!("\n  {}", hold.words()));
    }
    if let Some(holder) = &status.holder {
        text.push_str(&format!("\n  {}", target::held(holder)));
    }
    if let Some(step) = next_step(status) {
        text.push_str(&format!("\n  {step}"));
    }
    for file in &status.drift {
        text.push_str(&format!("\n  drift: {file} is not what was applied"));
    }
    text
}

/// What somebody can do next: nothing while a process is at work, and nothing but a release while a person holds the target.
fn next_step(status: &TargetStatus) -> Option<String> {
    let target = &status.target;
    if status.holder.is_some() {
        return None;
    }
    if status.hold.is_some() {
        return Some(format!(
            "end the hold with `artifactctl lock release {target}`"
        ));
    }
    match status.latest.as_ref()?.status {
        DeployStatus::Unfinished | DeployStatus::Failed => Some(format!(
            "go on with `artifactctl resume {target}`, or give it up with `artifactctl abandon {target}`"
        )),
        DeployStatus::Applied | DeployStatus::Abandoned => None,
    }
}
