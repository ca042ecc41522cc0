//! The programs of the host that an engine and a stack need, and the Debian packages that bring them.
//!
//! Here: finding them, installing what is missing when we may. Not here: starting anything.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::command::{self, CommandError, find_program};

/// Why the host lacks what is needed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Something is missing and we may not install it.
    #[error(
        "missing: {missing}; install the packages {packages} (Debian, Ubuntu) or what your system calls them, \
         or run this as root on Debian or Ubuntu"
    )]
    Missing {
        /// Programs.
        missing: String,
        /// Packages that bring them.
        packages: String,
    },
    /// Installing failed.
    #[error("cannot install the packages {packages}")]
    Install {
        /// Packages.
        packages: String,
        /// What `apt-get` said.
        #[source]
        source: CommandError,
    },
    /// The lock that keeps two installations apart could not be taken.
    #[error("cannot lock `{path}`")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// A program, by what it is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The engine.
    Dockerd,
    /// Its command line.
    Docker,
    /// Compose, as a plugin or on its own.
    Compose,
    /// The registry, copied into an image.
    Registry,
    /// The shell of function images: busybox without shared libraries.
    Busybox,
    /// What a stack in containerd mode runs functions with, copied into an image.
    Containerd,
    /// Its client.
    Ctr,
    /// Its process beside each container.
    Shim,
    /// What makes its containers.
    Runc,
    /// Brings up the loopback of an engine of ours.
    Ip,
    /// Gives an engine of ours a network namespace.
    Unshare,
    /// Runs the services of a stack that are written in Python.
    Python,
    /// Downloads their packages.
    Pip,
    /// Runs functions that are written for Node.js.
    Node,
    /// Installs what they depend on.
    Npm,
    /// Shows the system calls of a deploy to a test.
    Strace,
}

impl Tool {
    /// What a stack needs on any engine.
    pub(crate) const FOR_STACK: [Self; 4] =
        [Self::Docker, Self::Compose, Self::Registry, Self::Busybox];

    /// What an engine of our own and a stack on it need.
    pub(crate) const FOR_ENGINE_AND_STACK: [Self; 7] = [
        Self::Dockerd,
        Self::Ip,
        Self::Unshare,
        Self::Docker,
        Self::Compose,
        Self::Registry,
        Self::Busybox,
    ];

    /// What functions run with in containerd mode.
    pub(crate) const FOR_CONTAINERD: [Self; 4] =
        [Self::Containerd, Self::Ctr, Self::Shim, Self::Runc];

    fn name(self) -> &'static str {
        match self {
            Self::Dockerd => "dockerd",
            Self::Docker => "docker",
            Self::Compose => "docker-compose",
            Self::Registry => "docker-registry",
            Self::Busybox => "busybox (static)",
            Self::Containerd => "containerd",
            Self::Ctr => "ctr",
            Self::Shim => "containerd-shim-runc-v2",
            Self::Runc => "runc",
            Self::Ip => "ip",
            Self::Unshare => "unshare",
            Self::Python => "python3",
            Self::Pip => "pip",
            Self::Node => "node",
            Self::Npm => "npm",
            Self::Strace => "strace",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Dockerd | Self::Docker => "docker.io",
            Self::Compose => "docker-compose",
            Self::Registry => "docker-registry",
            Self::Busybox => "busybox-static",
            Self::Containerd | Self::Ctr | Self::Shim => "containerd",
            Self::Runc => "runc",
            Self::Ip => "iproute2",
            Self::Unshare => "util-linux",
            Self::Python => "python3",
            Self::Pip => "python3-pip",
            Self::Node => "nodejs",
            Self::Npm => "npm",
            Self::Strace => "strace",
        }
    }

    /// Where the program is.
    pub(crate) fn find(self) -> Option<PathBuf> {
        match self {
            Self::Dockerd
            | Self::Docker
            | Self::Registry
            | Self::Containerd
            | Self::Ctr
            | Self::Shim
            | Self::Runc
            | Self::Ip
            | Self::Unshare
            | Self::Node
            | Self::Npm
            | Self::Strace => find_program(self.name()),
            // Another interpreter on the path has its library elsewhere.
            Self::Python => Some(PathBuf::from(SYSTEM_PYTHON)).filter(|path| path.is_file()),
            Self::Pip => Self::find_pip(),
            Self::Compose => compose_plugin().or_else(|| find_program(self.name())),
            Self::Busybox => find_program("busybox").filter(|path| is_static(path)),
        }
    }
}

impl Tool {
    /// Pip is a module of the interpreter.
    fn find_pip() -> Option<PathBuf> {
        let asked = command::output(Command::new(SYSTEM_PYTHON).args(["-m", "pip", "--version"]));
        asked.ok()?.status.success().then(|| SYSTEM_PYTHON.into())
    }

    /// Where the program is, or what to install.
    pub(crate) fn locate(self) -> Result<PathBuf, PackageError> {
        self.find().ok_or_else(|| lack(&[self]))
    }
}

/// Where `strace` is; it is installed first when it is missing and we may.
pub fn strace() -> Result<PathBuf, PackageError> {
    ensure(&[Tool::Strace])?;
    Tool::Strace.locate()
}

/// The `docker` program when it has the Compose plugin.
pub(crate) fn compose_plugin() -> Option<PathBuf> {
    let docker = find_program("docker")?;
    let asked = command::output(Command::new(&docker).args(["compose", "version"])).ok()?;
    asked.status.success().then_some(docker)
}

/// Sees to it that all of these programs are there.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), PackageError> {
    let lacking = || {
        let missing = tools.iter().copied().filter(|tool| tool.find().is_none());
        missing.collect::<Vec<_>>()
    };
    ensure_with(&|| match lacking().as_slice() {
        [] => None,
        missing => Some((packages(missing), lack(missing))),
    })
}

/// Sees to it that all of these packages are installed.
pub(crate) fn ensure_installed(wanted: &[&'static str]) -> Result<(), PackageError> {
    ensure_with(&|| {
        let missing: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|name| !is_installed(name))
            .collect();
        let names = missing.join(" ");
        (!missing.is_empty()).then(|| {
            let lack = PackageError::Missing {
                missing: names.clone(),
                packages: names,
            };
            (missing, lack)
        })
    })
}

fn is_installed(package: &str) -> bool {
    let mut ask = Command::new("dpkg-query");
    ask.args(["--show", "--showformat", "${db:Status-Status}", package]);
    command::run(&mut ask).is_ok_and(|status| status.starts_with("installed"))
}

/// Installs what is missing, for as long as something is. `lacking` says which packages, and what to tell where we may not.
fn ensure_with(
    lacking: &dyn Fn() -> Option<(Vec<&'static str>, PackageError)>,
) -> Result<(), PackageError> {
    // Threads of one process wait here, other processes at the file below.
    static INSTALLING: Mutex<()> = Mutex::new(());
    if lacking().is_none() {
        return Ok(());
    }
    let _thread = INSTALLING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = std::env::temp_dir().join("e2e-packages.lock");
    let lock_error = |source| PackageError::Lock {
        path: path.clone(),
        source,
    };
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(lock_error)?;
    lock.lock().map_err(lock_error)?;
    let Some((missing, lack)) = lacking() else {
        return Ok(());
    };
    install(&missing, lack)?;
    match lacking() {
        None => Ok(()),
        Some((_, lack)) => Err(lack),
    }
}

fn install(packages: &[&str], lack: PackageError) -> Result<(), PackageError> {
    let Some(apt) = find_program("apt-get").filter(|_| is_root()) else {
        return Err(lack);
    };
    let failed = |source| PackageError::Install {
        packages: packages.join(" "),
        source,
    };
    let apt = || {
        let mut command = Command::new(&apt);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    tell(&format!("installing the packages {}", packages.join(" ")));
    command::run(apt().arg("update")).map_err(failed)?;
    let mut install = apt();
    install.args(["install", "-y", "--no-install-recommends"]);
    command::run(install.args(packages)).map_err(failed)?;
    Ok(())
}

#[expect(
    clippy::print_stderr,
    reason = "minutes may pass in silence, and a system is changed"
)]
fn tell(message: &str) {
    eprintln!("{message}");
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn packages(missing: &[Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|tool| tool.package()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn lack(missing: &[Tool]) -> PackageError {
    let names: Vec<_> = missing.iter().map(|tool| tool.name()).collect();
    PackageError::Missing {
        missing: names.join(", "),
        packages: packages(missing).join(" "),
    }
}

/// Says whether a 64-bit little-endian ELF program asks for no dynamic loader (has no `PT_INTERP` header).
fn is_static(path: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let Ok(file) = std::fs::read(path) else {
        return false;
    };
    let word = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let headers = || -> Option<Vec<u32>> {
        if !file.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let start = usize::try_from(u64::from_le_bytes(file.get(32..40)?.try_into().ok()?)).ok()?;
        let (size, count) = (usize::from(word(54)?), usize::from(word(56)?));
        (0..count)
            .map(|index| {
                let at = start.checked_add(index * size)?;
                let kind = file.get(at..at.checked_add(4)?)?;
                Some(u32::from_le_bytes(kind.try_into().ok()?))
            })
            .collect()
    };
    headers().is_some_and(|kinds| !kinds.contains(&PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_without_a_loader_is_static() {
        assert!(!is_static(&std::env::current_exe().unwrap()));
        assert!(!is_static(Path::new(env!("CARGO_MANIFEST_PATH"))));
        assert!(!is_static(Path::new("/nowhere")));
    }

    #[test]
    fn what_is_missing_is_named_with_each_package_once() {
        let message = lack(&[Tool::Docker, Tool::Dockerd, Tool::Busybox]).to_string();
        assert!(
            message.contains("docker, dockerd, busybox (static)"),
            "{message}"
        );
        assert!(message.contains("busybox-static docker.io"), "{message}");
    }
}
