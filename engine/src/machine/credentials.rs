//! Events without credentials: whatever people, engines, registries and containers said.
//!
//! Names, paths and digests are ours, and a resume needs them as they are.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Event, ProvisionResult};
use crate::redact::credentials;

impl Event {
    /// The event as it is recorded: without credentials in any text of others.
    #[must_use]
    pub fn without_credentials(mut self) -> Self {
        match &mut self {
            Self::Failed(failed) => {
                clean(&mut failed.message);
                failed.causes.iter_mut().for_each(clean);
                failed.hints.iter_mut().for_each(clean);
                failed.output.iter_mut().for_each(clean);
            }
            Self::Applied(applied) => {
                if let Some(ProvisionResult { output, .. }) = &mut applied.provision {
                    output.iter_mut().for_each(clean);
                }
            }
            Self::Observed(observed) => clean_all(observed),
            Self::CompatChecked(checked) => clean_all(checked),
            Self::Merged(merged) => merged.warnings.iter_mut().for_each(clean),
            Self::Held(held) => clean(&mut held.message),
            Self::Released(released) => released.note.iter_mut().for_each(clean),
            Self::Abandoned(abandoned) => abandoned.note.iter_mut().for_each(clean),
            Self::Requested(requested) => {
                requested.message.iter_mut().for_each(clean);
                clean_all(&mut requested.manifest.generator);
                for entry in &mut requested.manifest.artifacts {
                    clean_all(&mut entry.source_template);
                }
            }
            Self::TakenOver(taken) => clean_all(taken),
            Self::Pruned(pruned) => pruned.message.iter_mut().for_each(clean),
            Self::DriftFound(found) => found.refused.iter_mut().for_each(clean_all),
            Self::ImagesKept(_) | Self::ImageBuilt(_) | Self::Resumed(_) => {}
        }
        self
    }
}

fn clean(text: &mut String) {
    if let Cow::Owned(cleaned) = credentials(text) {
        *text = cleaned;
    }
}

/// Every text of a payload whose texts all come from others.
fn clean_all<T: Serialize + DeserializeOwned>(payload: &mut T) {
    let mut value = serde_json::to_value(&*payload).expect("a payload is JSON");
    if clean_value(&mut value) {
        *payload = serde_json::from_value(value).expect("a text is where a text was");
    }
}

/// Says whether there was something to take out.
fn clean_value(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let cleaned = credentials(text).into_owned();
            let changed = cleaned != *text;
            *text = cleaned;
            changed
        }
        Value::Array(all) => all
            .iter_mut()
            .fold(false, |changed, one| clean_value(one) | changed),
        Value::Object(all) => {
            let all = all.values_mut();
            all.fold(false, |changed, one| clean_value(one) | changed)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
