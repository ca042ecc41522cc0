//! Python with the packages of the stack's services, as an image.
//!
//! Here: Debian's interpreter and its library as they lie on the host, and packages of a list of requirements, downloaded once: those
//! of the services and the command line of SAM. Not here: the services (`images`).

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::command::{self, CommandError};
use crate::engine::TestEngine;
use crate::images::{BuildContext, ImageError, libraries};
use crate::packages::{self, PackageError, Tool};
use crate::workspace;

/// Where the packages lie in the image.
const PACKAGES: &str = "/opt/packages";

/// What of the library and of the packages no service needs, by the last parts of a path.
const LEFT_OUT: [&str; 8] = [
    "config-3.",
    "lib2to3",
    "pydoc_data",
    "idlelib",
    "tkinter",
    "moto/stepfunctions",
    "moto/ssm/resources",
    "moto/ec2/resources",
];

/// The descriptions of services that the packages read; there are three hundred others.
const DESCRIBED: [&str; 3] = ["dynamodb", "s3", "sts"];

/// Why there is no Python.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// A program of the host is missing.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// `pip` or the interpreter failed.
    #[error("cannot get the Python packages of the stack")]
    Command(#[from] CommandError),
    /// A file or folder could not be made.
    #[error("cannot use `{path}`")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The interpreter that has the packages of the services on its path; for tests that read a file as a service does.
pub fn command() -> Result<Command, PythonError> {
    let mut python = Command::new(interpreter()?);
    python.env("PYTHONPATH", packages_folder()?);
    Ok(python)
}

/// The system's interpreter: the image gets its library too.
fn interpreter() -> Result<PathBuf, PackageError> {
    packages::ensure(&[Tool::Python, Tool::Pip])?;
    Tool::Python.locate()
}

/// The interpreter with which SAM's own command line runs, `sam`, and what it is called for `Runtime`.
pub fn sam() -> Result<SamCli, PythonError> {
    let python = interpreter()?;
    let packages = downloaded(&workspace::fixture("runtimes/sam-cli.txt"))?;
    let ask = "import sys; print('python%d.%d' % sys.version_info[:2])";
    let runtime = command::run(Command::new(&python).args(["-I", "-c", ask]))?;
    Ok(SamCli {
        program: packages.join("bin/sam"),
        packages,
        runtime: runtime.trim().to_owned(),
    })
}

/// AWS's SAM CLI, which `pip` installed.
pub struct SamCli {
    /// The program.
    pub program: PathBuf,
    /// Its modules, for `PYTHONPATH`.
    pub packages: PathBuf,
    /// The runtime that it can build with the interpreter of this machine, such as `python3.11`.
    pub runtime: String,
}

/// The folder with the packages of the services.
fn packages_folder() -> Result<PathBuf, PythonError> {
    downloaded(&workspace::fixture("stack/services/requirements.txt"))
}

/// The folder with these packages. It is filled at the first call on this machine, and by one process at a time.
fn downloaded(requirements: &Path) -> Result<PathBuf, PythonError> {
    let python = interpreter()?;
    let wanted = std::fs::read(requirements).map_err(failed(requirements))?;
    let version = command::run(Command::new(&python).arg("--version"))?;
    let mut hasher = DefaultHasher::new();
    (wanted, version).hash(&mut hasher);
    let all = workspace::target_dir().join("e2e-python");
    let folder = all.join(format!("{:016x}", hasher.finish()));
    // It comes to be there as a whole.
    if folder.is_dir() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&all).map_err(failed(&all))?;
    let lock = all.join("lock");
    let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(failed(&lock))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let partial = all.join("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(failed(&partial))?;
    }
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ]);
    install.args(["--only-binary", ":all:", "--target"]);
    command::run(install.arg(&partial).arg("--requirement").arg(requirements))?;
    std::fs::rename(&partial, &folder).map_err(failed(&folder))?;
    Ok(folder)
}

/// Builds the image that the services written in Python start from, once for an engine, and gives its reference.
pub(crate) fn build_base(engine: &TestEngine) -> Result<String, ImageError> {
    static BUILDING: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut built = BUILDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(reference) = built.get(engine.run_id()) {
        return Ok(reference.clone());
    }
    let reference = format!("esb-python:{}", engine.run_id());
    let packages = packages_folder()?;
    let mut context = BuildContext::new(&format!(
        "FROM scratch\nCOPY library/ /\nCOPY packages/ {PACKAGES}/\n\
         ENV PYTHONPATH={PACKAGES} PYTHONDONTWRITEBYTECODE=1 PATH=/usr/bin\n"
    ))?;
    add_files(&mut context, "library", &packages)?;
    context.add_folder("packages", &packages, &is_needed)?;
    context.build(engine, &reference, &BTreeMap::new())?;
    built.insert(engine.run_id().to_owned(), reference.clone());
    Ok(reference)
}

/// Adds the interpreter, its library and pip below `root`, for functions.
pub(crate) fn add_interpreter(context: &mut BuildContext, root: &str) -> Result<(), ImageError> {
    let mut ask = Command::new(interpreter()?);
    ask.args([
        "-I",
        "-c",
        "import os, pip; print(os.path.dirname(pip.__file__))",
    ]);
    let pip = PathBuf::from(command::run(&mut ask)?.trim());
    context.add_link(&format!("{root}/usr/bin/python"), "python3")?;
    context.add_folder(&format!("{root}{}", pip.display()), &pip, &|_| true)?;
    add_files(context, root, &pip)
}

/// Adds the interpreter and its library below `root`, with the shared libraries that they and `packages` are linked to.
fn add_files(context: &mut BuildContext, root: &str, packages: &Path) -> Result<(), ImageError> {
    let python = interpreter()?;
    let program = std::fs::canonicalize(&python).map_err(failed(&python))?;
    let library = library(&program)?;
    let inside = |path: &Path| format!("{root}{}", path.display());
    context.add_program(&format!("{root}/usr/bin/python3"), &program)?;
    context.add(&format!("{root}/tmp/.keep"), b"", 0o644)?;
    context.add_folder(&inside(&library), &library, &is_needed)?;
    let mut linked = libraries(&program)?;
    let modules = shared_objects(&library).into_iter();
    for module in modules.chain(shared_objects(packages)) {
        linked.extend(libraries(&module)?);
    }
    linked.retain(|path| !path.starts_with(packages));
    for path in linked {
        context.add_program(&inside(&path), &path)?;
    }
    Ok(())
}

/// The folder of the interpreter's own modules.
fn library(program: &Path) -> Result<PathBuf, ImageError> {
    let mut ask = Command::new(program);
    ask.args(["-I", "-c", "import os; print(os.path.dirname(os.__file__))"]);
    Ok(PathBuf::from(command::run(&mut ask)?.trim()))
}

fn is_needed(path: &Path) -> bool {
    let text = path.to_string_lossy();
    if LEFT_OUT
        .iter()
        .any(|part| text.contains(&format!("/{part}")))
    {
        return false;
    }
    match text.split_once("/botocore/data/") {
        Some((_, of_service)) => of_service
            .split_once('/')
            .is_none_or(|(service, _)| DESCRIBED.contains(&service)),
        None => true,
    }
}

/// The modules that are written in C.
pub(crate) fn shared_objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(shared_objects(&path));
        } else if path.extension().is_some_and(|extension| extension == "so") {
            found.push(path);
        }
    }
    found
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> PythonError {
    let path = path.to_owned();
    move |source| PythonError::File { path, source }
}
