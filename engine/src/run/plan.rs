//! What a deploy would do, found out without touching anything.

use journal::EventLog;
use serde::Serialize;

use super::deploy_journal::{DeployJournalError, latest_state};
use super::drive::StepEnd;
use super::images::{self, PlannedImage};
use super::preparation;
use super::world::{ConfigTexts, World};
use crate::compat::{self, Finding, Observation, Verdict};
use crate::contract::required_secrets;
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::{Failed, Merged, Requested, Step};

/// What a deploy would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What runs.
    pub observation: Observation,
    /// May the artifact meet it?
    pub verdict: Verdict,
    /// Every finding.
    pub findings: Vec<Finding>,
    /// What would be published; none when the stack is incompatible.
    pub configuration: Option<Merged>,
    /// What stands in the output directory.
    #[serde(skip)]
    pub current: ConfigTexts,
    /// What would stand there.
    #[serde(skip)]
    pub texts: ConfigTexts,
    /// What would happen to each image.
    pub images: Vec<PlannedImage>,
}

impl Plan {
    /// A deploy would change something.
    pub fn changes_anything(&self) -> bool {
        self.texts
            .iter()
            .any(|(file, text)| self.current.get(file) != Some(text))
            || self
                .images
                .iter()
                .any(|image| !image.build_because.is_empty())
    }
}

/// A plan could not be made.
#[derive(Debug)]
pub enum PlanError {
    /// The journal does not read.
    DeployJournal(DeployJournalError),
    /// The world failed.
    Failed(Failed),
}

/// Finds out what a deploy would do. Makes no mutating call and records nothing.
pub async fn plan<W: World>(
    world: &W,
    artifact: &Artifact,
    registries: &Registries,
    request: &Requested,
    events: Option<&dyn EventLog>,
) -> Result<Plan, PlanError> {
    build_plan(world, artifact, registries, request, events)
        .await
        .map_err(|end| match end {
            StepEnd::DeployJournal(error) => PlanError::DeployJournal(error),
            StepEnd::Fault {
                step,
                function,
                fault,
            } => PlanError::Failed(super::drive::failed(step, function, fault)),
        })
}

async fn build_plan<W: World>(
    world: &W,
    artifact: &Artifact,
    registries: &Registries,
    request: &Requested,
    events: Option<&dyn EventLog>,
) -> Result<Plan, StepEnd> {
    let options = &request.options;
    let observation = world
        .observe(&request.project, &required_secrets(&artifact.manifest))
        .await
        .map_err(StepEnd::fault(Step::Observe))?;
    let check = compat::check(
        &artifact.manifest,
        &observation,
        options.compat,
        options.strict_warnings,
    );
    let mut plan = Plan {
        observation,
        verdict: check.verdict,
        findings: check.findings,
        configuration: None,
        current: ConfigTexts::new(),
        texts: ConfigTexts::new(),
        images: Vec::new(),
    };
    if plan.verdict == Verdict::Incompatible {
        return Ok(plan);
    }
    let state = events.map(latest_state).transpose()?.unwrap_or_default();
    let base = state.base();
    let (ownership, previous) = match events {
        Some(events) => (
            preparation::base_ownership(events, base.as_ref())?,
            images::images_of_base(events, base.as_ref())?,
        ),
        None => Default::default(),
    };
    plan.current = world.config().await.map_err(StepEnd::fault(Step::Merge))?;
    let (texts, merged) =
        preparation::merged(artifact, registries, request, &ownership, &plan.current)
            .map_err(StepEnd::fault(Step::Merge))?;
    plan.texts = texts;
    let orders = preparation::orders(artifact, registries, options, &plan.observation, None);
    let known = images::inspect(world, orders).await?;
    let proved = state
        .unfinished()
        .map(|deploy| deploy.images.clone())
        .unwrap_or_default();
    plan.images = images::plan_images(&known, &proved, &previous);
    plan.configuration = Some(merged);
    Ok(plan)
}
