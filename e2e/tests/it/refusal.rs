//! What tests of refusals share: an artifact to spoil, a place to deploy it to, and what must be left as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use e2e::engine::TestEngine;
use e2e::stack::{Stack, StackOptions};
use e2e::{artifactctl, command, workspace};

/// Variables of whoever runs the tests that must not decide what is deployed.
const FOREIGN: [&str; 8] = [
    "ARTIFACTCTL_JOURNAL",
    "ARTIFACTCTL_LOG",
    "CONTAINER_REGISTRY",
    "HOST_REGISTRY_ADDR",
    "REGISTRY",
    "ESB_TAG",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
];

/// An engine that is not there: a command that gets as far as to ask for it ends with exit code 9.
pub(crate) const NO_ENGINE: &str = "unix:///nowhere/docker.sock";

/// The program, built once.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| artifactctl::build().unwrap())
}

/// A copy of the demo artifact, an output directory that somebody has filled, and no journal.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        copy(&workspace::fixture("artifact"), &bench.path("artifact"));
        fs::create_dir(bench.out()).unwrap();
        bench.write("out/functions.yml", "functions: {}\n# by hand\n");
        bench.write("out/notes.txt", "not ours\n");
        bench
    }

    /// The same with images in a repository of its own, for a deploy onto the shared stack: two deploys that push one
    /// image at the same time can disturb each other.
    pub(crate) fn with_images_of(repository: &str) -> Self {
        let bench = Self::new();
        let own = format!("registry:5000/{repository}/");
        for entry in ["svc-a", "svc-b"] {
            let functions = format!("artifact/{entry}/config/functions.yml");
            bench.edit(&functions, "registry:5000/shop/", &own);
        }
        bench
    }

    /// A path below the folder of the bench.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path("out")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    pub(crate) fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(relative), text).unwrap();
    }

    /// Replaces a text in a file; each occurrence.
    pub(crate) fn edit(&self, relative: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(relative)).unwrap();
        assert!(text.contains(from), "`{relative}` holds no `{from}`");
        self.write(relative, text.replace(from, to));
    }

    pub(crate) fn remove(&self, relative: &str) {
        fs::remove_file(self.path(relative)).unwrap();
    }

    /// A command line that reaches no engine; paths are relative to the folder of the bench.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// The command line of a deploy that reaches no engine.
    pub(crate) fn deploy(&self) -> Command {
        self.command(&DEPLOY)
    }

    /// The command line of a deploy onto a stack, into the output directory of the bench.
    pub(crate) fn deploy_onto(&self, stack: &Stack<'_>) -> Command {
        let mut command = self.deploy();
        command
            .args(["--compose-project", stack.project()])
            .envs(stack.deploy_env());
        command
    }

    /// Folder and environment of a command line.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
            .env("DOCKER_HOST", NO_ENGINE)
            .env("ARTIFACTCTL_JOURNAL", self.journal())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .current_dir(self.folder.path());
    }
}

/// A deploy from and into the folder of a bench.
pub(crate) const DEPLOY: [&str; 5] = [
    "deploy",
    "--artifact",
    "artifact/artifact.yml",
    "--out",
    "out",
];

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// The last line of stdout, which is an error in JSON.
    pub(crate) fn error(&self) -> serde_json::Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        let error: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(error["type"], "error", "{line}");
        error
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let output = command::output(command.stdin(Stdio::null())).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Everything below a folder: kind, mode and bytes of each name. What cannot be read is there with its kind.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, (String, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let kind = metadata.file_type();
        let bytes = if kind.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        if kind.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let kind = format!("{kind:?} fifo {}", kind.is_fifo());
        found.insert(path, (kind, metadata.permissions().mode(), bytes));
    }
    found
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A mount that ends when it is dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A file system in memory of this many KiB.
    pub(crate) fn memory(at: &Path, kib: u32) -> Self {
        let options = format!("size={kib}k,mode=0755");
        Self::make(at, |mount| {
            mount.args(["-t", "tmpfs", "-o", &options, "none"])
        })
    }

    /// The same folder again at its own place, where nothing can be written.
    pub(crate) fn read_only(at: &Path) -> Self {
        let mount = Self::make(at, |mount| mount.arg("--bind").arg(at));
        let mut remount = Command::new("mount");
        command::run(remount.args(["-o", "remount,bind,ro"]).arg(at)).unwrap();
        mount
    }

    /// The file system on a block device.
    pub(crate) fn device(device: &str, at: &Path) -> Self {
        Self::make(at, |mount| mount.arg(device))
    }

    /// Gives a file system in memory more room.
    pub(crate) fn grow(&self, kib: u32) {
        let size = format!("remount,size={kib}k");
        command::run(Command::new("mount").args(["-o", &size]).arg(&self.at)).unwrap();
    }

    fn make(at: &Path, what: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test mounts file systems, which only root may; run it as root"
        );
        let mut mount = Command::new("mount");
        command::run(what(&mut mount).arg(at)).unwrap();
        Self { at: at.to_owned() }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still have a file open.
        let unmounted = command::run(Command::new("umount").arg("--lazy").arg(&self.at));
        if !std::thread::panicking() {
            unmounted.unwrap();
        }
    }
}

/// A stack that these tests share: each deploys into an output directory of its own.
///
/// It goes with the process: what it made on the engine carries the label of the run.
pub(crate) fn shared_stack() -> &'static Stack<'static> {
    static STACK: OnceLock<Stack<'static>> = OnceLock::new();
    STACK.get_or_init(|| Stack::up(TestEngine::shared(), StackOptions::default()).unwrap())
}
