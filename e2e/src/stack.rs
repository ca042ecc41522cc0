//! A running stack under Compose.
//!
//! Here: bringing it up, calling it, taking it down. Not here: its parameters (`parameters`), its images (`images`), the
//! containers of its functions (`functions`), the engine, what is deployed onto it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use crate::command::{self, CommandError};
use crate::engine::{LABEL_RUN, TestEngine};
use crate::http::{self, Reply};
use crate::images::{self, ImageError};
use crate::workspace;

pub use crate::parameters::{RunnerMode, StackOptions};

/// The registry as the stack, and so `functions.yml`, names it.
pub const CONTAINER_REGISTRY: &str = "registry:5000";

const UP_LIMIT: Duration = Duration::from_secs(30);
const UP_PAUSE: Duration = Duration::from_millis(20);
const UP_ATTEMPTS: u32 = 3;

/// Why a stack is not up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// An image could not be made.
    #[error("cannot make the images of the stack")]
    Image(#[from] ImageError),
    /// `docker` or Compose failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A folder, a file or a port could not be had.
    #[error("cannot {what}")]
    Prepare {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A service does not answer.
    #[error("no answer from the {service} within {} s:\n{log}", limit.as_secs())]
    Silent {
        /// Which one.
        service: &'static str,
        /// How long we waited.
        limit: Duration,
        /// What the containers logged.
        log: String,
    },
}

/// A stack that is up. Dropping it takes it down, with its volumes.
#[derive(Debug)]
pub struct Stack<'engine> {
    engine: &'engine TestEngine,
    project: String,
    options: StackOptions,
    registry_port: u16,
    gateway_port: u16,
    storage_port: u16,
    folder: tempfile::TempDir,
    /// Whether a drop leaves it as it is.
    stays: bool,
}

impl<'engine> Stack<'engine> {
    /// Builds the images, starts the services, pushes the lambda base and waits until the gateway answers.
    pub fn up(engine: &'engine TestEngine, options: StackOptions) -> Result<Self, StackError> {
        let project = options.project.clone().unwrap_or_else(unique_project);
        let folder = tempfile::Builder::new()
            .prefix("stack-")
            .tempdir_in(engine.folder())
            .map_err(prepare("make a folder for the stack"))?;
        let config_dir = folder.path().join("config");
        std::fs::create_dir(&config_dir).map_err(prepare("make its configuration folder"))?;
        std::fs::write(folder.path().join("gateway.env"), options.gateway_env())
            .map_err(prepare("write the environment of the gateway"))?;
        let [registry_port, gateway_port, storage_port] = free_ports()?;
        let mut stack = Self {
            engine,
            project,
            options,
            registry_port,
            gateway_port,
            storage_port,
            folder,
            stays: false,
        };
        stack.build_images()?;
        stack.start()?;
        stack.push_lambda_base()?;
        stack.wait_until_up()?;
        Ok(stack)
    }

    /// Waits until registry and gateway answer, and whoever runs functions answers the gateway.
    pub fn wait_until_up(&self) -> Result<(), StackError> {
        self.wait_for("registry", self.registry_port, "/v2/")?;
        self.wait_for("gateway", self.gateway_port, "/health")
    }

    /// Leaves the stack up and its folder in place, for as long as the engine's watchdog does.
    pub fn leave(mut self) {
        self.stays = true;
        self.folder.disable_cleanup(true);
    }

    /// Builds every image, side by side: they share the services only.
    fn build_images(&self) -> Result<(), StackError> {
        let engine = self.engine;
        let services = images::build_services(engine)?;
        let labels = self.options.image_labels();
        let build = |base: &str, name: &str, program: &str| {
            images::build_service(engine, base, program, &self.image(name), &labels)
        };
        let python = |name: &str, labels: &BTreeMap<String, String>| {
            images::build_python_service(engine, name, &self.image(name), labels)
        };
        let (mode, runner) = (self.options.mode, self.options.mode.runner());
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let building = [
                scope.spawn(|| images::build_registry(engine, &self.registry_image())),
                scope.spawn(|| images::build_lambda_base(engine, &services, &self.lambda_base())),
                scope.spawn(|| python("gateway", &labels)),
                scope.spawn(|| python("provisioner", &labels)),
                scope.spawn(|| images::build_storage(engine, &self.storage_image())),
                scope.spawn(|| match mode {
                    RunnerMode::Docker => build(&services, runner, runner),
                    RunnerMode::Containerd => build(
                        &images::build_containerd(engine, &services)?,
                        runner,
                        runner,
                    ),
                }),
            ];
            building.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for outcome in outcomes {
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }

    /// Starts the services. Free ports are found by asking for one and giving it back, so another process may take it
    /// in between: then others are tried.
    fn start(&mut self) -> Result<(), StackError> {
        for attempt in 1..=UP_ATTEMPTS {
            std::fs::write(self.env_file(), self.env_text())
                .map_err(prepare("write the env file"))?;
            match command::run(self.compose().args(["up", "-d"])) {
                Ok(_) => break,
                Err(CommandError::Failed { output, .. })
                    if attempt < UP_ATTEMPTS && output.contains("address already in use") =>
                {
                    [self.registry_port, self.gateway_port, self.storage_port] = free_ports()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.wait_for("registry", self.registry_port, "/v2/")
    }

    /// The port of the registry is known for good only when it runs, so the base gets its name there last.
    fn push_lambda_base(&self) -> Result<(), StackError> {
        let reference = self.host_image("esb-lambda-base", &self.options.version);
        let mut tag = self.engine.docker();
        command::run(tag.args(["tag", &self.lambda_base(), &reference]))?;
        command::run(self.engine.docker().args(["push", "--quiet", &reference]))?;
        Ok(())
    }

    fn wait_for(&self, service: &'static str, port: u16, path: &str) -> Result<(), StackError> {
        let deadline = Instant::now() + UP_LIMIT;
        while Instant::now() < deadline {
            if http::call(port, "GET", path, "").is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            std::thread::sleep(UP_PAUSE);
        }
        Err(StackError::Silent {
            service,
            limit: UP_LIMIT,
            log: self.logs(),
        })
    }

    /// Replaces the gateway by one of another release, as somebody does who upgrades a stack service by service.
    pub fn replace_gateway(&self, version: &str) -> Result<(), StackError> {
        let (prefix, suffix) = (self.image_prefix(), self.options.mode.image_suffix());
        let image = format!("{prefix}esb-gateway{suffix}:{version}");
        let mut build = self.engine.docker();
        build.args(["build", "--quiet", "--tag", &image]);
        build.args(["--label", &format!("com.esb.version={version}"), "-"]);
        let dockerfile = format!("FROM {}\n", self.image("gateway"));
        command::run_with_input(&mut build, dockerfile.as_bytes())?;
        let mut up = self.compose();
        up.env("ESB_VERSION", version);
        command::run(up.args(["up", "--detach", "--no-deps", "gateway"]))?;
        Ok(())
    }

    /// What the services have logged, for messages of failed tests.
    pub fn logs(&self) -> String {
        let logs = command::run(self.compose().args(["logs", "--no-color", "--tail", "30"]));
        logs.unwrap_or_else(|error| error.to_string())
    }

    /// Calls the gateway.
    pub fn call(&self, method: &str, path: &str, body: &str) -> std::io::Result<Reply> {
        http::call(self.gateway_port, method, path, body)
    }

    /// Takes the stack down: functions, services, network, volumes.
    pub fn down(mut self) -> Result<(), StackError> {
        self.stays = true;
        self.remove()
    }

    fn remove(&self) -> Result<(), StackError> {
        let mut down = self.compose();
        command::run(down.args(["down", "--volumes", "--remove-orphans", "--timeout", "5"]))?;
        for image in self.images_of_ours()? {
            // Its name only: another stack may have the same image under a name of its own. The last name of a
            // repository takes those with it that have a digest and no tag.
            let mut remove = self.engine.docker();
            match command::run(remove.args(["image", "rm", &image])) {
                Err(CommandError::Failed { output, .. }) if output.contains("No such image") => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// The names of this stack's images and of those in its registry. A name alone is no proof that an image is ours: the
    /// label of the run is, which functions have from the lambda base.
    fn images_of_ours(&self) -> Result<BTreeSet<String>, StackError> {
        let ours = format!("label={LABEL_RUN}={}", self.engine.run_id());
        let names = [
            format!("reference={}*", self.image_prefix()),
            format!("reference={}/*", self.host_registry()),
            format!("reference={}/*/*", self.host_registry()),
        ];
        let mut list = self.engine.docker();
        // Without the flag a name that has no tag shows no digest either.
        list.args(["image", "ls", "--digests", "--filter", &ours]);
        list.args(["--format", "{{.Repository}} {{.Tag}} {{.Digest}}"]);
        list.args(names.iter().flat_map(|name| ["--filter", name]));
        let listed = command::run(&mut list)?;
        let names = listed.lines().filter_map(|line| {
            let (repository, version) = line.split_once(' ')?;
            let (tag, digest) = version.split_once(' ')?;
            Some(match tag {
                "<none>" => format!("{repository}@{digest}"),
                tag => format!("{repository}:{tag}"),
            })
        });
        Ok(names.collect())
    }

    /// The Compose command line for this stack, with every profile that is up.
    pub fn compose(&self) -> Command {
        let mut compose = self.engine.compose();
        compose
            .arg("--file")
            .arg(self.compose_file())
            .args(["--project-name", &self.project])
            .arg("--env-file")
            .arg(self.env_file())
            .args(["--profile", self.options.mode.name()]);
        compose
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &'engine TestEngine {
        self.engine
    }

    /// Who runs its functions.
    pub fn mode(&self) -> RunnerMode {
        self.options.mode
    }

    /// The release of the stack.
    pub fn version(&self) -> &str {
        &self.options.version
    }

    /// The Compose project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The folder that a deploy publishes into, its `--out`.
    pub fn config_dir(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The Compose file.
    pub fn compose_file(&self) -> PathBuf {
        workspace::fixture("stack/compose.yml")
    }

    /// The env file of the Compose file.
    pub fn env_file(&self) -> PathBuf {
        self.folder.path().join("stack.env")
    }

    /// The port of the gateway on this host.
    pub fn gateway_port(&self) -> u16 {
        self.gateway_port
    }

    /// The registry as this host, and so the engine, sees it.
    pub fn host_registry(&self) -> String {
        format!("127.0.0.1:{}", self.registry_port)
    }

    /// The port of the registry on this host.
    pub fn registry_port(&self) -> u16 {
        self.registry_port
    }

    /// The port of the databases and buckets on this host.
    pub fn storage_port(&self) -> u16 {
        self.storage_port
    }

    /// A reference in the registry, as this host sees it.
    pub fn host_image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.host_registry())
    }

    /// The variables under which a deploy reaches this stack.
    pub fn deploy_env(&self) -> [(&'static str, String); 3] {
        [
            ("DOCKER_HOST", self.engine.docker_host()),
            ("CONTAINER_REGISTRY", CONTAINER_REGISTRY.to_owned()),
            ("HOST_REGISTRY_ADDR", self.host_registry()),
        ]
    }

    /// The variables that the tutorial (docs/guide/tutorial.md) asks its reader for.
    pub fn reader_env(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.deploy_env().to_vec();
        variables.extend([
            ("STACK_PROJECT", self.project.clone()),
            ("STACK_CONFIG", text(&self.config_dir())),
            (
                "STACK_GATEWAY",
                format!("http://127.0.0.1:{}", self.gateway_port),
            ),
        ]);
        variables
    }

    /// Images have a prefix of their own, so that stacks of one release do not share tags; the last part is the name.
    fn image_prefix(&self) -> String {
        format!("{}/", self.project)
    }

    fn image(&self, service: &str) -> String {
        let (prefix, suffix) = (self.image_prefix(), self.options.mode.image_suffix());
        format!("{prefix}esb-{service}{suffix}:{}", self.options.version)
    }

    fn lambda_base(&self) -> String {
        let version = &self.options.version;
        format!("{}esb-lambda-base:{version}", self.image_prefix())
    }

    fn registry_image(&self) -> String {
        format!("{}esb-registry:local", self.image_prefix())
    }

    fn storage_image(&self) -> String {
        format!("{}esb-storage:local", self.image_prefix())
    }

    fn env_text(&self) -> String {
        let variables = [
            ("ESB_RUN", self.engine.run_id().to_owned()),
            ("ESB_PROJECT", self.project.clone()),
            ("ESB_VERSION", self.options.version.clone()),
            ("ESB_IMAGE_PREFIX", self.image_prefix()),
            (
                "ESB_IMAGE_SUFFIX",
                self.options.mode.image_suffix().to_owned(),
            ),
            ("ESB_REGISTRY_IMAGE", self.registry_image()),
            ("ESB_STORAGE_IMAGE", self.storage_image()),
            ("ESB_REGISTRY_PORT", self.registry_port.to_string()),
            ("ESB_GATEWAY_PORT", self.gateway_port.to_string()),
            ("ESB_CONFIG_DIR", text(&self.config_dir())),
            ("ESB_STORAGE_PORT", self.storage_port.to_string()),
            (
                "ESB_GATEWAY_ENV",
                text(&self.folder.path().join("gateway.env")),
            ),
            (
                "ESB_SCHEDULE_SPEED",
                self.options.schedule_speed.to_string(),
            ),
            ("ESB_ENGINE_SOCKET", text(self.engine.socket())),
            ("CONTAINER_REGISTRY", CONTAINER_REGISTRY.to_owned()),
            ("HOST_REGISTRY_ADDR", self.host_registry()),
        ];
        let lines = variables.map(|(name, value)| format!("{name}={value}"));
        lines.join("\n") + "\n"
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = self.remove() {
            // Nothing is lost: the watchdog of the engine removes what carries the label of our run.
            tell(&format!("cannot take the stack down: {error}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a drop has no other way to speak")]
fn tell(message: &str) {
    eprintln!("{message}");
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn prepare(what: &'static str) -> impl FnOnce(std::io::Error) -> StackError {
    move |source| StackError::Prepare { what, source }
}

fn unique_project() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("esb-e2e-{}-{count}", std::process::id())
}

/// Three ports of the loopback address that nobody listens on at this moment.
fn free_ports() -> Result<[u16; 3], StackError> {
    let no_port = || prepare("find a free port");
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(no_port());
    let (first, second, third) = (bind()?, bind()?, bind()?);
    let port = |listener: &TcpListener| {
        let address = listener.local_addr().map_err(no_port());
        address.map(|address| address.port())
    };
    Ok([port(&first)?, port(&second)?, port(&third)?])
}
