//! What can be known before anything changes: the merged configuration and the images it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use journal::EventLog;

use super::content::Content;
use super::deploy_journal::{DeployJournalError, typed};
use super::documents::document;
use super::world::{ConfigTexts, Fault, ImageOrder, Publication};
use crate::compat::{Observation, stack_version};
use crate::contract::{Digest, FunctionName, Violation, printable};
use crate::image::{Reference, Registries};
use crate::load::Artifact;
use crate::machine::{Base, FailureKind, Merged, Options, OwedImages, Owners, Requested};
use crate::merge::{
    self, BaseOwnership, ConfigFile, ConfigTrees, Drift, EntryConfig, MergeOptions,
};
use crate::yaml::{Node, ParseLimits};

/// What the base deploy left in the output directory. The default is that of a first deploy.
#[derive(Debug, Default)]
pub(super) struct BaseMerge {
    /// Who owns what.
    pub(super) ownership: BaseOwnership,
    /// The digest of the document that says so, where there is one.
    pub(super) owners: Option<Digest>,
    /// The digests of the documents of its values.
    pub(super) values: BTreeMap<ConfigFile, Digest>,
}

/// What the base deploy left in the output directory.
pub(super) fn base_merge(
    events: &(impl EventLog + ?Sized),
    base: Option<&Base>,
) -> Result<BaseMerge, DeployJournalError> {
    let Some(base) = base else {
        return Ok(BaseMerge::default());
    };
    let sequence = base.merged;
    let event = events.events(sequence, 1)?.into_iter().next();
    let event = event.as_ref().map(typed).transpose()?;
    let merged = event.and_then(|recorded| recorded.event.as_merged().cloned());
    let merged = merged.ok_or(DeployJournalError::Base { sequence })?;
    let (ownership, owners) = match merged.ownership {
        Owners::Stated(ownership) => (ownership, None),
        Owners::Document(digest) => (document(events, &digest)?, Some(digest)),
    };
    let ownership = BaseOwnership {
        ownership,
        removed: merged.changes.removed,
        taken: merged.changes.taken,
        applied: base.applied,
    };
    Ok(BaseMerge {
        ownership,
        owners,
        values: merged.values,
    })
}

/// What is known once the artifact is merged into what stands in the output directory.
pub(super) struct Merge {
    /// The texts that stand there.
    pub(super) current: ConfigTexts,
    /// The texts to publish.
    pub(super) texts: ConfigTexts,
    /// Their trees.
    pub(super) trees: BTreeMap<ConfigFile, Node>,
    /// The event. It names no document yet.
    pub(super) merged: Merged,
    /// The references of images that the functions name which stand there now.
    pub(super) live: BTreeSet<String>,
}

impl Merge {
    /// What is published in place of what stood there when this was merged.
    pub(super) fn publication(&self) -> Publication {
        let standing = self.current.iter();
        let standing = standing.map(|(file, text)| (*file, Digest::of(text)));
        Publication {
            files: self.texts.clone(),
            standing: standing.collect(),
            live: self.live.clone(),
        }
    }
}

/// Merges what a deploy makes true into what stands in the output directory.
pub(super) fn merged(
    content: Content<'_>,
    registries: &Registries,
    request: &Requested,
    base: &BaseOwnership,
    current: ConfigTexts,
) -> Result<Merge, Fault> {
    let trees = ConfigTrees::parse(&request.out, current.clone(), &ParseLimits::default())
        .map_err(|violations| merge_fault(&violations, &request.out))?;
    let entries = content.entries(&base.ownership, &trees)?;
    let pending = content.owed_images();
    let image_rewrites = pending
        .values()
        .map(|pending| (pending.image.clone(), for_stack(registries, &pending.image)))
        .collect();
    let merge_options = MergeOptions {
        prune: request.options.prune,
        image_rewrites,
    };
    let outcome = merge::merge(&trees, &entries, base, &merge_options)
        .map_err(|violations| merge_fault(&violations, &request.out))?;
    let unresolved = merge::unresolved_routes(&entries, &outcome);
    if !unresolved.is_empty() {
        return Err(merge_fault(&unresolved, &request.out));
    }
    let merged = Merged {
        files: outcome.digests,
        ownership: Owners::Stated(outcome.ownership),
        changes: outcome.changes,
        drift: outcome.drift,
        images: OwedImages::Stated(pending.into_keys().collect()),
        warnings: outcome.warnings.iter().map(ToString::to_string).collect(),
        values: BTreeMap::new(),
    };
    let functions = trees.files.get(&ConfigFile::Functions);
    let live = functions
        .into_iter()
        .flat_map(|functions| merge::named_images(&functions.tree))
        .map(|image| tagged_for_stack(registries, image));
    Ok(Merge {
        current,
        texts: outcome.texts,
        trees: outcome.trees,
        merged,
        live: live.collect(),
    })
}

/// The configuration of every entry, as a merge takes it.
pub fn configuration(artifact: &Artifact) -> Vec<EntryConfig> {
    crate::load::configuration(&artifact.entries)
}

/// The orders for every image that is built from the artifact.
pub fn image_orders(
    artifact: &Artifact,
    registries: &Registries,
    options: &Options,
    observation: &Observation,
) -> Vec<ImageOrder> {
    let content = Content::Artifact(artifact);
    orders(content, registries, options, observation, None)
}

/// The same for some functions only, where some are named.
pub(super) fn orders(
    content: Content<'_>,
    registries: &Registries,
    options: &Options,
    observation: &Observation,
    functions: Option<&BTreeSet<FunctionName>>,
) -> Vec<ImageOrder> {
    let stack_version = stack_version(observation);
    content
        .owed_images()
        .into_iter()
        .filter(|(function, _)| functions.is_none_or(|named| named.contains(function)))
        .map(|(function, pending)| ImageOrder {
            function,
            entry: pending.entry,
            reference: for_stack(registries, &pending.image),
            stack_version: stack_version.clone(),
            platform: options.platform.clone(),
            no_cache: options.no_cache,
        })
        .collect()
}

/// The reference as the stack sees it. One that does not read is left as it is: building it says what is wrong.
fn for_stack(registries: &Registries, image: &str) -> String {
    Reference::parse(image).map_or_else(
        |_| image.to_owned(),
        |reference| registries.own_for_stack(&reference).to_string(),
    )
}

/// The same with the tag that it means when it names none, so that two references to one tag are equal.
pub(super) fn tagged_for_stack(registries: &Registries, image: &str) -> String {
    let Ok(reference) = Reference::parse(image) else {
        return image.to_owned();
    };
    let mut reference = registries.own_for_stack(&reference);
    if reference.digest.is_none() {
        reference.tag.get_or_insert_with(|| "latest".to_owned());
    }
    reference.to_string()
}

/// Violations that only the merge can find end the attempt: as a breach of the payload contract, or, when they are in the
/// output directory, as a directory that cannot be published to.
///
/// They are recorded, so they name places and show no source line: a line of the output directory may hold a secret.
fn merge_fault(violations: &[Violation], out: &str) -> Fault {
    let is_standing = |violation: &&Violation| Path::new(&violation.place.file).starts_with(out);
    let standing: Vec<_> = violations.iter().filter(is_standing).collect();
    let (kind, shown, headline, hint) = if let Some(first) = standing.first() {
        let hint = format!(
            "correct `{}`, which is in the output directory and not in the artifact, then run the same command again",
            printable(&first.place.file)
        );
        let headline = "the output directory cannot be merged into";
        (FailureKind::Publish, standing, headline, Some(hint))
    } else {
        let hint = violations.iter().find_map(|found| found.hint.clone());
        let headline = "the merged configuration would break the payload contract";
        (
            FailureKind::Payload,
            violations.iter().collect(),
            headline,
            hint,
        )
    };
    let places = shown.len();
    let lines = shown
        .iter()
        .map(|violation| format!("{}: {}", violation.place, violation.message));
    let plural = if places == 1 { "" } else { "s" };
    Fault::new(kind, format!("{headline}, in {places} place{plural}"))
        .because(lines)
        .hints(hint)
}

/// Keys of ours that somebody changed by hand, where a deploy must not overwrite them.
pub(super) fn drift_fault(drift: &[Drift], out: &str) -> Fault {
    let keys = drift.iter().map(|drift| printable(&drift.sentence()));
    let (number, plural) = (drift.len(), if drift.len() == 1 { "" } else { "s" });
    Fault::new(
        FailureKind::Drift,
        format!(
            "{number} key{plural} of the output directory `{}` would be overwritten",
            printable(out)
        ),
    )
    .because(keys)
    .hint("put them back, or deploy without `--fail-on-drift`, which overwrites them")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::merge_fault;
    use crate::contract::{Place, Rule, Violation};
    use crate::machine::FailureKind;

    #[rstest]
    #[case(
        "/srv/out/routing.yml",
        FailureKind::Publish,
        "is in the output directory and not in the artifact"
    )]
    #[case("artifact/config/routing.yml", FailureKind::Payload, "see there")]
    #[case("/srv/output/routing.yml", FailureKind::Payload, "see there")]
    fn a_broken_file_is_blamed_where_it_stands(
        #[case] file: &str,
        #[case] kind: FailureKind,
        #[case] hint: &str,
    ) {
        let place = Place::file(file);
        let violation = Violation::new(Rule::WrongKind, place, "is odd").with_hint("see there");
        let fault = merge_fault(&[violation], "/srv/out");
        assert_eq!(fault.kind, kind);
        assert_eq!(fault.causes, [format!("{file}: is odd")]);
        assert!(fault.hints[0].contains(hint));
    }
}
