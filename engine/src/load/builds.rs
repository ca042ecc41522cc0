//! The build inputs of a whole artifact: what makes two artifacts the same besides their configuration.

use std::collections::BTreeMap;

use super::LoadError;
use super::artifact::{Artifact, LoadedEntry, LoadedImage};
use super::inputs::{InputError, inputs};
use crate::contract::{Digest, FunctionName, Place, Rule, Source, Violation};
use crate::image::{InputFile, Registries, RewriteContext, rewrite};
use crate::yaml::Span;

/// Per function that is built: the files below its artifact root that its Dockerfile reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildInputs {
    /// Sorted by path.
    pub files: BTreeMap<FunctionName, Vec<InputFile>>,
}

impl BuildInputs {
    /// One digest per function, under names for [`Artifact::digest_with`].
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        let digest = |files: &Vec<InputFile>| {
            Digest::of(serde_json::to_vec(files).expect("inputs are made of texts and numbers"))
        };
        self.files
            .iter()
            .map(|(function, files)| (function.to_string(), digest(files)))
            .collect()
    }
}

/// Reads every Dockerfile and hashes what it reaches. The error is every Dockerfile and every input that cannot be used.
pub fn build_inputs(artifact: &Artifact) -> Result<BuildInputs, LoadError> {
    let mut found = BuildInputs::default();
    let mut violations = Vec::new();
    for (entry, image) in artifact.builds() {
        match of_function(entry, image) {
            Ok(files) => drop(found.files.insert(image.function.clone(), files)),
            Err(violation) => violations.push(*violation),
        }
    }
    violations.extend(conflicts(artifact, &found));
    if violations.is_empty() {
        Ok(found)
    } else {
        Err(LoadError::Violations(violations))
    }
}

/// Functions that share an image reference but are built from different inputs.
fn conflicts(artifact: &Artifact, found: &BuildInputs) -> Vec<Violation> {
    let mut first: BTreeMap<&str, &LoadedImage> = BTreeMap::new();
    let mut violations = Vec::new();
    for (_, image) in artifact.builds() {
        let Some(other) = first.insert(&image.image, image) else {
            continue;
        };
        let inputs = |image: &LoadedImage| {
            (
                image.dockerfile.clone(),
                found.files.get(&image.function).cloned(),
            )
        };
        if inputs(other) != inputs(image) {
            let message = format!(
                "functions `{}` and `{}` share the image `{}` but are built from different inputs",
                other.function, image.function, image.image
            );
            let violation = Violation::new(Rule::ImageConflict, image.place.clone(), message);
            violations.push(violation.with_hint("give each function an image of its own"));
        }
    }
    violations
}

fn of_function(entry: &LoadedEntry, image: &LoadedImage) -> Result<Vec<InputFile>, Box<Violation>> {
    let text = image.dockerfile.as_deref().unwrap_or_default();
    let file = entry
        .shown_root
        .join("functions")
        .join(image.function.as_str())
        .join("Dockerfile")
        .display()
        .to_string();
    // Which files are reached does not depend on where images come from.
    let context = RewriteContext {
        registries: &Registries::default(),
        stack_version: None,
        esb_tag: None,
    };
    let rewritten = rewrite(text, &context).map_err(|error| {
        let span = Span {
            line: error.line,
            column: error.column,
        };
        Box::new(Violation::new(
            Rule::BadDockerfile,
            Source::new(&file, text).place(span),
            error.message,
        ))
    })?;
    inputs(&entry.root, image.function.as_str(), &rewritten.sources).map_err(|error| {
        let rule = match &error {
            InputError::Unusable { problem, .. } => problem.rule(),
            InputError::NotUtf8 { .. } | InputError::TooMuch { .. } => Rule::BadBuildInput,
        };
        Box::new(Violation::new(rule, Place::file(&file), error.to_string()))
    })
}
