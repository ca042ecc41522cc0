//! Images of functions in real languages, put together from what the host has.
//!
//! Here: the bases that functions run on, which are the lambda base of the stack with an interpreter and a client that calls
//! handlers (`fixtures/runtimes/clients`). The images that their code is built in are in `builders`. Not here: the functions, the
//! runtime that starts the client (`stack/runtime.rs`).

mod builders;
mod java;
mod rootfs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use self::builders::Builder;
use self::rootfs::Rootfs;
use crate::command;
use crate::images::{BuildContext, ImageError, libraries};
use crate::packages::{self, Tool};
use crate::python;
use crate::stack::{CONTAINER_REGISTRY, Stack};
use crate::workspace;

/// Where the runtime looks for the program that calls handlers.
const CLIENT: &str = "rootfs/opt/runtime/client";
/// Debian's packages of modules for Node.js, npm and what it needs among them.
const DEBIAN_MODULES: &str = "/usr/share/nodejs";
/// What scripts name in their first line.
const ENV: &str = "rootfs/usr/bin/env";

/// A language that functions are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// With pip.
    Python,
    /// Node.js, with npm.
    Nodejs,
    /// A Java that runs classes and builds none.
    Java,
    /// With Bundler.
    Ruby,
    /// Programs that ask for their events themselves, with the C library.
    Provided,
}

impl Language {
    /// The family of its runtimes, which `--base` names.
    pub fn family(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Nodejs => "nodejs",
            Self::Java => "java",
            Self::Ruby => "ruby",
            Self::Provided => "provided",
        }
    }
}

impl Stack<'_> {
    /// Builds the base of a language when this process has not, pushes it, and gives its name as the stack knows it.
    pub fn push_base(&self, language: Language) -> Result<String, ImageError> {
        let name = format!("runtimes/{}", language.family());
        let reference = self.host_image(&name, "1");
        once(&reference, || {
            self.build_base(language, &reference)?;
            command::run(self.engine().docker().args(["push", "--quiet", &reference]))?;
            Ok(())
        })?;
        Ok(format!("{CONTAINER_REGISTRY}/{name}:1"))
    }

    fn build_base(&self, language: Language, reference: &str) -> Result<(), ImageError> {
        let lambda = self.host_image("esb-lambda-base", self.version());
        let from = match language {
            Language::Ruby => self.on_packages(reference, &lambda, vec!["ruby", "bundler"])?,
            // As Amazon Linux has them, which programs are built for.
            Language::Provided => {
                self.on_packages(reference, &lambda, vec!["libc6", "libgcc-s1"])?
            }
            Language::Python | Language::Nodejs | Language::Java => format!("FROM {lambda}"),
        };
        let mut context = BuildContext::new(&format!(
            "{from}\nCOPY rootfs/ /\n\
             ENV PATH=/usr/bin:/bin HOME=/tmp NODE_PATH=/opt/nodejs/node_modules\n"
        ))?;
        let client = workspace::fixture("runtimes/clients").join(language.family());
        context.add_program(CLIENT, &client)?;
        match language {
            Language::Python => {
                context.add_link(ENV, "/bin/busybox")?;
                python::add_interpreter(&mut context, "rootfs")?;
            }
            Language::Nodejs => {
                context.add_link(ENV, "/bin/busybox")?;
                add_nodejs(&mut context)?;
            }
            Language::Java => java::add_runtime(&mut context)?,
            Language::Ruby | Language::Provided => {}
        }
        context.build(self.engine(), reference, &BTreeMap::new())
    }
}

impl Stack<'_> {
    /// The first lines of a base on these packages, with what the lambda base has.
    fn on_packages(
        &self,
        reference: &str,
        lambda: &str,
        packages: Vec<&'static str>,
    ) -> Result<String, ImageError> {
        let files = format!("{reference}-files");
        let rootfs = Rootfs { packages };
        rootfs.import(self.engine(), &files)?;
        Ok(format!(
            "FROM {lambda} AS lambda\nFROM {files}\nCOPY --from=lambda /stack /stack\n\
             WORKDIR /var/task\nENTRYPOINT [\"/stack\", \"runtime\"]"
        ))
    }
}

/// Makes an image unless this process has.
fn once(reference: &str, make: impl FnOnce() -> Result<(), ImageError>) -> Result<(), ImageError> {
    static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if !made.contains(reference) {
        make()?;
        made.insert(reference.to_owned());
    }
    Ok(())
}

fn add_nodejs(context: &mut BuildContext) -> Result<(), ImageError> {
    packages::ensure(&[Tool::Node, Tool::Npm])?;
    let (node, npm) = (Tool::Node.locate()?, real(&Tool::Npm.locate()?)?);
    add_linked(context, "rootfs/usr/bin/node", &node)?;
    // …/npm/bin/npm-cli.js
    let own = npm.ancestors().nth(2).unwrap_or(&npm);
    let debian = Path::new(DEBIAN_MODULES);
    let modules = if own.starts_with(debian) { debian } else { own };
    let inside = format!("rootfs{}", modules.display());
    context.add_folder(&inside, modules, &|_| true)?;
    context.add_link(
        "rootfs/usr/bin/npx",
        &npm.with_file_name("npx-cli.js").to_string_lossy(),
    )?;
    context.add_link("rootfs/usr/bin/npm", &npm.to_string_lossy())
}

/// Adds a program of the host with the libraries that it is linked to.
fn add_linked(context: &mut BuildContext, path: &str, program: &Path) -> Result<(), ImageError> {
    context.add_program(path, program)?;
    for library in libraries(program)? {
        context.add_program(&format!("rootfs{}", library.display()), &library)?;
    }
    Ok(())
}

fn real(path: &Path) -> Result<PathBuf, ImageError> {
    std::fs::canonicalize(path).map_err(|source| ImageError::Context {
        path: path.to_owned(),
        source,
    })
}
