//! `status`: how each target stands now.

mod shown;

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Command, DriftFound, State};
use engine::merge::ConfigFile;
use engine::run::{latest_deploy, latest_state};
use engine::views::{Status as DeployStatus, Summary, summarise};
use journal::{EventLog, Holder, StreamId};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::Status;
use crate::applier::at::At;
use crate::applier::drift::{Asked, ComparedStack, DriftedKeys};
use crate::applier::failing::Failing;
use crate::applier::ids::Ids;
use crate::applier::tags::{self, AppliedTags, ComparedTags, TagDrift};
use crate::applier::target::HoldLine;
use crate::applier::{deploys, drift, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::program::Ended;

#[derive(Serialize)]
struct TargetStatus {
    target: String,
    /// The latest deploy; none when only a hold has been recorded.
    #[serde(flatten)]
    latest: Option<Latest>,
    /// The deploy whose configuration is in effect: the last that was applied.
    in_effect: Option<InEffect>,
    /// The output directory of the latest deploy.
    out: Option<String>,
    /// Files of the output directory that are not what was applied.
    drift: Vec<String>,
    /// Keys of ours that stand otherwise than they were applied.
    #[serde(flatten)]
    keys: DriftedKeys,
    /// The running stack, compared with what was checked; none where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<ComparedStack>,
    /// The tags that the configuration in effect names, compared with what they name by now.
    #[serde(flatten)]
    tags: ComparedTags,
    /// The id of the event by which the drift was recorded, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Uuid>,
    /// Who deploys onto it at this moment.
    holder: Option<Holder>,
    /// The hold that a person has on it.
    hold: Option<HoldLine>,
    head: String,
    #[serde(skip)]
    ids: Ids,
}

/// The deploy whose configuration is in effect.
#[derive(Serialize)]
struct InEffect {
    deploy: Uuid,
    actor: String,
    applied_at: jiff::Timestamp,
}

/// How the latest deploy stands.
#[derive(Serialize)]
struct Latest {
    deploy: Uuid,
    status: DeployStatus,
    stage: &'static str,
    attempts: u32,
    actor: String,
    requested_at: jiff::Timestamp,
    error: Option<String>,
    /// It was asked for on another machine and imported: it can be abandoned, and not resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Shows each target.
pub(crate) fn run(global: &Global, args: &Status, output: &Output) -> Ended {
    let at = args.past.at.as_deref();
    let (root, targets) = target::all_at(global, args.target.as_deref(), at)?;
    let mut failing = Failing::among(&targets);
    let (mut all, mut applied_tags, mut stacks) = (Vec::new(), Vec::new(), Vec::new());
    for stream in &targets {
        let status = of_target(&root, stream, args);
        if let Some((status, world)) = failing.of(stream, status).flatten() {
            all.push(status);
            applied_tags.push(world.tags);
            stacks.push(world.stack);
        }
    }
    for (status, tags) in all.iter_mut().zip(tags::compare(&applied_tags)?) {
        status.tags = tags;
    }
    for (status, stack) in all.iter_mut().zip(drift::stacks(&stacks)?) {
        status.stack = stack;
    }
    if args.record {
        for status in all.iter_mut().filter(|status| status.has_drifted()) {
            status.recorded = Some(status.record(&root, args)?);
        }
    }
    let unsettled = all.iter().any(TargetStatus::is_unsettled);
    if output.is_json() {
        for status in &all {
            Output::json(Type::Status, status)?;
        }
    } else if targets.is_empty() {
        target::nothing_in(&root);
    } else if let ([status], 1) = (&all[..], targets.len()) {
        Output::page(&status.details(global.verbose > 0))?;
    } else if !all.is_empty() {
        Output::page(&shown::table(&all))?;
    }
    failing.ended(if args.exit_code && unsettled {
        ExitCode::from(Kind::Drift.code())
    } else {
        ExitCode::SUCCESS
    })
}

/// What of a target is to be compared with the world outside of this machine's files.
#[derive(Default)]
struct World {
    tags: AppliedTags,
    stack: Option<Asked>,
}

fn of_target(
    root: &Path,
    stream: &StreamId,
    args: &Status,
) -> Result<Option<(TargetStatus, World)>, Failure> {
    let at = args.past.at.as_deref();
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
    let imported = match state.as_ref().and_then(State::unfinished) {
        Some(deploy) => target::is_imported(root, stream, deploy)?,
        None => false,
    };
    let summary = raw.and_then(|raw| summarise(&raw));
    let in_effect = in_effect(&events, state.as_ref(), summary.as_ref())?;
    let latest = summary.map(|summary| Latest {
        deploy: summary.deploy,
        status: summary.status,
        stage: state.as_ref().map_or("unknown", State::stage_name),
        attempts: summary.attempts,
        actor: summary.actors.join(", "),
        requested_at: summary.requested_at,
        error: summary.error,
        imported,
    });
    let hold = state
        .as_ref()
        .map(|state| HoldLine::of(&events, state))
        .transpose()?;
    // What tags name today says nothing of what they named, and whoever deploys may be moving them.
    let world = match (at, &holder, &state) {
        (None, None, Some(state)) => World {
            tags: AppliedTags::read(&events, state)?,
            stack: if args.stack || args.record {
                Asked::of(&events, state)?
            } else {
                None
            },
        },
        (None, None, None) | (None, Some(_), _) | (Some(_), _, _) => World::default(),
    };
    // What the output directory is today says nothing about what it was.
    let (drift, keys) = match (at, &state) {
        (None, Some(state)) => drift(&events, state)?,
        (None, None) | (Some(_), _) => Default::default(),
    };
    let status = TargetStatus {
        target: stream.to_string(),
        latest,
        in_effect,
        out: state
            .as_ref()
            .and_then(|state| state.deploy.as_ref())
            .map(|deploy| deploy.request.out.clone()),
        drift,
        keys,
        stack: None,
        recorded: None,
        tags: ComparedTags::default(),
        holder,
        hold: hold.flatten(),
        head: target::head_text(&head),
        ids: Ids::of(&events, args.long).map_err(|error| target::store_failure(&error))?,
    };
    Ok(Some((status, world)))
}

/// The deploy that was applied last: the latest one, else the one that it builds upon.
fn in_effect(
    events: &dyn EventLog,
    state: Option<&State>,
    latest: Option<&Summary>,
) -> Result<Option<InEffect>, Failure> {
    if let Some(applied) = latest.and_then(InEffect::of) {
        return Ok(Some(applied));
    }
    let base = state.and_then(State::base).filter(|base| base.applied);
    let first = base
        .map(|base| events.deploy_start(base.deploy))
        .transpose()
        .map_err(|error| target::store_failure(&error))?
        .flatten();
    let Some(first) = first else { return Ok(None) };
    let raw = deploys::raw(events, first).map_err(|error| target::store_failure(&error))?;
    Ok(summarise(&raw).as_ref().and_then(InEffect::of))
}

impl InEffect {
    fn of(summary: &Summary) -> Option<Self> {
        Some(Self {
            deploy: summary.deploy,
            actor: summary.actors.join(", "),
            applied_at: summary.applied_at?,
        })
    }
}

/// Only an applied deploy says what the output directory should hold: the files that are otherwise, and the keys in them.
fn drift(events: &dyn EventLog, state: &State) -> Result<(Vec<String>, DriftedKeys), Failure> {
    let deploy = state.deploy.as_ref();
    let applied = deploy.and_then(|deploy| Some((deploy, deploy.stage.applied()?)));
    let Some((deploy, applied)) = applied else {
        return Ok(Default::default());
    };
    let current = drift::standing(&deploy.request.out)?;
    let differs = applied.files.iter().filter(|(file, published)| {
        current.get(file).map(Digest::of).as_ref() != Some(&published.digest)
    });
    let differs: Vec<String> = differs
        .map(|(file, _)| file.file_name().to_owned())
        .collect();
    if differs.is_empty() {
        return Ok(Default::default());
    }
    let keys = drift::keys(events, state, &current)?;
    Ok((differs, keys))
}

impl TargetStatus {
    /// Files or tags are not what was applied, or the stack would refuse it.
    fn has_drifted(&self) -> bool {
        let stack = self.stack.as_ref();
        !self.drift.is_empty()
            || !self.tags.tag_drift.is_empty()
            || stack.is_some_and(|stack| !stack.refused.is_empty())
    }

    /// What is there is not what was applied, or a deploy waits for somebody.
    fn is_unsettled(&self) -> bool {
        self.has_drifted()
            || matches!(
                self.latest,
                Some(Latest {
                    status: DeployStatus::Unfinished | DeployStatus::Failed,
                    ..
                })
            )
    }

    /// Records what was found.
    fn record(&self, root: &Path, args: &Status) -> Result<Uuid, Failure> {
        let stream: StreamId = self
            .target
            .parse()
            .expect("the target was read from the journal");
        let Some(in_effect) = &self.in_effect else {
            let message =
                format!("nothing is in effect on `{stream}`, so that nothing can be drift");
            return Err(Failure::new(Kind::Refused, message));
        };
        let is_drifted = |file: &ConfigFile| self.drift.iter().any(|one| one == file.file_name());
        let stack = self.stack.iter();
        let found = DriftFound {
            latest: 0,
            in_effect: in_effect.deploy,
            files: ConfigFile::ALL.into_iter().filter(is_drifted).collect(),
            keys: self.keys.digests.clone(),
            tags: self.tags.tag_drift.iter().map(TagDrift::moved).collect(),
            refused: stack.flat_map(|stack| stack.refused.clone()).collect(),
        };
        let actor = identity::actor(args.who.actor.as_deref());
        let owned = target::own(root, &stream, &actor)?;
        let mut journal = target::journal(&owned, &actor)?;
        target::must_be_free(&stream, &journal)?;
        let recorded = journal
            .record(vec![Command::FindDrift(found)])
            .map_err(|error| target::deploy_journal_failure(&error))?;
        Ok(recorded[0].deploy)
    }
}
