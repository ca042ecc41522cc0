//! Where things are in this workspace.
//!
//! Here: the folders of the workspace and the cargo that builds it. Not here: what is built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// A file or folder below `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    root().join("fixtures").join(path)
}

/// The folder cargo builds into.
pub fn target_dir() -> PathBuf {
    let configured = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(configured.unwrap_or_else(|| PathBuf::from("target")))
}

/// The cargo that built this, or the one on the path, to be run at the root of the workspace.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    // What cargo says of the package whose test this is: build scripts take a change of it for a reason to run again, and
    // everything above them would be compiled anew, here and then again for whoever runs the next test.
    for (name, _) in std::env::vars_os() {
        let of_a_package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        let name = name.to_string_lossy();
        if of_a_package.iter().any(|begin| name.starts_with(begin)) {
            command.env_remove(&*name);
        }
    }
    command
}
