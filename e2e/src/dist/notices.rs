//! The licences of everything that is linked into the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::DistError;
use crate::command;
use crate::{services, workspace};

/// What is no crate.
const OTHERS: &str = "\
Rust's standard library: MIT OR Apache-2.0, https://www.rust-lang.org
The GNU C Library, linked statically: LGPL-2.1-or-later, https://www.gnu.org/software/libc/
    Its source is that of the system on which the programs were built. `cargo run --bin e2e -- dist`
    links the programs anew, with another version of it if you like.
";

/// Which files of a crate are its licences.
fn is_licence(name: &str) -> bool {
    let name = name.to_uppercase();
    ["LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
        .iter()
        .any(|begin| name.starts_with(begin))
}

/// The crates with their licences, and each text once.
pub(super) fn notices() -> Result<String, DistError> {
    let linked = linked()?;
    let mut metadata = workspace::cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked"]);
    let metadata: Value = serde_json::from_str(&command::run(&mut metadata)?)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut list = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        // Ours have no source.
        if !linked.contains(&name) || package["source"].is_null() {
            continue;
        }
        let (licence, home) = (text("license"), text("repository"));
        list.push_str(&format!("{name}: {licence}, {home}\n"));
        let folder = Path::new(text("manifest_path")).parent();
        let files = folder.and_then(|folder| fs::read_dir(folder).ok());
        for file in files.into_iter().flatten().flatten() {
            if is_licence(&file.file_name().to_string_lossy())
                && let Ok(text) = fs::read_to_string(file.path())
            {
                let text = text.trim().to_owned();
                texts.entry(text).or_default().insert(name.clone());
            }
        }
    }
    let mut all =
        format!("Parts of others in artifactctl and esb, and their licences.\n\n{OTHERS}{list}");
    for (text, names) in texts {
        let names: Vec<String> = names.into_iter().collect();
        all.push_str(&format!(
            "\n{}\n{}\n\n{text}\n",
            "-".repeat(80),
            names.join(", ")
        ));
    }
    Ok(all)
}

/// Names and versions of the crates that are linked.
fn linked() -> Result<BTreeSet<String>, DistError> {
    let mut tree = workspace::cargo();
    tree.args(["tree", "--locked", "--package", "artifactctl"])
        .args(["--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--target", &services::host()?]);
    let listed = command::run(&mut tree)?;
    let lines = listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        Some(format!("{name} {}", version.trim_start_matches('v')))
    });
    Ok(lines.collect())
}
