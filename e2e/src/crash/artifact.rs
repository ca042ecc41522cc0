//! What is deployed: two functions of the demo artifact, under a repository of their own.

use std::io::Result;
use std::path::{Path, PathBuf};

use crate::stack::CONTAINER_REGISTRY;
use crate::workspace;

/// The functions.
pub(super) const FUNCTIONS: [&str; 2] = ["orders-list", "orders-place"];

/// A call for each function, by method, path and body.
pub(super) const CALLS: [(&str, &str, &str); 2] = [
    ("GET", "/orders/7", ""),
    ("POST", "/orders", "{\"item\":\"lamp\"}"),
];

/// What somebody else has put into the output directory before.
pub(super) const SEEDS: [(&str, &str); 2] = [
    (
        "functions.yml",
        "functions:\n  theirs:\n    image: elsewhere/theirs:1\n",
    ),
    (
        "routing.yml",
        "routes:\n- path: /theirs\n  function: theirs\n",
    ),
];

/// Writes the artifact into a folder and gives its manifest.
pub(super) fn write(folder: &Path, repository: &str, project: &str) -> Result<PathBuf> {
    let root = folder.join("svc-a");
    copy(&workspace::fixture("artifact/svc-a"), &root)?;
    let functions = root.join("config/functions.yml");
    let text = std::fs::read_to_string(&functions)?;
    let own = text.replace(
        &format!("{CONTAINER_REGISTRY}/shop/"),
        &format!("{CONTAINER_REGISTRY}/{repository}/"),
    );
    std::fs::write(&functions, own)?;
    let manifest = folder.join("artifact.yml");
    std::fs::write(
        &manifest,
        format!(
            "schema_version: \"1\"\nproject: {project}\nenv: dev\nmode: docker\n\
             runtime_stack: {{ api_version: \"1.0\", mode: docker, requires: {{ gateway: \"^1\" }} }}\n\
             artifacts:\n  - {{ artifact_root: svc-a, runtime_config_dir: config }}\n"
        ),
    )?;
    Ok(manifest)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
