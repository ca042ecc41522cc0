//! What the steps of a suite work with.
//!
//! Here: `artifactctl`, the gateway and the stack's containers, with everything written to the log. Not here: the steps, and
//! how a command runs (`process`).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Stop;
use super::log::Log;
use super::process::{Ran, Running};
use crate::artifactctl;
use crate::command::{self, CommandError};
use crate::http::Reply;
use crate::proxy::{Proxy, Request};
use crate::stack::{Stack, StackError};

/// Why a step did not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Something is not as it should be.
    #[error("{0}")]
    Unmet(String),
    /// A command could not be run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stack could not be asked.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The system refused something.
    #[error("cannot {what}")]
    System {
        what: &'static str,
        source: std::io::Error,
    },
    /// Somebody wants the run to end.
    #[error("the run was ended")]
    Stopped,
}

/// What comes of a step.
pub(crate) type Held = Result<(), StepError>;

/// Holds, or says what is not as it should be.
pub(crate) fn expect(holds: bool, unmet: impl FnOnce() -> String) -> Held {
    if holds {
        Ok(())
    } else {
        Err(StepError::Unmet(unmet()))
    }
}

/// Holds when both are equal.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers name values that they need no more, as for `assert_eq!`"
)]
pub(crate) fn equal<F: Debug + PartialEq<E>, E: Debug>(what: &str, found: F, expected: E) -> Held {
    expect(found == expected, || {
        format!("{what}: expected {expected:?}, found {found:?}")
    })
}

pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> StepError {
    move |source| StepError::System { what, source }
}

/// A stack on which nothing is published, and what deploys onto it.
pub(crate) struct Site<'a> {
    pub(crate) stack: &'a Stack<'a>,
    /// Between `artifactctl` and the engine.
    pub(crate) proxy: Proxy,
    program: &'a Path,
    artifacts: &'a BTreeMap<String, PathBuf>,
    log: &'a Log,
    stop: &'a Stop,
    /// Journal and outputs.
    folder: tempfile::TempDir,
}

impl<'a> Site<'a> {
    /// Takes away what an earlier suite has published, and begins a journal.
    pub(crate) fn open(
        stack: &'a Stack<'a>,
        program: &'a Path,
        artifacts: &'a BTreeMap<String, PathBuf>,
        log: &'a Log,
        stop: &'a Stop,
    ) -> Result<Self, StepError> {
        let published =
            std::fs::read_dir(stack.config_dir()).map_err(system("list what is published"))?;
        for entry in published {
            let path = entry.map_err(system("list what is published"))?.path();
            std::fs::remove_file(path).map_err(system("remove what is published"))?;
        }
        let folder = stack.engine().folder();
        let folder = tempfile::tempdir_in(folder).map_err(system("make a folder for the suite"))?;
        let proxy = Proxy::start(stack.engine().socket(), folder.path());
        Ok(Self {
            stack,
            proxy: proxy.map_err(system("listen on a socket"))?,
            program,
            artifacts,
            log,
            stop,
            folder,
        })
    }

    /// A command line of `artifactctl` that reaches the stack by way of the proxy, and the journal of this suite.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = artifactctl::command(self.program, self.stack);
        command
            .env("DOCKER_HOST", self.proxy.docker_host())
            .env("ARTIFACTCTL_JOURNAL", self.folder.path().join("journal"))
            .args(arguments)
            .args(["--format", "json"]);
        command
    }

    /// Runs `artifactctl` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ran, StepError> {
        self.start(self.command(arguments))?.wait()
    }

    /// A `deploy` or `plan` of an artifact, with more arguments.
    fn request(&self, word: &str, artifact: &str, more: &[&str]) -> Result<Command, StepError> {
        let manifest = self.artifacts.get(artifact);
        let manifest =
            manifest.ok_or_else(|| StepError::Unmet(format!("no artifact `{artifact}`")))?;
        let mut command = self.command(&[word, "--compose-project", self.stack.project()]);
        command.arg("--artifact").arg(manifest);
        command.arg("--out").arg(self.stack.config_dir()).args(more);
        Ok(command)
    }

    /// Says what a deploy would do.
    pub(crate) fn plan(&self, artifact: &str, more: &[&str]) -> Result<Ran, StepError> {
        self.start(self.request("plan", artifact, more)?)?.wait()
    }

    /// Deploys an artifact.
    pub(crate) fn deploy(&self, artifact: &str, more: &[&str]) -> Result<Ran, StepError> {
        self.begin(artifact, more)?.wait()
    }

    /// Begins to deploy an artifact.
    pub(crate) fn begin(&self, artifact: &str, more: &[&str]) -> Result<Running<'_>, StepError> {
        self.start(self.request("deploy", artifact, more)?)
    }

    /// The flags under which Compose finds the stack.
    pub(crate) fn compose_flags(&self) -> [String; 4] {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        [
            "--compose-file".to_owned(),
            path(self.stack.compose_file()),
            "--env-file".to_owned(),
            path(self.stack.env_file()),
        ]
    }

    fn start(&self, command: Command) -> Result<Running<'_>, StepError> {
        Running::start(command, self.folder.path(), self.log, self.stop)
    }

    /// Restarts services of the stack, or all that are up, as an operator would.
    pub(crate) fn restart(&self, services: &[&str]) -> Held {
        self.log.line(&format!("restarting {services:?}"));
        let mut restart = self.stack.compose();
        command::run(restart.args(["restart", "--timeout", "5"]).args(services))?;
        self.stack.wait_until_up()?;
        Ok(())
    }

    /// Calls the gateway.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Result<Reply, StepError> {
        let reply = self.stack.call(method, path, body);
        let reply = reply.map_err(system("call the gateway"))?;
        self.log.line(&format!(
            "> {method} {path} {body}\n< {} {}",
            reply.status, reply.body
        ));
        Ok(reply)
    }

    /// Calls the gateway and expects a function to answer, with JSON that names it.
    pub(crate) fn answers(
        &self,
        function: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Value, StepError> {
        let reply = self.call(method, path, body)?;
        let answer = reply.json();
        expect(
            reply.status == 200 && answer["function"] == function,
            || {
                format!(
                    "{method} {path} should have been answered by `{function}`, but the answer was {}: {}",
                    reply.status, reply.body
                )
            },
        )?;
        equal(
            "the body the function got",
            &answer["request"]["body"],
            body,
        )?;
        Ok(answer)
    }

    /// Calls a function that answers `200`, at `POST /<name>`.
    pub(crate) fn probe(&self, function: &str, body: &str) -> Result<Reply, StepError> {
        let reply = self.call("POST", &format!("/{function}"), body)?;
        expect(reply.status == 200, || {
            format!("`{function}` answered {}: {}", reply.status, reply.body)
        })?;
        Ok(reply)
    }

    /// The only container of a function.
    pub(crate) fn container(&self, function: &str) -> Result<String, StepError> {
        let mut containers = self.stack.containers_of(function)?;
        equal(
            &format!("containers of `{function}`"),
            containers.len(),
            1_usize,
        )?;
        Ok(containers.remove(0))
    }

    /// Holds when nobody has asked the engine to change anything since the proxy was cleared.
    pub(crate) fn nothing_was_changed(&self) -> Held {
        let changing = self.proxy.mutating();
        let changing: Vec<_> = changing.iter().map(Request::endpoint).collect();
        equal("mutating calls to the engine", changing, [""; 0])
    }

    /// The published files by name, without the empty lock of the output directory.
    pub(crate) fn published(&self) -> Result<BTreeMap<String, String>, StepError> {
        let read =
            |what: &Path| std::fs::read_to_string(what).map_err(system("read what is published"));
        let folder = std::fs::read_dir(self.stack.config_dir());
        let mut files = BTreeMap::new();
        for entry in folder.map_err(system("list what is published"))? {
            let path = entry.map_err(system("list what is published"))?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !name.starts_with('.') {
                files.insert(name, read(&path)?);
            }
        }
        Ok(files)
    }

    /// Changes a published file by hand.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) -> Held {
        let published = self.published()?.remove(file).unwrap_or_default();
        expect(published.contains(from), || {
            format!("`{file}` has no `{from}`:\n{published}")
        })?;
        let path = self.stack.config_dir().join(file);
        std::fs::write(path, published.replace(from, to)).map_err(system("edit what is published"))
    }
}
