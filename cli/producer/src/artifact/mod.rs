//! From the model of a template to the files of an artifact's entry.
//!
//! Here: what each file holds. Nothing is written and nothing is applied; `store` writes. Ids and the manifest are the engine's.

mod archive;
mod build;
mod bundle;
mod config;
mod dockerfile;
mod function;
mod gather;
mod install;
mod layer;
mod names;
mod read;
mod resources;
mod route;
mod schedule;
pub mod store;
pub mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::contract::FunctionName;

use crate::model::{App, Family, Function, Layer, Runtime};
pub use archive::Archives;
use function::{FunctionError, Layers};
use gather::{Gathered, MAX_CODE, gather};
pub use names::{Naming, default_project, image_names};
use tree::{Tree, TreeFile};

/// The folder of configuration in every entry.
pub const CONFIG: &str = "config";

/// The file that lists what an entry holds, on request.
pub const BUNDLE: &str = "bundle/manifest.json";

/// The base of functions that run on a runtime, unless it is said otherwise; the engine gives it registry and version.
pub const BASE: &str = "esb-lambda-base:latest";

/// What is asked for besides the template.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// The folder that the template's paths are relative to.
    pub template_folder: &'a Path,
    /// What is no part of any code: the artifact and its manifest.
    pub except: &'a [PathBuf],
    /// The archives of this run.
    pub archives: &'a Archives,
    /// Base images by runtime (`python3.12`) or family (`python`).
    pub bases: &'a BTreeMap<String, String>,
    /// Images in which code is built, by runtime (`java21`) or tool (`java`, `go`, `rust`, `dotnet`, `makefile`, …).
    pub build_images: &'a BTreeMap<String, String>,
    /// What the images of image functions run, by function.
    pub image_runtimes: &'a BTreeMap<String, Family>,
    /// The image of each function.
    pub images: &'a BTreeMap<FunctionName, String>,
    /// Whether functions get the environment and the scaling that the stack's own producer gives them.
    pub stack_defaults: bool,
    /// Whether to list the files.
    pub bundle: bool,
}

/// No base is known that starts functions of a runtime.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{runtime}` does not start on `esb-lambda-base`, which runs Python; name a base that fits with `--base {family}=IMAGE`, such \
     as AWS's `lambda/{family}:{version}`"
)]
pub(crate) struct NoBase {
    runtime: String,
    family: &'static str,
    /// The version, as AWS tags its images.
    version: String,
}

impl Settings<'_> {
    /// The base on which a runtime starts. `esb-lambda-base` runs Python, and starts the `bootstrap` of a provided runtime.
    fn base(&self, runtime: &Runtime) -> Result<&str, NoBase> {
        let family = runtime.family.as_str();
        let given = [runtime.name.as_str(), family]
            .into_iter()
            .find_map(|name| self.bases.get(name));
        match (given, runtime.family) {
            (Some(given), _) => Ok(given),
            (None, Family::Python | Family::Provided) => Ok(BASE),
            (None, Family::Nodejs | Family::Java | Family::Ruby | Family::Dotnet | Family::Go) => {
                Err(NoBase {
                    runtime: runtime.name.clone(),
                    family,
                    version: runtime.version.trim_end_matches(".x").to_owned(),
                })
            }
        }
    }
}

/// A layer and its files.
pub(crate) struct GatheredLayer<'a> {
    layer: &'a Layer,
    files: Tree,
}

/// The files of an entry, and what is odd about them.
#[derive(Debug)]
pub struct Rendered {
    /// The files.
    pub tree: Tree,
    /// What is odd about them.
    pub warnings: Vec<Remark>,
}

/// Something about one resource of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Line of the template, from 1; 0 when it is not known.
    pub line: u32,
    /// The nested template that it stands in; none for the template itself.
    pub nested_in: Option<String>,
    /// What it is about, in words.
    pub about: String,
    /// A lowercase fragment, no period.
    pub message: String,
}

impl Remark {
    fn on(function: &Function, message: String) -> Self {
        Self {
            line: function.line,
            nested_in: function.nested_in.clone(),
            about: format!("function `{}`", function.name),
            message,
        }
    }
}

/// Renders the entry of one template. The error is everything that is wrong with its files.
pub fn render(app: &App, settings: &Settings<'_>) -> Result<Rendered, Vec<Remark>> {
    let mut wrong = Vec::new();
    let mut warnings = Vec::new();
    let mut tree = Tree::default();
    let layers = gather_layers(app, settings, &mut wrong);
    for function in &app.functions {
        let remark = |message| Remark::on(function, message);
        match function::folder(function, &layers, settings) {
            Ok(made) => {
                tree.put_below(&format!("functions/{}", function.name), made.tree);
                warnings.extend(made.warnings.into_iter().map(remark));
            }
            Err(error) => wrong.push(Remark {
                line: error.line(function),
                ..remark(sentence(&error))
            }),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let configuration = configuration(app, settings.images, settings.stack_defaults);
    for (name, text) in configuration.files {
        tree.put(format!("{CONFIG}/{name}"), TreeFile::text(text));
    }
    warnings.extend(configuration.warnings);
    if settings.bundle {
        bundle::add(&mut tree, app, settings).map_err(|error| {
            vec![Remark {
                line: 1,
                nested_in: None,
                about: "the bundle".to_owned(),
                message: sentence(&FunctionError::from(error)),
            }]
        })?;
    }
    Ok(Rendered { tree, warnings })
}

/// The files of configuration.
#[derive(Debug)]
pub struct Configuration {
    /// Their texts, by name.
    pub files: Vec<(&'static str, String)>,
    /// What of the template does not stand in them, or means something else there.
    pub warnings: Vec<Remark>,
}

/// Renders the files of configuration. `stack_defaults` is that of [`Settings`].
pub fn configuration(
    app: &App,
    images: &BTreeMap<FunctionName, String>,
    stack_defaults: bool,
) -> Configuration {
    let (routes, odd_routes) = route::written(app);
    let mut files = vec![
        (
            "functions.yml",
            config::functions(app, images, stack_defaults),
        ),
        ("routing.yml", config::routing(&routes)),
    ];
    files.extend(resources::resources(app).map(|text| ("resources.yml", text)));
    let odd_jobs = app.functions.iter().flat_map(|function| {
        let messages = schedule::odd(function);
        messages.map(move |message| Remark::on(function, message))
    });
    let warnings = odd_routes
        .into_iter()
        .map(|odd| Remark::on(odd.function, odd.message))
        .chain(odd_jobs)
        .collect();
    Configuration { files, warnings }
}

/// The files of each layer that a function uses.
fn gather_layers<'a>(app: &'a App, settings: &Settings<'_>, wrong: &mut Vec<Remark>) -> Layers<'a> {
    let mut layers = Layers::new();
    for layer in &app.layers {
        let path = settings.template_folder.join(layer.content.as_str());
        let tree = match gather(&path, settings.except, settings.archives, MAX_CODE) {
            Ok(Gathered::Files(tree)) => Ok(tree),
            // A layer may be one jar.
            Ok(Gathered::Jar { name, piece }) => {
                let mut tree = Tree::default();
                tree.put(format!("java/lib/{name}"), piece);
                Ok(tree)
            }
            Err(error) => Err(error),
        };
        match tree {
            Ok(files) => {
                layers.insert(&layer.logical_id, GatheredLayer { layer, files });
            }
            Err(error) => wrong.push(Remark {
                line: layer.content_line,
                nested_in: layer.nested_in.clone(),
                about: format!("layer `{}`", layer.name),
                message: sentence(&error),
            }),
        }
    }
    layers
}

/// An error and its causes in one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
