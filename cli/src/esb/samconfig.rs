//! The samconfig.toml beside a template, or samconfig.yaml: `sam` reads it without being told, and so does `esb`. It is the weakest source
//! of values.

use std::path::{Path, PathBuf};

use producer::parameters::{Given, is_of_the_cloud};
use producer::template::Template;

use crate::esb::args::Making;
use crate::esb::parameter_file::of_file;
use crate::esb::sam_build::project_folder;
use crate::failure::Failure;
use crate::report::talk;

/// The first that is there is read, as `sam` does.
const NAMES: [&str; 3] = ["samconfig.toml", "samconfig.yaml", "samconfig.yml"];

/// Values of the files beside the templates. A run that names such a file itself reads no other.
pub(super) fn given(making: &Making, templates: &[Template<'_>]) -> Result<Given, Failure> {
    let mut given = Given::new();
    let mut named = making
        .parameters_file
        .iter()
        .chain(&making.project_file.files);
    let is_samconfig = |path: &PathBuf| {
        let name = path.file_name();
        name.is_some_and(|name| NAMES.iter().any(|known| name == *known))
    };
    if named.any(is_samconfig) {
        return Ok(given);
    }
    let mut read: Vec<PathBuf> = Vec::new();
    for template in &making.template {
        let folder = project_folder(template);
        let paths = NAMES.map(|name| folder.join(name));
        let Some(path) = paths.into_iter().find(|path| path.is_file()) else {
            continue;
        };
        if !read.contains(&path) {
            given.extend(one(&path, making, templates)?);
            read.push(path);
        }
    }
    Ok(given)
}

/// The values of one file. Nobody asked for it, so that a name which no template has is a warning.
fn one(path: &Path, making: &Making, templates: &[Template<'_>]) -> Result<Given, Failure> {
    let found = of_file(path, &making.samconfig_env)?;
    let is_declared = |name: &str| {
        let mut declared = templates.iter().flat_map(Template::declarations);
        is_of_the_cloud(name) || declared.any(|declaration| declaration.name == name)
    };
    let (known, unknown): (Given, Given) =
        found.into_iter().partition(|(name, _)| is_declared(name));
    let names = |given: &Given| given.keys().cloned().collect::<Vec<_>>().join(", ");
    let shown = path.display();
    if !known.is_empty() {
        talk(&format!("parameters from {shown}: {}", names(&known)));
    }
    if !unknown.is_empty() {
        talk(&format!(
            "warning: {shown}: no template has a parameter {}",
            names(&unknown)
        ));
    }
    Ok(known)
}
