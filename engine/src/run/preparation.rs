//! What can be known before anything changes: the merged configuration and the images it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use journal::EventLog;

use super::deploy_journal::{DeployJournalError, typed};
use super::world::{ConfigTexts, Fault, ImageOrder};
use crate::compat::{Observation, stack_version};
use crate::contract::{FunctionName, Violation, printable};
use crate::image::{Reference, Registries};
use crate::load::{Artifact, LoadedEntry};
use crate::machine::{Base, Event, FailureKind, Merged, Options, OwedImages, Owners, Requested};
use crate::merge::{
    self, BaseOwnership, ConfigFile, ConfigText, ConfigTrees, EntryConfig, MergeOptions, SourceKey,
};
use crate::yaml::{Limits, Node};

/// What the base deploy left: who owns what in the output directory.
pub(super) fn base_ownership(
    events: &(impl EventLog + ?Sized),
    base: Option<&Base>,
) -> Result<BaseOwnership, DeployJournalError> {
    let Some(base) = base else {
        return Ok(BaseOwnership::default());
    };
    let event = events.events(base.merged, 1)?.into_iter().next();
    let Some(Event::Merged(merged)) = event
        .as_ref()
        .map(typed)
        .transpose()?
        .map(|recorded| recorded.event)
    else {
        return Err(DeployJournalError::Base {
            sequence: base.merged,
        });
    };
    let Owners::Stated(ownership) = merged.ownership else {
        return Err(DeployJournalError::Base {
            sequence: base.merged,
        });
    };
    Ok(BaseOwnership {
        ownership,
        removed: merged.changes.removed,
        taken: merged.changes.taken,
        applied: base.applied,
    })
}

/// Merges the artifact into what stands in the output directory: the texts to publish, and the event.
pub(super) fn merged(
    artifact: &Artifact,
    registries: &Registries,
    request: &Requested,
    base: &BaseOwnership,
    current: &ConfigTexts,
) -> Result<(ConfigTexts, Merged), Fault> {
    let trees = ConfigTrees::parse(&request.out, current.clone(), &Limits::default())
        .map_err(|violations| merge_fault(&violations, &request.out))?;
    let entries = configuration(artifact);
    let pending = owed_images(artifact);
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
    };
    Ok((outcome.texts, merged))
}

/// The configuration of every entry, as a merge takes it.
pub fn configuration(artifact: &Artifact) -> Vec<EntryConfig> {
    let entries = artifact.entries.iter().map(|entry| EntryConfig {
        source: SourceKey(entry.source.clone()),
        functions: config_text(entry, ConfigFile::Functions, &entry.functions),
        routing: config_text(entry, ConfigFile::Routing, &entry.routing),
        resources: entry
            .resources
            .as_ref()
            .map(|tree| config_text(entry, ConfigFile::Resources, tree)),
    });
    entries.collect()
}

/// The orders for every image that is built from the artifact.
pub fn image_orders(
    artifact: &Artifact,
    registries: &Registries,
    options: &Options,
    observation: &Observation,
) -> Vec<ImageOrder> {
    orders(artifact, registries, options, observation, None)
}

/// The same for some functions only, where some are named.
pub(super) fn orders(
    artifact: &Artifact,
    registries: &Registries,
    options: &Options,
    observation: &Observation,
    functions: Option<&BTreeSet<FunctionName>>,
) -> Vec<ImageOrder> {
    let stack_version = stack_version(observation);
    owed_images(artifact)
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

struct Owed {
    entry: usize,
    image: String,
}

/// The functions whose images are built from this artifact, as they stand after the merge.
fn owed_images(artifact: &Artifact) -> BTreeMap<FunctionName, Owed> {
    let index = |entry| {
        artifact
            .entries
            .iter()
            .position(|known| std::ptr::eq(known, entry))
    };
    let pending = artifact.builds().into_iter().filter_map(|(entry, image)| {
        Some((
            image.function.clone(),
            Owed {
                entry: index(entry)?,
                image: image.image.clone(),
            },
        ))
    });
    pending.collect()
}

/// A tree of an entry. Its text has been checked with all its lines by `load`; a merge names places only.
fn config_text(entry: &LoadedEntry, file: ConfigFile, tree: &Arc<Node>) -> ConfigText {
    let name = entry
        .files
        .get(file.file_name())
        .cloned()
        .unwrap_or_default();
    ConfigText {
        name,
        text: String::new(),
        tree: Arc::clone(tree),
    }
}

/// The reference as the stack sees it. One that does not read is left as it is: building it says what is wrong.
fn for_stack(registries: &Registries, image: &str) -> String {
    Reference::parse(image).map_or_else(
        |_| image.to_owned(),
        |reference| registries.own_for_stack(&reference).to_string(),
    )
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
