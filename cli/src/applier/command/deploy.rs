//! `deploy`: from a request to rest. Also what `deploy` and `resume` have in common.

use std::process::ExitCode;

use engine::machine::{Applied, FailureKind};
use engine::run::{
    BeginOutcome, DeployJournal, DeployJournalError, Fault, Interrupts, Notice, Outcome, Run,
    begin_or_resume, fail_attempt, resume, run_to_completion,
};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::{Acting, Deploy};
use crate::applier::prepare::{self, Prepared};
use crate::applier::target;
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::program::Ended;
use crate::report::{Reporter, talk};
use crate::signals;

/// Deploys, or goes on with the unfinished deploy of the same request.
pub(crate) fn run(global: &Global, args: &Deploy, output: &Output) -> Ended {
    let prepared = prepare::request(&args.request)?.saying(args.message.clone());
    drive(global, &prepared, None, &args.acting, output)
}

/// What a run ended with.
#[derive(Serialize)]
struct Ending<'a> {
    target: String,
    deploy: Uuid,
    attempt: u32,
    head: String,
    superseded: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<&'a Applied>,
}

/// Owns the target, adopts the request and goes on until the machine rests. Where an unfinished deploy is named, it goes on with that
/// one or not at all.
pub(crate) fn drive(
    global: &Global,
    prepared: &Prepared,
    unfinished: Option<Uuid>,
    acting: &Acting,
    output: &Output,
) -> Ended {
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::of(Kind::Internal, &error))?;
    runtime.block_on(prepared.check_provision())?;
    let actor = identity::actor(acting.who.actor.as_deref());
    let root = target::root(global)?;
    let owned = target::own(&root, &prepared.target, &actor)?;
    let reporter = Reporter::new(output, acting.explain);
    let notice = |notice: Notice<'_>| reporter.tell(&notice);
    let ended = runtime.block_on(async {
        let interrupts = signals::listen()?;
        let mut journal = target::journal(&owned, &actor)?;
        target::must_be_free(&prepared.target, &journal)?;
        let begun = match unfinished {
            Some(deploy) => resume(&mut journal, deploy, &notice),
            None => begin_or_resume(&mut journal, prepared.request.clone(), &notice),
        };
        let begun = begun.map_err(|error| target::deploy_journal_failure(&error))?;
        owned.settle();
        if let Some(deploy) = &journal.state().deploy
            && let Err(error) = owned.set_deploy(deploy.id)
        {
            // Only whoever asks who holds the target misses it.
            tracing::warn!(%error, "the lock does not name the deploy");
        }
        let outcome = attempt(prepared, acting, &interrupts, &notice, &mut journal)
            .await
            .map_err(|error| target::deploy_journal_failure(&error));
        reporter.finish();
        let outcome = outcome?;
        report(prepared, output, &journal, &begun, outcome)
    });
    // Aborted work on blocking threads must not keep the process; what matters has been recorded.
    runtime.shutdown_background();
    ended
}

/// Goes on from an adopted request until the machine rests.
async fn attempt(
    prepared: &Prepared,
    acting: &Acting,
    interrupts: &Interrupts,
    notice: &(dyn Fn(Notice<'_>) + Sync),
    journal: &mut DeployJournal<'_>,
) -> Result<Outcome, DeployJournalError> {
    // Reaching the engine touches nothing, so that the first request to stop ends it.
    let world = tokio::select! {
        world = prepared.world() => world,
        () = interrupts.first() => Err(unreached()),
    };
    match world {
        Err(fault) => fail_attempt(journal, fault, notice),
        Ok(world) => {
            let run = Run {
                world: &world,
                artifact: &prepared.artifact,
                registries: &prepared.registries,
                jobs: prepare::jobs(acting.jobs),
                interrupts,
                notice,
            };
            run_to_completion(&run, journal).await
        }
    }
}

fn unreached() -> Fault {
    Fault::new(
        FailureKind::Interrupted,
        "interrupted before the engine had answered; nothing was touched",
    )
    .retryable()
}

fn report(
    prepared: &Prepared,
    output: &Output,
    journal: &DeployJournal<'_>,
    begun: &BeginOutcome,
    outcome: Outcome,
) -> Ended {
    let Some(deploy) = &journal.state().deploy else {
        return Err(Failure::new(Kind::Internal, "a run ended without a deploy"));
    };
    let head = target::head_text(journal.head());
    let (target, attempt) = (prepared.target.to_string(), deploy.attempt);
    let superseded = match begun {
        BeginOutcome::Begun | BeginOutcome::Resumed => None,
        BeginOutcome::Superseded(old) => Some(*old),
    };
    match outcome {
        Outcome::Applied(applied) => {
            let body = Ending {
                target,
                deploy: deploy.id,
                attempt,
                head,
                superseded,
                applied: Some(&applied),
            };
            output.result(Type::Applied, &body, || {
                format!(
                    "applied {} onto {} (attempt {attempt}); journal head {}",
                    body.deploy, body.target, body.head
                )
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Failed(failed) => {
            let resumable = failed.retryable;
            let mut failure = Failure::from(failed);
            if resumable || failure.hints.is_empty() {
                failure = failure.hint(format!(
                    "go on with `artifactctl resume {target}`, or run the same deploy again"
                ));
            }
            if output.is_json() {
                let body = Ending {
                    target,
                    deploy: deploy.id,
                    attempt,
                    head,
                    superseded,
                    applied: None,
                };
                Output::json(Type::Failed, &body)?;
            } else {
                // The head is what a later `verify --head` compares with; it belongs to every end.
                talk(&format!(
                    "stopped {} of {target} (attempt {attempt}); journal head {head}",
                    deploy.id
                ));
            }
            Err(failure)
        }
    }
}
