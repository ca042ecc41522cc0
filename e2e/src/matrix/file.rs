//! The description of a matrix, as it is written and as it is checked.
//!
//! Here: the keys of `matrix.yml`, every rule that its text and the manifests it names can break, and choosing from it.
//! Not here: whether an artifact satisfies the payload contract, which `artifactctl` says; running anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use super::suite::Suite;
use crate::stack::RunnerMode;

/// The only version of the file's own format.
const VERSION: u32 = 1;
/// Longest name; names become parts of file names and of image references.
const NAME_MAX: usize = 40;

/// A key of older matrix files, and what to write instead.
const LEGACY: [(&str, &str); 2] = [
    (
        "deploy_driver",
        "every environment is deployed by `artifactctl deploy`; say how the stack runs functions with `mode`",
    ),
    (
        "artifact_generate",
        "artifacts are committed and never generated in a run; name their manifests under `artifacts`",
    ),
];

/// A checked matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// In the order of the file.
    pub environments: Vec<Environment>,
}

/// One stack and what is run on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name, unique in the file.
    pub name: String,
    /// Who runs functions.
    pub mode: RunnerMode,
    /// Release of the stack.
    pub stack_version: String,
    /// API version of the stack.
    pub api_version: String,
    /// First part of the Compose project's name; the run's id follows, so that two runs never meet.
    pub project: String,
    /// What is run, in this order.
    pub suites: Vec<Suite>,
    /// Manifests by name, those of its mode.
    pub artifacts: BTreeMap<String, PathBuf>,
}

/// Why a file is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the matrix `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no YAML, or has keys or values that it cannot have.
    #[error("`{path}` is no matrix:\n{message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        message: String,
    },
    /// It breaks rules.
    #[error("the matrix breaks these rules:\n{}", .0.join("\n"))]
    Broken(Vec<String>),
    /// Nothing in it has a name that was asked for.
    #[error("the matrix has no {kind} `{name}`; it has {known}")]
    Unknown {
        /// `environment` or `suite`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// What was asked for, taken together, is nothing.
    #[error("none of the chosen environments has one of the chosen suites")]
    NothingChosen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: Spanned<u32>,
    artifacts: BTreeMap<String, BTreeMap<ModeName, Spanned<PathBuf>>>,
    environments: Spanned<Vec<WrittenEnvironment>>,
    #[serde(default)]
    deploy_driver: Legacy,
    #[serde(default)]
    artifact_generate: Legacy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEnvironment {
    name: Spanned<String>,
    mode: ModeName,
    stack_version: Spanned<String>,
    api_version: Spanned<String>,
    project: Spanned<String>,
    suites: Spanned<Vec<Suite>>,
    #[serde(default)]
    deploy_driver: Legacy,
    #[serde(default)]
    artifact_generate: Legacy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Docker,
    Containerd,
}

impl From<ModeName> for RunnerMode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Docker => Self::Docker,
            ModeName::Containerd => Self::Containerd,
        }
    }
}

/// Where a key stands that must not be there, whatever its value.
#[derive(Default)]
struct Legacy(Option<Location>);

impl<'de> Deserialize<'de> for Legacy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Spanned::<Option<serde_json::Value>>::deserialize(deserializer)?;
        Ok(Self(Some(value.referenced)))
    }
}

/// The part of a manifest that the matrix must agree with.
#[derive(Deserialize)]
struct ManifestMode {
    mode: ModeName,
}

impl Matrix {
    /// Reads a file and checks all of it, the manifests that it names included.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let written: Written =
            serde_saphyr::from_str(&text).map_err(|error| FileError::Malformed {
                path: path.to_owned(),
                message: error.to_string(),
            })?;
        let mut check = Check {
            path,
            problems: Vec::new(),
        };
        let matrix = check.matrix(&written);
        if check.problems.is_empty() {
            Ok(matrix)
        } else {
            Err(FileError::Broken(check.problems))
        }
    }

    /// Keeps the environments and suites that were asked for; an empty list asks for all.
    pub fn choose(self, environments: &[String], suites: &[String]) -> Result<Self, FileError> {
        let names = self.environments.iter().map(|chosen| chosen.name.as_str());
        known("environment", environments, &names.collect::<Vec<_>>())?;
        known("suite", suites, &Suite::ALL.map(Suite::name))?;
        let asked = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        let mut chosen = self;
        chosen
            .environments
            .retain(|environment| asked(environments, &environment.name));
        for environment in &mut chosen.environments {
            environment
                .suites
                .retain(|suite| asked(suites, suite.name()));
        }
        chosen
            .environments
            .retain(|environment| !environment.suites.is_empty());
        if chosen.environments.is_empty() {
            return Err(FileError::NothingChosen);
        }
        Ok(chosen)
    }

    /// Every manifest that a suite of the matrix deploys, once.
    pub fn manifests(&self) -> Vec<&Path> {
        let needed = self.environments.iter().flat_map(|environment| {
            let names = environment
                .suites
                .iter()
                .flat_map(|suite| suite.artifacts());
            names.filter_map(|name| environment.artifacts.get(*name))
        });
        let mut manifests: Vec<_> = needed.map(PathBuf::as_path).collect();
        manifests.sort_unstable();
        manifests.dedup();
        manifests
    }
}

fn known(kind: &'static str, asked: &[String], names: &[&str]) -> Result<(), FileError> {
    match asked.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(FileError::Unknown {
            kind,
            name: name.clone(),
            known: names.join(", "),
        }),
    }
}

/// Goes through a file and collects what is wrong with it.
struct Check<'a> {
    path: &'a Path,
    problems: Vec<String>,
}

impl Check<'_> {
    fn problem(&mut self, at: Location, message: &str) {
        let (line, column) = (at.line(), at.column());
        let place = format!("{}:{line}:{column}", self.path.display());
        self.problems.push(format!("{place}: {message}"));
    }

    fn matrix(&mut self, written: &Written) -> Matrix {
        self.legacy(&[&written.deploy_driver, &written.artifact_generate]);
        if written.version.value != VERSION {
            let message = format!(
                "the version is {}, and can only be {VERSION}",
                written.version.value
            );
            self.problem(written.version.referenced, &message);
        }
        for manifests in written.artifacts.values() {
            for (mode, manifest) in manifests {
                self.manifest(*mode, manifest);
            }
        }
        if written.environments.value.is_empty() {
            self.problem(
                written.environments.referenced,
                "no environment is described",
            );
        }
        let mut environments: Vec<Environment> = Vec::new();
        for environment in &written.environments.value {
            let name = &environment.name;
            if environments.iter().any(|other| other.name == name.value) {
                let message = format!("the name `{}` is taken by another environment", name.value);
                self.problem(name.referenced, &message);
            }
            environments.push(self.environment(environment, written));
        }
        Matrix { environments }
    }

    fn legacy(&mut self, found: &[&Legacy; 2]) {
        for ((key, instead), legacy) in LEGACY.iter().zip(found) {
            if let Some(at) = legacy.0 {
                self.problem(at, &format!("`{key}` is a key of older files; {instead}"));
            }
        }
    }

    /// Checks that a manifest is there and is meant for the mode it stands under.
    fn manifest(&mut self, mode: ModeName, manifest: &Spanned<PathBuf>) {
        let path = self.resolve(&manifest.value);
        let shown = path.display();
        let message = match std::fs::read_to_string(&path) {
            Err(error) => format!("cannot read the manifest `{shown}`: {error}"),
            Ok(text) => match serde_saphyr::from_str::<ManifestMode>(&text) {
                Err(error) => format!("the manifest `{shown}` does not say its mode:\n{error}"),
                Ok(found) if found.mode == mode => return,
                Ok(found) => format!(
                    "the manifest `{shown}` is for mode `{}` and stands under `{}`",
                    RunnerMode::from(found.mode).name(),
                    RunnerMode::from(mode).name()
                ),
            },
        };
        self.problem(manifest.referenced, &message);
    }

    fn environment(&mut self, written: &WrittenEnvironment, all: &Written) -> Environment {
        self.legacy(&[&written.deploy_driver, &written.artifact_generate]);
        self.word("name", &written.name);
        self.word("project", &written.project);
        self.version("stack_version", &written.stack_version);
        self.version("api_version", &written.api_version);
        let of_mode = all.artifacts.iter().filter_map(|(name, manifests)| {
            let manifest = manifests.get(&written.mode)?;
            Some((name.clone(), self.resolve(&manifest.value)))
        });
        let artifacts: BTreeMap<_, _> = of_mode.collect();
        let (suites, at) = (&written.suites.value, written.suites.referenced);
        if suites.is_empty() {
            self.problem(at, "the environment has no suites");
        }
        for (index, suite) in suites.iter().enumerate() {
            if suites[..index].contains(suite) {
                let message = format!("the suite `{}` is listed twice", suite.name());
                self.problem(at, &message);
            }
            for artifact in suite.artifacts() {
                if !artifacts.contains_key(*artifact) {
                    let mode = RunnerMode::from(written.mode).name();
                    let message = format!(
                        "the suite `{}` deploys the artifact `{artifact}`, which has no manifest for mode `{mode}`",
                        suite.name()
                    );
                    self.problem(at, &message);
                }
            }
        }
        Environment {
            name: written.name.value.clone(),
            mode: written.mode.into(),
            stack_version: written.stack_version.value.clone(),
            api_version: written.api_version.value.clone(),
            project: written.project.value.clone(),
            suites: suites.clone(),
            artifacts,
        }
    }

    /// Checks a word that becomes part of file names and image references.
    fn word(&mut self, key: &str, word: &Spanned<String>) {
        let text = &word.value;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = text.starts_with(plain)
            && text.ends_with(plain)
            && text.chars().all(|c| plain(c) || c == '-')
            && !text.contains("--")
            && text.len() <= NAME_MAX;
        if !fits {
            let message = format!(
                "the {key} `{text}` must be lower-case letters, digits and single hyphens between them, \
                 at most {NAME_MAX}"
            );
            self.problem(word.referenced, &message);
        }
    }

    /// Checks what becomes a tag and a label.
    fn version(&mut self, key: &str, version: &Spanned<String>) {
        let text = &version.value;
        let inside = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(inside)
            && text.len() <= NAME_MAX;
        if !fits {
            let message = format!("the {key} `{text}` cannot be the tag of an image");
            self.problem(version.referenced, &message);
        }
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}
