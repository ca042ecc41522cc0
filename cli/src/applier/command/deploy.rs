//! `deploy`: from a request to rest. Also what `deploy`, `resume` and `rollback` have in common.

pub(crate) mod ending;
mod on_failure;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use engine::machine::FailureKind;
use engine::run::{
    BeginOutcome, DeployJournal, DeployJournalError, Fault, Interrupts, Notice, Outcome, Run,
    begin_or_resume, fail_attempt, resume, run_to_completion,
};
use journal::Owned;
use uuid::Uuid;

use crate::applier::args::{Acting, BuildingArgs, Deploy, OutArgs, SupersedeArgs};
use crate::applier::command::plan;
use crate::applier::prepare::{self, Needed, Prepared};
use crate::applier::saved_plan::SavedPlan;
use crate::applier::superseding::Superseding;
use crate::applier::waiting::Wanted;
use crate::applier::{hold, output_dir, target};
use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::Output;
use crate::process_limits;
use crate::program::Ended;
use crate::report::Reporter;
use crate::signals;

pub(crate) use self::on_failure::OnFailure;

use self::ending::End;

/// Deploys, or goes on with the unfinished deploy of the same request.
pub(crate) fn run(global: &Global, args: &Deploy, output: &Output) -> Ended {
    if let Some(file) = &args.plan_file {
        return approved(global, file, args, output);
    }
    let prepared = prepare::request(&args.request, Needed::Apply)?.saying(args.message.clone());
    let begin = Begin::Requested {
        out: args.request.applying.out_args,
        supersede: args.supersede,
    };
    let registries = &args.request.applying.registries;
    let on_failure = OnFailure::of(args.on_failure, registries);
    drive(global, &prepared, begin, on_failure, &args.acting, output)
}

/// Does what a saved plan shows, or nothing.
fn approved(global: &Global, file: &Path, args: &Deploy, output: &Output) -> Ended {
    let plan = SavedPlan::read(file)?;
    let registries = &args.request.applying.registries;
    let prepared = prepare::again(&plan.request, registries)?.saying(args.message.clone());
    let acting = Acting {
        building: BuildingArgs {
            builder: plan.builder,
        },
        ..args.acting.clone()
    };
    let begin = Begin::Approved {
        plan: &plan,
        supersede: args.supersede,
    };
    let on_failure = OnFailure::of(args.on_failure, registries);
    drive(global, &prepared, begin, on_failure, &acting, output)
}

/// How a run begins.
#[derive(Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// With the request of a plan, when all that it was made upon is as it was.
    Approved {
        plan: &'a SavedPlan,
        supersede: SupersedeArgs,
    },
    /// With a request: a new deploy, or the unfinished one of the same request.
    Requested {
        out: OutArgs,
        supersede: SupersedeArgs,
    },
    /// With the unfinished deploy of this id, or not at all.
    Unfinished(Uuid),
}

impl Begin<'_> {
    /// What is agreed to about the output directory.
    fn out(&self) -> OutArgs {
        match self {
            Self::Approved { plan, .. } => plan.out_args,
            Self::Requested { out, .. } => *out,
            Self::Unfinished(_) => OutArgs::default(),
        }
    }
}

/// Owns the target, begins or resumes, and goes on until the machine rests.
pub(crate) fn drive(
    global: &Global,
    prepared: &Prepared,
    begin: Begin<'_>,
    on_failure: OnFailure<'_>,
    acting: &Acting,
    output: &Output,
) -> Ended {
    let runtime = process_limits::runtime()?;
    runtime.block_on(prepared.check_provision())?;
    let actor = identity::actor(acting.who.actor.as_deref());
    let root = target::root(global)?;
    target::warn_of_shared_file_system(&root);
    let ended = runtime.block_on(async {
        let interrupts = signals::listen()?;
        let session = Session {
            root: &root,
            actor: &actor,
            acting,
            interrupts: &interrupts,
            output,
            is_verbose: global.verbose > 0,
        };
        let began = Instant::now();
        let reporter = Reporter::new(output, acting.explain);
        let say = |line: &str| reporter.say(line);
        let wanted = Wanted {
            root: &root,
            target: &prepared.target,
            actor: &actor,
            wait: acting.wait.limit,
        };
        let owned = wanted.own(&interrupts, &say).await?;
        let mut journal = target::journal(&owned, &actor)?;
        hold::must_be_free(&prepared.target, &journal)?;
        let begun = session
            .begin(prepared, begin, &reporter, &mut journal)
            .await?;
        let end = session
            .complete(prepared, &owned, &reporter, &mut journal, began)
            .await?;
        end.tell(output, &journal, &begun)?;
        let Outcome::Failed(failed) = &end.outcome else {
            return Ok(ExitCode::SUCCESS);
        };
        let after = session.after(failed, prepared, on_failure, &owned, &mut journal);
        Err(after.await)
    });
    // Aborted work on blocking threads must not keep the process; what matters has been recorded.
    runtime.shutdown_background();
    ended
}

/// What all runs of one command have in common.
#[derive(Clone, Copy)]
struct Session<'a> {
    root: &'a Path,
    actor: &'a str,
    acting: &'a Acting,
    interrupts: &'a Interrupts,
    output: &'a Output,
    is_verbose: bool,
}

impl Session<'_> {
    /// Begins or resumes, once it is clear that this is meant.
    async fn begin(
        &self,
        prepared: &Prepared,
        begin: Begin<'_>,
        reporter: &Reporter<'_>,
        journal: &mut DeployJournal<'_>,
    ) -> Result<BeginOutcome, Failure> {
        let notice = |notice: Notice<'_>| reporter.tell(&notice);
        let begun = match begin {
            Begin::Unfinished(deploy) => resume(journal, deploy, &notice),
            Begin::Requested { supersede, .. } | Begin::Approved { supersede, .. } => {
                let (target, request) = (&prepared.target, &prepared.request);
                if let Begin::Approved { plan, .. } = begin {
                    self.must_hold(plan, prepared, journal).await?;
                }
                let out = begin.out();
                output_dir::must_be_meant(self.root, target, request, journal.events(), out)?;
                let superseding = Superseding {
                    target,
                    actor: self.actor,
                    is_agreed: supersede.supersede,
                };
                let say = |line: &str| reporter.say(line);
                superseding
                    .must_be_agreed(journal, request, self.interrupts, &say)
                    .await?;
                begin_or_resume(journal, request.clone(), &notice)
            }
        };
        begun.map_err(|error| target::deploy_journal_failure(&error))
    }

    /// Fails with what is not as it was when the plan was made. Nobody else changes the journal meanwhile: this process owns the target.
    async fn must_hold(
        &self,
        plan: &SavedPlan,
        prepared: &Prepared,
        journal: &DeployJournal<'_>,
    ) -> Result<(), Failure> {
        let artifact = &prepared.request.artifact;
        let builder = plan.builder.into();
        // What another artifact would do says nothing of the world.
        let now = if *artifact == plan.request.artifact {
            let now = plan::made(self.root, prepared, journal.events(), builder).await;
            // What could not be found out is no answer.
            if let Err(failure) = &now
                && !matches!(failure.kind, Kind::Payload | Kind::Image | Kind::Refused)
            {
                return Err(failure.clone());
            }
            Some(now)
        } else {
            None
        };
        plan.must_hold(artifact, &target::head_text(journal.head()), now.as_ref())
    }

    /// Goes on from what has begun until the machine rests.
    async fn complete(
        &self,
        prepared: &Prepared,
        owned: &Owned,
        reporter: &Reporter<'_>,
        journal: &mut DeployJournal<'_>,
        began: Instant,
    ) -> Result<End, Failure> {
        owned.settle();
        if let Some(deploy) = &journal.state().deploy
            && let Err(error) = owned.set_deploy(deploy.id)
        {
            // Only whoever asks who holds the target misses it.
            tracing::warn!(%error, "the lock does not name the deploy");
        }
        let notice = |notice: Notice<'_>| reporter.tell(&notice);
        let outcome = attempt(prepared, self.acting, self.interrupts, &notice, journal)
            .await
            .map_err(|error| target::deploy_journal_failure(&error));
        reporter.finish();
        Ok(End {
            outcome: outcome?,
            done: reporter.done(),
            took: began.elapsed(),
            is_verbose: self.is_verbose,
        })
    }
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
        world = prepared.world(acting.building.builder.into()) => world,
        () = interrupts.first() => Err(unreached()),
    };
    match world {
        Err(fault) => fail_attempt(journal, fault, notice),
        Ok(world) => {
            let run = Run {
                world: &world,
                artifact: prepared.artifact.as_deref(),
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
