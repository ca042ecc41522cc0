//! A machine of its own for each test: home, state and working folder are temporary, the environment is empty.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use snapbox::Data;
use tempfile::TempDir;

use crate::schemas::check_lines;

/// The target of the frozen journals and of the demo artifact.
pub(crate) const TARGET: &str = "esb-dev/dev";

/// A program: its name, and where it is.
pub(crate) type Program = (&'static str, &'static str);
pub(crate) const ARTIFACTCTL: Program = ("artifactctl", env!("CARGO_BIN_EXE_artifactctl"));
pub(crate) const ESB: Program = ("esb", env!("CARGO_BIN_EXE_esb"));

/// What a command wrote and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A fresh machine.
pub(crate) struct Machine {
    folder: TempDir,
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Machine {
    /// Nothing has been deployed.
    pub(crate) fn fresh() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "state", "here"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A frozen journal has been imported.
    pub(crate) fn with_journal(name: &str) -> Self {
        let machine = Self::with_import(name);
        // It is to be what was recorded on this machine.
        fs::remove_file(machine.journal().join("store/imported")).unwrap();
        machine
    }

    /// The same, and it came from another machine.
    pub(crate) fn with_import(name: &str) -> Self {
        let machine = Self::fresh();
        let imported = machine.run(&["import", &frozen(name)]);
        assert_eq!(imported.code, 0, "{}", imported.stderr);
        machine
    }

    /// Where commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    /// Where journals are.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("state/artifactctl/journal")
    }

    /// Where the journal of the target is.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root().join(TARGET)
    }

    /// An engine that takes connections and answers none, and its address.
    pub(crate) fn silent_engine(&self) -> (UnixListener, String) {
        let socket = self.work().join("engine.sock");
        let engine = UnixListener::bind(&socket).unwrap();
        (engine, format!("unix://{}", socket.display()))
    }

    /// A copy of the demo artifact, in the working folder; the path of its manifest there.
    pub(crate) fn artifact(&self) -> &'static str {
        copy(
            &workspace().join("fixtures/artifact"),
            &self.work().join("artifact"),
        );
        "artifact/artifact.yml"
    }

    /// A command of `artifactctl` that is about to run. No engine answers it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(ARTIFACTCTL, args)
    }

    /// The same of either program.
    pub(crate) fn command_of(&self, program: Program, args: &[&str]) -> Command {
        let mut command = Command::new(program.1);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .env("USER", "tester")
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of `esb`.
    pub(crate) fn esb(&self, args: &[&str]) -> Ran {
        self.ran(self.command_of(ESB, args).output().unwrap())
    }

    /// Runs a command of `artifactctl`.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.ran(self.command(args).output().unwrap())
    }

    /// The temporary folder is written `[MACHINE]`.
    pub(crate) fn named(&self, text: &str) -> String {
        let folder = fs::canonicalize(self.folder.path()).unwrap();
        text.replace(&*folder.to_string_lossy(), "[MACHINE]")
            .replace(&*self.folder.path().to_string_lossy(), "[MACHINE]")
    }

    /// What a command wrote, with the folder named so.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        check_lines(&stdout);
        Ran {
            code: output.status.code().unwrap(),
            stdout: self.named(&stdout),
            stderr: self.named(&stderr),
        }
    }

    /// Runs a command and compares everything it did with a snapshot.
    pub(crate) fn snapshot(&self, name: &str, args: &[&str]) {
        snapshot(name, args, &self.run(args));
    }

    /// The same for a command of `esb`.
    pub(crate) fn esb_snapshot(&self, name: &str, args: &[&str]) {
        snapshot_of(ESB, name, args, &self.esb(args));
    }
}

/// Compares a run with a snapshot of standard output, standard error and exit code.
pub(crate) fn snapshot(name: &str, args: &[&str], ran: &Ran) {
    snapshot_of(ARTIFACTCTL, name, args, ran);
}

fn snapshot_of((program, _): Program, name: &str, args: &[&str], ran: &Ran) {
    let quoted: Vec<String> = args
        .iter()
        .map(|arg| {
            if arg.contains(' ') {
                format!("'{arg}'")
            } else {
                (*arg).to_owned()
            }
        })
        .collect();
    let text = format!(
        "$ {program} {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        quoted.join(" "),
        ran.code,
        ran.stdout,
        ran.stderr
    );
    let path = snapshots().join(format!("{name}.txt"));
    snapbox::assert_data_eq!(text, Data::read_from(&path, None).raw());
}

/// Where snapshots are.
pub(crate) fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots")
}

/// The path of a frozen journal.
pub(crate) fn frozen(name: &str) -> String {
    let path = workspace().join("fixtures/journals/v1").join(name);
    path.to_str().unwrap().to_owned()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
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
