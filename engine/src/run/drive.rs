//! The driver: from a request to rest.

use std::num::NonZeroUsize;

use futures_util::future::{Either, select};
use uuid::Uuid;

use super::Notice;
use super::content::{Content, recorded_content};
use super::deploy_journal::{DeployJournal, DeployJournalError};
use super::documents::RecordedImages;
use super::image_plan::LookedUp;
use super::interrupt::Interrupts;
use super::preparation;
use super::round::Round;
use super::values::keep_values;
use super::world::{Fault, World};
use crate::contract::FunctionName;
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::{
    AbandonReason, Applied, Command, ComposeCall, Effect, Failed, FailureKind, Merged, Next,
    RecordedEvent, Refusal, Requested, Stage, Step, next,
};

/// Everything one run needs besides the journal.
pub struct Run<'a, W> {
    /// The world.
    pub world: &'a W,
    /// The artifact, loaded and valid; none where the request goes back to an earlier deploy, whose state the journal keeps.
    pub artifact: Option<&'a Artifact>,
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

/// Begins a deploy, or goes on with the unfinished one when it is of the same request and was asked for here.
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
        Some(deploy) if deploy.request.asks_the_same(&request) && !journal.is_imported(deploy) => {
            (vec![Command::Resume], BeginOutcome::Resumed)
        }
        Some(deploy) => {
            let by = request.artifact.clone();
            let reason = AbandonReason::Superseded { by };
            let note = journal.is_imported(deploy).then(|| {
                "it was imported, and what was asked for elsewhere is not resumed".to_owned()
            });
            let abandon = Command::Abandon { reason, note };
            let request = Command::Request(Requested { base, ..request });
            (vec![abandon, request], BeginOutcome::Superseded(deploy.id))
        }
    };
    record(journal, commands, notice)?;
    Ok(begun)
}

/// Goes on with the unfinished deploy of this id, and with no other. One that was imported is refused.
pub fn resume(
    journal: &mut DeployJournal<'_>,
    deploy: Uuid,
    notice: &(dyn Fn(Notice<'_>) + Sync),
) -> Result<BeginOutcome, DeployJournalError> {
    journal.must_be_unfinished(deploy)?;
    let imported = journal.state().unfinished();
    if imported.is_some_and(|deploy| journal.is_imported(deploy)) {
        return Err(Refusal::Imported { deploy }.into());
    }
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
    let mut round = Round::default();
    while let Some(change) = run.prepare(journal, &mut round).await? {
        let made = match change {
            Change::Build(images) => run.build(journal, &mut round, images).await,
            Change::Publish { provision } => run.publish(journal, &mut round, provision).await,
        };
        if let Err(end) = made {
            run.fail(journal, end)?;
        }
    }
    Ok(outcome(journal))
}

/// What a run changes next, once everything is known that can be known before.
pub(super) enum Change {
    /// These images are built and pushed.
    Build(Vec<LookedUp>),
    /// Tags are moved, the configuration is published, and the provisioner is run when asked.
    Publish {
        /// How the provisioner is called.
        provision: Option<ComposeCall>,
    },
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

    /// Finds out all that can be found out without changing anything but the journal: what runs, whether it fits, what the
    /// configuration will be, which images are there. Gives the change that comes next; none when the machine rests.
    pub(super) async fn prepare(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
    ) -> Result<Option<Change>, DeployJournalError> {
        loop {
            let looked = match next(journal.state()) {
                Next::Rest => return Ok(None),
                Next::Record(command) => {
                    self.record(journal, vec![command])?;
                    continue;
                }
                Next::Perform(effect) => self.look(journal, effect, round).await,
            };
            match looked {
                Ok(None) => {}
                Ok(Some(change)) => return Ok(Some(change)),
                Err(end) => self.fail(journal, end)?,
            }
        }
    }

    /// Records that the attempt ends here. A journal that cannot be written ends the run.
    fn fail(
        &self,
        journal: &mut DeployJournal<'_>,
        end: StepEnd,
    ) -> Result<(), DeployJournalError> {
        match end {
            StepEnd::DeployJournal(error) => Err(error),
            StepEnd::Fault {
                step,
                function,
                fault,
            } => {
                let failed = failed(step, function, fault);
                self.record(journal, vec![Command::Fail(failed)]).map(drop)
            }
        }
    }

    /// The part of an effect that changes nothing: all of a look and of a merge. Gives what is left of the effect.
    async fn look(
        &self,
        journal: &mut DeployJournal<'_>,
        effect: Effect,
        round: &mut Round,
    ) -> Result<Option<Change>, StepEnd> {
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
                let observation = self.observe(journal, &project).await?;
                self.begin_round(journal, round, observation)?;
                Ok(None)
            }
            Effect::Merge => {
                self.merge(journal, round).await?;
                Ok(None)
            }
            Effect::Images { functions } => {
                let missing = self.prove(journal, round, functions).await?;
                Ok((!missing.is_empty()).then_some(Change::Build(missing)))
            }
            Effect::Publish { provision } => Ok(Some(Change::Publish { provision })),
        }
    }

    /// What the deploy makes true, once the round knows what it goes back to.
    pub(super) fn content<'c>(&'c self, round: &'c Round) -> Content<'c> {
        match (&round.content, self.artifact) {
            (Some(record), _) => Content::Recorded(record),
            (None, Some(artifact)) => Content::Artifact(artifact),
            (None, None) => unreachable!("a request that goes back to nothing has an artifact"),
        }
    }

    async fn merge(
        &self,
        journal: &mut DeployJournal<'_>,
        round: &mut Round,
    ) -> Result<(), StepEnd> {
        let current = self.abortable(Step::Merge, self.world.config()).await?;
        let current = current.map_err(StepEnd::fault(Step::Merge))?;
        let deploy = journal.state().deploy.as_ref();
        let deploy = deploy.expect("a merge belongs to a deploy");
        let request = &deploy.request;
        let base = preparation::base_merge(journal.events(), request.base.as_ref())?;
        round.content = recorded_content(journal.events(), request)?
            .transpose()
            .map_err(StepEnd::fault(Step::Merge))?;
        let content = self.content(round);
        let (registries, standing) = (self.registries, &base.ownership);
        let mut merge = match preparation::merged(content, registries, request, standing, current) {
            Ok(merge) => merge,
            Err(fault) => {
                let fault = self.with_lost_images(deploy, round, fault).await?;
                return Err(StepEnd::fault(Step::Merge)(fault));
            }
        };
        let drift = &merge.merged.drift;
        if request.options.fail_on_drift && !drift.is_empty() && !round.shows_drift {
            let fault = preparation::drift_fault(drift, &request.out);
            return Err(StepEnd::fault(Step::Merge)(fault));
        }
        round.recorded = RecordedImages::of(journal.events(), deploy)?;
        let values = keep_values(journal, deploy, &base, &mut merge)?;
        let merged = Merged {
            values,
            ..merge.merged.clone()
        };
        let merged = round
            .recorded
            .by_documents(journal, merged, base.owners.as_ref())?;
        round.merge = Some(merge);
        self.record(journal, vec![Command::Merge(merged)])?;
        Ok(())
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
