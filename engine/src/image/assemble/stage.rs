//! From a recipe to an image: each stage's instructions, one after the other, over its base.

use std::collections::BTreeMap;

use super::added::Added;
use super::configuration::{HistoryEntry, ImageConfiguration};
use super::copy::{Copying, matches};
use super::image::{Assembled, BaseImage, BaseLayer, ManifestFormat};
use super::layer::NewLayer;
use super::owner::owner;
use super::rootfs::{Owner, Rootfs};
use super::tree::{FileContent, NodeKind, TreeNode, clean};
use crate::image::dockerfile::{
    Action, NotAssembled, Recipe, RecipeStage, RecipeStep, StageBase, Transfer, Word, is_remote,
};
use crate::image::key::{InputContent, InputFile};
use crate::image::reference::Reference;

/// Names this tool in the history of an image.
const COMMENT: &str = "artifactctl";
/// What a container finds programs in, when nobody says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What an image is assembled from besides its Dockerfile.
#[derive(Clone, Copy)]
pub struct AssemblyInputs<'a> {
    /// The bases, by the references of [`Recipe::bases`].
    pub bases: &'a BTreeMap<Reference, BaseImage>,
    /// The files of the context.
    pub files: &'a [InputFile],
    /// Looks into a file that ADD names: whether it is an archive. The text says why nobody knows.
    pub added: &'a dyn Fn(&InputFile) -> Result<Added, String>,
    /// The time of everything that comes into being, in seconds since 1970.
    pub epoch: u64,
}

/// What a Dockerfile makes. What it cannot make, the builder is asked for: so it is that which says what is wrong with a Dockerfile.
pub fn assemble(recipe: &Recipe, inputs: &AssemblyInputs<'_>) -> Result<Assembled, NotAssembled> {
    let context = context(inputs.files).map_err(|why| NotAssembled {
        line: recipe.stages.first().map_or(1, |stage| stage.line),
        instruction: "FROM".to_owned(),
        why,
    })?;
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for stage in &recipe.stages {
        let refuse = |why: String| NotAssembled {
            line: stage.line,
            instruction: "FROM".to_owned(),
            why,
        };
        let mut made = Stage::begin(stage, recipe, inputs, &stages).map_err(refuse)?;
        for step in &stage.steps {
            let done = made.step(step, &context, &stages);
            done.map_err(|why| NotAssembled {
                line: step.line,
                instruction: step.name.clone(),
                why,
            })?;
        }
        stages.push(made);
    }
    let last = stages.pop().expect("a recipe has a stage");
    if last.base_layers.is_empty() && last.layers.is_empty() {
        return Err(NotAssembled {
            line: recipe.stages.last().map_or(1, |stage| stage.line),
            instruction: "FROM".to_owned(),
            why: "the image has no layer".to_owned(),
        });
    }
    Ok(last.finish())
}

/// The context as builders get it: everything is root's, folders that are not inputs themselves have the usual mode.
fn context(files: &[InputFile]) -> Result<Rootfs<'static>, String> {
    let mut context = Rootfs::over(None);
    for file in files {
        let path = clean(&file.path);
        let kind = match &file.content {
            InputContent::Directory => NodeKind::Directory,
            InputContent::Symlink { target } => NodeKind::Symlink {
                target: target.clone(),
            },
            InputContent::File { digest, size } => NodeKind::File {
                size: *size,
                content: FileContent::Context {
                    path: file.path.clone(),
                    digest: digest.clone(),
                },
            },
        };
        let mode = match kind {
            NodeKind::Symlink { .. } => 0o777,
            NodeKind::Directory | NodeKind::File { .. } | NodeKind::Special => file.mode & 0o777,
        };
        if let Some((folder, _)) = path.rsplit_once('/') {
            // Inputs are sorted, so that a folder that is an input itself has come before.
            context.make_folders(folder, Owner::default())?;
        }
        let node = TreeNode {
            kind,
            mode,
            uid: 0,
            gid: 0,
            xattrs: BTreeMap::new(),
        };
        context.put(&path, node);
    }
    Ok(context)
}

/// A stage in the making.
#[derive(Clone)]
pub(super) struct Stage<'a> {
    recipe: &'a Recipe,
    inputs: &'a AssemblyInputs<'a>,
    rootfs: Rootfs<'a>,
    base_layers: &'a [BaseLayer],
    layers: Vec<NewLayer>,
    format: ManifestFormat,
    pub(super) configuration: ImageConfiguration,
    /// What instructions see: environment and arguments, the later one of a name.
    pub(super) variables: BTreeMap<String, String>,
    /// CMD stands in this stage, so that ENTRYPOINT leaves it.
    pub(super) has_command: bool,
}

impl<'a> Stage<'a> {
    fn begin(
        stage: &RecipeStage,
        recipe: &'a Recipe,
        inputs: &'a AssemblyInputs<'a>,
        stages: &[Self],
    ) -> Result<Self, String> {
        let mut made = match &stage.base {
            StageBase::Stage(number) => Self {
                has_command: false,
                ..stages[*number].clone()
            },
            StageBase::Scratch => Self::scratch(recipe, inputs),
            StageBase::Image(reference) => {
                let base = base(inputs, reference)?;
                Self {
                    rootfs: Rootfs::over(Some(&base.tree)),
                    base_layers: &base.layers,
                    format: base.format,
                    configuration: ImageConfiguration {
                        created: None,
                        ..base.configuration.clone()
                    },
                    ..Self::scratch(recipe, inputs)
                }
            }
        };
        let config = &mut made.configuration.config;
        if !config.on_build.is_empty() {
            return Err("its base has instructions for images that build on it".to_owned());
        }
        if !config.env.iter().any(|pair| pair.starts_with("PATH=")) {
            config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        if made.configuration.os != "linux" {
            return Err("its base is not for Linux".to_owned());
        }
        for pair in &made.configuration.config.env {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            made.variables.insert(name.to_owned(), value.to_owned());
        }
        Ok(made)
    }

    fn scratch(recipe: &'a Recipe, inputs: &'a AssemblyInputs<'a>) -> Self {
        let [os, architecture, variant] = recipe.platform.clone();
        let mut configuration = ImageConfiguration {
            architecture,
            variant,
            os,
            ..ImageConfiguration::default()
        };
        "/".clone_into(&mut configuration.config.working_dir);
        Self {
            recipe,
            inputs,
            rootfs: Rootfs::over(None),
            base_layers: &[],
            layers: Vec::new(),
            format: ManifestFormat::default(),
            configuration,
            variables: BTreeMap::new(),
            has_command: false,
        }
    }

    fn step(
        &mut self,
        step: &RecipeStep,
        context: &Rootfs<'a>,
        stages: &[Self],
    ) -> Result<(), String> {
        let done = match &step.action {
            Action::Copy(transfer) => self.transfer(transfer, context, stages)?,
            Action::Workdir(folder) => self.enter(folder)?,
            Action::Arg(arguments) => self.arguments(arguments)?,
            Action::Set(setting) => self.set(setting)?,
        };
        let layer = self.rootfs.take_layer(self.inputs.epoch);
        self.configuration.history.push(HistoryEntry {
            created: Some(created(self.inputs.epoch)),
            created_by: Some(format!("{} {done}", step.name)),
            comment: Some(COMMENT.to_owned()),
            author: None,
            empty_layer: layer.is_none(),
        });
        self.layers.extend(layer);
        Ok(())
    }

    pub(super) fn expand(&self, word: &Word) -> Result<String, String> {
        word.expand(&self.variables).map_err(str::to_owned)
    }

    pub(super) fn expand_all(&self, words: &[Word]) -> Result<Vec<String>, String> {
        words.iter().map(|word| self.expand(word)).collect()
    }

    /// ARG: what the build was given, else the default, else what stands before the first FROM.
    fn arguments(&mut self, arguments: &[(String, Option<Word>)]) -> Result<String, String> {
        let mut done = Vec::new();
        for (name, default) in arguments {
            let value = match (self.recipe.given.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand(default)?),
                (None, None) => self.recipe.global.get(name).cloned(),
            };
            let Some(value) = value else {
                done.push(name.clone());
                continue;
            };
            let prefix = format!("{name}=");
            let environment = &self.configuration.config.env;
            if environment.iter().any(|pair| pair.starts_with(&prefix)) {
                return Err(format!(
                    "builders differ on whether it hides the `ENV {name}` before it"
                ));
            }
            done.push(format!("{name}={value}"));
            self.variables.insert(name.clone(), value);
        }
        Ok(done.join(" "))
    }

    /// WORKDIR: makes the folder where it is missing, as the user's own.
    fn enter(&mut self, folder: &Word) -> Result<String, String> {
        let folder = self.expand(folder)?;
        let config = &self.configuration.config;
        let path = clean(&absolute(&config.working_dir, &folder));
        let user = config.user.clone();
        if !path.is_empty() {
            let found = self.rootfs.resolve(&path)?;
            if !self.rootfs.is_directory(&found) {
                let owner = match user.as_str() {
                    "" => Owner::default(),
                    user => owner(user, &self.rootfs)?,
                };
                self.rootfs.make_folders(&found, owner)?;
            }
        }
        self.configuration.config.working_dir = format!("/{path}");
        Ok(format!("/{path}"))
    }

    fn transfer(
        &mut self,
        transfer: &Transfer,
        context: &Rootfs<'a>,
        stages: &[Self],
    ) -> Result<String, String> {
        let sources = self.expand_all(&transfer.sources)?;
        let written = self.expand(&transfer.destination)?;
        let is_folder = written.is_empty() || written == "." || written.ends_with('/');
        if sources.len() > 1 && !is_folder {
            return Err("several sources go into a folder, which ends with `/`".to_owned());
        }
        if sources.iter().any(|source| is_remote(source)) {
            return Err("a source is fetched".to_owned());
        }
        let path = clean(&absolute(&self.configuration.config.working_dir, &written));
        let slash = if is_folder && !path.is_empty() {
            "/"
        } else {
            ""
        };
        let chown = match &transfer.chown {
            None => None,
            Some(chown) => Some(self.expand(chown)?),
        };
        let image;
        let from = match &transfer.from {
            None => context,
            Some(StageBase::Stage(number)) => &stages[*number].rootfs,
            Some(StageBase::Image(reference)) => {
                image = Rootfs::over(Some(&base(self.inputs, reference)?.tree));
                &image
            }
            Some(StageBase::Scratch) => return Err("there is nothing to copy from".to_owned()),
        };
        let copying = Copying {
            from,
            owner: match &chown {
                None => None,
                Some(chown) => Some(owner(chown, &self.rootfs)?),
            },
            mode: transfer.chmod,
            destination: format!("/{path}{slash}"),
        };
        for source in &sources {
            for found in matches(from, source)? {
                if transfer.unpacks {
                    self.check_plain(from, &found)?;
                }
                copying.copy(&found, &mut self.rootfs)?;
            }
        }
        let chown = chown.map_or_else(String::new, |chown| format!("--chown={chown} "));
        let chmod = transfer
            .chmod
            .map_or_else(String::new, |mode| format!("--chmod={mode:o} "));
        Ok(format!("{chown}{chmod}{} {written}", sources.join(" ")))
    }

    /// Refuses a source of ADD that would be unpacked.
    fn check_plain(&self, from: &Rootfs<'_>, source: &str) -> Result<(), String> {
        let found = from.resolve(source)?;
        let Some(NodeKind::File {
            content: FileContent::Context { path, .. },
            ..
        }) = from.get(&found).map(|node| &node.kind)
        else {
            return Ok(());
        };
        let file = self.inputs.files.iter().find(|file| file.path == *path);
        match (self.inputs.added)(file.expect("the context is made of its files"))? {
            Added::Plain => Ok(()),
            Added::Archive => Err(format!("`{}` is an archive", path.escape_debug())),
        }
    }

    fn finish(self) -> Assembled {
        let mut configuration = self.configuration;
        configuration.created = Some(created(self.inputs.epoch));
        Assembled {
            base_layers: self.base_layers.to_vec(),
            layers: self.layers,
            configuration,
            format: self.format,
        }
    }
}

fn base<'a>(inputs: &AssemblyInputs<'a>, reference: &Reference) -> Result<&'a BaseImage, String> {
    let base = inputs.bases.get(reference);
    base.ok_or_else(|| format!("the base `{reference}` was not read"))
}

/// A path as it is from a working directory.
fn absolute(working_dir: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{working_dir}/{path}")
    }
}

/// A time by RFC 3339.
fn created(epoch: u64) -> String {
    let seconds = i64::try_from(epoch).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    time.to_string()
}
