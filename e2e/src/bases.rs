//! Bases of functions in real languages, put together from what the host has.
//!
//! Here: the lambda base of the stack with an interpreter, its package manager, and a client that calls handlers
//! (`fixtures/runtimes/clients`). Not here: the functions, the runtime that starts the client (`stack/runtime.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::command;
use crate::images::{Context, ImageError, libraries};
use crate::packages::{self, Tool};
use crate::python;
use crate::stack::{CONTAINER_REGISTRY, Stack};
use crate::workspace;

/// Where the runtime looks for the program that calls handlers.
const CLIENT: &str = "rootfs/opt/runtime/client";
/// Debian's packages of modules for Node.js, npm and what it needs among them.
const DEBIAN_MODULES: &str = "/usr/share/nodejs";

/// A language that functions are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// With pip.
    Python,
    /// Node.js, with npm.
    Nodejs,
}

impl Language {
    /// The family of its runtimes, which `--base` names.
    pub fn family(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Nodejs => "nodejs",
        }
    }
}

impl Stack<'_> {
    /// Builds the base of a language, pushes it, and gives its name as the stack knows it.
    pub fn push_base(&self, language: Language) -> Result<String, ImageError> {
        let lambda = self.host_image("esb-lambda-base", self.version());
        let mut context = Context::new(&format!(
            "FROM {lambda}\nCOPY rootfs/ /\n\
             ENV PATH=/usr/bin:/bin HOME=/tmp NODE_PATH=/opt/nodejs/node_modules\n"
        ))?;
        let client = workspace::fixture("runtimes/clients").join(language.family());
        context.add_program(CLIENT, &client)?;
        // Scripts name it in their first line.
        context.add_link("rootfs/usr/bin/env", "/bin/busybox")?;
        match language {
            Language::Python => python::add_interpreter(&mut context, "rootfs")?,
            Language::Nodejs => add_nodejs(&mut context)?,
        }
        let name = format!("runtimes/{}", language.family());
        let reference = self.host_image(&name, "1");
        context.build(self.engine(), &reference, &BTreeMap::new())?;
        command::run(self.engine().docker().args(["push", "--quiet", &reference]))?;
        Ok(format!("{CONTAINER_REGISTRY}/{name}:1"))
    }
}

fn add_nodejs(context: &mut Context) -> Result<(), ImageError> {
    packages::ensure(&[Tool::Node, Tool::Npm])?;
    let (node, npm) = (Tool::Node.locate()?, real(&Tool::Npm.locate()?)?);
    context.add_program("rootfs/usr/bin/node", &node)?;
    for library in libraries(&node)? {
        context.add_program(&format!("rootfs{}", library.display()), &library)?;
    }
    // …/npm/bin/npm-cli.js
    let own = npm.ancestors().nth(2).unwrap_or(&npm);
    let debian = Path::new(DEBIAN_MODULES);
    let modules = if own.starts_with(debian) { debian } else { own };
    let inside = format!("rootfs{}", modules.display());
    context.add_folder(&inside, modules, &|_| true)?;
    context.add_link("rootfs/usr/bin/npm", &npm.to_string_lossy())
}

fn real(path: &Path) -> Result<PathBuf, ImageError> {
    std::fs::canonicalize(path).map_err(|source| ImageError::Context {
        path: path.to_owned(),
        source,
    })
}
