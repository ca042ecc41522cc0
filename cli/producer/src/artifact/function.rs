//! The folder of one function: `Dockerfile`, `src`, `layers`, `hooks`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::image::dockerfile::DockerfileError;

use super::Settings;
use super::dockerfile::{self, Extras};
use super::gather::{GatherError, Gathered, gather};
use super::install::install;
use super::layer::{has_suffix, laid_out};
use super::tree::{Piece, Tree};
use crate::model::{Code, Family, Function, ImageConfig, ImageSource, LocalPath, Package, Runtime};

/// Name of the file that an image is built from.
const DOCKERFILE: &str = "Dockerfile";

/// Why a function has no folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionError {
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error("its code in `{0}` has no files")]
    NoCode(String),
    #[error("its hooks in `{0}` have no files")]
    NoHooks(String),
    #[error("its code in `{0}` has no `bootstrap`, which `{1}` runs")]
    NoBootstrap(String, String),
    #[error("`{path}` is a jar, which `{runtime}` cannot run")]
    NoJava { path: String, runtime: String },
    #[error("`{context}` has no `{dockerfile}`")]
    NoDockerfile { context: String, dockerfile: String },
    #[error("its `{path}` is not UTF-8 text of at most 1 MiB")]
    NotText { path: String },
    #[error("its `package.json` is no JSON")]
    Package(#[from] serde_json::Error),
    #[error("its `{path}` cannot be used: {problem}")]
    Dockerfile {
        path: String,
        problem: DockerfileError,
    },
}

/// The layers of a template, by logical id, with the name of each.
pub(super) type Layers = BTreeMap<String, (String, Tree)>;

/// A function's folder in the making.
pub(super) struct Made {
    pub(super) tree: Tree,
    pub(super) warnings: Vec<String>,
}

/// Makes the folder of a function.
pub(super) fn folder(
    function: &Function,
    layers: &Layers,
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
            handler,
            code,
        } => {
            making.layers(layers, runtime.family);
            making.zip(runtime, handler, code)?
        }
        Package::Image { source, config } => making.image(source, config)?,
    };
    making.tree.put(DOCKERFILE, Piece::text(dockerfile));
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

    fn gathered(&self, path: &LocalPath) -> Result<Gathered, GatherError> {
        let path = self.settings.template_folder.join(path.as_str());
        gather(&path, self.settings.except, self.settings.archives)
    }

    fn hooks(&mut self, path: &LocalPath) -> Result<(), FunctionError> {
        let hooks = match self.gathered(path)? {
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

    /// A layer that has no files is as good as none.
    fn layers(&mut self, layers: &Layers, family: Family) {
        for id in &self.function.layers {
            let Some((name, tree)) = layers.get(id).filter(|(_, tree)| !tree.is_empty()) else {
                continue;
            };
            self.extras.layers.push(name.clone());
            self.tree
                .put_below(&format!("layers/{name}"), laid_out(tree.clone(), family));
        }
    }

    fn zip(
        &mut self,
        runtime: &Runtime,
        handler: &str,
        code: &Code,
    ) -> Result<String, FunctionError> {
        let (mut source, shown) = self.code(runtime, code)?;
        if source.is_empty() {
            return Err(FunctionError::NoCode(shown));
        }
        if let Some(own) = source.take(DOCKERFILE) {
            let text = text_of(&own, DOCKERFILE)?;
            self.tree.put_below("src", source);
            let none = BTreeMap::new();
            let config = ImageConfig::default();
            return dockerfile::own(
                self.name(),
                &text,
                None,
                &none,
                &config,
                Some(runtime.family),
                &self.extras,
            )
            .map_err(|problem| FunctionError::Dockerfile {
                path: DOCKERFILE.to_owned(),
                problem,
            });
        }
        if runtime.family == Family::Provided {
            let bootstrap = source
                .take("bootstrap")
                .ok_or_else(|| FunctionError::NoBootstrap(shown.clone(), runtime.name.clone()))?;
            source.put("bootstrap", bootstrap.executable());
        }
        self.look_for_handler(&source, runtime, handler, &shown);
        let install = install(&source, runtime.family)?;
        let text = dockerfile::zip(
            self.name(),
            self.settings.base(runtime),
            runtime.family,
            handler,
            install,
            &self.extras,
        );
        self.tree.put_below("src", source);
        Ok(text)
    }

    /// The files of the code, and what to call it in messages.
    fn code(&self, runtime: &Runtime, code: &Code) -> Result<(Tree, String), FunctionError> {
        let path = match code {
            Code::Inline { file, text } => {
                let mut tree = Tree::default();
                tree.put(file.clone(), Piece::text(text.clone()));
                return Ok((tree, file.clone()));
            }
            Code::Path(path) => path,
        };
        let shown = path.as_str().to_owned();
        let java = runtime.family == Family::Java;
        let tree = match self.gathered(path)? {
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

    /// A handler whose file is not in the code may still come with a layer or a dependency: that is odd, not wrong.
    fn look_for_handler(&mut self, source: &Tree, runtime: &Runtime, handler: &str, shown: &str) {
        let endings: &[&str] = match runtime.family {
            Family::Python => &[".py", "/__init__.py"],
            Family::Nodejs => &[".js", ".mjs", ".cjs"],
            Family::Java | Family::Provided => return,
        };
        let module = handler
            .rsplit_once('.')
            .map_or(handler, |(module, _)| module);
        let module = match runtime.family {
            Family::Python => module.replace('.', "/"),
            Family::Nodejs | Family::Java | Family::Provided => module.to_owned(),
        };
        let found = endings
            .iter()
            .any(|ending| source.get(&format!("{module}{ending}")).is_some());
        if !found {
            self.warnings.push(format!(
                "its handler `{handler}` needs `{module}{}`, which `{shown}` does not have",
                endings[0]
            ));
        }
    }

    fn image(
        &mut self,
        source: &ImageSource,
        config: &ImageConfig,
    ) -> Result<String, FunctionError> {
        let family = self.settings.image_runtimes.get(self.name()).copied();
        if self.extras.hooks.is_some() && family.is_none() {
            self.warnings.push(format!(
                "its hooks are in the image, but nothing loads them: say what the image runs with `--image-runtime {}=RUNTIME`",
                self.name()
            ));
        }
        let (context, path, target, args) = match source {
            ImageSource::Uri(uri) => return Ok(self.wrapper(uri, config, family)),
            ImageSource::Dockerfile {
                context,
                dockerfile,
                target,
                args,
            } => (context, dockerfile, target, args),
        };
        let shown = context.as_str().to_owned();
        let source = match self.gathered(context)? {
            Gathered::Files(tree) => tree,
            Gathered::Jar { .. } => return Err(FunctionError::NoCode(shown)),
        };
        let clean = path.as_str().trim_start_matches("./");
        let text = match source.get(clean) {
            Some(piece) => text_of(piece, path.as_str())?,
            None => {
                return Err(FunctionError::NoDockerfile {
                    context: shown,
                    dockerfile: path.as_str().to_owned(),
                });
            }
        };
        self.tree.put_below("src", source);
        dockerfile::own(
            self.name(),
            &text,
            target.as_deref(),
            args,
            config,
            family,
            &self.extras,
        )
        .map_err(|problem| FunctionError::Dockerfile {
            path: path.as_str().to_owned(),
            problem,
        })
    }

    fn wrapper(&self, image: &str, config: &ImageConfig, family: Option<Family>) -> String {
        dockerfile::wrapper(self.name(), image, config, family, &self.extras)
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

/// The text of a file that this tool has to understand.
pub(super) fn text_of(piece: &Piece, path: &str) -> Result<String, FunctionError> {
    const MAX_TEXT: u64 = 1 << 20;
    let not_text = || FunctionError::NotText {
        path: path.to_owned(),
    };
    let bytes = match piece {
        Piece::Bytes { content, .. } => content.to_vec(),
        Piece::Copy { from, .. } => read(from)?,
        Piece::Link(_) => return Err(not_text()),
    };
    if bytes.len() as u64 > MAX_TEXT {
        return Err(not_text());
    }
    String::from_utf8(bytes).map_err(|_| not_text())
}

fn read(path: &Path) -> Result<Vec<u8>, GatherError> {
    fs::read(path).map_err(|source| GatherError::Unreadable {
        path: PathBuf::from(path),
        source,
    })
}
