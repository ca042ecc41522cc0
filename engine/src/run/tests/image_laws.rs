//! The laws about images: what is recorded of them, what is relied on, and which tags are moved.

use std::sync::Arc;

use super::laws::ProcessResult;
use super::model::Model;
use super::read_event::ReadEvent;
use super::rig::applied;
use super::trace::Asked;
use crate::contract::Hasher;
use crate::machine::ImageSource;
use crate::run::simulated::Act;

impl ProcessResult<'_> {
    /// What is recorded of an image is true: it was looked up in this attempt, and is there unless it was lost later.
    pub(super) fn check_images(&self, model: Model<'_>) -> Result<(), String> {
        for image in model.images() {
            let reference = &image.reference;
            let look = self.target.trace.looked.get(reference);
            let Some(look) = look.filter(|look| model.attempt_knows(look.after)) else {
                return Err(format!(
                    "law 5: `{reference}` was recorded, and this attempt did not look"
                ));
            };
            let keyed = (reference.clone(), image.key.clone());
            let found = self.target.truth.keyed.get(&keyed);
            if found != Some(&image.digest) && !look.lost_since {
                let key = &image.key;
                return Err(format!(
                    "law 5: `{reference}` was recorded with {key}, and the registry has {found:?}"
                ));
            }
            let Some(prefix) = &image.prefix else {
                continue;
            };
            let keyed = (reference.clone(), prefix.key.clone());
            let found = self.target.truth.keyed.get(&keyed);
            if found != Some(&prefix.digest) && !look.lost_since {
                return Err(format!(
                    "law 5: `{reference}` was recorded over {prefix:?}, and the registry has {found:?}"
                ));
            }
        }
        Ok(())
    }

    /// An image that is recorded as built was built by this process, and one that is not was there when it was looked at, or was
    /// built for another function.
    pub(super) fn check_sources(&self, model: Model<'_>) -> Result<(), String> {
        let recorded = self.recorded();
        for image in model.images() {
            let is_image = |event: &&Arc<ReadEvent>| event.event.as_image_built() == Some(image);
            let Some(event) = recorded.iter().find(is_image) else {
                continue;
            };
            let before = model.until(event.sequence - 1);
            let known = before.recorded(&image.reference, &image.key);
            let mut asked = self.asked().iter();
            let built = asked.find_map(|one| match &one.act {
                Act::Build {
                    function,
                    reference,
                    key,
                } if *reference == image.reference && *key == image.key => Some(function),
                Act::Build { .. } | Act::Tag { .. } | Act::Publish(_) | Act::Provision => None,
            });
            let look = self.target.trace.looked.get(&image.reference);
            let there = look.and_then(|look| look.there.get(&image.key));
            let is_honest = match image.source {
                ImageSource::Built => true,
                ImageSource::Reused => known == Some(&image.digest),
                ImageSource::Promoted => known.is_none(),
            };
            if !is_honest {
                return Err(format!("law 2: {image:?} is recorded; it knew {known:?}"));
            }
            let fits = match (image.source, built) {
                (ImageSource::Built, Some(function)) => *function == image.function,
                (ImageSource::Reused, Some(function)) => {
                    *function != image.function || there == Some(&image.digest)
                }
                (ImageSource::Reused | ImageSource::Promoted, None) => there == Some(&image.digest),
                (ImageSource::Built, None) | (ImageSource::Promoted, Some(_)) => false,
            };
            if !fits {
                return Err(format!(
                    "law 2: {image:?} is recorded; {built:?} was built, and {there:?} was there"
                ));
            }
        }
        Ok(())
    }

    /// Images that are kept are there as they were recorded last, and the event says how many there are and which are not.
    pub(super) fn check_kept(&self, model: Model<'_>) -> Result<(), String> {
        for event in self.recorded() {
            let Some(kept) = event.event.as_images_kept() else {
                continue;
            };
            let before = model.until(event.sequence - 1);
            let mut hasher = Hasher::default();
            for image in &event.images {
                let known = before.recorded(&image.reference, &image.key);
                if known != Some(&image.digest) {
                    return Err(format!("law 2: {image:?} is kept; it knew {known:?}"));
                }
                hasher.part(image.function.as_str(), image.digest.as_str().as_bytes());
            }
            let digest = hasher.finish();
            if kept.digest != digest {
                return Err(format!("law 2: {kept:?} should say {digest}"));
            }
        }
        Ok(())
    }

    /// Whatever is relied on was looked at after the last build, and what is applied has its tag.
    pub(super) fn check_tags(&self, model: Model<'_>) -> Result<(), String> {
        let trace = &self.target.trace;
        let mut built = None;
        for (index, one) in trace.asked.iter().enumerate().skip(self.ran.found.asked) {
            match one.act {
                Act::Build { .. } => built = Some(index),
                Act::Publish(_) => {
                    for image in model.until(one.after).images() {
                        let look = trace.looked.get(&image.reference);
                        let is_old =
                            look.is_none_or(|look| built.is_some_and(|built| look.asked <= built));
                        if is_old && image.source != ImageSource::Built {
                            let reference = &image.reference;
                            return Err(format!(
                                "law 5: `{reference}` was looked at before a build"
                            ));
                        }
                    }
                }
                Act::Tag { .. } | Act::Provision => {}
            }
        }
        if !applied(&self.ran.ended) {
            return Ok(());
        }
        for image in model.images() {
            let look = trace.looked.get(&image.reference);
            let is_left = look.is_some_and(|look| !look.moved_since);
            let named = self.target.truth.registry.get(&image.reference);
            if is_left && named != Some(&image.digest) {
                return Err(format!(
                    "law 1: {image:?} is applied, and its tag names {named:?}"
                ));
            }
        }
        Ok(())
    }
}

/// It built the image that the act gives a tag to.
pub(super) fn built_for(one: &Asked, act: &Act) -> bool {
    match (&one.act, act) {
        (Act::Build { reference, .. }, Act::Tag { reference: tag, .. }) => reference == tag,
        _ => false,
    }
}
