//! From templates to an artifact in memory: read, resolve, render.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use engine::contract::{ArtifactEntry, FunctionName, Generator, Manifest, Mode, Place, Violation};
use engine::yaml::Span;

use crate::esb::args::Making;
use crate::esb::flags::{self, Flags};
use crate::esb::new_artifact::NewArtifact;
use crate::esb::not_made::NotMade;
use crate::esb::parameters::{self, Missing};
use crate::esb::template_file::{FilesBeside, TemplateFile, load_template};
use crate::esb::templates;
use crate::failure::{Failure, Kind};
use producer::artifact::store::{self, MANIFEST};
use producer::artifact::tree::Tree;
use producer::artifact::{self, Archives, BUNDLE, CONFIG, Naming, Remark, image_names};
use producer::model::{App, Architecture, Package};
use producer::report::{Findings, Level, Report, Subject, TemplateFinding};
use producer::sam::{Input, resolve_in_part};
use producer::template::Template;

/// Templates that were read and resolved, before any of their files is looked at.
struct ResolvedTemplates {
    making: Making,
    flags: Flags,
    loaded: Vec<TemplateFile>,
    /// The model of each template as far as it could be read, and what was found in it.
    resolved: Vec<(App, Report)>,
}

/// Makes the artifact of some templates, in memory. What is wrong with the templates does not hide what is wrong with their files.
pub(super) fn make(making: &Making, mode: Mode) -> Result<NewArtifact, NotMade> {
    assemble(resolve_all(making, mode, Missing::Asked)?).map(|(artifact, _)| artifact)
}

/// The same to see whether it can be made, with the models: nobody is asked for the value of a parameter.
pub(super) fn try_to_make(making: &Making, mode: Mode) -> Result<(NewArtifact, Vec<App>), NotMade> {
    assemble(resolve_all(making, mode, Missing::MadeUp)?)
}

/// Reads templates and resolves them. Nothing but the templates and the files of parameters is read.
fn resolve_all(
    making: &Making,
    mode: Mode,
    missing: Missing,
) -> Result<ResolvedTemplates, NotMade> {
    let making = &Making {
        template: templates::named_or_here(&making.template)?,
        ..making.clone()
    };
    let flags = flags::read(making, mode)?;
    let loaded = making
        .template
        .iter()
        .map(|path| load_template(path))
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&str> = loaded.iter().map(|one| one.source.as_str()).collect();
    if let Some(twice) = templates::twice(&sources) {
        let message = format!("`--template` names `{twice}` twice");
        let failure = Failure::new(Kind::Usage, message);
        return Err(failure
            .hint("a template is one entry of the artifact; name each once")
            .into());
    }
    let templates = all(loaded
        .iter()
        .map(|one| Template::read(&one.shown, &one.text)))?;
    let input = Input {
        image_uris: flags.image_uris.clone(),
        layers: flags.layers.clone(),
        secret_names: flags.secret_names.clone(),
        allow_unknown: making.allow_unknown,
        ..Input::default()
    };
    let files: Vec<FilesBeside> = loaded.iter().map(FilesBeside::of).collect();
    let inputs: Vec<Input<'_>> = loaded
        .iter()
        .zip(&files)
        .map(|(loaded, files)| Input {
            files: Some(files),
            source_path: Some(&loaded.source),
            ..input.clone()
        })
        .collect();
    let given = parameters::given(making, &templates, &inputs, missing)?;
    let resolved: Vec<(App, Report)> = templates
        .iter()
        .zip(inputs)
        .map(|(template, input)| {
            let input = Input {
                parameters: given.clone(),
                ..input
            };
            let (mut app, report) = resolve_in_part(template, &input);
            if report.is_fatal() {
                leave_incomplete_out(&mut app);
            }
            (app, report)
        })
        .collect();
    // What a flag names may be what could not be read.
    if !is_fatal(&resolved) {
        flags::check_functions(&flags, &functions(&resolved).collect::<Vec<_>>())?;
        let apps: Vec<&App> = resolved.iter().map(|(app, _)| app).collect();
        flags::check_secrets(&flags, &apps)?;
    }
    Ok(ResolvedTemplates {
        making: making.clone(),
        flags,
        loaded,
        resolved,
    })
}

/// Whether something is wrong with a template.
fn is_fatal(resolved: &[(App, Report)]) -> bool {
    resolved.iter().any(|(_, report)| report.is_fatal())
}

/// Leaves functions out whose layers could not be read: nobody knows what would be missing there.
fn leave_incomplete_out(app: &mut App) {
    let known: Vec<&String> = app.layers.iter().map(|layer| &layer.logical_id).collect();
    app.functions
        .retain(|function| function.layers.iter().all(|id| known.contains(&id)));
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
fn all<T>(results: impl Iterator<Item = Result<T, Report>>) -> Result<Vec<T>, NotMade> {
    let mut good = Vec::new();
    let (mut violations, mut findings) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(report) => {
                violations.extend(report.violations());
                let others = report.findings.into_iter();
                findings.extend(others.filter(|finding| finding.level != Level::Error));
            }
        }
    }
    if violations.is_empty() {
        Ok(good)
    } else {
        Err(bad_template(violations, findings))
    }
}

fn bad_template(violations: Vec<Violation>, findings: Vec<TemplateFinding>) -> NotMade {
    let failure = Failure::violated(
        Kind::Payload,
        "no artifact can be made of this; nothing was written",
        violations,
    );
    NotMade {
        failure: Box::new(failure),
        findings,
    }
}

fn assemble(templates: ResolvedTemplates) -> Result<(NewArtifact, Vec<App>), NotMade> {
    let ResolvedTemplates {
        making,
        flags,
        loaded,
        resolved,
    } = templates;
    let naming = Naming {
        registry: making.registry.as_deref(),
        project: &flags.project,
        env: &making.env,
        tag: &making.tag,
    };
    let names = functions(&resolved).map(|(name, _, _)| name);
    let images = match image_names(names, naming) {
        Ok(images) => images,
        // What is wrong with the templates is said first.
        Err(_) if is_fatal(&resolved) => BTreeMap::new(),
        Err(error) => {
            let mut failure = Failure::of(Kind::Usage, &error);
            failure.message = format!("the images cannot be named: {}", failure.message);
            return Err(failure
                .hint("`--registry`, `--project`, `--env` and `--tag` make the name of an image")
                .into());
        }
    };
    let Rendered {
        tree,
        entries,
        mut warnings,
    } = render(&making, &flags, &images, &loaded, &resolved)?;
    let apps: Vec<&App> = resolved.iter().map(|(app, _)| app).collect();
    let shown: Vec<&str> = loaded.iter().map(|one| one.shown.as_str()).collect();
    let shared = templates::shared_names(&apps, &shown);
    warnings.extend(
        shared
            .iter()
            .map(|(index, remark)| warning(&loaded[*index], remark)),
    );
    let output = making.output.clone();
    let manifest_path = manifest_path(&making);
    let manifest = Manifest {
        project: flags.project,
        env: making.env.clone(),
        mode: flags.runtime_stack.mode,
        runtime_stack: Some(flags.runtime_stack),
        artifacts: entries
            .iter()
            .zip(&resolved)
            .map(|(name, (app, _))| entry(&making, name, app))
            .collect(),
        generated_at: None,
        generator: Some(Generator {
            name: "esb".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    };
    let artifact = NewArtifact {
        functions: functions(&resolved).count(),
        arm64: resolved
            .iter()
            .flat_map(|(app, _)| &app.functions)
            .filter(|function| function.architecture == Architecture::Arm64)
            .map(|function| function.name.clone())
            .collect(),
        tree,
        manifest,
        manifest_path,
        output,
        entries,
        warnings,
    };
    let apps = resolved.into_iter().map(|(app, _)| app).collect();
    Ok((artifact, apps))
}

/// Where the manifest goes.
fn manifest_path(making: &Making) -> PathBuf {
    let inside = || making.output.join(MANIFEST);
    making.manifest.clone().unwrap_or_else(inside)
}

/// The entries of an artifact.
struct Rendered {
    tree: Tree,
    /// Names of their folders.
    entries: Vec<String>,
    warnings: Vec<TemplateFinding>,
}

/// Renders every template, or says what is wrong with all of them and their files.
fn render(
    making: &Making,
    flags: &Flags,
    images: &BTreeMap<FunctionName, String>,
    loaded: &[TemplateFile],
    resolved: &[(App, Report)],
) -> Result<Rendered, NotMade> {
    let image_runtimes = by_name(&flags.image_runtimes, functions(resolved));
    let except = store::places(&making.output, &manifest_path(making));
    let archives = Archives::default();
    let mut tree = Tree::default();
    let sources: Vec<&str> = loaded.iter().map(|one| one.source.as_str()).collect();
    let entries = templates::folders(&sources);
    let (mut warnings, mut violations) = (Vec::new(), Vec::new());
    for (((app, report), loaded), name) in resolved.iter().zip(loaded).zip(&entries) {
        let of_template = report.findings.iter();
        let others = of_template.filter(|finding| finding.level != Level::Error);
        warnings.extend(others.cloned());
        violations.extend(report.violations());
        let settings = artifact::Settings {
            template_folder: &loaded.folder,
            except: &except,
            archives: &archives,
            bases: &flags.bases,
            build_images: &flags.build_images,
            image_runtimes: &image_runtimes,
            images,
            stack_defaults: !making.no_stack_defaults,
            bundle: making.bundle_manifest,
        };
        match artifact::render(app, &settings) {
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
    }
    if violations.is_empty() {
        Ok(Rendered {
            tree,
            entries,
            warnings,
        })
    } else {
        Err(bad_template(violations, warnings))
    }
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

fn entry(making: &Making, name: &str, app: &App) -> ArtifactEntry {
    let root = match &making.manifest {
        None => name.to_owned(),
        Some(manifest) => relative(store::parent(manifest), &making.output.join(name)),
    };
    ArtifactEntry {
        id: None,
        artifact_root: root,
        runtime_config_dir: CONFIG.to_owned(),
        bundle_manifest: making.bundle_manifest.then(|| BUNDLE.to_owned()),
        required_secret_env: app.required_secrets.iter().cloned().collect(),
        source_template: Some(app.source.clone()),
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

fn warning(loaded: &TemplateFile, remark: &Remark) -> TemplateFinding {
    finding(loaded, remark, Level::Warning)
}

fn finding(loaded: &TemplateFile, remark: &Remark, level: Level) -> TemplateFinding {
    let number = (remark.line as usize).checked_sub(1);
    let line = number.and_then(|number| loaded.text.lines().nth(number));
    let indent = line.map_or(0, |line| line.len() - line.trim_start().len());
    let span = Span {
        line: remark.line,
        column: u32::try_from(indent + 1).unwrap_or(1),
    };
    let place = match &remark.nested_in {
        Some(file) => Place {
            line: remark.line,
            ..Place::file(file)
        },
        None => Findings::of(&loaded.shown, &loaded.text).place(span),
    };
    TemplateFinding {
        place,
        level,
        rule: "files".to_owned(),
        subject: Subject::default(),
        message: format!("{}: {}", remark.about, remark.message),
        hint: None,
    }
}
