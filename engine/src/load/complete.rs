//! Everything that files say about an artifact, at once: its files, its Dockerfiles, and the routes to functions that nobody has.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::artifact::{Artifact, LoadedEntry, Reading};
use super::builds::{BuildInputs, inputs_of};
use super::confined::{open_anywhere, read_bounded};
use super::{LoadError, artifact::MAX_YAML};
use crate::contract::{Place, Rule, Source, Unknown, Violation, Warning};
use crate::merge::{ConfigFile, ConfigText, EntryConfig, SourceKey, unresolved_in_artifact};
use crate::yaml::{Node, Span};

/// An artifact that satisfies the payload contract, with what its Dockerfiles reach.
#[derive(Debug)]
pub struct CompleteArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// What its Dockerfiles reach.
    pub inputs: BuildInputs,
    /// Routes that call none of its functions, and functions that are not known to be elsewhere.
    pub warnings: Vec<Warning>,
}

/// Loads an artifact, what its Dockerfiles reach, and where its routes lead. The error is every violation of all of them.
///
/// `elsewhere` holds the functions that stand in the output directory; none where that is not known. Then only a route to a name
/// that is nearly one of the artifact's functions is a violation.
pub fn complete(
    manifest_path: &Path,
    unknown: Unknown,
    elsewhere: Option<&BTreeSet<String>>,
) -> Result<CompleteArtifact, LoadError> {
    let reading = Reading::of(manifest_path, unknown)?;
    let (inputs, mut violations) = inputs_of(&reading.entries);
    let has_violations = !violations.is_empty() || !reading.violations.is_empty();
    let (unresolved, warnings) = if reading.is_whole {
        routes(&reading.entries, unknown, elsewhere, has_violations)
    } else {
        (Vec::new(), Vec::new())
    };
    violations.extend(unresolved);
    let artifact = reading.finish(violations)?;
    Ok(CompleteArtifact {
        artifact,
        inputs,
        warnings,
    })
}

/// Routes to functions that nobody has. Where something else is wrong, a function without a similar name may be what is missing.
fn routes(
    entries: &[LoadedEntry],
    unknown: Unknown,
    elsewhere: Option<&BTreeSet<String>>,
    has_violations: bool,
) -> (Vec<Violation>, Vec<Warning>) {
    let (mut violations, mut warnings) = (Vec::new(), Vec::new());
    for route in unresolved_in_artifact(&configuration(entries)) {
        if elsewhere.is_some_and(|functions| functions.contains(&route.function)) {
            continue;
        }
        let is_near = route.nearest.is_some();
        let is_refused = match elsewhere {
            Some(_) => is_near || !has_violations,
            None => is_near && unknown == Unknown::Refused,
        };
        let (place, message) = (with_excerpt(route.place.clone()), route.message());
        if is_refused {
            let violation = Violation::new(Rule::UnknownFunction, place, message);
            violations.push(violation.with_hint(
                "name a function of `functions.yml`, or write the function that the route calls",
            ));
        } else if elsewhere.is_none() {
            let message = format!("{message}; a deploy looks for it in `--out`");
            warnings.push(Warning::new(Rule::UnknownFunction, place, message));
        }
    }
    (violations, warnings)
}

/// The same place with its source line, where the file still says the same.
fn with_excerpt(place: Place) -> Place {
    let read = open_anywhere(Path::new(&place.file));
    let Ok(bytes) = read.and_then(|mut file| read_bounded(&mut file, MAX_YAML)) else {
        return place;
    };
    let text = String::from_utf8_lossy(&bytes);
    let span = Span {
        line: place.line,
        column: place.column,
    };
    Source::new(&place.file, &text).place(span)
}

/// The configuration of entries, as a merge takes it.
pub(crate) fn configuration(entries: &[LoadedEntry]) -> Vec<EntryConfig> {
    let entries = entries.iter().map(|entry| EntryConfig {
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

/// A tree of an entry. Its text has been checked with all its lines; a merge names places only.
fn config_text(entry: &LoadedEntry, file: ConfigFile, tree: &Arc<Node>) -> ConfigText {
    let name = entry.files.get(file.file_name());
    ConfigText {
        name: name.cloned().unwrap_or_default(),
        text: String::new(),
        tree: Arc::clone(tree),
    }
}
