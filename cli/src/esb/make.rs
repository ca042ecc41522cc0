//! From templates to an artifact: read, resolve, render, put on disk or compare.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use engine::contract::{
    ArtifactEntry, FunctionName, Generator, Manifest, Mode, SourceTemplate, Violation,
    canonical_ref, manifest_text, render_violations,
};
use engine::load;
use engine::yaml::Span;

use crate::applier::prepare::load_failure;
use crate::esb::args::Making;
use crate::esb::parameters;
use crate::esb::settings::{self, Settings};
use crate::esb::several;
use crate::failure::{Failure, Kind};
use crate::producer::artifact::store::{self, Draft, MANIFEST, StoreError};
use crate::producer::artifact::tree::{Piece, Tree};
use crate::producer::artifact::{self, Archives, BUNDLE, CONFIG, Naming, Remark, image_names};
use crate::producer::model::{App, Package};
use crate::producer::report::{Finding, Findings, Level, Report, Subject};
use crate::producer::sam::{Input, resolve};
use crate::producer::template::Template;

/// The largest template that is read (contract, section 1, has the same bound for an artifact's files).
const MAX_TEMPLATE: u64 = 8 << 20;

/// An artifact in memory.
pub(super) struct Made {
    /// Every file below the output folder but the manifest.
    pub(super) tree: Tree,
    /// The manifest, whose roots are relative to its own folder.
    pub(super) manifest: Manifest,
    /// Where the manifest goes.
    pub(super) manifest_path: PathBuf,
    /// Where the rest goes.
    pub(super) output: PathBuf,
    /// Names of the folders of the entries.
    entries: Vec<String>,
    /// What is odd.
    pub(super) warnings: Vec<Finding>,
    /// How many functions there are.
    pub(super) functions: usize,
}

/// A template as it was found.
struct Loaded {
    /// As the user named it.
    shown: String,
    /// As the manifest names it.
    source: String,
    folder: PathBuf,
    text: String,
}

/// Makes the artifact of some templates, in memory.
pub(super) fn make(making: &Making, mode: Mode) -> Result<Made, Failure> {
    let making = &Making {
        template: several::named_or_here(&making.template)?,
        ..making.clone()
    };
    let settings = settings::settings(making, mode)?;
    let loaded = making
        .template
        .iter()
        .map(|path| load_template(path))
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&str> = loaded.iter().map(|one| one.source.as_str()).collect();
    if let Some(twice) = several::twice(&sources) {
        let message = format!("`--template` names `{twice}` twice");
        return Err(Failure::new(Kind::Usage, message)
            .hint("a template is one entry of the artifact; name each once"));
    }
    let templates = all(loaded
        .iter()
        .map(|one| Template::read(&one.shown, &one.text)))?;
    let given = parameters::given(making, &templates)?;
    let resolved = all(templates.iter().zip(&loaded).map(|(template, loaded)| {
        let input = Input {
            parameters: given.clone(),
            image_uris: settings.image_uris.clone(),
            source_path: Some(&loaded.source),
            ..Input::default()
        };
        resolve(template, &input)
    }))?;
    settings::check_functions(&settings, &functions(&resolved).collect::<Vec<_>>())?;
    assemble(making, settings, &loaded, &resolved)
}

fn functions(
    resolved: &[(App, Report)],
) -> impl Iterator<Item = (&FunctionName, &str, bool)> + Clone {
    let functions = resolved.iter().flat_map(|(app, _)| &app.functions);
    functions.map(|function| {
        let image = matches!(function.package, Package::Image { .. });
        (&function.name, function.logical_id.as_str(), image)
    })
}

/// Every result, or what is wrong with all of them.
fn all<T>(results: impl Iterator<Item = Result<T, Report>>) -> Result<Vec<T>, Failure> {
    let mut good = Vec::new();
    let mut violations = Vec::new();
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(report) => violations.extend(report.violations()),
        }
    }
    if violations.is_empty() {
        Ok(good)
    } else {
        Err(bad_template(violations))
    }
}

fn bad_template(violations: Vec<Violation>) -> Failure {
    violated(
        Kind::Payload,
        "no artifact can be made of this; nothing was written",
        violations,
    )
}

/// A failure that shows what is wrong, each with its place.
pub(super) fn violated(kind: Kind, what: &str, violations: Vec<Violation>) -> Failure {
    let message = format!("{what}\n\n{}", render_violations(&violations));
    let hints = violations
        .iter()
        .filter_map(|violation| violation.hint.clone());
    let mut failure = hints
        .take(3)
        .fold(Failure::new(kind, message), Failure::hint);
    failure.violations = violations.into();
    failure
}

fn load_template(path: &Path) -> Result<Loaded, Failure> {
    let shown = path.display().to_string();
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(
            Kind::Payload,
            format!("cannot read the template `{shown}`: {why}"),
        )
        .hint("`--template` names a SAM template, a file such as `template.yaml`")
    };
    let meta = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !meta.is_file() {
        return Err(unreadable(&"it is no file"));
    }
    if meta.len() > MAX_TEMPLATE {
        return Err(unreadable(&"it is larger than 8 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    Ok(Loaded {
        source: source_path(path),
        shown,
        folder,
        text,
    })
}

/// What the manifest calls a template: its path from the current folder when it lies there, since a path of one machine would
/// make another source of the same template elsewhere.
fn source_path(path: &Path) -> String {
    let here = std::env::current_dir();
    let below = here.ok().and_then(|here| {
        let real = fs::canonicalize(&here).ok()?;
        let below = path
            .strip_prefix(&here)
            .or_else(|_| path.strip_prefix(&real));
        below.ok().map(Path::to_owned)
    });
    canonical_ref(
        &below
            .unwrap_or_else(|| path.to_owned())
            .display()
            .to_string(),
    )
}

fn assemble(
    making: &Making,
    settings: Settings,
    loaded: &[Loaded],
    resolved: &[(App, Report)],
) -> Result<Made, Failure> {
    let naming = Naming {
        registry: making.registry.as_deref(),
        project: &settings.project,
        tag: &making.tag,
    };
    let names = functions(resolved).map(|(name, _, _)| name);
    let images = image_names(names, naming).map_err(|error| {
        let mut failure = Failure::of(Kind::Usage, &error);
        failure.message = format!("the images cannot be named: {}", failure.message);
        failure.hint("`--registry`, `--project` and `--tag` make the name of an image")
    })?;
    let runtimes = by_name(&settings.image_runtimes, functions(resolved));
    let output = making.output.clone();
    let except = store::places(&output);
    let archives = Archives::default();
    let mut tree = Tree::default();
    let sources: Vec<&str> = loaded.iter().map(|one| one.source.as_str()).collect();
    let entries = several::folders(&sources);
    let (mut sources, mut warnings) = (Vec::new(), Vec::new());
    let mut violations = Vec::new();
    for (((app, report), loaded), name) in resolved.iter().zip(loaded).zip(&entries) {
        warnings.extend(report.findings.iter().cloned());
        let rendered = artifact::render(
            app,
            &artifact::Settings {
                template_folder: &loaded.folder,
                except: &except,
                archives: &archives,
                bases: &settings.bases,
                image_runtimes: &runtimes,
                images: &images,
                bundle: making.bundle_manifest,
            },
        );
        match rendered {
            Ok(rendered) => {
                tree.put_below(name, rendered.tree);
                warnings.extend(rendered.warnings.iter().map(|one| warning(loaded, one)));
            }
            Err(wrong) => violations.extend(
                wrong
                    .iter()
                    .map(|one| finding(loaded, one, Level::Error).violation()),
            ),
        }
        sources.push((app.source.clone(), app.required_secrets.clone()));
    }
    if !violations.is_empty() {
        return Err(bad_template(violations));
    }
    let apps: Vec<&App> = resolved.iter().map(|(app, _)| app).collect();
    let shown: Vec<&str> = loaded.iter().map(|one| one.shown.as_str()).collect();
    let shared = several::shared_names(&apps, &shown);
    warnings.extend(
        shared
            .iter()
            .map(|(index, remark)| warning(&loaded[*index], remark)),
    );
    let manifest_path = making
        .manifest
        .clone()
        .unwrap_or_else(|| output.join(MANIFEST));
    let manifest = Manifest {
        project: settings.project,
        env: making.env.clone(),
        mode: settings.runtime_stack.mode,
        runtime_stack: Some(settings.runtime_stack),
        artifacts: entries
            .iter()
            .zip(sources)
            .map(|(name, (source, secrets))| entry(making, name, source, secrets))
            .collect(),
        generated_at: None,
        generator: Some(Generator {
            name: "esb".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    };
    Ok(Made {
        functions: functions(resolved).count(),
        tree,
        manifest,
        manifest_path,
        output,
        entries,
        warnings,
    })
}

/// The same by the names of functions, where some were given by logical id.
fn by_name<'f, T: Clone>(
    given: &BTreeMap<String, T>,
    functions: impl Iterator<Item = (&'f FunctionName, &'f str, bool)>,
) -> BTreeMap<String, T> {
    functions
        .filter_map(|(name, id, _)| {
            let value = given.get(name.as_str()).or_else(|| given.get(id))?;
            Some((name.as_str().to_owned(), value.clone()))
        })
        .collect()
}

fn entry(
    making: &Making,
    name: &str,
    source: SourceTemplate,
    secrets: BTreeSet<String>,
) -> ArtifactEntry {
    let root = match &making.manifest {
        None => name.to_owned(),
        Some(manifest) => {
            let folder = manifest.parent().unwrap_or(Path::new(""));
            relative(folder, &making.output.join(name))
        }
    };
    ArtifactEntry {
        id: None,
        artifact_root: root,
        runtime_config_dir: CONFIG.to_owned(),
        bundle_manifest: making.bundle_manifest.then(|| BUNDLE.to_owned()),
        required_secret_env: secrets.into_iter().collect(),
        source_template: Some(source),
    }
}

/// A path as seen from a folder, by the texts alone.
fn relative(folder: &Path, path: &Path) -> String {
    let parts = |path: &Path| -> Vec<String> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut parts = Vec::new();
        for part in absolute.components() {
            match part {
                Component::ParentDir => drop(parts.pop()),
                Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        parts
    };
    let (folder, path) = (parts(folder), parts(path));
    let shared = folder
        .iter()
        .zip(&path)
        .take_while(|(left, right)| left == right)
        .count();
    let up = folder[shared..].iter().map(|_| "..");
    let down = path[shared..].iter().map(String::as_str);
    up.chain(down).collect::<Vec<_>>().join("/")
}

fn warning(loaded: &Loaded, remark: &Remark) -> Finding {
    finding(loaded, remark, Level::Warning)
}

fn finding(loaded: &Loaded, remark: &Remark, level: Level) -> Finding {
    let number = (remark.line as usize).checked_sub(1);
    let line = number.and_then(|number| loaded.text.lines().nth(number));
    let indent = line.map_or(0, |line| line.len() - line.trim_start().len());
    let span = Span {
        line: remark.line,
        column: u32::try_from(indent + 1).unwrap_or(1),
    };
    Finding {
        place: Findings::of(&loaded.shown, &loaded.text).place(span),
        level,
        rule: "files".to_owned(),
        subject: Subject::default(),
        message: format!("{}: {}", remark.about, remark.message),
        hint: None,
    }
}

impl Made {
    /// How what is on disk differs, a line for each file.
    pub(super) fn differences(&self) -> Result<Vec<String>, Failure> {
        let text = Piece::text(manifest_text(&self.manifest));
        let mut tree = self.tree.clone();
        if self.manifest_path == self.output.join(MANIFEST) {
            tree.put(MANIFEST, text);
            return store::differences(&tree, &self.output).map_err(|error| unstored(&error));
        }
        let mut found =
            store::differences(&tree, &self.output).map_err(|error| unstored(&error))?;
        let there = fs::read(&self.manifest_path).unwrap_or_default();
        if there != manifest_text(&self.manifest).as_bytes() {
            found.insert(0, format!("{} differs", self.manifest_path.display()));
        }
        Ok(found)
    }

    /// Writes the artifact beside its place, has the engine check it, and puts it there.
    pub(super) fn publish(&self) -> Result<(), Failure> {
        let stored = |error: StoreError| unstored(&error);
        let draft = Draft::begin(&self.output).map_err(stored)?;
        draft.write(&self.tree).map_err(stored)?;
        // The manifest that is checked lies with its entries, wherever the real one goes.
        let mut near = self.manifest.clone();
        for (entry, name) in near.artifacts.iter_mut().zip(&self.entries) {
            entry.artifact_root.clone_from(name);
        }
        let inside = draft.path().join(MANIFEST);
        let written = |path: &Path, manifest: &Manifest| {
            load::write_manifest(path, manifest).map_err(|error| load_failure(&error))
        };
        written(&inside, &near)?;
        load::artifact(&inside).map_err(|error| load_failure(&error))?;
        let outside = self.manifest_path != self.output.join(MANIFEST);
        if outside {
            fs::remove_file(&inside).map_err(|error| Failure::of(Kind::Publish, &error))?;
        }
        draft.publish().map_err(stored)?;
        if outside {
            let folder = self.manifest_path.parent().unwrap_or(Path::new(""));
            fs::create_dir_all(folder).map_err(|error| Failure::of(Kind::Publish, &error))?;
            written(&self.manifest_path, &self.manifest)?;
        }
        Ok(())
    }
}

fn unstored(error: &StoreError) -> Failure {
    match error {
        StoreError::Write { .. } | StoreError::Read { .. } => Failure::of(Kind::Publish, error),
        StoreError::Busy(_) => Failure::of(Kind::Refused, error)
            .hint("wait until it has ended, then run the same command again"),
        StoreError::NotAnArtifact { .. } => Failure::of(Kind::Refused, error).hint(
            "name a folder of its own with `--output`: what stands there is replaced as a whole",
        ),
    }
}
