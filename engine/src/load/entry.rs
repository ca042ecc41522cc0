//! The payload of one entry: its configuration files and Dockerfiles, read and checked as far as they go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType};

use super::artifact::{LoadedEntry, LoadedImage, MAX_YAML, function_names, not_utf8};
use super::confined::{Problem, Root, real_path};
use super::folders::{OddFolder, odd_folder};
use crate::contract::{
    ArtifactEntry, CheckedManifest, Digest, FunctionName, PayloadPaths, Place, RUNTIME_BASE, Rule,
    Shape, Source, Unknown, Violation, Warning, canonical_ref, check_functions, check_resources,
    check_routing, did_you_mean, quoted, source_key,
};
use crate::image::Reference;
use crate::yaml::{self, Node, ParseLimits};

/// A Dockerfile is at most 1 MiB.
const MAX_DOCKERFILE: u64 = 1 << 20;

/// At most this many folders below `functions/` are looked at.
const MAX_FOLDERS: usize = 100_000;

/// The configuration files of all entries together hold at most this many values, which is what one file may hold: all
/// of them are in memory at the same time.
const MAX_NODES: usize = 500_000;

/// And at most this much text: 32 MiB.
const MAX_TEXT: usize = 32 << 20;

/// The payload of an entry, before the manifest as a whole is known to be right.
pub(super) struct Payload {
    root: PathBuf,
    shown_root: PathBuf,
    config_dir: PathBuf,
    functions: Arc<Node>,
    routing: Arc<Node>,
    resources: Option<Arc<Node>>,
    files: BTreeMap<&'static str, String>,
    digests: BTreeMap<&'static str, Digest>,
    images: Vec<LoadedImage>,
}

impl Payload {
    /// Without an entry, whose manifest is refused, nothing is merged, so that no source is needed.
    pub(super) fn named(self, entry: Option<&ArtifactEntry>) -> LoadedEntry {
        LoadedEntry {
            source: entry.map(source_key).unwrap_or_default(),
            root: self.root,
            shown_root: self.shown_root,
            config_dir: self.config_dir,
            functions: self.functions,
            routing: self.routing,
            resources: self.resources,
            files: self.files,
            digests: self.digests,
            images: self.images,
        }
    }
}

/// One of the three files of an entry.
struct ConfigFile {
    name: &'static str,
    mandatory: bool,
    check: fn(&Source<'_>, &Node) -> Shape,
}

const FUNCTIONS: ConfigFile = ConfigFile {
    name: "functions.yml",
    mandatory: true,
    check: check_functions,
};
const ROUTING: ConfigFile = ConfigFile {
    name: "routing.yml",
    mandatory: true,
    check: check_routing,
};
const RESOURCES: ConfigFile = ConfigFile {
    name: "resources.yml",
    mandatory: false,
    check: check_resources,
};

/// A configuration file that was read.
struct ReadFile {
    file: String,
    digest: Digest,
    tree: Node,
    images: Vec<(FunctionName, String, Place)>,
    without_image: Vec<(FunctionName, Place)>,
}

/// Loads the payload of entries and collects what is wrong with it.
#[derive(Default)]
pub(super) struct Loading {
    pub(super) violations: Vec<Violation>,
    pub(super) warnings: Vec<Warning>,
    pub(super) unknown: Unknown,
    /// What is kept of configuration files: values and bytes of text.
    nodes: usize,
    text: usize,
}

impl Loading {
    /// With a say about folders and keys that look like misspellings.
    pub(super) fn taking(unknown: Unknown) -> Self {
        Self {
            unknown,
            ..Self::default()
        }
    }

    /// Loads every entry whose paths are known. The result is complete when no violation was found.
    pub(super) fn entries(
        &mut self,
        manifest_path: &Path,
        checked: &CheckedManifest,
    ) -> Vec<Payload> {
        let base = manifest_path.parent().unwrap_or(Path::new(""));
        // Real paths first: no root is opened before it is known to be outside of every `runtime-base`.
        let roots: Vec<_> = checked
            .payloads
            .iter()
            .map(|paths| self.real_root(base, paths))
            .collect();
        let mut forbidden: Vec<PathBuf> = roots
            .iter()
            .flatten()
            .map(|root| root.join(RUNTIME_BASE))
            .collect();
        forbidden.extend(real_path(&base.join(RUNTIME_BASE)));
        let mut payloads = Vec::new();
        for (paths, root) in checked.payloads.iter().zip(roots) {
            let Some(root) = root else { continue };
            if forbidden.iter().any(|base| root.starts_with(base)) {
                self.at_root(paths, &Problem::RuntimeBase);
                continue;
            }
            match Root::open(root) {
                Ok(root) => payloads.extend(self.entry(base, paths, &root)),
                Err(problem) => self.at_root(paths, &problem),
            }
        }
        if self.violations.is_empty() {
            self.unused_dockerfiles(&payloads);
        }
        self.unknown.sort(&mut self.violations, &mut self.warnings);
        payloads
    }

    /// Dockerfiles below `functions/` of which no function of any entry with this root knows. One that has nearly the name
    /// of a function without a Dockerfile is misspelt; another was left behind, or waits for its function.
    fn unused_dockerfiles(&mut self, payloads: &[Payload]) {
        let mut roots: BTreeMap<&Path, Vec<&Payload>> = BTreeMap::new();
        for payload in payloads {
            roots.entry(&payload.root).or_default().push(payload);
        }
        for (root, payloads) in roots {
            let folders = Root::open(root.to_owned()).and_then(|root| dockerfiles(&root));
            let known: BTreeSet<&str> = payloads
                .iter()
                .flat_map(|payload| function_names(&payload.functions))
                .collect();
            let folders = folders.unwrap_or_default();
            let unused = folders
                .iter()
                .filter(|folder| !known.contains(folder.as_str()));
            for folder in unused {
                let shown = payloads[0].shown_root.join("functions").join(folder);
                let place = Place::file(shown.display().to_string());
                let images = payloads.iter().flat_map(|payload| &payload.images);
                let without = images.filter(|image| image.dockerfile.is_none());
                let question = did_you_mean(folder, without.map(|image| image.function.as_str()));
                let message = format!(
                    "no function is named {}, so its Dockerfile is never built",
                    quoted(folder)
                );
                match question {
                    Some(question) => self.violations.push(
                        Violation::new(
                            Rule::UnusedDockerfile,
                            place,
                            format!("{message}; {question}"),
                        )
                        .with_hint(
                            "rename the folder, remove it, or keep it with `--allow-unknown`",
                        ),
                    ),
                    None => {
                        self.warnings
                            .push(Warning::new(Rule::UnusedDockerfile, place, message));
                    }
                }
            }
        }
    }

    fn real_root(&mut self, base: &Path, paths: &PayloadPaths) -> Option<PathBuf> {
        match real_path(&base.join(&paths.artifact_root)) {
            Ok(root) => Some(root),
            Err(problem) => {
                self.at_root(paths, &problem);
                None
            }
        }
    }

    fn at_root(&mut self, paths: &PayloadPaths, problem: &Problem) {
        let what = format!("the artifact root {}", quoted(&paths.artifact_root));
        self.at(&paths.root_place, &what, problem);
    }

    /// Notes what is wrong with a path of the manifest.
    fn at(&mut self, place: &Place, what: &str, problem: &Problem) {
        self.violations.push(Violation::new(
            problem.rule(),
            place.clone(),
            format!("{what} {problem}"),
        ));
    }

    fn entry(&mut self, base: &Path, paths: &PayloadPaths, root: &Root) -> Option<Payload> {
        // Cleaned by its text, so that `x/../config` does not need an `x`.
        let relative = PathBuf::from(canonical_ref(&paths.runtime_config_dir));
        let config = root
            .resolve(&relative)
            .and_then(|real| root.open_dir(&real).map(|_| real));
        let config = match config {
            Ok(config) => config,
            Err(problem) => {
                let what = format!("the directory {}", quoted(&paths.runtime_config_dir));
                self.at(&paths.config_place, &what, &problem);
                return None;
            }
        };
        let shown_root = match canonical_ref(&paths.artifact_root).as_str() {
            "." => base.to_owned(),
            root => base.join(root),
        };
        let shown = shown_root.join(&relative);
        let mut read = |file: &ConfigFile| self.config_file(file, paths, root, &config, &shown);
        let (functions, routing, resources) = (read(&FUNCTIONS), read(&ROUTING), read(&RESOURCES));
        let images = functions
            .as_ref()
            .map(|file| {
                self.without_image(&file.without_image, root);
                self.images(&file.images, root, &shown_root)
            })
            .unwrap_or_default();
        let (functions, routing) = (functions?, routing?);
        let mut files = BTreeMap::new();
        let mut digests = BTreeMap::new();
        for (config, file) in [
            (&FUNCTIONS, Some(&functions)),
            (&ROUTING, Some(&routing)),
            (&RESOURCES, resources.as_ref()),
        ] {
            if let Some(file) = file {
                files.insert(config.name, file.file.clone());
                digests.insert(config.name, file.digest.clone());
            }
        }
        Some(Payload {
            root: root.path().to_owned(),
            shown_root,
            config_dir: root.path().join(&config),
            functions: Arc::new(functions.tree),
            routing: Arc::new(routing.tree),
            resources: resources.map(|file| Arc::new(file.tree)),
            files,
            digests,
            images,
        })
    }

    fn config_file(
        &mut self,
        config: &ConfigFile,
        paths: &PayloadPaths,
        root: &Root,
        dir: &Path,
        shown: &Path,
    ) -> Option<ReadFile> {
        let file = shown.join(config.name).display().to_string();
        let bytes = match root.read(&dir.join(config.name), MAX_YAML) {
            Ok(bytes) => bytes,
            Err(Problem::Missing) if !config.mandatory => return None,
            Err(problem) => {
                self.at(&paths.config_place, &format!("`{file}`"), &problem);
                return None;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let source = Source::new(&file, &text);
        let tree = match yaml::parse_bytes(&bytes, &ParseLimits::default()) {
            Ok(tree) => tree,
            Err(errors) => {
                self.violations.extend(source.refused(&errors));
                return None;
            }
        };
        if !self.has_room(&tree) {
            let message = format!(
                "the configuration files up to this one hold more than {MAX_NODES} values or {MAX_TEXT} bytes of text together"
            );
            let rule = Rule::Yaml(yaml::YamlRule::TooManyNodes);
            let violation = Violation::new(rule, Place::file(&file), message);
            self.violations.push(violation);
            return None;
        }
        let shape = (config.check)(&source, &tree);
        let images = shape
            .images
            .into_iter()
            .map(|image| (image.function, image.image, source.place(image.span)))
            .collect();
        let without_image = shape.without_image.into_iter();
        let without_image = without_image.map(|(name, span)| (name, source.place(span)));
        self.violations.extend(shape.violations);
        self.warnings.extend(shape.warnings);
        Some(ReadFile {
            digest: Digest::of(&bytes),
            tree,
            images,
            without_image: without_image.collect(),
            file,
        })
    }

    /// Counts a tree to those that are kept, if there is room for it beside them.
    fn has_room(&mut self, tree: &Node) -> bool {
        let cost = yaml::cost(tree);
        let (nodes, text) = (self.nodes + cost.nodes, self.text + cost.bytes);
        let fits = nodes <= MAX_NODES && text <= MAX_TEXT;
        if fits {
            (self.nodes, self.text) = (nodes, text);
        }
        fits
    }

    /// Functions that name no image: nothing can run them.
    fn without_image(&mut self, functions: &[(FunctionName, Place)], root: &Root) {
        for (function, place) in functions {
            let dockerfile = Path::new("functions")
                .join(function.as_str())
                .join("Dockerfile");
            let (message, hint) = if root.read(&dockerfile, MAX_DOCKERFILE).is_ok() {
                let message = format!(
                    "the function `{function}` has a Dockerfile and no `image` to push it as"
                );
                (
                    message,
                    format!("name it, such as `image: {function}:latest`"),
                )
            } else {
                let message =
                    format!("the function `{function}` has neither an `image` nor a Dockerfile");
                (
                    message,
                    format!(
                        "give it an `image`, and `functions/{function}/Dockerfile` when it is to be built"
                    ),
                )
            };
            let violation = Violation::new(Rule::MissingImage, place.clone(), message);
            self.violations.push(violation.with_hint(hint));
        }
    }

    /// A function without a Dockerfile whose folder looks as if it should have one.
    fn odd_folder(&mut self, function: &FunctionName, image: &str, root: &Root, shown_root: &Path) {
        let Some(odd) = odd_folder(root, function) else {
            return;
        };
        let message = odd.message(image, function);
        let place = |path: &Path| Place::file(shown_root.join(path).display().to_string());
        match odd {
            OddFolder::Misnamed { found, .. } => self.violations.push(
                Violation::new(Rule::UnusedDockerfile, place(&found), message)
                    .with_hint("rename it, remove it, or keep it with `--allow-unknown`"),
            ),
            OddFolder::Without(folder) => {
                let warning = Warning::new(Rule::NoDockerfile, place(&folder), message);
                self.warnings.push(warning);
            }
        }
    }

    /// The Dockerfile of each function that names an image. A function without one names an image that exists elsewhere.
    fn images(
        &mut self,
        images: &[(FunctionName, String, Place)],
        root: &Root,
        shown_root: &Path,
    ) -> Vec<LoadedImage> {
        let mut loaded = Vec::new();
        for (function, image, place) in images {
            if let Err(error) = Reference::parse(image) {
                let message = format!("`image` is no image reference: {error}");
                self.violations
                    .push(Violation::new(Rule::BadImage, place.clone(), message));
                continue;
            }
            let relative = Path::new("functions")
                .join(function.as_str())
                .join("Dockerfile");
            let file = shown_root.join(&relative).display().to_string();
            let dockerfile = match root.read(&relative, MAX_DOCKERFILE) {
                Ok(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => Some(text),
                    Err(error) => {
                        self.violations.extend(not_utf8(&file, error.as_bytes()));
                        continue;
                    }
                },
                Err(Problem::Missing | Problem::NotADirectory) => {
                    self.odd_folder(function, image, root, shown_root);
                    None
                }
                Err(problem) => {
                    self.violations.push(Violation::new(
                        problem.rule(),
                        Place::file(&file),
                        format!("the Dockerfile of the function `{function}` {problem}"),
                    ));
                    continue;
                }
            };
            loaded.push(LoadedImage {
                function: function.clone(),
                image: image.clone(),
                place: place.clone(),
                dockerfile,
            });
        }
        loaded
    }
}

/// The folders below `functions/` that hold a Dockerfile, sorted. What cannot be looked at is no such folder.
fn dockerfiles(root: &Root) -> Result<Vec<String>, Problem> {
    let functions = root.open_dir(Path::new("functions"))?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&functions)
        .map_err(Problem::of)?
        .take(MAX_FOLDERS)
    {
        let entry = entry.map_err(Problem::of)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let dockerfile = Path::new(name).join("Dockerfile");
        let is_file = rustix::fs::statat(&functions, &dockerfile, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if is_file && !matches!(name, "." | "..") {
            found.push(name.to_owned());
        }
    }
    found.sort_unstable();
    Ok(found)
}
