//! Dockerfiles of functions: the one writer of them.
//!
//! Pure. Every path is one of the build context, which begins at the artifact root: `functions/<name>/…`. A value of a template
//! stands only where it is quoted or was checked, so that no value makes or changes an instruction.

use std::collections::BTreeMap;

use engine::image::dockerfile::{DockerfileError, Embedding, embed};
use engine::image::{Reference, Registries, RewriteContext, rewrite};

use super::build::{Stage, Step};
use super::install::{Install, Needs};
use crate::model::{Family, ImageConfig};

/// Where code lies in an image.
const TASK: &str = "/var/task/";

/// Where the images of AWS start what a provided runtime runs.
const BOOTSTRAP: &str = "/var/runtime/bootstrap";

/// Why a value cannot stand in a Dockerfile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unwritable {
    #[error("{0} holds a line break or another control character, which no Dockerfile can hold")]
    Control(&'static str),
    #[error("{0} holds a sign that the Dockerfile's own `escape` gives a meaning")]
    Escaped(&'static str),
    #[error("`{0}` can be no image of a Dockerfile")]
    NoImage(String),
}

/// A layer of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layered {
    /// Its folder below `layers/`.
    pub(super) name: String,
    /// The stage that builds it; none when its files are taken as they are.
    pub(super) stage: Option<Stage>,
}

/// What a Dockerfile copies besides the code, from the function's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// Layers, the lowest first.
    pub(super) layers: Vec<Layered>,
    /// Files at the top of `hooks/`; none when there are no hooks.
    pub(super) hooks: Option<Vec<String>>,
}

/// How the code of a zip function comes into its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As it lies there; what it asks for is installed in the image itself.
    Copied(Install),
    /// A stage builds it.
    Built {
        stage: Stage,
        /// What was built is copied beside the code; else in its place.
        beside_code: bool,
    },
}

/// What is known of a zip function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zip<'a> {
    pub(super) function: &'a str,
    pub(super) base: &'a str,
    pub(super) family: Family,
    pub(super) handler: &'a str,
    pub(super) delivery: &'a Delivery,
    pub(super) extras: &'a Extras,
}

/// A Dockerfile in the making. Each method writes one instruction, on one line.
#[derive(Debug, Default)]
struct Dockerfile(String);

impl Dockerfile {
    /// The one place where a line is made: `arguments` have no line break.
    fn line(&mut self, instruction: &str, arguments: &str) {
        debug_assert!(!arguments.contains(char::is_control), "{arguments:?}");
        self.0.push_str(instruction);
        self.0.push(' ');
        self.0.push_str(arguments);
        self.0.push('\n');
    }

    fn from(&mut self, image: &str, stage: Option<&str>) -> Result<(), Unwritable> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        if Reference::parse(image).is_err() || !image.chars().all(is_plain) {
            return Err(Unwritable::NoImage(image.to_owned()));
        }
        match stage {
            None => self.line("FROM", image),
            Some(stage) => self.line("FROM", &format!("{image} AS {stage}")),
        }
        Ok(())
    }

    fn copy(&mut self, sources: &[String], target: &str) {
        self.line("COPY", &format!("{} {target}", sources.join(" ")));
    }

    fn copy_from(&mut self, stage: &str, source: &str, target: &str) {
        self.line("COPY", &format!("--from={stage} {source} {target}"));
    }

    fn stage(&mut self, stage: &Stage) -> Result<(), Unwritable> {
        self.from(&stage.image, Some(&stage.name))?;
        self.line("WORKDIR", "/build");
        for step in &stage.steps {
            match step {
                Step::Copy { from, to } => self.copy(from, to),
                Step::Run(script) => self.line("RUN", script),
            }
        }
        Ok(())
    }

    fn exec_form(&mut self, instruction: &str, words: &[String]) {
        let words: Vec<String> = words.iter().map(|word| json_text(word)).collect();
        self.line(instruction, &format!("[{}]", words.join(", ")));
    }

    /// `escapes` says that a backslash takes the meaning of the sign behind it, as it does unless a file says otherwise.
    fn workdir(&mut self, folder: &str, escapes: bool) -> Result<(), Unwritable> {
        const WHAT: &str = "its `WorkingDirectory`";
        if folder.contains(char::is_control) {
            return Err(Unwritable::Control(WHAT));
        }
        if !escapes && folder.contains(['$', '\\', '"', '\'', '`']) {
            return Err(Unwritable::Escaped(WHAT));
        }
        self.line("WORKDIR", &literal(folder));
        Ok(())
    }
}

/// The Dockerfile of a zip function.
pub(super) fn zip(zip: &Zip<'_>) -> Result<String, Unwritable> {
    let mut file = Dockerfile::default();
    for layer in &zip.extras.layers {
        if let Some(stage) = &layer.stage {
            file.stage(stage)?;
        }
    }
    if let Delivery::Built { stage, .. } = zip.delivery {
        file.stage(stage)?;
    }
    file.from(zip.base, None)?;
    zip.extras.copies(zip.function, &mut file);
    zip.extras.environment(zip.family, &mut file);
    let code = format!("functions/{}/src/", zip.function);
    match zip.delivery {
        Delivery::Copied(install) => with_code(zip.function, *install, &mut file),
        Delivery::Built { stage, beside_code } => {
            file.copy_from(&stage.name, "/out/", TASK);
            if *beside_code {
                file.copy(std::slice::from_ref(&code), TASK);
            }
        }
    }
    if zip.family == Family::Provided {
        match zip.delivery {
            Delivery::Copied(_) => file.copy(&[format!("{code}bootstrap")], BOOTSTRAP),
            Delivery::Built { stage, .. } => {
                file.copy_from(&stage.name, "/out/bootstrap", BOOTSTRAP);
            }
        }
    }
    file.exec_form("CMD", &[zip.handler.to_owned()]);
    Ok(file.0)
}

/// The lines that bring the code and what it needs.
fn with_code(function: &str, install: Install, file: &mut Dockerfile) {
    let from = format!("functions/{function}/src");
    let code = [format!("{from}/")];
    let (needs, lists, run) = match install {
        Install::Nothing => return file.copy(&code, TASK),
        Install::Pip { offline, needs } => {
            let mut lists = vec![(format!("{from}/requirements.txt"), TASK.to_owned())];
            let mut options = String::new();
            if offline {
                lists.push((format!("{from}/wheelhouse/"), format!("{TASK}wheelhouse/")));
                options = format!(" --no-index --find-links {TASK}wheelhouse");
            }
            let run = format!(
                "python -m pip install --no-cache-dir{options} --requirement {TASK}requirements.txt --target {TASK}"
            );
            (needs, lists, run)
        }
        Install::Npm { locked, needs } => {
            let lock = if locked {
                format!(" {from}/package-lock.json")
            } else {
                String::new()
            };
            let word = if locked { "ci" } else { "install" };
            let lists = vec![(format!("{from}/package.json{lock}"), TASK.to_owned())];
            let run = format!("npm {word} --omit=dev --no-audit --no-fund");
            (needs, lists, run)
        }
    };
    let run = format!("cd {TASK} && {run}");
    match needs {
        Needs::List => {
            for (list, target) in lists {
                file.copy(&[list], &target);
            }
            file.line("RUN", &run);
            file.copy(&code, TASK);
        }
        Needs::Code => {
            file.copy(&code, TASK);
            file.line("RUN", &run);
        }
    }
}

/// The Dockerfile of an image function: the image, and what the template changes about it.
pub(super) fn wrapper(
    function: &str,
    image: &str,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
) -> Result<String, Unwritable> {
    let mut file = Dockerfile::default();
    file.from(image, None)?;
    extended(function, config, family, extras, true, &mut file)?;
    Ok(file.0)
}

/// Why a Dockerfile of a function's own cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

/// A Dockerfile of a function's own, and what it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) text: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) args: &'a BTreeMap<String, String>,
}

/// The Dockerfile that a function brought, as it is built from the artifact root, and what the template adds.
pub(super) fn own(
    function: &str,
    own: Own<'_>,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
) -> Result<String, OwnError> {
    if own
        .args
        .values()
        .any(|value| value.contains(char::is_control))
    {
        return Err(Unwritable::Control("a value of its `DockerBuildArgs`").into());
    }
    let embedding = Embedding {
        folder: &format!("functions/{function}/src"),
        target: own.target,
        args: own.args,
    };
    let embedded = embed(own.text, &embedding)?;
    must_be_deployable(&embedded)?;
    let mut more = Dockerfile::default();
    let escapes = !changes_escape(own.text);
    extended(function, config, family, extras, escapes, &mut more)?;
    if more.0.is_empty() {
        return Ok(embedded);
    }
    let end = if embedded.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{embedded}{end}{}", more.0))
}

/// Refuses what a deploy would refuse. That does not depend on where its images come from.
fn must_be_deployable(text: &str) -> Result<(), DockerfileError> {
    let context = RewriteContext {
        registries: &Registries::default(),
        stack_version: None,
        esb_tag: None,
    };
    rewrite(text, &context).map(drop)
}

/// Whether a directive at the top of a Dockerfile names another escape than the backslash.
fn changes_escape(text: &str) -> bool {
    let mut directives = text
        .lines()
        .take_while(|line| line.trim_start().starts_with('#'));
    directives.any(|line| line.to_ascii_lowercase().contains("escape") && line.contains('`'))
}

fn extended(
    function: &str,
    config: &ImageConfig,
    family: Option<Family>,
    extras: &Extras,
    escapes: bool,
    file: &mut Dockerfile,
) -> Result<(), Unwritable> {
    extras.copies(function, file);
    if let Some(family) = family {
        extras.environment(family, file);
    }
    if let Some(folder) = &config.working_directory {
        file.workdir(folder, escapes)?;
    }
    // An ENTRYPOINT resets the CMD of the image, so that it stands first.
    if let Some(words) = &config.entry_point {
        file.exec_form("ENTRYPOINT", words);
    }
    if let Some(words) = &config.command {
        file.exec_form("CMD", words);
    }
    Ok(())
}

impl Extras {
    fn copies(&self, function: &str, file: &mut Dockerfile) {
        for layer in &self.layers {
            match &layer.stage {
                None => {
                    let folder = format!("functions/{function}/layers/{}/", layer.name);
                    file.copy(&[folder], "/opt/");
                }
                Some(stage) => file.copy_from(&stage.name, "/out/", "/opt/"),
            }
        }
        if self.hooks.is_some() {
            file.copy(&[format!("functions/{function}/hooks/")], "/opt/hooks/");
        }
    }

    /// What makes a runtime load hooks before the function, where it has a way to.
    fn environment(&self, family: Family, file: &mut Dockerfile) {
        let holds = |name: &str| {
            let hooks = self.hooks.as_ref();
            hooks.is_some_and(|hooks| hooks.iter().any(|hook| hook == name))
        };
        match family {
            Family::Python if self.hooks.is_some() => {
                file.line("ENV", "PYTHONPATH=/opt/hooks${PYTHONPATH:+:$PYTHONPATH}");
            }
            Family::Nodejs if holds("preload.js") => {
                file.line("ENV", "NODE_OPTIONS=\"--require /opt/hooks/preload.js\"");
            }
            Family::Java if holds("agent.jar") => {
                file.line(
                    "ENV",
                    "JAVA_TOOL_OPTIONS=\"-javaagent:/opt/hooks/agent.jar\"",
                );
            }
            Family::Python
            | Family::Nodejs
            | Family::Java
            | Family::Ruby
            | Family::Dotnet
            | Family::Go
            | Family::Provided => {}
        }
    }
}

/// A text as JSON, with every sign escaped that some reader takes for the end of a line.
fn json_text(text: &str) -> String {
    let mut json = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            json.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            json.push(c);
        }
    }
    json
}

/// A text in which Docker sees no variable, quote or escape.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for c in text.chars() {
        if matches!(c, '$' | '\\' | '"' | '\'') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

#[cfg(test)]
mod tests;
