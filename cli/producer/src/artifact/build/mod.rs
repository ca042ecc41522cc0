//! How code that does not run as it lies there is built: in a stage of the image's own Dockerfile.
//!
//! Here: which tool builds what, in which image, and what has to be there when nothing is built. The steps of each tool are in
//! `recipe`. Not here: writing the Dockerfile.

mod recipe;
mod runnable;

use super::Settings;
use super::install::{Install, install};
use super::tree::Tree;
use crate::model::{Architecture, Build, BuildMethod, Esbuild, Family, Runtime};
pub(super) use recipe::{GRADLE_SCRIPT, GRADLE_SCRIPT_PATH, Layers, Work, layer_steps, steps};
pub(super) use runnable::{check, file_of_handler, names_function};

/// A stage of a Dockerfile. Its folder is `/build`, and what it makes is in `/out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) steps: Vec<Step>,
}

/// One instruction of a stage. No text of a template is in one that was not checked by [`is_word`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Files of the context, and where they go.
    Copy { from: Vec<String>, to: String },
    /// A line of shell.
    Run(String),
}

/// What builds code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tool {
    /// `pip` or `npm`: what the code asks for is installed.
    Install(Install),
    Esbuild(Esbuild),
    Maven,
    Gradle,
    Bundler,
    /// `go build`, to a file of this name.
    Go {
        file: String,
    },
    /// `cargo lambda build`; none takes the only program.
    Cargo {
        binary: Option<String>,
    },
    /// `dotnet publish` of this project; native code for a provided runtime.
    Dotnet {
        project: String,
        native: bool,
    },
    Make,
}

/// Why code cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(
        "its code has to be built with {tool}: name an image that has it with `--build-image {key}=IMAGE`, or let \
         `sam` build it with `--sam-build`"
    )]
    NoImage { tool: &'static str, key: String },
    #[error("its `BuildMethod` builds for another runtime than `{0}`")]
    OtherRuntime(String),
    #[error("`{value}` of its {what} holds signs that no build takes")]
    BadWord { what: &'static str, value: String },
    #[error("its code has {found} project files; name the folder of one with `CodeUri`")]
    Projects { found: usize },
    #[error(
        "esbuild writes no `{file}` that its handler `{handler}` names; it is made of an entry point of that name"
    )]
    NoOutput { file: String, handler: String },
}

impl Tool {
    /// How people call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Install(Install::Pip { .. }) => "pip",
            Self::Install(Install::Npm { .. } | Install::Nothing) => "npm",
            Self::Esbuild(_) => "esbuild",
            Self::Maven => "Maven",
            Self::Gradle => "Gradle",
            Self::Bundler => "Bundler",
            Self::Go { .. } => "Go",
            Self::Cargo { .. } => "cargo-lambda",
            Self::Dotnet { .. } => "the .NET SDK",
            Self::Make => "make",
        }
    }

    /// What `--build-image` calls it, and whether the base of the runtime has it too.
    fn key(&self) -> (&'static str, bool) {
        match self {
            Self::Install(Install::Pip { .. }) => ("python", true),
            Self::Install(Install::Npm { .. } | Install::Nothing) | Self::Esbuild(_) => {
                ("nodejs", true)
            }
            Self::Bundler => ("ruby", true),
            Self::Maven | Self::Gradle => ("java", false),
            Self::Go { .. } => ("go", false),
            Self::Cargo { .. } => ("rust", false),
            Self::Dotnet { .. } => ("dotnet", false),
            Self::Make => ("makefile", false),
        }
    }

    /// Whether what it makes lies beside the code; else it stands in its place.
    pub(super) fn is_beside_code(&self) -> bool {
        match self {
            Self::Install(_) | Self::Bundler => true,
            Self::Esbuild(_)
            | Self::Maven
            | Self::Gradle
            | Self::Go { .. }
            | Self::Cargo { .. }
            | Self::Dotnet { .. }
            | Self::Make => false,
        }
    }

    /// Folders at the top of the code that it makes itself, so that those of another machine are left out.
    pub(super) fn makes(&self) -> &'static [&'static str] {
        match self {
            Self::Maven | Self::Cargo { .. } => &["target"],
            Self::Gradle => &["build", ".gradle"],
            Self::Dotnet { .. } => &["bin", "obj"],
            Self::Esbuild(_) => &["node_modules"],
            Self::Install(_) | Self::Bundler | Self::Go { .. } | Self::Make => &[],
        }
    }
}

/// A function as a build sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) build: &'a Build,
    pub(super) runtime: &'a Runtime,
    pub(super) handler: &'a str,
    pub(super) source: &'a Tree,
}

/// The tool that the code of a function needs; none when it runs as it lies there.
pub(super) fn tool(subject: &Subject<'_>) -> Result<Option<Tool>, super::function::FunctionError> {
    let Subject {
        build,
        runtime,
        handler,
        source,
    } = *subject;
    let family = runtime.family;
    let other = || BuildError::OtherRuntime(runtime.name.clone());
    let tool = match build {
        Build::Done => return Ok(None),
        Build::Automatic => return by_code(subject),
        Build::Method(BuildMethod::Runtime(of)) if *of == family => return by_code(subject),
        Build::Method(BuildMethod::Makefile) => Tool::Make,
        Build::Method(BuildMethod::Esbuild(esbuild)) if family == Family::Nodejs => {
            check_output(esbuild, handler)?;
            Tool::Esbuild(esbuild.clone())
        }
        Build::Method(BuildMethod::Cargo { binary }) if family == Family::Provided => Tool::Cargo {
            binary: binary.clone(),
        },
        Build::Method(BuildMethod::Runtime(Family::Go)) if family == Family::Provided => Tool::Go {
            file: "bootstrap".to_owned(),
        },
        Build::Method(BuildMethod::Runtime(Family::Dotnet)) if family == Family::Provided => {
            dotnet(source, true)?.ok_or_else(other)?
        }
        Build::Method(
            BuildMethod::Runtime(_) | BuildMethod::Esbuild(_) | BuildMethod::Cargo { .. },
        ) => {
            return Err(other().into());
        }
    };
    Ok(Some(tool))
}

fn by_code(subject: &Subject<'_>) -> Result<Option<Tool>, super::function::FunctionError> {
    let Subject {
        runtime,
        handler,
        source,
        ..
    } = *subject;
    let has = |file: &str| source.get(file).is_some();
    Ok(match runtime.family {
        Family::Python | Family::Nodejs => match install(source, runtime.family)? {
            Install::Nothing => None,
            install @ (Install::Pip { .. } | Install::Npm { .. }) => Some(Tool::Install(install)),
        },
        Family::Java => java(source),
        Family::Ruby if has("Gemfile") && !has_gems(source) => Some(Tool::Bundler),
        Family::Dotnet if has(&file_of_handler(Family::Dotnet, handler)) => None,
        Family::Dotnet => dotnet(source, false)?,
        Family::Go if has("go.mod") && !has(handler) => Some(Tool::Go {
            file: handler.to_owned(),
        }),
        Family::Ruby | Family::Go => None,
        Family::Provided if has("bootstrap") => None,
        Family::Provided if has("go.mod") => Some(Tool::Go {
            file: "bootstrap".to_owned(),
        }),
        Family::Provided if has("Cargo.toml") => Some(Tool::Cargo { binary: None }),
        Family::Provided => dotnet(source, true)?,
    })
}

/// Whether installed gems are in the code; `vendor/cache` holds gems that are to be installed.
fn has_gems(source: &Tree) -> bool {
    source
        .paths()
        .any(|path| path.starts_with("vendor/bundle/"))
}

/// The tool of a Java project.
fn java(source: &Tree) -> Option<Tool> {
    let has = |file: &str| source.get(file).is_some();
    if has("pom.xml") {
        Some(Tool::Maven)
    } else if has("build.gradle") || has("build.gradle.kts") {
        Some(Tool::Gradle)
    } else {
        None
    }
}

fn dotnet(source: &Tree, native: bool) -> Result<Option<Tool>, BuildError> {
    let endings = [".csproj", ".fsproj", ".vbproj"];
    let projects: Vec<&str> = source
        .paths()
        .filter(|path| !path.contains('/') && endings.iter().any(|ending| path.ends_with(ending)))
        .collect();
    match projects.as_slice() {
        [] => Ok(None),
        [project] => Ok(Some(Tool::Dotnet {
            project: word("project file", project)?,
            native,
        })),
        [..] => Err(BuildError::Projects {
            found: projects.len(),
        }),
    }
}

/// Whether one of the files that esbuild writes is the one of the handler.
fn check_output(esbuild: &Esbuild, handler: &str) -> Result<(), BuildError> {
    let stems: Vec<&str> = esbuild
        .entry_points
        .iter()
        .map(|entry| {
            let entry = entry.trim_start_matches("./");
            let name = entry.rsplit('/').next().unwrap_or(entry);
            name.rsplit_once('.').map_or(name, |(stem, _)| stem)
        })
        .collect();
    let module = handler
        .rsplit_once('.')
        .map_or(handler, |(module, _)| module);
    let name = module.rsplit('/').next().unwrap_or(module);
    if stems.is_empty() || stems.contains(&name) {
        return Ok(());
    }
    Err(BuildError::NoOutput {
        file: format!("{module}.js"),
        handler: handler.to_owned(),
    })
}

/// Whether a text is one word to a shell and to Docker, quoted or not.
fn is_word(text: &str) -> bool {
    let plain = text.strip_suffix("/*").unwrap_or(text);
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "._@/:=,+%-".contains(c);
    !plain.is_empty() && !plain.starts_with('-') && plain.chars().all(is_sign)
}

/// A text that is one word.
pub(super) fn word(what: &'static str, text: &str) -> Result<String, BuildError> {
    if is_word(text) {
        return Ok(text.to_owned());
    }
    Err(BuildError::BadWord {
        what,
        value: text.to_owned(),
    })
}

/// The image in which a tool builds for a runtime.
pub(super) fn image<'s>(
    tool: &Tool,
    runtime: Option<&Runtime>,
    base: Option<&'s str>,
    settings: &'s Settings<'_>,
) -> Result<&'s str, BuildError> {
    let (key, base_has_it) = tool.key();
    let by_runtime = runtime.map(|runtime| runtime.name.as_str());
    let found = [by_runtime, Some(key)]
        .into_iter()
        .flatten()
        .find_map(|key| settings.build_images.get(key));
    match found {
        Some(image) => Ok(image),
        None => base
            .filter(|_| base_has_it)
            .ok_or_else(|| BuildError::NoImage {
                tool: tool.name(),
                key: key.to_owned(),
            }),
    }
}

/// Whether `--build-image` names an image for a tool.
pub(super) fn is_image_given(tool: &Tool, runtime: &Runtime, settings: &Settings<'_>) -> bool {
    image(tool, Some(runtime), None, settings).is_ok()
}

/// The processor as Go and .NET name it.
fn processor(architecture: Architecture) -> (&'static str, &'static str) {
    match architecture {
        Architecture::X86_64 => ("amd64", "linux-x64"),
        Architecture::Arm64 => ("arm64", "linux-arm64"),
    }
}

#[cfg(test)]
mod tests;
