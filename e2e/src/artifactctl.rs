//! The applier as a program.
//!
//! Here: building it, and running it against a stack. Not here: what it does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::command::{self, CommandError};
use crate::stack::Stack;
use crate::workspace;

/// Builds `artifactctl`, and `esb` beside it, when they are not there or their sources have changed, and says where the first is.
pub fn build() -> Result<PathBuf, CommandError> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let target_dir = workspace::target_dir();
    let mut build = workspace::cargo();
    // Of the whole workspace, as `cargo test --workspace` builds it: where that ran, nothing is compiled.
    build.args(["build", "--workspace", "--bin", "artifactctl"]);
    build.args(["--bin", "esb"]);
    command::run(build.arg("--target-dir").arg(&target_dir))?;
    Ok(target_dir.join("debug/artifactctl"))
}

/// Builds the same program with boundaries at which it can be told to kill itself, and says where it is.
pub fn build_with_failpoints() -> Result<PathBuf, CommandError> {
    let target_dir = workspace::target_dir();
    let mut build = workspace::cargo();
    build.args(["build", "--workspace", "--features", "failpoints"]);
    build.args(["--bin", "artifactctl-failpoints"]);
    command::run(build.arg("--target-dir").arg(&target_dir))?;
    Ok(target_dir.join("debug/artifactctl-failpoints"))
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
