//! What a plan was made upon, compared with what is there later.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use crate::compat::Observation;
use crate::contract::printable;
use crate::machine::Merged;
use crate::merge::ConfigFile;
use crate::views::versions;

impl Plan {
    /// What is not as it was when this plan was made, in words: the stack, the output directory, the registry. `now` is a plan of the
    /// same request, made upon what is there now, and `out` names the output directory. A stack that refuses the artifact hides the rest.
    pub fn moved(&self, now: &Self, out: &str) -> Vec<String> {
        let mut moved = Vec::new();
        if !self.observation.shows_the_same_stack(&now.observation) {
            moved.push(stack(&self.observation, &now.observation));
        }
        if now.configuration.is_none() {
            return moved;
        }
        let is_other = |file: &ConfigFile| self.output.get(file) != now.output.get(file);
        let files = ConfigFile::ALL.into_iter().filter(is_other);
        moved.extend(files.map(|file| {
            let out = printable(out);
            format!("`{}` in `{out}` is not as it was", file.file_name())
        }));
        moved.extend(self.moved_images(now));
        moved
    }

    fn moved_images(&self, now: &Self) -> BTreeSet<String> {
        let now = now.images.iter();
        let now: BTreeMap<_, _> = now.map(|image| (&image.function, image)).collect();
        let mut moved = BTreeSet::new();
        for image in &self.images {
            let Some(found) = now.get(&image.function) else {
                continue;
            };
            let reference = printable(&image.reference);
            if found.key != image.key {
                moved.insert(format!("a base of `{reference}` is another one"));
            } else if found.named != image.named {
                moved.insert(format!("`{reference}` does not name what it named"));
            } else if found.keyed != image.keyed {
                moved.insert(format!(
                    "the registry does not have what it had under the content key of `{reference}`"
                ));
            }
        }
        moved
    }

    /// The same is published, and the same becomes of each image.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let published = |merged: &Merged| (merged.files.clone(), merged.changes.clone());
        let images = |plan: &Self| -> Vec<_> {
            let images = plan.images.iter();
            images
                .map(|image| (image.function.clone(), image.key.clone(), image.source))
                .collect()
        };
        self.configuration.as_ref().map(published) == other.configuration.as_ref().map(published)
            && images(self) == images(other)
    }
}

/// `gateway is 2.0.0, and was 1.4.2`; where no version differs, that containers do.
fn stack(before: &Observation, after: &Observation) -> String {
    let by_service = |seen: &Observation| -> BTreeSet<(String, String)> {
        let seen = versions(seen).into_iter();
        seen.map(|one| (one.service, one.version.unwrap_or_else(|| "?".to_owned())))
            .collect()
    };
    let (before, after) = (by_service(before), by_service(after));
    let words = |seen: BTreeSet<&(String, String)>| -> String {
        let words = seen
            .into_iter()
            .map(|(service, version)| format!("{service} {version}"));
        let words: Vec<String> = words.collect();
        if words.is_empty() {
            "nothing".to_owned()
        } else {
            printable(&words.join(", "))
        }
    };
    if before == after {
        return "the containers of the stack are others".to_owned();
    }
    let was = words(before.difference(&after).collect());
    let is = words(after.difference(&before).collect());
    format!("the stack has {is}, and had {was}")
}
