//! The main job, shown: a deploy onto a real stack, and what can be known about it afterwards.
//!
//! Here: the steps, and what each must have led to. Not here: words around it (`main`), the engine, the stack.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::artifactctl;
use crate::command::CommandError;
use crate::engine::TestEngine;
use crate::proxy::Proxy;
use crate::stack::{Stack, StackError, StackOptions};
use crate::workspace;

/// Calls and the function that must answer each.
const CALLS: [(&str, &str, &str, &str); 4] = [
    ("POST", "/orders", "{\"item\":\"lamp\"}", "orders-place"),
    ("GET", "/orders/7", "", "orders-list"),
    ("POST", "/stock/audit", "{}", "stock-audit"),
    ("GET", "/stock/shelves", "", "stock-count"),
];

/// Why the demo did not show what it should.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// `artifactctl` could not be built or started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A folder, a socket or a connection could not be had.
    #[error("cannot {what}")]
    Prepare {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command of `artifactctl` failed.
    #[error("`artifactctl {command}` ended with {status}")]
    Applier {
        /// Its first word.
        command: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// A call was not answered by the function that was deployed.
    #[error(
        "{call} should have been answered by `{expected}`, but the answer was {status}: {body}"
    )]
    Answer {
        /// Method and path.
        call: String,
        /// The function.
        expected: &'static str,
        /// Status of the answer.
        status: u16,
        /// Body of the answer.
        body: String,
    },
    /// The second deploy changed something.
    #[error("the second deploy should have found nothing to do, but it asked the engine for {0}")]
    NotIdle(String),
}

/// Runs the demo on an engine; `say` gets one line for each step.
pub fn run(engine: &TestEngine, mut say: impl FnMut(&str)) -> Result<(), DemoError> {
    say("building artifactctl");
    let program = artifactctl::build()?;
    say("building and starting the stack, version 1.4.2");
    let stack = Stack::up(engine, StackOptions::default())?;
    let folder = tempfile::tempdir_in(engine.folder()).map_err(prepare("make a folder"))?;
    let proxy =
        Proxy::start(engine.socket(), folder.path()).map_err(prepare("listen on a socket"))?;
    let applier = Applier {
        program,
        stack: &stack,
        proxy: &proxy,
        journal: folder.path().join("journal"),
    };

    say("deploying fixtures/artifact: two entries, four functions");
    applier.deploy()?;
    for (method, path, body, expected) in CALLS {
        say(&call(&stack, method, path, body, expected)?);
    }

    say("deploying the same again");
    proxy.clear();
    applier.deploy()?;
    let changing = proxy.mutating();
    if !changing.is_empty() {
        let endpoints: Vec<_> = changing
            .iter()
            .map(super::proxy::Request::endpoint)
            .collect();
        return Err(DemoError::NotIdle(endpoints.join(", ")));
    }
    say("that deploy asked the engine to change nothing; the journal of both:");
    applier.run("history", &[])?;
    say("taking the stack down");
    stack.down()?;
    Ok(())
}

/// The applier with what it needs to reach the stack, by way of the proxy.
struct Applier<'a> {
    program: PathBuf,
    stack: &'a Stack<'a>,
    proxy: &'a Proxy,
    journal: PathBuf,
}

impl Applier<'_> {
    fn deploy(&self) -> Result<(), DemoError> {
        let artifact = workspace::fixture("artifact/artifact.yml");
        let out = self.stack.config_dir();
        let arguments: [&Path; 6] = [
            "--artifact".as_ref(),
            &artifact,
            "--out".as_ref(),
            &out,
            "--compose-project".as_ref(),
            self.stack.project().as_ref(),
        ];
        self.run("deploy", &arguments)
    }

    /// Runs a command in the open: what it says is part of the demo.
    fn run(&self, command: &'static str, arguments: &[&Path]) -> Result<(), DemoError> {
        let mut run: Command = artifactctl::command(&self.program, self.stack);
        run.env("DOCKER_HOST", self.proxy.docker_host())
            .arg(command)
            .args(arguments)
            .arg("--journal")
            .arg(&self.journal);
        let status = run.status().map_err(prepare("start `artifactctl`"))?;
        if status.success() {
            Ok(())
        } else {
            Err(DemoError::Applier { command, status })
        }
    }
}

fn call(
    stack: &Stack<'_>,
    method: &str,
    path: &str,
    body: &str,
    expected: &'static str,
) -> Result<String, DemoError> {
    let call = format!("{method} {path}");
    let reply = stack
        .call(method, path, body)
        .map_err(prepare("call the gateway"))?;
    if reply.status == 200 && reply.json()["function"] == expected {
        return Ok(format!("{call} -> {}", reply.body.trim()));
    }
    Err(DemoError::Answer {
        call,
        expected,
        status: reply.status,
        body: reply.body,
    })
}

fn prepare(what: &'static str) -> impl FnOnce(std::io::Error) -> DemoError {
    move |source| DemoError::Prepare { what, source }
}
