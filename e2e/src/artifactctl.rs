//! The applier as a program.
//!
//! Here: building it, and running it against a stack. Not here: what it does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::command::{self, CommandError};
use crate::stack::Stack;
use crate::workspace;

/// Builds `artifactctl`, and `esb` beside it, once in this process, and says where the first is.
pub fn build() -> Result<PathBuf, CommandError> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    // Of the whole workspace, as `cargo test --workspace` builds it: where that ran, nothing is compiled.
    let programs = ["--bin", "artifactctl", "--bin", "esb"];
    built(&BUILT, &programs, "debug/artifactctl")
}

/// Builds the same program with boundaries at which it can be told to kill itself, once in this process, and says where it is.
pub fn build_with_failpoints() -> Result<PathBuf, CommandError> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let program = "artifactctl-failpoints";
    let words = ["--features", "failpoints", "--bin", program];
    built(&BUILT, &words, &format!("debug/{program}"))
}

fn built(
    once: &Mutex<Option<PathBuf>>,
    words: &[&str],
    program: &str,
) -> Result<PathBuf, CommandError> {
    let mut built = once.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = &*built {
        return Ok(program.clone());
    }
    let target_dir = workspace::target_dir();
    let mut build = workspace::cargo();
    build.args(["build", "--workspace"]).args(words);
    command::run(build.arg("--target-dir").arg(&target_dir))?;
    Ok(built.insert(target_dir.join(program)).clone())
}

/// Builds `artifactctl` as it is released, and says where it is.
pub fn build_release() -> Result<PathBuf, CommandError> {
    let target_dir = workspace::target_dir();
    let mut build = workspace::cargo();
    build.args([
        "build",
        "--release",
        "--package",
        "artifactctl",
        "--bin",
        "artifactctl",
    ]);
    command::run(build.arg("--target-dir").arg(&target_dir))?;
    Ok(target_dir.join("release/artifactctl"))
}

/// A command line of `artifactctl` that reaches a stack.
pub fn command(program: &Path, stack: &Stack<'_>) -> Command {
    let mut command = Command::new(program);
    command.envs(stack.deploy_env());
    // What is cached goes with the engine, and stays out of the home of whoever runs this.
    command.env("XDG_CACHE_HOME", stack.engine().folder().join("cache"));
    // Settings of whoever runs this must not decide what is deployed.
    for name in [
        "ARTIFACTCTL_JOURNAL",
        "REGISTRY",
        "ESB_TAG",
        "DOCKER_CONTEXT",
    ] {
        command.env_remove(name);
    }
    command
}
