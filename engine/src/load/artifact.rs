//! An artifact as it lies on disk: the manifest and the payload files of every entry.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LoadError;
use super::confined::{Problem, open_anywhere, read_bounded};
use super::entry::Loading;
use crate::contract::{
    Digest, FunctionName, Hasher, Ids, Manifest, Place, Source, Unknown, Violation, Warning,
    check_manifest_with, parse_manifest,
};
use crate::yaml::{self, Node, ParseLimits, Value};

/// A YAML file is at most 8 MiB (contract, section 1).
pub(super) const MAX_YAML: u64 = 8 << 20;

/// An artifact that satisfies the payload contract.
#[derive(Debug)]
pub struct Artifact {
    /// The manifest's path, absolute.
    pub manifest_path: PathBuf,
    /// The manifest, normalised: every id is the computed one.
    pub manifest: Manifest,
    /// What is odd in the manifest and in the payload files.
    pub warnings: Vec<Warning>,
    /// The entries, in the order in which they merge.
    pub entries: Vec<LoadedEntry>,
    /// Over the manifest, the configuration files and the Dockerfiles: what is the same artifact.
    pub digest: Digest,
}

/// One entry with its payload.
#[derive(Debug)]
pub struct LoadedEntry {
    /// Which source this is, across deploys.
    pub source: String,
    /// The artifact root, with all symlinks resolved.
    pub root: PathBuf,
    /// The artifact root as the user would name it, for places in messages.
    pub shown_root: PathBuf,
    /// The configuration directory, with all symlinks resolved.
    pub config_dir: PathBuf,
    /// The tree of `functions.yml`.
    pub functions: Arc<Node>,
    /// The tree of `routing.yml`.
    pub routing: Arc<Node>,
    /// The tree of `resources.yml`, when there is one.
    pub resources: Option<Arc<Node>>,
    /// The name under which the user knows each of these files, for places in messages.
    pub files: BTreeMap<&'static str, String>,
    /// Digest of the bytes of each of these files.
    pub digests: BTreeMap<&'static str, Digest>,
    /// The functions that name an image.
    pub images: Vec<LoadedImage>,
}

/// A function that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// The function.
    pub function: FunctionName,
    /// The image reference, as written.
    pub image: String,
    /// Where the reference stands.
    pub place: Place,
    /// The text of `functions/<name>/Dockerfile`; its presence means that the image is built.
    pub dockerfile: Option<String>,
}

/// Loads an artifact by the path of its manifest. The error is every violation of every file of every entry.
pub fn artifact(manifest_path: &Path) -> Result<Artifact, LoadError> {
    artifact_with(manifest_path, Unknown::Refused)
}

/// The same, with a say about keys and folders that look like misspellings.
pub fn artifact_with(manifest_path: &Path, unknown: Unknown) -> Result<Artifact, LoadError> {
    Reading::of(manifest_path, unknown)?.finish(Vec::new())
}

/// What was read of an artifact, as far as it could be read.
pub(super) struct Reading {
    manifest_path: PathBuf,
    manifest: Option<Manifest>,
    warnings: Vec<Warning>,
    /// The entries that could be read.
    pub(super) entries: Vec<LoadedEntry>,
    /// These are all entries.
    pub(super) is_whole: bool,
    /// What is wrong so far.
    pub(super) violations: Vec<Violation>,
}

impl Reading {
    pub(super) fn of(manifest_path: &Path, unknown: Unknown) -> Result<Self, LoadError> {
        let unreadable = |problem| LoadError::Unreadable {
            path: manifest_path.to_owned(),
            problem,
        };
        let absolute =
            std::path::absolute(manifest_path).map_err(|error| unreadable(Problem::of(error)))?;
        let file = manifest_path.display().to_string();
        let text = manifest_text(manifest_path, &file)?;
        let checked = check_manifest_with(&Source::new(&file, &text), Ids::Checked, unknown);
        let mut loading = Loading::taking(unknown);
        let loaded = loading.entries(manifest_path, &checked);
        let named = checked.manifest.as_ref();
        let named = named.map_or(&[][..], |manifest| &manifest.artifacts);
        let is_whole = loaded.len() == named.len();
        let entries = loaded.into_iter().enumerate();
        let entries = entries.map(|(at, payload)| payload.named(named.get(at)));
        let mut violations = checked.violations;
        violations.extend(loading.violations);
        let mut warnings = checked.warnings;
        warnings.extend(loading.warnings);
        Ok(Self {
            manifest_path: absolute,
            entries: entries.collect(),
            manifest: checked.manifest,
            warnings,
            is_whole,
            violations,
        })
    }

    /// The artifact, when neither this nor anything else is wrong with it.
    pub(super) fn finish(self, further: Vec<Violation>) -> Result<Artifact, LoadError> {
        let mut violations = self.violations;
        violations.extend(further);
        let Some(manifest) = self.manifest.filter(|_| violations.is_empty()) else {
            return Err(LoadError::Violations(violations));
        };
        let digest = digest(&manifest, &self.entries);
        Ok(Artifact {
            manifest_path: self.manifest_path,
            manifest,
            warnings: self.warnings,
            entries: self.entries,
            digest,
        })
    }
}

/// Reads a manifest alone: what it says, and not whether what it names is there.
pub fn manifest(manifest_path: &Path) -> Result<Manifest, LoadError> {
    let file = manifest_path.display().to_string();
    let text = manifest_text(manifest_path, &file)?;
    let read = parse_manifest(&file, &text).map_err(LoadError::Violations)?;
    Ok(read.0)
}

impl Artifact {
    /// The functions whose images the deploy may have to build, with the entry each belongs to: those with a Dockerfile,
    /// as they stand after the merge, in which the last entry that has a function decides.
    pub fn builds(&self) -> Vec<(&LoadedEntry, &LoadedImage)> {
        builds(&self.entries)
    }

    /// The digest with further inputs mixed in, by name: what is the same artifact once the build inputs are known.
    /// Without inputs it is the digest itself.
    pub fn digest_with(&self, inputs: &BTreeMap<String, Digest>) -> Digest {
        if inputs.is_empty() {
            return self.digest.clone();
        }
        let mut hasher = Hasher::default();
        hasher.part(
            "artifact with inputs, version 1",
            self.digest.as_str().as_bytes(),
        );
        for (name, input) in inputs {
            hasher.part(name, input.as_str().as_bytes());
        }
        hasher.finish()
    }
}

/// The functions of entries whose images may have to be built.
pub(super) fn builds(entries: &[LoadedEntry]) -> Vec<(&LoadedEntry, &LoadedImage)> {
    let mut last = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        for name in function_names(&entry.functions) {
            last.insert(name, index);
        }
    }
    let decides =
        |index: usize, image: &LoadedImage| last.get(image.function.as_str()) == Some(&index);
    entries
        .iter()
        .enumerate()
        .flat_map(|(index, entry)| entry.images.iter().map(move |image| (index, entry, image)))
        .filter(|(index, _, image)| image.dockerfile.is_some() && decides(*index, image))
        .map(|(_, entry, image)| (entry, image))
        .collect()
}

/// The bytes of a manifest, as text.
pub(super) fn manifest_text(path: &Path, file: &str) -> Result<String, LoadError> {
    let read = open_anywhere(path).and_then(|mut opened| read_bounded(&mut opened, MAX_YAML));
    match read {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|error| LoadError::Violations(not_utf8(file, error.as_bytes()))),
        Err(problem @ Problem::TooLarge(_)) => Err(LoadError::Violations(vec![Violation::new(
            problem.rule(),
            Place::file(file),
            format!("the manifest {problem}"),
        )])),
        Err(problem) => Err(LoadError::Unreadable {
            path: path.to_owned(),
            problem,
        }),
    }
}

/// The violation of a text that is not UTF-8, at the first byte that is not.
pub(super) fn not_utf8(file: &str, bytes: &[u8]) -> Vec<Violation> {
    let shown = String::from_utf8_lossy(bytes);
    match yaml::parse_bytes(bytes, &ParseLimits::default()) {
        Ok(_) => Vec::new(),
        Err(errors) => Source::new(file, &shown).refused(&errors),
    }
}

/// Over the manifest, the configuration files and the Dockerfiles. When the manifest was generated is left out: an artifact
/// that was generated twice from the same sources is the same artifact.
fn digest(manifest: &Manifest, entries: &[LoadedEntry]) -> Digest {
    let timeless = Manifest {
        generated_at: None,
        ..manifest.clone()
    };
    let json =
        serde_json::to_vec(&timeless).expect("a manifest is made of texts and maps of texts");
    let mut hasher = Hasher::default();
    hasher.part("artifact, version 1", &json);
    for (index, entry) in entries.iter().enumerate() {
        hasher.part("entry", index.to_string().as_bytes());
        for (file, digest) in &entry.digests {
            hasher.part(file, digest.as_str().as_bytes());
        }
        for image in &entry.images {
            if let Some(dockerfile) = &image.dockerfile {
                hasher.part(image.function.as_str(), dockerfile.as_bytes());
            }
        }
    }
    hasher.finish()
}

pub(super) fn function_names(functions: &Node) -> impl Iterator<Item = &str> {
    let section = match &functions.value {
        Value::Map(map) => map.get("functions").map(|entry| &entry.node.value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => None,
    };
    let names = match section {
        Some(Value::Map(names)) => Some(names),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_),
        )
        | None => None,
    };
    names
        .into_iter()
        .flat_map(|names| names.keys().map(String::as_str))
}
