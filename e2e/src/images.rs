//! Images from scratch.
//!
//! Here: a build context in memory and `docker build`, and the images of the stack made with them.
//! Not here: running them (`stack`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, CommandError};
use crate::engine::{LABEL_RUN, TestEngine};
use crate::packages::{self, PackageError, Tool};
use crate::python::{self, PythonError};
use crate::services::{self, ServicesError};
use crate::workspace;

const REGISTRY_SETTINGS: &str = "version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: /data }
  delete: { enabled: true }
http: { addr: \":5000\" }
";

/// Root and state lie apart from those of any other containerd, and nothing but functions uses it.
const CONTAINERD_SETTINGS: &str = "version = 2
root = \"/var/lib/containerd\"
state = \"/run/containerd\"
disabled_plugins = [\"io.containerd.grpc.v1.cri\"]
[grpc]
address = \"/run/containerd/containerd.sock\"
[debug]
level = \"warn\"
";

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A program of the host is missing.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The services could not be built.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// There is no Python for the services that need it.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// `docker` or a tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be put into the context.
    #[error("cannot add `{path}` to a build context")]
    Context {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A build context in memory.
pub struct BuildContext {
    tar: tar::Builder<Vec<u8>>,
}

impl BuildContext {
    /// A context that holds a Dockerfile.
    pub fn new(dockerfile: &str) -> Result<Self, ImageError> {
        let mut context = Self {
            tar: tar::Builder::new(Vec::new()),
        };
        context.add("Dockerfile", dockerfile.as_bytes(), 0o644)?;
        Ok(context)
    }

    /// Adds a file.
    pub fn add(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), ImageError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        let added = self.tar.append_data(&mut header, path, content);
        added.map_err(|source| failed(Path::new(path), source))
    }

    /// Adds a program of the host.
    pub fn add_program(&mut self, path: &str, from: &Path) -> Result<(), ImageError> {
        let content = std::fs::read(from).map_err(|source| failed(from, source))?;
        self.add(path, &content, 0o755)
    }

    /// Adds a folder of the host with what `wanted` says yes to. Times stay, by which Python knows what it has compiled.
    pub(crate) fn add_folder(
        &mut self,
        path: &str,
        from: &Path,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<(), ImageError> {
        for entry in std::fs::read_dir(from).map_err(|source| failed(from, source))? {
            let entry = entry.map_err(|source| failed(from, source))?.path();
            let Some(name) = entry.file_name().filter(|_| wanted(&entry)) else {
                continue;
            };
            let inside = format!("{path}/{}", name.to_string_lossy());
            if entry.is_dir() {
                self.add_folder(&inside, &entry, wanted)?;
            } else if entry.is_file() {
                let added = self.tar.append_path_with_name(&entry, &inside);
                added.map_err(|source| failed(&entry, source))?;
            }
        }
        Ok(())
    }

    /// Adds libraries of the host below `rootfs`, where they are on the host.
    fn add_libraries(&mut self, libraries: &BTreeSet<PathBuf>) -> Result<(), ImageError> {
        for library in libraries {
            self.add_program(&format!("rootfs{}", library.display()), library)?;
        }
        Ok(())
    }

    /// Adds a symbolic link.
    pub fn add_link(&mut self, path: &str, to: &str) -> Result<(), ImageError> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        let added = self.tar.append_link(&mut header, path, to);
        added.map_err(|source| failed(Path::new(path), source))
    }

    /// The context as the tar archive that the engine takes.
    pub fn into_tar(self) -> Result<Vec<u8>, ImageError> {
        let tar = self.tar.into_inner();
        tar.map_err(|source| failed(Path::new("context.tar"), source))
    }

    /// Builds the image `reference` with these labels, and the label of our run.
    ///
    /// Steps of other runs are not taken from the engine's cache: a run that ends removes its images, and the classic builder fails
    /// where a step that it has just found is gone.
    pub fn build(
        self,
        engine: &TestEngine,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), ImageError> {
        let tar = self.into_tar()?;
        let mut build = engine.docker();
        build.args(["build", "--quiet", "--no-cache", "--tag", reference]);
        build.args(["--label", &format!("{LABEL_RUN}={}", engine.run_id())]);
        for (name, value) in labels {
            build.args(["--label", &format!("{name}={value}")]);
        }
        command::run_with_input(build.arg("-"), &tar)?;
        Ok(())
    }
}

fn failed(path: &Path, source: std::io::Error) -> ImageError {
    ImageError::Context {
        path: path.to_owned(),
        source,
    }
}

/// Builds the image that the services of every stack start from, and gives its reference.
pub(crate) fn build_services(engine: &TestEngine) -> Result<String, ImageError> {
    let reference = format!("esb-services:{}", engine.run_id());
    let binary = services::build()?;
    let mut context = BuildContext::new("FROM scratch\nCOPY stack /stack\n")?;
    context.add_program("stack", &binary)?;
    context.build(engine, &reference, &BTreeMap::new())?;
    Ok(reference)
}

/// Builds one service of the stack from the image of all.
pub(crate) fn build_service(
    engine: &TestEngine,
    services: &str,
    program: &str,
    reference: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), ImageError> {
    let dockerfile = format!("FROM {services}\nENTRYPOINT [\"/stack\", \"{program}\"]\n");
    BuildContext::new(&dockerfile)?.build(engine, reference, labels)
}

/// Builds the databases and buckets of a stack: moto's server.
pub(crate) fn build_storage(engine: &TestEngine, reference: &str) -> Result<(), ImageError> {
    let base = python::build_base(engine)?;
    let dockerfile = format!("FROM {base}\nENTRYPOINT [\"python3\", \"-m\", \"moto.server\"]\n");
    BuildContext::new(&dockerfile)?.build(engine, reference, &BTreeMap::new())
}

/// Builds a service that is written in Python; `fixtures/stack/services` has them all.
pub(crate) fn build_python_service(
    engine: &TestEngine,
    program: &str,
    reference: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), ImageError> {
    let base = python::build_base(engine)?;
    let mut context = BuildContext::new(&format!(
        "FROM {base}\nCOPY services/ /services/\nENTRYPOINT [\"python3\", \"/services/{program}.py\"]\n"
    ))?;
    let services = workspace::fixture("stack/services");
    let is_program = |path: &Path| path.extension().is_some_and(|extension| extension == "py");
    context.add_folder("services", &services, &is_program)?;
    context.build(engine, reference, labels)
}

/// Builds the lambda base: the function runtime and busybox, with `/bin/sh` and all its other names.
pub(crate) fn build_lambda_base(
    engine: &TestEngine,
    services: &str,
    reference: &str,
) -> Result<(), ImageError> {
    let busybox = Tool::Busybox.locate()?;
    let mut context = BuildContext::new(&format!(
        "FROM {services}\nCOPY rootfs/ /\nWORKDIR /var/task\nENTRYPOINT [\"/stack\", \"runtime\"]\n"
    ))?;
    context.add_program("rootfs/bin/busybox", &busybox)?;
    let applets = command::run(Command::new(&busybox).arg("--list"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        context.add_link(&format!("rootfs/bin/{applet}"), "busybox")?;
    }
    context.add("rootfs/tmp/.keep", b"", 0o644)?;
    context.build(engine, reference, &BTreeMap::new())
}

/// Builds the image that the runtime-node starts from, the services beside a containerd, and gives its reference.
pub(crate) fn build_containerd(engine: &TestEngine, services: &str) -> Result<String, ImageError> {
    packages::ensure(&Tool::FOR_CONTAINERD)?;
    let reference = format!("esb-containerd:{}", engine.run_id());
    let mut context = BuildContext::new(&format!(
        "FROM {services}\nCOPY rootfs/ /\nENV PATH=/bin\nVOLUME /var/lib/containerd\n"
    ))?;
    let mut linked = BTreeSet::new();
    for tool in Tool::FOR_CONTAINERD {
        let program = tool.locate()?;
        // Clients and shims are looked for by name.
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        context.add_program(&format!("rootfs/bin/{name}"), &program)?;
        linked.extend(libraries(&program)?);
    }
    context.add_libraries(&linked)?;
    let settings = "rootfs/etc/containerd/config.toml";
    context.add(settings, CONTAINERD_SETTINGS.as_bytes(), 0o644)?;
    context.add("rootfs/tmp/.keep", b"", 0o644)?;
    context.build(engine, &reference, &BTreeMap::new())?;
    Ok(reference)
}

/// Builds the registry from the host's `docker-registry` with the libraries it is linked to.
pub(crate) fn build_registry(engine: &TestEngine, reference: &str) -> Result<(), ImageError> {
    let program = Tool::Registry.locate()?;
    let mut context = BuildContext::new(
        "FROM scratch\nCOPY rootfs/ /\nVOLUME /data\n\
         ENTRYPOINT [\"/docker-registry\", \"serve\", \"/registry.yml\"]\n",
    )?;
    context.add_program("rootfs/docker-registry", &program)?;
    context.add("rootfs/registry.yml", REGISTRY_SETTINGS.as_bytes(), 0o644)?;
    context.add_libraries(&libraries(&program)?)?;
    context.build(engine, reference, &BTreeMap::new())
}

/// The shared libraries and the loader of a program, as `ldd` lists them; none for a static one.
pub(crate) fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>, ImageError> {
    let listed = command::output(Command::new("ldd").arg(program))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}
