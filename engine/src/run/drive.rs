//! The driver: from a request to rest.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use futures_util::future::{Either, select};
use uuid::Uuid;

use super::Notice;
use super::deploy_journal::{DeployJournal, DeployJournalError};
use super::interrupt::Interrupts;
use super::preparation;
use super::world::{Fault, Publication, World};
use crate::contract::{Digest, FunctionName, required_secrets};
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::{
    AbandonReason, Applied, Command, ComposeCall, Effect, Failed, FailureKind, Next, RecordedEvent,
    Refusal, Requested, Stage, Step, next,
};

/// Everything one run needs besides the journal.
pub struct Run<'a, W> {
    /// The world.
    pub world: &'a W,
    /// The artifact, loaded and valid.
    pub artifact: &'a Artifact,
    /// The two names of the registry.
    pub registries: &'a Registries,
    /// Builds at a time.
    pub jobs: NonZeroUsize,
    /// Requests to stop.
    pub interrupts: &'a Interrupts,
    /// Who is told what happens.
    pub notice: &'a (dyn Fn(Notice<'_>) + Sync),
}

/// How a request met the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginOutcome {
    /// A deploy was begun.
    Begun,
    /// The unfinished deploy of the same request goes on.
    Resumed,
    /// The unfinished deploy of another request was abandoned, and this one begun.
    Superseded(Uuid),
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The configuration is published.
    Applied(Applied),
    /// The attempt failed; the journal says why, and a resume goes on.
    Failed(Failed),
}

/// Begins a deploy, or goes on with the unfinished one when it is of the same request.
pub fn begin_or_resume(
    journal: &mut DeployJournal<'_>,
    request: Requested,
    notice: &(dyn Fn(Notice<'_>) + Sync),
) -> Result<BeginOutcome, DeployJournalError> {
    let base = journal.state().base();
    let (commands, begun) = match journal.state().unfinished() {
        None => (
            vec![Command::Request(Requested { base, ..request })],
            BeginOutcome::Begun,
        ),
        Some(deploy) if deploy.request.asks_the_same(&request) => {
            (vec![Command::Resume], BeginOutcome::Resumed)
        }
        Some(deploy) => {
            let by = request.artifact.clone();
            let reason = AbandonReason::Superseded { by };
            let abandon = Command::Abandon { reason, note: None };
            let request = Command::Request(Requested { base, ..request });
            (vec![abandon, request], BeginOutcome::Superseded(deploy.id))
        }
    };
    record(journal, commands, notice)?;
    Ok(begun)
}

/// Goes on with the unfinished deploy of this id, and with no other.
pub fn resume(
    journal: &mut DeployJournal<'_>,
    deploy: Uuid,
    notice: &(dyn Fn(Notice<'_>) + Sync),
) -> Result<BeginOutcome, DeployJournalError> {
    journal.must_be_unfinished(deploy)?;
    record(journal, vec![Command::Resume], notice)?;
    Ok(BeginOutcome::Resumed)
}

/// Ends the attempt before its first step, because the world cannot be reached.
pub fn fail_attempt(
    journal: &mut DeployJournal<'_>,
    fault: Fault,
    notice: &(dyn Fn(Notice<'_>) + Sync),
) -> Result<Outcome, DeployJournalError> {
    let failed = failed(Step::Observe, None, fault);
    record(journal, vec![Command::Fail(failed)], notice)?;
    Ok(outcome(journal))
}

fn record(
    journal: &mut DeployJournal<'_>,
    commands: Vec<Command>,
    notice: &(dyn Fn(Notice<'_>) + Sync),
) -> Result<Vec<RecordedEvent>, DeployJournalError> {
    let recorded = journal.record(commands)?;
    for event in &recorded {
        notice(Notice::RecordedEvent(event));
    }
    Ok(recorded)
}

/// Goes on until the machine rests: the deploy is applied, or its attempt has failed.
pub async fn run_to_completion<W: World>(
    run: &Run<'_, W>,
    journal: &mut DeployJournal<'_>,
) -> Result<Outcome, DeployJournalError> {
    let mut merged_texts = None;
    loop {
        match next(journal.state()) {
            Next::Rest => return Ok(outcome(journal)),
            Next::Record(command) => drop(run.record(journal, vec![command])?),
            Next::Perform(effect) => match run.perform(journal, effect, &mut merged_texts).await {
                Ok(()) => {}
                Err(StepEnd::DeployJournal(error)) => return Err(error),
                Err(StepEnd::Fault {
                    step,
                    function,
                    fault,
                }) => {
                    drop(run.record(journal, vec![Command::Fail(failed(step, function, fault))])?);
                }
            },
        }
    }
}

fn outcome(journal: &DeployJournal<'_>) -> Outcome {
    let stage = &journal
        .state()
        .deploy
        .as_ref()
        .expect("a run has a deploy")
        .stage;
    match stage {
        Stage::Applied(applied) => Outcome::Applied(applied.clone()),
        Stage::Failed(failed) => Outcome::Failed(failed.clone()),
        Stage::Requested
        | Stage::Observed
        | Stage::Checked(_)
        | Stage::Merged { .. }
        | Stage::Abandoned(_) => {
            unreachable!("the machine rests only when a run has been applied or has failed")
        }
    }
}

/// Why a step did not end well.
pub(super) enum StepEnd {
    /// The journal failed: nothing can be recorded any more.
    DeployJournal(DeployJournalError),
    /// The world failed, or somebody asked to stop.
    Fault {
        step: Step,
        function: Option<FunctionName>,
        fault: Fault,
    },
}

impl From<DeployJournalError> for StepEnd {
    fn from(error: DeployJournalError) -> Self {
        Self::DeployJournal(error)
    }
}

impl From<Refusal> for StepEnd {
    fn from(refusal: Refusal) -> Self {
        Self::DeployJournal(refusal.into())
    }
}

impl StepEnd {
    pub(super) fn fault(step: Step) -> impl Fn(Fault) -> Self {
        move |fault| Self::Fault {
            step,
            function: None,
            fault,
        }
    }

    /// Stopped after the step at hand.
    pub(super) fn interrupted(step: Step) -> Self {
        Self::fault(step)(interruption(
            "interrupted; the step at hand was finished first",
        ))
    }

    /// Stopped in the middle.
    pub(super) fn aborted(step: Step) -> Self {
        Self::fault(step)(interruption(
            "interrupted twice; the step at hand was aborted",
        ))
    }
}

fn interruption(message: &str) -> Fault {
    Fault::new(FailureKind::Interrupted, message)
        .hint("the same command goes on from here")
        .retryable()
}

pub(super) fn failed(step: Step, function: Option<FunctionName>, fault: Fault) -> Failed {
    let Fault {
        kind,
        message,
        causes,
        hints,
        output,
        retryable,
    } = fault;
    let skipped = output.len().saturating_sub(OUTPUT_LINES);
    Failed {
        step,
        function,
        kind,
        message: cut(&message, MESSAGE_MAX),
        causes: causes
            .iter()
            .take(CAUSES_MAX)
            .map(|cause| cut(cause, MESSAGE_MAX))
            .collect(),
        hints,
        output: output[skipped..]
            .iter()
            .map(|line| cut(line, LINE_MAX))
            .collect(),
        retryable,
    }
}

/// The longest message and the longest cause that is recorded, in characters, and how many causes.
const MESSAGE_MAX: usize = 1024;
const CAUSES_MAX: usize = 64;
/// The last lines of output that are recorded, and the characters of each.
const OUTPUT_LINES: usize = 40;
const LINE_MAX: usize = 400;

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl<W: World> Run<'_, W> {
    /// Records, and tells whoever watches.
    pub(super) fn record(
        &self,
        journal: &mut DeployJournal<'_>,
        commands: Vec<Command>,
    ) -> Result<Vec<RecordedEvent>, DeployJournalError> {
        record(journal, commands, self.notice)
    }

    /// Waits for something that may be stopped in the middle without harm.
    pub(super) async fn abortable<T>(
        &self,
        step: Step,
        work: impl Future<Output = T>,
    ) -> Result<T, StepEnd> {
        match select(self.interrupts.aborted(), Box::pin(work)).await {
            Either::Left(((), _)) => Err(StepEnd::aborted(step)),
            Either::Right((done, _)) => Ok(done),
        }
    }

    async fn perform(
        &self,
        journal: &mut DeployJournal<'_>,
        effect: Effect,
        texts: &mut Option<Publication>,
    ) -> Result<(), StepEnd> {
        let step = match &effect {
            Effect::Observe { .. } => Step::Observe,
            Effect::Merge => Step::Merge,
            Effect::Images { .. } => Step::Image,
            Effect::Publish { .. } => Step::Publish,
        };
        if self.interrupts.asked() {
            return Err(StepEnd::interrupted(step));
        }
        match effect {
            Effect::Observe { project } => {
                let deploy = journal.state().deploy.as_ref();
                let manifest = &deploy.expect("only a deploy observes").request.manifest;
                let secrets = required_secrets(manifest);
                let look = self.world.observe(&project, &secrets);
                let observation = self.abortable(step, look).await?;
                // What follows from the observation is decided at once and shares its sync.
                let observed = Command::Observe(observation.map_err(StepEnd::fault(step))?);
                self.record(journal, vec![observed, Command::Check])
                    .map(drop)
                    .map_err(StepEnd::from)
            }
            Effect::Merge => {
                *texts = Some(self.merge(journal).await?);
                Ok(())
            }
            Effect::Images { functions } => self.images(journal, functions).await,
            Effect::Publish { provision } => {
                let publication = texts
                    .take()
                    .expect("every attempt merges before it publishes");
                self.publish(journal, &publication, provision).await
            }
        }
    }

    async fn merge(&self, journal: &mut DeployJournal<'_>) -> Result<Publication, StepEnd> {
        let current = self.abortable(Step::Merge, self.world.config()).await?;
        let current = current.map_err(StepEnd::fault(Step::Merge))?;
        let request = &journal
            .state()
            .deploy
            .as_ref()
            .expect("a merge belongs to a deploy")
            .request;
        let base = preparation::base_ownership(journal.events(), request.base.as_ref())?;
        let (files, merged) =
            preparation::merged(self.artifact, self.registries, request, &base, &current)
                .map_err(StepEnd::fault(Step::Merge))?;
        self.record(journal, vec![Command::Merge(merged)])?;
        let standing = current.iter().map(|(file, text)| (*file, Digest::of(text)));
        Ok(Publication {
            files,
            standing: standing.collect(),
        })
    }

    /// Publishing is short and is never cut in the middle; the provisioner may be.
    async fn publish(
        &self,
        journal: &mut DeployJournal<'_>,
        publication: &Publication,
        provision: Option<ComposeCall>,
    ) -> Result<(), StepEnd> {
        journal.must_be_in_place()?;
        let files = self
            .world
            .publish(publication)
            .await
            .map_err(StepEnd::fault(Step::Publish))?;
        let provision = if let Some(call) = provision {
            journal.must_be_in_place()?;
            let deploy = journal
                .state()
                .deploy
                .as_ref()
                .expect("a publication belongs to a deploy");
            let line = |text: &str| {
                (self.notice)(Notice::Line {
                    function: None,
                    text,
                });
            };
            let run = self
                .abortable(
                    Step::Provision,
                    self.world.provision(&deploy.request.project, &call, &line),
                )
                .await?;
            Some(run.map_err(StepEnd::fault(Step::Provision))?)
        } else {
            None
        };
        self.record(
            journal,
            vec![Command::Apply(Applied {
                files,
                images: None,
                tags: BTreeMap::new(),
                rechecked_at: None,
                provision,
            })],
        )
        .map(drop)
        .map_err(StepEnd::from)
    }
}

impl Outcome {
    /// The failure, when there was one.
    pub fn failed(&self) -> Option<&Failed> {
        match self {
            Self::Applied(_) => None,
            Self::Failed(failed) => Some(failed),
        }
    }
}
