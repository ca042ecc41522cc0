//! A Docker engine to test against: one that runs already, else one of our own.
//!
//! Here: finding, starting and stopping it, and command lines that talk to it. Not here: what runs on it (`stack`),
//! installing (`packages`), cleaning up after a sudden end (`watchdog`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal};

use crate::command::{self, CommandError, last_lines};
use crate::http;
use crate::namespace::{self, Network};
use crate::packages::{self, PackageError, Tool};
use crate::services::{self, ServicesError};
use crate::watchdog::{self, Watchdog};

/// Everything we make on an engine carries the id of our run under this label.
pub const LABEL_RUN: &str = "com.esb.e2e.run";

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const PING_LIMIT: Duration = Duration::from_secs(5);
const START_LIMIT: Duration = Duration::from_secs(40);
const START_PAUSE: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 15;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names something we cannot use.
    #[error(
        "`DOCKER_HOST` is `{0}`, but the agent of the stack needs a Unix socket; set it to `unix://<path>` or unset it"
    )]
    NotAUnixSocket(String),
    /// `DOCKER_HOST` names a socket on which nobody answers.
    #[error(
        "no engine answers at `{socket}`, which `DOCKER_HOST` names; start it, or unset `DOCKER_HOST`"
    )]
    NoAnswer {
        /// The socket.
        socket: PathBuf,
    },
    /// No engine runs and we may not start one.
    #[error(
        "no Docker engine runs, and starting one needs root; start one, or set `DOCKER_HOST`, or run this as root"
    )]
    NotRoot,
    /// A program is missing.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The program that publishes ports could not be built.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// A folder or a process could not be made.
    #[error("cannot {what}")]
    Prepare {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine we started did not come up.
    #[error("the engine did not come up within {} s; its log is kept at `{log}`, the last lines are:\n{lines}", limit.as_secs())]
    NotUp {
        /// How long we waited.
        limit: Duration,
        /// Where the log is.
        log: PathBuf,
        /// Its last lines.
        lines: String,
    },
}

/// How we came by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It ran already: only what carries our label is ever removed from it.
    Found,
    /// We started it, with everything it owns below the folder of our run.
    Started,
}

/// A running engine. Dropping it removes what we made, and stops it when we started it.
#[derive(Debug)]
pub struct TestEngine {
    socket: PathBuf,
    run: String,
    origin: Origin,
    folder: PathBuf,
    compose_plugin: bool,
    watchdog: Watchdog,
    /// The network namespace of one that we started.
    network: Option<Network>,
}

impl TestEngine {
    /// The engine of this process: found or started at the first call, given back when the process ends.
    ///
    /// # Panics
    /// When there is none and none can be started: tests without an engine fail, they are not skipped.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestEngine> = OnceLock::new();
        SHARED.get_or_init(|| match Self::obtain() {
            Ok(engine) => engine,
            Err(error) => panic!("{}", describe(&error)),
        })
    }

    /// Finds an engine, else starts one.
    pub fn obtain() -> Result<Self, EngineError> {
        match find()? {
            Some(socket) => Self::found(socket),
            None => Self::start(),
        }
    }

    fn found(socket: PathBuf) -> Result<Self, EngineError> {
        packages::ensure(&Tool::FOR_STACK)?;
        let (run, folder) = new_run()?;
        let watchdog = Watchdog::start(&socket, &run, &folder, &Origin::Found)
            .map_err(prepare("start `sh`"))?;
        Ok(Self {
            socket,
            run,
            origin: Origin::Found,
            folder,
            compose_plugin: packages::compose_plugin().is_some(),
            watchdog,
            network: None,
        })
    }

    /// Installs and builds what an engine of our own needs, and gives the program that publishes its ports.
    pub fn prepare() -> Result<PathBuf, EngineError> {
        if !packages::is_root() {
            return Err(EngineError::NotRoot);
        }
        packages::ensure(&Tool::FOR_ENGINE_AND_STACK)?;
        Ok(services::build()?)
    }

    /// Starts an engine of our own, beside any that runs already, in a network namespace of its own.
    pub fn start() -> Result<Self, EngineError> {
        let ports = Self::prepare()?;
        let (run, folder) = new_run()?;
        // The host's own settings must not mix with the options below.
        std::fs::write(folder.join("daemon.json"), "{}").map_err(prepare("write its settings"))?;
        std::os::unix::fs::symlink(ports, folder.join("ports"))
            .map_err(prepare("name the program that publishes its ports"))?;
        let socket = folder.join("docker.sock");
        let watchdog = Watchdog::start(&socket, &run, &folder, &Origin::Started)
            .map_err(prepare("start `sh`"))?;
        let mut engine = Self {
            socket,
            run,
            origin: Origin::Started,
            folder,
            compose_plugin: packages::compose_plugin().is_some(),
            watchdog,
            network: None,
        };
        engine.wait_until_up()?;
        let process = engine.process()?;
        engine.network = Some(Network::of(process).map_err(prepare("open its network"))?);
        Ok(engine)
    }

    /// Kills an engine that we started, as a crash would, and starts it again as it was. Its containers end with it.
    ///
    /// # Panics
    /// When the engine was found: it is not ours to kill.
    pub fn restart(&self) -> Result<(), EngineError> {
        assert_eq!(self.origin, Origin::Started, "another's engine stays");
        let network = self.network.as_ref().expect("an engine that we started");
        let command_line = std::fs::read(format!("/proc/{}/cmdline", self.process()?))
            .map_err(prepare("read its command line"))?;
        // An engine takes its own remains, of which the number may still be known, for one that runs.
        let of_containerd = self.folder.join("exec/containerd/containerd.pid");
        for remains in [self.folder.join("dockerd.pid"), of_containerd] {
            kill(&remains).map_err(prepare("kill it"))?;
        }
        let log = std::fs::File::options()
            .append(true)
            .open(self.folder.join("log"))
            .map_err(prepare("open its log"))?;
        let words = command_line.split(|byte| *byte == 0);
        let words: Vec<_> = words.map(OsStr::from_bytes).collect();
        let mut engine = Command::new(words[0]);
        engine
            .args(&words[1..words.len() - 1])
            .env("PATH", watchdog::path_with_administration())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(prepare("open its log"))?)
            .stderr(log)
            .process_group(0);
        let child = network
            .within(|| engine.spawn())
            .map_err(prepare("start it again"))?;
        std::fs::write(self.folder.join("pid"), format!("{}\n", child.id()))
            .map_err(prepare("write its process id"))?;
        self.wait_until_up()
    }

    /// The process of an engine that we started.
    fn process(&self) -> Result<u32, EngineError> {
        let text = std::fs::read_to_string(self.folder.join("pid"));
        let text = text.map_err(prepare("read its process id"))?;
        let parsed = text.trim_end().parse();
        parsed.map_err(|_| prepare("read its process id")(std::io::ErrorKind::InvalidData.into()))
    }

    /// Listens on a free port of the loopback address, as this host and as the engine know it.
    pub fn listen(&self) -> std::io::Result<Vec<std::net::TcpListener>> {
        namespace::listen(self.network.as_ref())
    }

    /// Works in the network of the engine: for addresses that only the engine's machine knows, such as those of containers.
    pub fn within<T: Send>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        match &self.network {
            Some(network) => network.within(work),
            None => work(),
        }
    }

    fn wait_until_up(&self) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline && !ended(&self.folder.join("pid")) {
            if answers(&self.socket) {
                return Ok(());
            }
            std::thread::sleep(START_PAUSE);
        }
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let log = std::env::temp_dir().join(format!("{}.log", self.run));
        std::fs::write(&log, &text).map_err(prepare("keep the log of the engine"))?;
        Err(EngineError::NotUp {
            limit: START_LIMIT,
            log,
            lines: last_lines(&text, LOG_LINES),
        })
    }

    /// The engine's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The engine's address, for `DOCKER_HOST`.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The id of this run, under [`LABEL_RUN`] on everything we make.
    pub fn run_id(&self) -> &str {
        &self.run
    }

    /// The folder of this run, gone when the run is: for whatever containers mount.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How we came by it.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Leaves everything that this run has made, the engine included, and gives the process whose end takes it down.
    pub fn keep(self) -> Result<u32, EngineError> {
        let kept = self.watchdog.keep();
        kept.map_err(prepare("tell the watchdog to wait"))
    }

    /// The `docker` command line for this engine.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env_remove("DOCKER_CONTEXT")
            .args(["--host", &self.docker_host()]);
        command
    }

    /// The Compose command line for this engine: the plugin, else `docker-compose`.
    pub fn compose(&self) -> Command {
        if self.compose_plugin {
            let mut command = self.docker();
            command.arg("compose");
            return command;
        }
        let mut command = Command::new("docker-compose");
        command
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_HOST", self.docker_host());
        command
    }

    /// Versions of the engine, its API, the command line and Compose, one a line.
    pub fn versions(&self) -> Result<String, CommandError> {
        let format =
            "engine {{.Server.Version}} (API {{.Server.APIVersion}})\nclient {{.Client.Version}}";
        let engine = command::run(self.docker().args(["version", "--format", format]))?;
        let compose = command::run(self.compose().args(["version", "--short"]))?;
        Ok(format!("{}\ncompose {}", engine.trim(), compose.trim()))
    }
}

/// Looks for an engine that runs already.
fn find() -> Result<Option<PathBuf>, EngineError> {
    if let Ok(host) = std::env::var("DOCKER_HOST")
        && !host.is_empty()
    {
        let Some(socket) = host.strip_prefix("unix://").map(PathBuf::from) else {
            return Err(EngineError::NotAUnixSocket(host));
        };
        return if answers(&socket) {
            Ok(Some(socket))
        } else {
            Err(EngineError::NoAnswer { socket })
        };
    }
    let socket = PathBuf::from(DEFAULT_SOCKET);
    Ok(answers(&socket).then_some(socket))
}

fn answers(socket: &Path) -> bool {
    http::call_unix(socket, "GET", "/_ping", PING_LIMIT).is_ok_and(|reply| reply.status == 200)
}

/// Says whether the process that a file names is gone; one that is not written yet is not.
fn ended(pid_file: &Path) -> bool {
    let Ok(pid) = std::fs::read_to_string(pid_file) else {
        return false;
    };
    pid.strip_suffix('\n').is_some_and(is_gone)
}

fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Kills the process that a file names, waits until it is gone, and removes the file.
fn kill(pid_file: &Path) -> std::io::Result<()> {
    let text = std::fs::read_to_string(pid_file)?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    match rustix::process::kill_process(pid.ok_or(std::io::ErrorKind::InvalidData)?, Signal::KILL) {
        // It may have ended with the one that started it.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    while !is_gone(text.trim()) {
        std::thread::sleep(START_PAUSE);
    }
    std::fs::remove_file(pid_file)
}

fn prepare(what: &'static str) -> impl FnOnce(std::io::Error) -> EngineError {
    move |source| EngineError::Prepare { what, source }
}

fn since_epoch_ms() -> u128 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.unwrap_or_default().as_millis()
}

/// An id that no other run on this host has: process and time. Short, for it becomes part of a socket's path.
fn run_id() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!(
        "e2e-{:x}-{:x}-{count}",
        std::process::id(),
        since_epoch_ms()
    )
}

/// The id of a run, and its folder.
fn new_run() -> Result<(String, PathBuf), EngineError> {
    let run = run_id();
    let folder = std::env::temp_dir().join(&run);
    std::fs::create_dir(&folder).map_err(prepare("make a folder for this run"))?;
    Ok((run, folder))
}

/// An error and its causes, one a line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\ncaused by: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
