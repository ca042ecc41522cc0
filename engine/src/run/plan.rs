//! What a deploy would do, found out without touching anything.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use journal::{EventLog, Overlay};
use serde::{Deserialize, Serialize};

use super::deploy_journal::{Author, DeployJournal, DeployJournalError, Stamp, deploy_events};
use super::drive::{Run, begin_or_resume};
use super::image_plan::PlannedImage;
use super::interrupt::Interrupts;
use super::preparation::Merge;
use super::round::Round;
use super::world::{ConfigTexts, World};
use crate::compat::{Finding, Observation, Verdict};
use crate::contract::{Digest, required_secrets};
use crate::image::Registries;
use crate::load::Artifact;
use crate::machine::{Command, Event, Failed, Merged, RecordedEvent, Requested, Step};
use crate::merge::{ConfigFile, ConfigTrees, FieldChange, Key, field_changes};
use crate::yaml::ParseLimits;

/// The values of the changed keys, before and after.
fn values(request: &Requested, merge: &Merge) -> BTreeMap<Key, Vec<FieldChange>> {
    // Both have been read by the merge, so that nothing new can be wrong with them.
    let read = |texts: &ConfigTexts| {
        ConfigTrees::parse(&request.out, texts.clone(), &ParseLimits::default()).unwrap_or_default()
    };
    let (before, after) = (read(&merge.current), read(&merge.texts));
    let secrets = required_secrets(&request.manifest);
    field_changes(&before, &after, &merge.merged.changes.changed, &secrets)
}

/// What a deploy would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// What runs.
    pub observation: Observation,
    /// May the artifact meet it?
    pub verdict: Verdict,
    /// Every finding.
    pub findings: Vec<Finding>,
    /// What would be published; none when the stack is incompatible.
    pub configuration: Option<Merged>,
    /// The files that stand in the output directory, by digest.
    pub output: BTreeMap<ConfigFile, Digest>,
    /// The files that would be written.
    pub written: Vec<ConfigFile>,
    /// What would stand there.
    #[serde(skip)]
    pub texts: ConfigTexts,
    /// How each changed key changes, field by field. What may be a secret is not shown.
    pub values: BTreeMap<Key, Vec<FieldChange>>,
    /// What would happen to each image.
    pub images: Vec<PlannedImage>,
}

impl Plan {
    /// A deploy would change something.
    pub fn changes_anything(&self) -> bool {
        !self.written.is_empty()
            || self
                .images
                .iter()
                .any(|image| !image.build_because.is_empty() || image.moves_tag)
    }
}

/// A plan could not be made.
#[derive(Debug)]
pub enum PlanError {
    /// The journal does not read, or a deploy could not be begun in it.
    DeployJournal(DeployJournalError),
    /// The world failed.
    Failed(Failed),
}

impl From<DeployJournalError> for PlanError {
    fn from(error: DeployJournalError) -> Self {
        Self::DeployJournal(error)
    }
}

/// The journal that a plan is made upon. It is read, and nothing is appended to it.
#[derive(Clone, Copy)]
pub struct PlanBasis<'a> {
    /// Its events; an empty log where nothing was ever deployed.
    pub events: &'a dyn EventLog,
    /// The sequence of the last event that came with an import; 0 when none did.
    pub imported_until: u64,
    /// Times and ids of the events that a deploy would append.
    pub stamp: &'a dyn Stamp,
}

/// Finds out what a deploy would do. Makes no mutating call and records nothing. A request that goes back to an earlier deploy needs no
/// artifact.
///
/// It is the deploy itself: the same driver begins or resumes on an [`Overlay`] of the journal, and stops before its first change.
pub async fn plan<W: World>(
    world: &W,
    artifact: Option<&Artifact>,
    registries: &Registries,
    request: &Requested,
    basis: PlanBasis<'_>,
) -> Result<Plan, PlanError> {
    let overlay = Overlay::new(basis.events).map_err(DeployJournalError::from)?;
    let author = Author {
        actor: "plan".to_owned(),
        tool: "plan".to_owned(),
    };
    let journal = DeployJournal::open(&overlay, basis.stamp, author)?;
    let mut journal = journal.imported_until(basis.imported_until);
    if journal.state().hold.is_some() {
        // What a deploy would do once the target is let go of.
        journal.record(vec![Command::Release { note: None }])?;
    }
    let run = Run {
        world,
        artifact,
        registries,
        jobs: NonZeroUsize::MIN,
        interrupts: &Interrupts::never(),
        notice: &|_| {},
    };
    begin_or_resume(&mut journal, request.clone(), run.notice)?;
    let mut round = Round::of_plan();
    run.prepare(&mut journal, &mut round).await?;
    let deploy = journal.state().deploy.as_ref();
    let failed = deploy.and_then(|deploy| deploy.stage.failed());
    if let Some(failed) = failed.filter(|failed| failed.step != Step::Check) {
        return Err(PlanError::Failed(failed.clone()));
    }
    let first = deploy.map_or(0, |deploy| deploy.first);
    let recorded = deploy_events(journal.events(), first)?;
    Ok(found_out(request, &recorded, round))
}

/// What a run has found out that stands before its first change, from the events that it recorded and its round.
fn found_out(request: &Requested, recorded: &[RecordedEvent], round: Round) -> Plan {
    let mut latest = recorded.iter().rev().map(|recorded| &recorded.event);
    let checked = latest.find_map(Event::as_compat_checked);
    let checked = checked.expect("an attempt that did not fail before has checked");
    let observed = latest.find_map(Event::as_observed);
    let observed = observed.expect("a check follows an observation");
    let mut plan = Plan {
        observation: observed.observation.clone(),
        verdict: checked.verdict,
        findings: checked.findings.clone(),
        configuration: None,
        output: BTreeMap::new(),
        written: Vec::new(),
        texts: ConfigTexts::new(),
        values: BTreeMap::new(),
        images: round.planned,
    };
    if let Some(merge) = round.merge {
        plan.values = values(request, &merge);
        let current = merge.current.iter();
        plan.output = current
            .map(|(file, text)| (*file, Digest::of(text)))
            .collect();
        let texts = merge.texts.iter();
        plan.written = texts
            .filter(|(file, text)| merge.current.get(file) != Some(text))
            .map(|(file, _)| *file)
            .collect();
        plan.texts = merge.texts;
        plan.configuration = Some(merge.merged);
    }
    plan
}
