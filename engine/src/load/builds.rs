//! The build inputs of a whole artifact: what makes two artifacts the same besides their configuration.

use std::collections::BTreeMap;

use super::LoadError;
use super::artifact::{Artifact, LoadedEntry, LoadedImage, builds};
use super::inputs::{InputError, InputLimits, reached};
use crate::contract::{
    Digest, FunctionName, Place, Rule, Source, Violation, Warning, printable, quoted,
};
use crate::image::{InputFile, Reference, Registries, RewriteContext, Rewritten, proxy, rewrite};
use crate::yaml::Span;

/// Per function that is built: the files below its artifact root that its Dockerfile reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildInputs {
    /// Sorted by path.
    pub files: BTreeMap<FunctionName, Vec<InputFile>>,
    /// What is odd in the Dockerfiles.
    pub warnings: Vec<Warning>,
    /// Where stages declare predefined proxy arguments, with their names.
    declared_proxies: Vec<(String, Place)>,
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
    let (found, violations) = inputs_of(&artifact.entries);
    if violations.is_empty() {
        Ok(found)
    } else {
        Err(LoadError::Violations(violations))
    }
}

/// The same of entries, with what cannot be used.
pub(super) fn inputs_of(entries: &[LoadedEntry]) -> (BuildInputs, Vec<Violation>) {
    let mut found = BuildInputs::default();
    let mut violations = Vec::new();
    for (entry, image) in builds(entries) {
        match found.of_function(entry, image) {
            Ok(files) => drop(found.files.insert(image.function.clone(), files)),
            Err(mut errors) => violations.append(&mut errors),
        }
    }
    violations.extend(conflicts(entries, &found));
    (found, violations)
}

/// Functions that share an image reference but are built from different inputs.
fn conflicts(entries: &[LoadedEntry], found: &BuildInputs) -> Vec<Violation> {
    let mut first: BTreeMap<&str, &LoadedImage> = BTreeMap::new();
    let mut violations = Vec::new();
    for (_, image) in builds(entries) {
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

/// Images that are built, and would be pushed to a registry that nobody named.
pub fn without_registry(artifact: &Artifact, registries: &Registries) -> Vec<Violation> {
    let builds = artifact.builds().into_iter();
    builds
        .filter_map(|(_, image)| {
            let reference = Reference::parse(&image.image).ok()?;
            if registries.own_for_stack(&reference).registry.is_some() {
                return None;
            }
            let message = format!(
                "the image {} of the function `{}` is built and pushed, and names no registry",
                quoted(&image.image),
                image.function
            );
            let violation = Violation::new(Rule::NoRegistry, image.place.clone(), message);
            Some(violation.with_hint(
                "set `CONTAINER_REGISTRY`, or begin the image with a registry such as `registry:5000/`",
            ))
        })
        .collect()
}

impl BuildInputs {
    /// Dockerfiles that would write the password of one of these proxies into an image's history.
    pub fn proxy_passwords(&self, build_args: &BTreeMap<String, String>) -> Vec<Violation> {
        let declared = self.declared_proxies.iter();
        declared
            .filter(|(name, _)| build_args.get(name).is_some_and(|url| proxy::has_credentials(url)))
            .map(|(name, place)| {
                let message = format!(
                    "`ARG {name}` writes the proxy's password into the image, where everybody who pulls it can read it"
                );
                let violation = Violation::new(Rule::ProxyPassword, place.clone(), message);
                violation.with_hint(format!(
                    "remove `ARG {name}`: every build step has the variable without it"
                ))
            })
            .collect()
    }

    fn of_function(
        &mut self,
        entry: &LoadedEntry,
        image: &LoadedImage,
    ) -> Result<Vec<InputFile>, Vec<Violation>> {
        let text = image.dockerfile.as_deref().unwrap_or_default();
        let file = dockerfile_of(entry, image);
        let source = Source::new(&file, text);
        let rewritten = rewritten(text).map_err(|error| {
            let span = Span {
                line: error.line,
                column: error.column,
            };
            let place = source.place(span);
            vec![Violation::new(Rule::BadDockerfile, place, error.message)]
        })?;
        let at = |line: u32| source.place(Span { line, column: 1 });
        self.warnings.extend(
            rewritten
                .warnings
                .iter()
                .map(|odd| Warning::new(Rule::OddDockerfile, at(odd.line), odd.message.clone())),
        );
        let declared = rewritten.declared_proxies.iter();
        self.declared_proxies
            .extend(declared.map(|(name, line)| (name.clone(), at(*line))));
        let sources = &rewritten.sources;
        let reached = reached(
            &entry.root,
            image.function.as_str(),
            sources,
            InputLimits::default(),
        );
        let reached = reached.map_err(|error| {
            let rule = match &error {
                InputError::Unusable { problem, .. } => problem.rule(),
                InputError::NotUtf8 { .. } | InputError::TooMuch { .. } => Rule::BadBuildInput,
            };
            vec![Violation::new(rule, Place::file(&file), error.to_string())]
        })?;
        if reached.missing.is_empty() {
            return Ok(reached.files);
        }
        let missing = reached.missing.into_iter().map(|index| {
            let message = format!(
                "`{}` does not exist; paths start at the artifact root",
                printable(&sources[index])
            );
            let violation = Violation::new(
                Rule::MissingSource,
                at(rewritten.source_lines[index]),
                message,
            );
            violation.with_hint(format!(
                "the artifact root is `{}`",
                printable(&entry.shown_root.display().to_string())
            ))
        });
        Err(missing.collect())
    }
}

/// The Dockerfile of a function as the user would name it.
fn dockerfile_of(entry: &LoadedEntry, image: &LoadedImage) -> String {
    let folder = entry
        .shown_root
        .join("functions")
        .join(image.function.as_str());
    folder.join("Dockerfile").display().to_string()
}

/// Which files are reached does not depend on where images come from.
fn rewritten(text: &str) -> Result<Rewritten, crate::image::DockerfileError> {
    let context = RewriteContext {
        registries: &Registries::default(),
        stack_version: None,
        esb_tag: None,
    };
    rewrite(text, &context)
}
