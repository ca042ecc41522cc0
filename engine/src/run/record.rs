//! One deploy of the past: what it asked for, what it met and what it left, as its events and their documents say.

use std::collections::BTreeMap;

use journal::{EventLog, StoreError};
use uuid::Uuid;

use super::deploy_journal::{DeployJournalError, deploy_events, typed};
use super::documents::document;
use super::values::configuration_of;
use crate::compat::Observation;
use crate::contract::FunctionName;
use crate::machine::{Base, Event, ImageRecord, Images, Merged, Requested};
use crate::merge::OwnedConfiguration;

/// One deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployRecord {
    /// Its id.
    pub deploy: Uuid,
    /// What was asked for.
    pub request: Requested,
    /// What it saw running last; none when it did not come so far.
    pub observation: Option<Observation>,
    /// The configuration that it merged last; none when it did not come so far.
    pub configuration: Option<OwnedConfiguration>,
    /// It was applied: what it left was in effect.
    pub is_applied: bool,
    /// The images that it left in effect, or proved before it ended.
    pub images: BTreeMap<FunctionName, ImageRecord>,
}

/// Reads the deploy that begins at a sequence. None when no deploy does.
pub fn deploy_record(
    events: &(impl EventLog + ?Sized),
    first: u64,
) -> Result<Option<DeployRecord>, DeployJournalError> {
    let mut recorded = deploy_events(events, first)?.into_iter();
    let Some(begin) = recorded.next() else {
        return Ok(None);
    };
    let (deploy, Event::Requested(request)) = (begin.deploy, begin.event) else {
        return Ok(None);
    };
    let mut record = DeployRecord {
        deploy,
        request,
        observation: None,
        configuration: None,
        is_applied: false,
        images: BTreeMap::new(),
    };
    let mut merged = None;
    for one in recorded {
        match one.event {
            Event::Observed(observed) => record.observation = Some(observed.observation),
            Event::Merged(last) => merged = Some(last),
            Event::ImagesKept(kept) => {
                let images: Images = document(events, &kept.images)?;
                let images = images.images.into_iter();
                let is_kept = |function: &FunctionName| !kept.pending.contains(function);
                record.images.extend(images.filter(|(one, _)| is_kept(one)));
            }
            Event::ImageBuilt(image) => {
                let of = ImageRecord::of(&image, deploy);
                record.images.insert(image.function, of);
            }
            Event::Applied(applied) => {
                record.is_applied = true;
                if let Some(digest) = &applied.images {
                    record.images = document::<Images>(events, digest)?.images;
                }
            }
            Event::Requested(_)
            | Event::CompatChecked(_)
            | Event::Failed(_)
            | Event::Resumed(_)
            | Event::Abandoned(_)
            | Event::TakenOver(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::DriftFound(_)
            | Event::Pruned(_) => {}
        }
    }
    let configuration = merged.map(|merged| configuration_of(events, &merged));
    record.configuration = configuration.transpose()?;
    Ok(Some(record))
}

/// What the deploy that another one builds upon merged; none when that was pruned.
pub fn base_merged(
    events: &(impl EventLog + ?Sized),
    base: &Base,
) -> Result<Option<Merged>, DeployJournalError> {
    let event = match journal::event(events, base.merged) {
        Err(StoreError::Pruned { .. }) => None,
        event => event?,
    };
    let event = event.as_ref().map(typed).transpose()?;
    Ok(event.and_then(|event| event.event.as_merged().cloned()))
}
