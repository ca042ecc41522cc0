//! `journal prune`: takes the oldest deploys of a journal away, and has the journal say so.

pub(crate) mod images;

use std::path::Path;
use std::process::ExitCode;

use engine::contract::Digest;
use engine::machine::{Command, State};
use engine::run::{KeepRule, PrunePlan, latest_state, prune_plan};
use journal::{AppendError, EventLog, Head, Journal, NewEvent, PruneError, PruneOrder, StreamId};
use serde::Serialize;

use crate::applier::args::PruneArgs;
use crate::applier::command::restore::must_have_room;
use crate::applier::command::transfer::import_failure;
use crate::applier::hold::HoldLine;
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone};
use crate::program::Ended;
use crate::report::{self, counted};
use crate::{identity, terminal, when};

/// What goes, and what stays.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PruneResult {
    /// The target, `PROJECT/ENV`.
    target: String,
    /// The last event that goes; none when nothing goes.
    checkpoint: Option<String>,
    /// How many events go.
    events: u64,
    /// How many deploys go.
    deploys: u64,
    /// How many documents go.
    documents: u64,
    /// How many images no event names any more.
    images: u64,
    /// When the first event that goes was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// When the last one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// How many events stay.
    kept_events: u64,
    /// How many deploys stay.
    kept_deploys: u64,
    /// How many documents stay.
    kept_documents: u64,
    /// The head of the journal afterwards.
    head: String,
    /// Nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Decides what goes, asks, and prunes.
pub(crate) fn run(global: &Global, args: &PruneArgs, output: &Output) -> Ended {
    if args.images {
        return images::run(global, args, output);
    }
    let (root, stream) = target::one(global, args.target.as_deref())?;
    target::must_have_journal(&root, &stream)?;
    let keep = KeepRule {
        since: args.keep,
        deploys: args.keep_deploys.map(u64::from),
    };
    if args.dry_run {
        let reader = target::reader(&root, &stream)?;
        must_be_between_deploys(&stream, &reader, &state_of(&reader)?)?;
        let head = reader.head();
        let head = head.map_err(|error| target::store_failure(&error))?;
        let plan = planned(&reader, keep)?;
        return shown(
            output,
            &PruneResult::of(&stream, plan.as_ref(), &head, true),
        );
    }
    let actor = identity::actor(args.who.actor.as_deref());
    let Some((plan, event)) = decided(&root, &stream, &actor, keep, args.message.as_deref())?
    else {
        let reader = target::reader(&root, &stream)?;
        let head = reader.head();
        let head = head.map_err(|error| target::store_failure(&error))?;
        return shown(output, &PruneResult::of(&stream, None, &head, false));
    };
    must_have_room(&root, plan.kept_bytes)?;
    must_be_agreed(&stream, &plan, args.yes)?;
    report::talk(&format!(
        "writing {} anew",
        counted(plan.kept_events, "event")
    ));
    let order = PruneOrder {
        expected: plan.head,
        checkpoint: plan.checkpoint,
        documents: plan.documents.clone(),
        added: plan.images_document().into_iter().collect(),
        event,
    };
    let head = Journal::prune(&root, &stream, target::holder(&actor), order)
        .map_err(|error| failure(&stream, &error))?;
    shown(output, &PruneResult::of(&stream, Some(&plan), &head, false))
}

fn planned(events: &dyn EventLog, keep: KeepRule) -> Result<Option<PrunePlan>, Failure> {
    prune_plan(events, keep).map_err(|error| target::deploy_journal_failure(&error))
}

fn state_of(events: &dyn EventLog) -> Result<State, Failure> {
    latest_state(events).map_err(|error| target::deploy_journal_failure(&error))
}

/// What goes, and the event that says so. None when nothing goes.
fn decided(
    root: &Path,
    stream: &StreamId,
    actor: &str,
    keep: KeepRule,
    message: Option<&str>,
) -> Result<Option<(PrunePlan, NewEvent)>, Failure> {
    let owned = target::own(root, stream, actor)?;
    let journal = target::journal(&owned, actor)?;
    must_be_between_deploys(stream, journal.events(), journal.state())?;
    let Some(plan) = planned(journal.events(), keep)? else {
        return Ok(None);
    };
    let images = plan.images_document().map(Digest::of);
    let pruned = plan.said(images, message.map(str::to_owned));
    let event = journal.drafted(Command::Prune(pruned));
    let event = event.map_err(|error| target::deploy_journal_failure(&error))?;
    Ok(Some((plan, event)))
}

/// Fails when a person holds the target or a deploy is unfinished: the event that says what went stands between deploys.
fn must_be_between_deploys(
    target: &StreamId,
    events: &dyn EventLog,
    state: &State,
) -> Result<(), Failure> {
    if let Some(hold) = HoldLine::of(events, state)? {
        return Err(hold.failure(target));
    }
    let Some(deploy) = state.unfinished() else {
        return Ok(());
    };
    Err(Failure::new(
        Kind::Refused,
        format!("deploy {} of `{target}` is unfinished", deploy.id),
    )
    .hint(format!("`artifactctl resume {target}` goes on with it"))
    .hint(format!("`artifactctl abandon {target}` gives it up")))
}

fn must_be_agreed(target: &StreamId, plan: &PrunePlan, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let what = format!(
        "{} in {} of `{target}`, {} to {}",
        counted(plan.events, "event"),
        counted(plan.deploys, "deploy"),
        when::day(plan.from),
        when::day(plan.to)
    );
    if !terminal::somebody_is_there() {
        return Err(Failure::new(
            Kind::Usage,
            format!("{what} would go, and nobody can be asked whether they may"),
        )
        .hint("`--yes` agrees to it; `--dry-run` shows what would go")
        .hint("`artifactctl journal backup FILE` keeps a copy"));
    }
    let question = format!("Remove {what}? Only a backup could bring them back.");
    if terminal::is_agreed(&question)? {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!("the journal of `{target}` stays as it is"),
    ))
}

impl PruneResult {
    fn of(target: &StreamId, plan: Option<&PrunePlan>, head: &Head, dry_run: bool) -> Self {
        Self {
            target: target.to_string(),
            checkpoint: plan.map(|plan| target::head_text(&plan.checkpoint)),
            events: plan.map_or(0, |plan| plan.events),
            deploys: plan.map_or(0, |plan| plan.deploys),
            documents: plan.map_or(0, |plan| plan.documents_gone),
            images: plan.map_or(0, |plan| plan.unnamed_images),
            from: plan.map(|plan| plan.from.to_string()),
            to: plan.map(|plan| plan.to.to_string()),
            kept_events: plan.map_or(0, |plan| plan.kept_events),
            kept_deploys: plan.map_or(0, |plan| plan.kept_deploys),
            kept_documents: plan.map_or(0, |plan| plan.documents.len() as u64),
            head: target::head_text(head),
            dry_run,
        }
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let title = Line::default().and(Tone::Strong, &self.target);
        if self.checkpoint.is_none() {
            page.line(title.and(Tone::Plain, ": nothing to prune"));
            return page;
        }
        let said = if self.dry_run { "would go" } else { "pruned" };
        let day = |time: &Option<String>| {
            let time = time.as_deref().unwrap_or_default();
            time.get(..10).unwrap_or(time).to_owned()
        };
        page.line(title.and(
            Tone::Plain,
            format!(
                ": {} in {} {said}, {} to {}",
                counted(self.events, "event"),
                counted(self.deploys, "deploy"),
                day(&self.from),
                day(&self.to)
            ),
        ));
        let stay = if self.dry_run { "would stay" } else { "stay" };
        page.text(format!(
            "  {} in {} {stay}",
            counted(self.kept_events, "event"),
            counted(self.kept_deploys, "deploy")
        ));
        if self.images > 0 {
            let images = counted(self.images, "image");
            let words = "no deploy of this target names any more";
            page.text(format!("  {images} {words}"));
            if !self.dry_run {
                let next = format!("artifactctl journal prune {} --images", self.target);
                page.text(format!(
                    "  `{next}` deletes what no target names from the registry"
                ));
            }
        }
        page
    }
}

fn shown(output: &Output, pruned: &PruneResult) -> Ended {
    output.shown(Type::Pruned, pruned, || pruned.page())?;
    Ok(ExitCode::SUCCESS)
}

fn failure(target: &StreamId, error: &PruneError) -> Failure {
    match error {
        PruneError::Own(error) => target::own_failure(target, error),
        PruneError::Changed { .. } => Failure::of(Kind::Refused, error)
            .hint("somebody used the target meanwhile; run the command again"),
        PruneError::Append(AppendError::Store(error)) => target::store_failure(error),
        PruneError::Import(error) => import_failure(error),
        PruneError::Document(_) => {
            Failure::of(Kind::Journal, error).hint("`artifactctl verify` names the first bad event")
        }
        PruneError::Checkpoint { .. } | PruneError::Append(_) => Failure::of(Kind::Internal, error),
    }
}
