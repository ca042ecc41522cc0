//! `status`: how each target stands now.

mod shown;

use std::path::Path;
use std::process::ExitCode;

use engine::machine::{Command, DriftFound, State};
use engine::run::{latest_deploy, latest_state, typed};
use engine::views::{ServiceVersion, Status as DeployStatus, Summary, summarise};
use journal::{EventLog, Holder, StreamId};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::Status;
use crate::applier::at::At;
use crate::applier::drift::DriftedFiles;
use crate::applier::drift::stack::{self, AppliedStack, ComparedStack};
use crate::applier::drift::tags::{self, AppliedTags, ComparedTags};
use crate::applier::failing::Failing;
use crate::applier::hold::HoldLine;
use crate::applier::ids::Ids;
use crate::applier::{deploys, drift, hold, output_dir, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::process_limits;
use crate::program::Ended;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TargetStatus {
    /// The target, `PROJECT/ENV`.
    #[serde(serialize_with = "shown::as_text")]
    #[cfg_attr(test, schemars(with = "StreamId"))]
    target: StreamId,
    /// The latest deploy; none when only a hold has been recorded.
    #[serde(flatten)]
    latest: Option<Latest>,
    /// The deploy whose configuration is in effect: the last that was applied.
    in_effect: Option<InEffect>,
    /// The output directory of the latest deploy.
    out: Option<String>,
    /// What stands in the output directory and is not what was applied.
    #[serde(flatten)]
    files: DriftedFiles,
    /// The running stack, compared with what was checked; none where nothing is in effect.
    stack: Option<ComparedStack>,
    /// The tags that the configuration in effect names, compared with what they name by now.
    #[serde(flatten)]
    tags: ComparedTags,
    /// The id under which the drift is recorded, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Uuid>,
    /// Who deploys onto it at this moment.
    holder: Option<Holder>,
    /// The hold that a person has on it.
    hold: Option<HoldLine>,
    /// The head of the journal, `SEQUENCE:HASH`.
    head: String,
    #[serde(skip)]
    ids: Ids,
}

/// The deploy whose configuration is in effect.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct InEffect {
    /// The deploy.
    deploy: Uuid,
    /// Who asked for it.
    actor: String,
    /// When it was applied.
    applied_at: jiff::Timestamp,
    /// What it saw running last.
    #[serde(skip)]
    stack: Vec<ServiceVersion>,
}

/// How the latest deploy stands.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Latest {
    /// The latest deploy.
    deploy: Uuid,
    /// How the latest deploy stands.
    status: DeployStatus,
    /// How far the latest deploy is.
    stage: &'static str,
    /// How many attempts it had.
    attempts: u32,
    /// Who asked for it.
    actor: String,
    /// When it was asked for.
    requested_at: jiff::Timestamp,
    /// Why its last attempt failed; null when it did not.
    #[cfg_attr(test, schemars(extend("x-null-too" = true)))]
    error: Option<String>,
    /// It was asked for on another machine and imported: it can be abandoned, and not resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Shows each target.
pub(crate) fn run(global: &Global, args: &Status, output: &Output) -> Ended {
    let at = args.past.at.as_deref();
    let (root, targets) = target::all_at(global, args.target.as_deref(), at)?;
    if args.exit_code {
        target::must_have_targets(&root, &targets)?;
    }
    let mut failing = Failing::among(&targets);
    let (mut all, mut tags, mut stacks) = (Vec::new(), Vec::new(), Vec::new());
    for stream in &targets {
        let status = of_target(&root, stream, args);
        if let Some((status, world)) = failing.of(stream, status).flatten() {
            all.push(status);
            tags.push(world.tags);
            stacks.push(world.stack);
        }
    }
    let patience = if args.exit_code || args.record {
        drift::VERDICT_PATIENCE
    } else {
        drift::PATIENCE
    };
    let (tags, stacks) = process_limits::runtime()?.block_on(async {
        tokio::join!(
            tags::compare(&tags, patience),
            stack::compare(&stacks, patience)
        )
    });
    for ((status, tags), stack) in all.iter_mut().zip(tags).zip(stacks) {
        (status.tags, status.stack) = (tags, stack);
    }
    if args.record {
        for status in all.iter_mut().filter(|status| status.has_drifted()) {
            let recorded = status.record(&root, args);
            status.recorded = failing.of(&status.target, recorded);
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
    if args.exit_code && !unsettled {
        for status in &all {
            failing.of(&status.target, status.all_compared());
        }
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
    stack: Option<AppliedStack>,
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
    // What tags name and what runs today says nothing of what it was, and whoever deploys may be changing it.
    let world = match (at, &holder, &state) {
        (None, None, Some(state)) => World {
            tags: AppliedTags::read(&events, state)?,
            stack: applied_stack(&events, state, in_effect.as_ref())?,
        },
        (None, None, None) | (None, Some(_), _) | (Some(_), _, _) => World::default(),
    };
    // What the output directory is today says nothing about what it was.
    let files = match (at, &state) {
        (None, Some(state)) => {
            let mut files = DriftedFiles::of(&events, state)?;
            files.leave_to_others(root, stream)?;
            files
        }
        (None, None) | (Some(_), _) => DriftedFiles::default(),
    };
    let status = TargetStatus {
        target: stream.clone(),
        latest,
        in_effect,
        out: state
            .as_ref()
            .and_then(|state| state.deploy.as_ref())
            .map(|deploy| deploy.request.out.clone()),
        files,
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
            stack: summary.stack.clone(),
        })
    }
}

/// What the deploy in effect needs of the stack, and met; none when nothing is in effect.
fn applied_stack(
    events: &dyn EventLog,
    state: &State,
    in_effect: Option<&InEffect>,
) -> Result<Option<AppliedStack>, Failure> {
    let is_applied = state.base().is_some_and(|base| base.applied);
    let Some(in_effect) = in_effect.filter(|_| is_applied) else {
        return Ok(None);
    };
    let request = output_dir::base_request(events, state)?;
    Ok(request.map(|request| AppliedStack {
        request,
        checked: in_effect.stack.clone(),
    }))
}

impl TargetStatus {
    /// Files or tags are not what was applied, or the stack would refuse it.
    fn has_drifted(&self) -> bool {
        !self.files.files.is_empty() || !self.tags.tag_drift.is_empty() || self.is_refused()
    }

    /// The running stack would refuse what is in effect.
    fn is_refused(&self) -> bool {
        let stack = self.stack.as_ref();
        stack.is_some_and(|stack| !stack.refused.is_empty())
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

    /// Fails when the registry or the engine did not answer: that nothing differs is not known then.
    fn all_compared(&self) -> Result<(), Failure> {
        let stack = self.stack.as_ref();
        let stack = stack.and_then(|stack| stack.unknown.clone());
        let unknown = [stack, self.tags.tags_unknown.clone()];
        let causes: Vec<String> = unknown.into_iter().flatten().collect();
        if causes.is_empty() {
            return Ok(());
        }
        let what = "whether what is there is what was applied is not known";
        let hint = "`artifactctl journal doctor` says what is missing";
        Err(Failure {
            causes,
            ..Failure::new(Kind::Unreachable, what).hint(hint)
        })
    }

    /// Records what was found. What the journal ends with already is not recorded again, so that a job may ask every minute.
    fn record(&self, root: &Path, args: &Status) -> Result<Uuid, Failure> {
        let target = &self.target;
        let in_effect = self.in_effect.as_ref();
        let in_effect = in_effect.expect("what drifts is in effect").deploy;
        let actor = identity::actor(args.who.actor.as_deref());
        let owned = target::own(root, target, &actor)?;
        let mut journal = target::journal(&owned, &actor)?;
        hold::must_be_free(target, &journal)?;
        if target::head_text(journal.head()) != self.head {
            let message = format!("`{target}` was deployed to while it was compared");
            return Err(Failure::new(Kind::Refused, message)
                .hint("run the same command again: what was found may be healed"));
        }
        let refused = self.stack.iter().flat_map(|stack| stack.refused.clone());
        let found = DriftFound {
            latest: journal
                .state()
                .deploy
                .as_ref()
                .map_or(0, |deploy| deploy.first),
            in_effect,
            files: self.files.files.clone(),
            keys: self.files.digests.clone(),
            tags: self.tags.tag_drift.clone(),
            refused: refused.collect(),
        };
        let last = journal::event(journal.events(), journal.head().sequence)
            .map_err(|error| target::store_failure(&error))?;
        let last = last.as_ref().and_then(|last| typed(last).ok());
        if let Some(last) = last.filter(|last| last.event.as_drift_found() == Some(&found)) {
            return Ok(last.deploy);
        }
        let recorded = journal
            .record(vec![Command::FindDrift(found)])
            .map_err(|error| target::deploy_journal_failure(&error))?;
        Ok(recorded[0].deploy)
    }
}
