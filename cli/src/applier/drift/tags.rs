//! Tags that the configuration in effect names, and what they name by now.
//!
//! Others may push under a tag, or delete it. The next function that starts then runs something that nobody applied.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::contract::{Digest, FunctionName};
use engine::docker::tags_now;
use engine::image::{Reference, Registries};
use engine::machine::{MovedTag, State};
use engine::run::{Fault, images_in_effect};
use journal::EventLog;
use serde::Serialize;

use crate::applier::{output_dir, prepare, target};
use crate::failure::Failure;
use crate::report::counted;

/// The tags of a target as they were applied. Empty when nothing is in effect.
#[derive(Debug, Default)]
pub(crate) struct AppliedTags(Vec<AppliedTag>);

#[derive(Debug)]
struct AppliedTag {
    function: FunctionName,
    /// As functions.yml says.
    reference: String,
    /// As this host asks for it; none when that is not known.
    here: Option<Reference>,
    digest: Digest,
}

impl AppliedTags {
    /// The tags of the images in effect.
    pub(crate) fn read(events: &dyn EventLog, state: &State) -> Result<Self, Failure> {
        let images = images_in_effect(events, state)
            .map_err(|error| target::deploy_journal_failure(&error))?;
        let Some(images) = images else {
            return Ok(Self::default());
        };
        let request = output_dir::base_request(events, state)?;
        let names = request.and_then(|request| request.registries);
        let registries = names.map(|names| Registries {
            container: names.stack,
            host: names.host,
        });
        let here = |reference: &str| {
            let reference = Reference::parse(reference).ok()?;
            Some(registries.as_ref()?.own_for_host(&reference))
        };
        let tags = images
            .images
            .into_iter()
            .map(|(function, image)| AppliedTag {
                function,
                here: here(&image.reference),
                reference: image.reference,
                digest: image.digest,
            });
        Ok(Self(tags.collect()))
    }

    fn compare(&self, now: &Answers) -> ComparedTags {
        let mut compared = ComparedTags::default();
        let mut unknown = Vec::new();
        for tag in &self.0 {
            let answer = tag.here.as_ref().map(|here| now.get(here));
            match answer.flatten() {
                Some(Ok(found)) if found.as_ref() == Some(&tag.digest) => {}
                Some(Ok(found)) => compared.tag_drift.push(MovedTag {
                    function: tag.function.clone(),
                    reference: tag.reference.clone(),
                    applied: tag.digest.clone(),
                    found: found.clone(),
                }),
                Some(Err(fault)) => unknown.push(fault.message.as_str()),
                None => unknown.push("the journal does not say where this host finds the registry"),
            }
        }
        if let Some(why) = unknown.first() {
            let count = counted(unknown.len() as u64, "tag");
            compared.tags_unknown = Some(format!("{count} not compared: {why}"));
        }
        compared
    }
}

/// What registries said.
type Answers = BTreeMap<Reference, Result<Option<Digest>, Fault>>;

/// What became of the tags of a target.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ComparedTags {
    /// Tags that do not name the image that was applied.
    pub(crate) tag_drift: Vec<MovedTag>,
    /// How many tags could not be compared, and why the first could not.
    pub(crate) tags_unknown: Option<String>,
}

/// What is wrong with a tag, in words.
pub(crate) fn sentence(tag: &MovedTag) -> String {
    let MovedTag {
        reference, found, ..
    } = tag;
    match found {
        Some(_) => format!("{reference} names another image than was applied"),
        None => format!("{reference} is not in the registry any more"),
    }
}

/// Asks what the tags of these targets name, and compares.
pub(crate) async fn compare(targets: &[AppliedTags], patience: Duration) -> Vec<ComparedTags> {
    let tags = targets.iter().flat_map(|target| &target.0);
    let references: BTreeSet<_> = tags.filter_map(|tag| tag.here.clone()).collect();
    let now = if references.is_empty() {
        Answers::new()
    } else {
        let docker_host = prepare::variable("DOCKER_HOST");
        tags_now(docker_host.as_deref(), references, patience).await
    };
    targets.iter().map(|target| target.compare(&now)).collect()
}
