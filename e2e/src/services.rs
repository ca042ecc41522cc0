//! The static binary with the services of the stack.
//!
//! Here: building it once. Not here: what goes around it (`images`).

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use crate::command::{self, CommandError};
use crate::workspace;

/// Why the binary is not there.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// A build failed or could not be started.
    #[error("cannot build the services of the stack")]
    Build(#[from] CommandError),
    /// `rustc -vV` names no host.
    #[error("`rustc -vV` names no host")]
    NoHost,
}

/// Builds the binary when it is not there or its sources have changed, and says where it is.
///
/// It has a target folder of its own: its flags would else throw away what the workspace has built. The libraries of C
/// are linked in, because the images are made from scratch.
pub fn build() -> Result<PathBuf, ServicesError> {
    // Cargo would wait for its own lock as well, but says so on stderr.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let host = host()?;
    let target_dir = workspace::target_dir().join("stack");
    let mut build = workspace::cargo();
    build
        .args([
            "build",
            "--package",
            "e2e",
            "--bin",
            "stack",
            "--no-default-features",
        ])
        .args(["--target", &host, "--target-dir"])
        .arg(&target_dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols");
    command::run(&mut build)?;
    Ok(target_dir.join(host).join("debug/stack"))
}

/// What the compiler compiles for.
pub(crate) fn host() -> Result<String, ServicesError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = command::run(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or(ServicesError::NoHost)
}
