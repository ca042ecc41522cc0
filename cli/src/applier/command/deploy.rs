//! `deploy`: from a request to rest. Also what `deploy` and `resume` have in common.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::machine::{Applied, FailureKind};
use engine::merge::{Changes, Key};
use engine::run::{
    BeginOutcome, DeployJournal, DeployJournalError, Fault, Interrupts, Notice, Outcome, Run,
    begin_or_resume, fail_attempt, healed_tags, resume, run_to_completion,
};
use serde::Serialize;
use uuid::Uuid;

use crate::applier::args::{Acting, Deploy, OutArgs, SupersedeArgs};
use crate::applier::ids::Ids;
use crate::applier::prepare::{self, Prepared};
use crate::applier::superseding::Superseding;
use crate::applier::waiting::Wanted;
use crate::applier::{output_dir, target};
use crate::args::Global;
use crate::changes;
use crate::failure::{Failure, Kind};
use crate::identity;
use crate::output::{Output, Type};
use crate::page::{Line, Page, Tone, columns, fitted};
use crate::process_limits;
use crate::program::Ended;
use crate::report::{Done, Reporter, talk};
use crate::signals;

/// Deploys, or goes on with the unfinished deploy of the same request.
pub(crate) fn run(global: &Global, args: &Deploy, output: &Output) -> Ended {
    let prepared = prepare::request(&args.request)?.saying(args.message.clone());
    let begin = Begin::Requested {
        out: args.request.applying.out_args,
        supersede: args.supersede,
    };
    drive(global, &prepared, begin, &args.acting, output)
}

/// How a run begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin {
    /// With a request: a new deploy, or the unfinished one of the same request.
    Requested {
        out: OutArgs,
        supersede: SupersedeArgs,
    },
    /// With the unfinished deploy of this id, or not at all.
    Unfinished(Uuid),
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
    /// The keys that the configuration changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a Changes>,
    /// How many images were built.
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<usize>,
    /// What was not as it was applied, and is again.
    #[serde(skip_serializing_if = "Option::is_none")]
    healed: Option<&'a Healed>,
}

/// Drift that a deploy put right.
#[derive(Serialize)]
struct Healed {
    /// The keys of ours that somebody had changed by hand.
    keys: Vec<Key>,
    /// The tags that somebody had moved or deleted.
    tags: Vec<String>,
}

impl Healed {
    /// `drift healed: functions/hello registry:5000/shop/hello:1`; none when there was none.
    fn line(&self) -> Option<Line> {
        let keys = self.keys.iter().map(|key| key.0.clone());
        let all: Vec<String> = keys.chain(self.tags.iter().cloned()).collect();
        let begin = Line::new("drift healed: ");
        let width = columns().saturating_sub(begin.width());
        (!all.is_empty()).then(|| begin.and(Tone::Warn, fitted(&all, width)))
    }
}

/// What the last line of a run tells.
struct End {
    done: Done,
    took: Duration,
    /// With the head, which a later `verify --head` compares with.
    is_verbose: bool,
}

impl End {
    /// `nc-shop/dev applied in 1.6 s (f51e): ~functions/hello`, or `nc-shop/dev is already up to date (f51e)`.
    fn page(&self, body: &Ending<'_>, id: &str, applied: &Applied) -> Page {
        let is_written = applied.files.values().any(|file| file.written);
        let words = changes::words(&self.done.changes, self.done.built);
        let target = Line::default().and(Tone::Strong, &body.target);
        let is_same = !is_written && applied.tags.is_empty() && applied.provision.is_none();
        let line = if words.is_empty() && is_same {
            target.and(Tone::Plain, format!(" is already up to date ({id})"))
        } else {
            let seconds = self.took.as_secs_f64();
            let line = target
                .and(Tone::Good, " applied")
                .and(Tone::Plain, format!(" in {seconds:.1} s ({id})"));
            let width = columns().saturating_sub(line.width() + 2);
            match fitted(&words, width) {
                words if words.is_empty() => line,
                words => line.and(Tone::Plain, format!(": {words}")),
            }
        };
        let mut page = Page::default();
        page.line(line);
        if let Some(healed) = body.healed.and_then(Healed::line) {
            page.line(healed);
        }
        if self.is_verbose {
            page.line(Line::default().and(Tone::Dim, format!("journal head {}", body.head)));
        }
        page
    }
}

/// Owns the target, begins or resumes, and goes on until the machine rests.
pub(crate) fn drive(
    global: &Global,
    prepared: &Prepared,
    begin: Begin,
    acting: &Acting,
    output: &Output,
) -> Ended {
    let runtime = process_limits::runtime()?;
    runtime.block_on(prepared.check_provision())?;
    let began = Instant::now();
    let actor = identity::actor(acting.who.actor.as_deref());
    let root = target::root(global)?;
    target::warn_of_shared_file_system(&root);
    let reporter = Reporter::new(output, acting.explain);
    let notice = |notice: Notice<'_>| reporter.tell(&notice);
    let ended = runtime.block_on(async {
        let interrupts = signals::listen()?;
        let say = |line: &str| reporter.say(line);
        let wanted = Wanted {
            root: &root,
            target: &prepared.target,
            actor: &actor,
            wait: acting.wait,
        };
        let owned = wanted.own(&interrupts, &say).await?;
        let mut journal = target::journal(&owned, &actor)?;
        target::must_be_free(&prepared.target, &journal)?;
        let begun = match begin {
            Begin::Unfinished(deploy) => resume(&mut journal, deploy, &notice),
            Begin::Requested { out, supersede } => {
                let (target, request) = (&prepared.target, &prepared.request);
                output_dir::must_be_meant(&root, target, request, journal.events(), out)?;
                let superseding = Superseding {
                    target,
                    actor: &actor,
                    is_agreed: supersede.supersede,
                };
                superseding
                    .must_be_agreed(&journal, request, &interrupts, &say)
                    .await?;
                begin_or_resume(&mut journal, request.clone(), &notice)
            }
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
        let end = End {
            done: reporter.done(),
            took: began.elapsed(),
            is_verbose: global.verbose > 0,
        };
        report(prepared, output, &journal, &begun, outcome?, &end)
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

fn report(
    prepared: &Prepared,
    output: &Output,
    journal: &DeployJournal<'_>,
    begun: &BeginOutcome,
    outcome: Outcome,
    end: &End,
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
    let ids =
        Ids::of(journal.events(), end.is_verbose).map_err(|error| target::store_failure(&error))?;
    let id = ids.shown(deploy.id);
    match outcome {
        Outcome::Applied(applied) => {
            let healed = Healed {
                keys: end.done.drift.clone(),
                tags: healed_tags(journal.events(), deploy)
                    .map_err(|error| target::deploy_journal_failure(&error))?,
            };
            let body = Ending {
                target,
                deploy: deploy.id,
                attempt,
                head,
                superseded,
                applied: Some(&applied),
                changes: Some(&end.done.changes),
                built: Some(end.done.built),
                healed: Some(&healed),
            };
            output.shown(Type::Applied, &body, || end.page(&body, &id, &applied))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Failed(failed) => {
            let resumable = failed.retryable;
            let mut failure = Failure::from(failed);
            if resumable || failure.hints.is_empty() {
                let next = next_step(failure.kind, &target);
                failure = failure.hint(next);
            }
            if output.is_json() {
                let body = Ending {
                    target,
                    deploy: deploy.id,
                    attempt,
                    head,
                    superseded,
                    applied: None,
                    changes: None,
                    built: None,
                    healed: None,
                };
                Output::json(Type::Failed, &body)?;
            } else {
                // The head is what a later `verify --head` compares with.
                let head = if end.is_verbose {
                    format!("; journal head {head}")
                } else {
                    String::new()
                };
                talk(&format!(
                    "stopped {id} of {target} (attempt {attempt}){head}"
                ));
            }
            Err(failure)
        }
    }
}

/// What to do after an attempt that failed. An artifact that is mended is another one, which no `resume` takes.
fn next_step(kind: Kind, target: &str) -> String {
    match kind {
        Kind::Payload => "mend the artifact, then deploy again".to_owned(),
        Kind::Image => format!(
            "go on with `artifactctl resume {target}`, or mend the artifact and deploy again"
        ),
        Kind::Internal
        | Kind::Usage
        | Kind::Incompatible
        | Kind::Refused
        | Kind::Publish
        | Kind::Journal
        | Kind::Unreachable
        | Kind::Assertion
        | Kind::Drift
        | Kind::Interrupted => {
            format!("go on with `artifactctl resume {target}`, or run the same deploy again")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::contract::Digest;
    use engine::machine::PublishedFile;
    use engine::merge::ConfigFile;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::changed(&["functions/hello"], 1, true, "nc-shop/dev applied in 1.6 s (f51e): ~functions/hello\n")]
    #[case::built(&[], 2, false, "nc-shop/dev applied in 1.6 s (f51e): 2 images built\n")]
    #[case::written(&[], 0, true, "nc-shop/dev applied in 1.6 s (f51e)\n")]
    #[case::nothing(&[], 0, false, "nc-shop/dev is already up to date (f51e)\n")]
    fn the_last_line_says_what_a_deploy_did(
        #[case] changed: &[&str],
        #[case] built: usize,
        #[case] written: bool,
        #[case] expected: &str,
    ) {
        let changed = changed.iter().map(|key| Key((*key).to_owned()));
        let changes = Changes {
            changed: changed.collect(),
            ..Changes::default()
        };
        let digest = Digest::of("text");
        let applied = Applied {
            files: BTreeMap::from([(ConfigFile::Functions, PublishedFile { digest, written })]),
            images: None,
            tags: BTreeMap::new(),
            rechecked_at: None,
            provision: None,
        };
        let mut end = End {
            done: Done {
                changes,
                drift: Vec::new(),
                built,
            },
            took: Duration::from_millis(1_620),
            is_verbose: false,
        };
        let body = Ending {
            target: "nc-shop/dev".to_owned(),
            deploy: Uuid::nil(),
            attempt: 1,
            head: "9:a1c8".to_owned(),
            superseded: None,
            applied: Some(&applied),
            changes: None,
            built: None,
            healed: None,
        };
        assert_eq!(end.page(&body, "f51e", &applied).render(false), expected);
        end.is_verbose = true;
        let verbose = end.page(&body, "f51e", &applied).render(false);
        assert_eq!(verbose, format!("{expected}journal head 9:a1c8\n"));
    }
}
