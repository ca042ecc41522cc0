//! What `sam build` made of a template: running it with `--sam-build`, and offering what lies there already.
//!
//! Here: the process and the place of what it builds. Not here: what a built template means (`producer`).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::SystemTime;

use crate::esb::args::{Building, Making};
use crate::esb::template_file::load_template;
use crate::esb::templates::named_or_here;
use crate::failure::{Failure, Kind};
use crate::report::talk;

/// Where `sam build` puts what it makes, below the folder of the template.
const BUILD_FOLDER: &str = ".aws-sam/build";
/// What it calls the template there.
const BUILT_TEMPLATE: &str = "template.yaml";

/// The same with the templates that `sam build` made in place of their sources, where it is asked for. Else the templates stay, and
/// a built one that is newer is offered.
pub(super) fn with_built_templates(making: &Making, building: Building) -> Result<Making, Failure> {
    let sources = named_or_here(&making.template)?;
    if !building.sam_build {
        sources
            .iter()
            .filter_map(|source| offer(source))
            .for_each(|line| talk(&line));
        return Ok(making.clone());
    }
    refuse_shared_folders(&sources)?;
    let built = sources.iter().map(|source| build(source));
    Ok(Making {
        template: built.collect::<Result<_, _>>()?,
        ..making.clone()
    })
}

/// The folder of a project: the one of its template, also of the template that `sam build` made below it.
pub(super) fn project_folder(template: &Path) -> &Path {
    let folder = folder_of(template);
    if !folder.ends_with(BUILD_FOLDER) {
        return folder;
    }
    folder.ancestors().nth(2).unwrap_or(folder)
}

fn folder_of(template: &Path) -> &Path {
    template.parent().unwrap_or(Path::new(""))
}

fn built_template(source: &Path) -> PathBuf {
    folder_of(source).join(BUILD_FOLDER).join(BUILT_TEMPLATE)
}

/// Says that a built template lies there, when it is newer than its source.
fn offer(source: &Path) -> Option<String> {
    let built = built_template(source);
    let is_newer = modified(&built)? > modified(source)?;
    is_newer.then(|| {
        let (built, source) = (built.display(), source.display());
        format!("`sam build` has built `{source}`: `--template {built}` takes what it built")
    })
}

fn modified(file: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    meta.modified().ok()
}

/// `sam build` empties its folder first, so that two templates beside each other cannot both be built.
fn refuse_shared_folders(sources: &[PathBuf]) -> Result<(), Failure> {
    for (index, source) in sources.iter().enumerate() {
        let others = &sources[..index];
        let same = others
            .iter()
            .find(|other| folder_of(other) == folder_of(source));
        if let Some(other) = same {
            let message = format!(
                "`sam build` builds one template in a folder, and `{}` and `{}` lie beside each other",
                other.display(),
                source.display()
            );
            return Err(Failure::new(Kind::Usage, message)
                .hint("move each template into a folder of its own, or leave `--sam-build` out"));
        }
    }
    Ok(())
}

/// Builds one template; the template that was made.
fn build(source: &Path) -> Result<PathBuf, Failure> {
    let shown = source.display();
    if folder_of(source).ends_with(BUILD_FOLDER) {
        let message = format!("`sam build` made `{shown}` already");
        return Err(Failure::new(Kind::Usage, message)
            .hint("name the source template, or leave `--sam-build` out"));
    }
    // An unreadable template is reported as it is without `--sam-build`.
    let folder = load_template(source)?.folder;
    let name = source.file_name().unwrap_or_default();
    talk(&format!("running `sam build` for {shown}"));
    // Standard output belongs to the result of this command.
    let status = Command::new("sam")
        .args(["build", "--build-dir", BUILD_FOLDER, "--template-file"])
        .arg(name)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| not_started(&error))?;
    if !status.success() {
        return Err(failed(source, status));
    }
    let built = built_template(source);
    if !built.is_file() {
        let message = format!("`sam build` ended well and made no `{}`", built.display());
        return Err(Failure::new(Kind::Payload, message)
            .hint("run `sam build` there yourself, and name what it makes with `--template`"));
    }
    Ok(built)
}

fn not_started(error: &std::io::Error) -> Failure {
    let message = if error.kind() == ErrorKind::NotFound {
        "`--sam-build` runs `sam build`, and no `sam` is on PATH".to_owned()
    } else {
        format!("`--sam-build` runs `sam build`, and `sam` does not start: {error}")
    };
    Failure::new(Kind::Usage, message)
        .hint("install `sam`, the AWS SAM CLI: `pip install aws-sam-cli`")
        .hint(
            "or leave `--sam-build` out and name an image that has the tool, such as `--build-image java=IMAGE`: esb builds the code in it",
        )
}

fn failed(source: &Path, status: ExitStatus) -> Failure {
    let message = format!("`sam build` failed for `{}` ({status})", source.display());
    Failure::new(Kind::Payload, message)
        .hint("mend what `sam build` reports above, then run the same command again")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::here("template.yaml", "")]
    #[case::below("shop/template.yaml", "shop")]
    #[case::built_here(".aws-sam/build/template.yaml", "")]
    #[case::built_below("shop/.aws-sam/build/template.yaml", "shop")]
    #[case::another_build("shop/build/template.yaml", "shop/build")]
    fn the_folder_of_a_project_is_the_one_of_its_source_template(
        #[case] template: &str,
        #[case] folder: &str,
    ) {
        assert_eq!(project_folder(Path::new(template)), Path::new(folder));
    }
}
