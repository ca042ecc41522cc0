//! The Java that functions run on.
//!
//! Here: a runtime that the host's JDK links, and the client that it compiles, once for a machine. Not here: the JDK in which
//! functions are built (`builders`).

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::real;
use crate::command;
use crate::images::{BuildContext, ImageError, libraries};
use crate::packages;
use crate::python::shared_objects;
use crate::workspace;

/// What functions may use of Java, and the client's library for JSON.
const MODULES: &str = "java.base,java.logging,java.net.http,java.sql,java.xml,jdk.crypto.ec";
const GSON: &str = "/usr/share/java/gson.jar";

/// Adds the runtime and the client's jars.
pub(super) fn add_runtime(context: &mut BuildContext) -> Result<(), ImageError> {
    let made = made()?;
    let runtime = made.join("jre");
    context.add_folder("rootfs/opt/jre", &runtime, &|_| true)?;
    let mut linked = libraries(&runtime.join("bin/java"))?;
    for library in shared_objects(&runtime) {
        linked.extend(libraries(&library)?);
    }
    let linked: BTreeSet<_> = linked
        .iter()
        .filter(|path| !path.starts_with(&made))
        .collect();
    for library in linked {
        context.add_program(&format!("rootfs{}", library.display()), library)?;
    }
    context.add_program("rootfs/opt/runtime/client.jar", &made.join("client.jar"))?;
    context.add_program("rootfs/opt/runtime/gson.jar", &real(Path::new(GSON))?)
}

/// The folder with the runtime and the client. It is filled at the first call on this machine.
fn made() -> Result<PathBuf, ImageError> {
    packages::ensure_installed(&["default-jdk-headless", "libgoogle-gson-java"])?;
    let client = workspace::fixture("runtimes/clients/Client.java");
    let source = std::fs::read(&client).map_err(failed(&client))?;
    let version = command::run(Command::new("javac").arg("--version"))?;
    let mut hasher = DefaultHasher::new();
    (source, version, MODULES).hash(&mut hasher);
    let all = workspace::target_dir().join("e2e-java");
    let folder = all.join(format!("{:016x}", hasher.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Each process has a folder of its own until it is whole.
    std::fs::create_dir_all(&all).map_err(failed(&all))?;
    let making = tempfile::tempdir_in(&all).map_err(failed(&all))?;
    let classes = making.path().join("classes");
    command::run(
        Command::new("javac")
            .args(["--release", "11", "-cp", GSON, "-d"])
            .args([&classes, &client]),
    )?;
    command::run(
        Command::new("jar")
            .args(["--create", "--file"])
            .arg(making.path().join("client.jar"))
            .arg("-C")
            .arg(&classes)
            .arg("."),
    )?;
    command::run(
        Command::new("jlink")
            .args([
                "--add-modules",
                MODULES,
                "--strip-debug",
                "--no-header-files",
            ])
            .args(["--no-man-pages", "--output"])
            .arg(making.path().join("jre")),
    )?;
    match std::fs::rename(making.path(), &folder) {
        Ok(()) => drop(making.keep()),
        // Another process was first.
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(failed(&folder)(error)),
    }
    Ok(folder)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::Context { path, source }
}
