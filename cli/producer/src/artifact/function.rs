//! The folder of one function: `Dockerfile`, `src`, `layers`, `hooks`.
//!
//! Here: which files lie there, and that something runs. What builds code is `build`, what a Dockerfile says is `dockerfile`.

mod error;

use std::collections::BTreeMap;

use super::build::{self, Stage, Tool, Work};
use super::dockerfile::{self, Delivery, Extras, Layered, Own, Zip};
use super::gather::{GatherError, Gathered, MAX_CODE, MAX_CONTEXT, gather};
use super::install::Install;
use super::layer::{has_suffix, laid_out};
use super::read::text_of;
use super::tree::{Tree, TreeFile};
use super::{GatheredLayer, Settings};
use crate::model::{
    Build, BuildMethod, Code, Family, Function, ImageConfig, LocalPath, OwnDockerfile, Package,
    Runtime, TemplateImage,
};
pub(super) use error::FunctionError;

/// Name of the file that an image is built from.
const DOCKERFILE: &str = "Dockerfile";

/// The version of Python that `esb-lambda-base` runs.
const BASE_PYTHON: &str = "3.12";

/// The layers of a template, by logical id.
pub(super) type Layers<'a> = BTreeMap<&'a str, GatheredLayer<'a>>;

/// A function's folder in the making.
pub(super) struct Made {
    pub(super) tree: Tree,
    pub(super) warnings: Vec<String>,
}

/// Makes the folder of a function.
pub(super) fn folder(
    function: &Function,
    layers: &Layers<'_>,
    settings: &Settings<'_>,
) -> Result<Made, FunctionError> {
    let mut making = Making {
        function,
        settings,
        tree: Tree::default(),
        extras: Extras::default(),
        warnings: Vec::new(),
    };
    if let Some(hooks) = &function.hooks {
        making.hooks(hooks)?;
    }
    let dockerfile = match &function.package {
        Package::Zip {
            runtime,
            code: Code::Dockerfile(own),
            ..
        } => {
            let layers = making.layers(layers, runtime, None)?;
            making.put_layers(layers);
            let config = ImageConfig::default();
            making.own(own, &config, Some(runtime.family))?
        }
        Package::Zip {
            runtime,
            handler,
            code,
            build,
        } => making.zip(layers, runtime, handler, code, build)?,
        Package::Image { source, config } => making.image(source, config)?,
    };
    making.tree.put(DOCKERFILE, TreeFile::text(dockerfile));
    Ok(Made {
        tree: making.tree,
        warnings: making.warnings,
    })
}

struct Making<'a> {
    function: &'a Function,
    settings: &'a Settings<'a>,
    tree: Tree,
    extras: Extras,
    warnings: Vec<String>,
}

impl Making<'_> {
    fn name(&self) -> &str {
        self.function.name.as_str()
    }

    fn gathered(&self, path: &LocalPath, max: u64) -> Result<Gathered, GatherError> {
        let path = self.settings.template_folder.join(path.as_str());
        gather(&path, self.settings.except, self.settings.archives, max)
    }

    fn hooks(&mut self, path: &LocalPath) -> Result<(), FunctionError> {
        let gathered = self.gathered(path, MAX_CODE);
        let hooks = match gathered.map_err(FunctionError::Hooks)? {
            Gathered::Files(tree) => tree,
            Gathered::Jar { piece, .. } => {
                let mut tree = Tree::default();
                tree.put("agent.jar", piece);
                tree
            }
        };
        if hooks.is_empty() {
            return Err(FunctionError::NoHooks(path.as_str().to_owned()));
        }
        let names = hooks.top().keys().map(|name| (*name).to_owned()).collect();
        self.extras.hooks = Some(names);
        self.tree.put_below("hooks", hooks);
        Ok(())
    }

    /// The layers of the function as they lie below `/opt`, each with its name. One that has no files is as good as none.
    fn layers(
        &mut self,
        layers: &Layers<'_>,
        runtime: &Runtime,
        base: Option<&str>,
    ) -> Result<Vec<(String, Tree)>, FunctionError> {
        let mut found = Vec::new();
        for id in &self.function.layers {
            let Some(layer) = layers.get(id.as_str()) else {
                continue;
            };
            if layer.files.is_empty() {
                continue;
            }
            let name = layer.layer.name.as_str().to_owned();
            let stage = self.layer_stage(layer, runtime, base)?;
            let files = match stage {
                Some(_) => layer.files.clone(),
                None => laid_out(layer.files.clone(), runtime.family),
            };
            self.extras.layers.push(Layered {
                name: name.clone(),
                stage,
            });
            found.push((name, files));
        }
        Ok(found)
    }

    /// The stage that builds a layer; none when its files are taken as they are.
    fn layer_stage(
        &mut self,
        gathered: &GatheredLayer<'_>,
        runtime: &Runtime,
        base: Option<&str>,
    ) -> Result<Option<Stage>, FunctionError> {
        let GatheredLayer { layer, files } = gathered;
        let (makefile, family) = match &layer.build {
            Build::Automatic
            | Build::Done
            | Build::Method(BuildMethod::Esbuild(_) | BuildMethod::Cargo { .. }) => {
                return Ok(None);
            }
            Build::Method(BuildMethod::Makefile) => (true, runtime.family),
            Build::Method(BuildMethod::Runtime(family)) => (false, *family),
        };
        let work = Work {
            home: &format!("functions/{}", self.name()),
            folder: &format!("layers/{}", layer.name),
            source: files,
            id: &layer.logical_id,
            family,
            handler: "",
            architecture: self.function.architecture,
        };
        let (tool, steps) = match build::layer_steps(makefile, &work)? {
            build::Layers::AsItIs => return Ok(None),
            build::Layers::Built(tool, steps) => (tool, steps),
        };
        let same = runtime.family == family;
        let base = base.filter(|_| same);
        let image = build::image(&tool, Some(runtime).filter(|_| same), base, self.settings)?;
        if tool == Tool::Gradle {
            self.tree.put(
                build::GRADLE_SCRIPT_PATH,
                TreeFile::text(build::GRADLE_SCRIPT),
            );
        }
        Ok(Some(Stage {
            name: format!("layer-{}", self.extras.layers.len() + 1),
            image: image.to_owned(),
            steps,
        }))
    }

    fn put_layers(&mut self, layers: Vec<(String, Tree)>) {
        for (name, files) in layers {
            self.tree.put_below(&format!("layers/{name}"), files);
        }
    }

    fn zip(
        &mut self,
        layers: &Layers<'_>,
        runtime: &Runtime,
        handler: &str,
        code: &Code,
        build: &Build,
    ) -> Result<String, FunctionError> {
        let base = self.settings.base(runtime)?;
        if !build::names_function(runtime.family, handler) {
            return Err(FunctionError::NoFunction(handler.to_owned()));
        }
        let (mut source, shown) = self.code(runtime, code)?;
        if source.is_empty() {
            return Err(FunctionError::NoCode(shown));
        }
        if source.get(DOCKERFILE).is_some() {
            self.warnings.push(format!(
                "`{shown}` has a `{DOCKERFILE}`, which is built only when the function's `Metadata` names it"
            ));
        }
        if runtime.family == Family::Python && base == super::BASE && runtime.version != BASE_PYTHON
        {
            self.warnings.push(format!(
                "`{}` runs on the Python {BASE_PYTHON} of `esb-lambda-base`; name another base with `--base {}=IMAGE`",
                runtime.name, runtime.name
            ));
        }
        let subject = build::Subject {
            build,
            runtime,
            handler,
            source: &source,
        };
        let tool = build::tool(&subject)?;
        if let Some(tool) = &tool {
            source.leave_out(tool.makes());
        }
        let layers = self.layers(layers, runtime, Some(base))?;
        let delivery = self.delivery(tool, &source, runtime, handler, base)?;
        self.look_for_handler(&source, &delivery, &layers, runtime, handler, &shown)?;
        if runtime.family == Family::Provided
            && let Some(bootstrap) = source.take("bootstrap")
        {
            source.put("bootstrap", bootstrap.executable());
        }
        let text = dockerfile::zip(&Zip {
            function: self.name(),
            base,
            family: runtime.family,
            handler,
            delivery: &delivery,
            extras: &self.extras,
        })?;
        self.put_layers(layers);
        self.tree.put_below("src", source);
        Ok(text)
    }

    /// How the code comes into the image.
    fn delivery(
        &mut self,
        tool: Option<Tool>,
        source: &Tree,
        runtime: &Runtime,
        handler: &str,
        base: &str,
    ) -> Result<Delivery, FunctionError> {
        let tool = match tool {
            None => return Ok(Delivery::Copied(Install::Nothing)),
            // What the base has itself needs no stage.
            Some(Tool::Install(install))
                if !build::is_image_given(&Tool::Install(install), runtime, self.settings) =>
            {
                return Ok(Delivery::Copied(install));
            }
            Some(tool) => tool,
        };
        let image = build::image(&tool, Some(runtime), Some(base), self.settings)?;
        let work = Work {
            home: &format!("functions/{}", self.name()),
            folder: "src",
            source,
            id: &self.function.logical_id,
            family: runtime.family,
            handler,
            architecture: self.function.architecture,
        };
        let steps = build::steps(&tool, &work)?;
        if tool == Tool::Gradle {
            self.tree.put(
                build::GRADLE_SCRIPT_PATH,
                TreeFile::text(build::GRADLE_SCRIPT),
            );
        }
        Ok(Delivery::Built {
            stage: Stage {
                name: "build".to_owned(),
                image: image.to_owned(),
                steps,
            },
            beside_code: tool.is_beside_code(),
        })
    }

    /// The files of the code, and what to call it in messages.
    fn code(&self, runtime: &Runtime, code: &Code) -> Result<(Tree, String), FunctionError> {
        let path = match code {
            Code::Inline { file, text } => {
                let mut tree = Tree::default();
                tree.put(file.clone(), TreeFile::text(text.clone()));
                return Ok((tree, file.clone()));
            }
            Code::Path(path) => path,
            Code::Dockerfile(own) => &own.context,
        };
        let shown = path.as_str().to_owned();
        let java = runtime.family == Family::Java;
        let tree = match self.gathered(path, MAX_CODE)? {
            Gathered::Files(tree) if java => jars_in_lib(&tree),
            Gathered::Files(tree) => tree,
            Gathered::Jar { name, piece } if java => {
                let mut tree = Tree::default();
                tree.put(format!("lib/{name}"), piece);
                tree
            }
            Gathered::Jar { .. } => {
                return Err(FunctionError::NoJava {
                    path: shown,
                    runtime: runtime.name.clone(),
                });
            }
        };
        Ok((tree, shown))
    }

    /// What a handler names has to be there, unless the image's own build makes it. Code that is installed may bring it.
    fn look_for_handler(
        &mut self,
        source: &Tree,
        delivery: &Delivery,
        layers: &[(String, Tree)],
        runtime: &Runtime,
        handler: &str,
        shown: &str,
    ) -> Result<(), FunctionError> {
        let installs = match delivery {
            Delivery::Copied(install) => *install != Install::Nothing,
            Delivery::Built { beside_code, .. } if *beside_code => true,
            Delivery::Built { .. } => return Ok(()),
        };
        let layers_are_built = self.extras.layers.iter().any(|layer| layer.stage.is_some());
        let files: Vec<&Tree> = layers.iter().map(|(_, files)| files).collect();
        let Some(file) = build::check(runtime, handler, source, &files) else {
            return Ok(());
        };
        if installs || layers_are_built {
            self.warnings.push(format!(
                "its handler `{handler}` needs {file}, which `{shown}` does not have; what is installed has to bring it"
            ));
            return Ok(());
        }
        let module = handler
            .rsplit_once('.')
            .map_or(handler, |(module, _)| module);
        let is_typescript = source.get(&format!("{module}.ts")).is_some();
        let hint = match runtime.family {
            Family::Nodejs if is_typescript => format!(
                "; `{module}.ts` becomes it with `Metadata: {{BuildMethod: esbuild, BuildProperties: {{EntryPoints: [{module}.ts]}}}}`"
            ),
            Family::Python | Family::Nodejs | Family::Ruby => String::new(),
            Family::Java | Family::Dotnet | Family::Go | Family::Provided => {
                "; build it, or let `sam` build it with `--sam-build`".to_owned()
            }
        };
        Err(FunctionError::NoHandler {
            handler: handler.to_owned(),
            file,
            place: if layers.is_empty() {
                format!("`{shown}`")
            } else {
                format!("`{shown}`, with its layers,")
            },
            hint,
        })
    }

    fn image(
        &mut self,
        source: &TemplateImage,
        config: &ImageConfig,
    ) -> Result<String, FunctionError> {
        let family = self.settings.image_runtimes.get(self.name()).copied();
        if self.extras.hooks.is_some() && family.is_none() {
            self.warnings.push(format!(
                "its hooks are in the image, but nothing loads them: say what the image runs with `--image-runtime {}=RUNTIME`",
                self.name()
            ));
        }
        match source {
            TemplateImage::Uri(uri) => Ok(dockerfile::wrapper(
                self.name(),
                uri,
                config,
                family,
                &self.extras,
            )?),
            TemplateImage::Dockerfile(own) => self.own(own, config, family),
        }
    }

    /// A Dockerfile that the function brought.
    fn own(
        &mut self,
        own: &OwnDockerfile,
        config: &ImageConfig,
        family: Option<Family>,
    ) -> Result<String, FunctionError> {
        let shown = own.context.as_str().to_owned();
        let source = match self.gathered(&own.context, MAX_CONTEXT)? {
            Gathered::Files(tree) => tree,
            Gathered::Jar { .. } => return Err(FunctionError::NoCode(shown)),
        };
        let path = own.dockerfile.as_str();
        let text = match source.get(path.trim_start_matches("./")) {
            Some(piece) => text_of(piece, path)?,
            None => {
                return Err(FunctionError::NoDockerfile {
                    context: shown,
                    dockerfile: path.to_owned(),
                });
            }
        };
        self.tree.put_below("src", source);
        let told = Own {
            text: &text,
            target: own.target.as_deref(),
            args: &own.args,
        };
        dockerfile::own(self.name(), told, config, family, &self.extras).map_err(|problem| {
            FunctionError::Dockerfile {
                path: path.to_owned(),
                problem,
            }
        })
    }
}

/// Jars at the top go where the Java runtime looks for them; classes stay.
fn jars_in_lib(tree: &Tree) -> Tree {
    let mut moved = Tree::default();
    for (path, piece) in tree.files() {
        if path.contains('/') || !has_suffix(path, ".jar") {
            moved.put(path, piece.clone());
        } else {
            moved.put(format!("lib/{path}"), piece.clone());
        }
    }
    moved
}
