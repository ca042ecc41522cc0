//! Templates as they lie on disk.

use std::fs;
use std::path::{Path, PathBuf};

use engine::contract::canonical_ref;
use engine::load::{Problem, open_anywhere, read_bounded};

use crate::failure::{Failure, Kind};
use producer::sam::Files;

/// The largest template that is read (contract, section 1, has the same bound for an artifact's files).
const MAX_TEMPLATE: u64 = 8 << 20;

/// A template as it was found.
pub(super) struct TemplateFile {
    /// As the user named it.
    pub(super) shown: String,
    /// As the manifest names it.
    pub(super) source: String,
    pub(super) folder: PathBuf,
    pub(super) text: String,
}

/// The files beside a template, for the rooms that see no file. Nothing is read that lies neither below the template's folder nor below
/// the current one.
#[derive(Debug)]
pub(super) struct FilesBeside {
    folder: PathBuf,
}

impl FilesBeside {
    /// The files beside this template.
    pub(super) fn of(loaded: &TemplateFile) -> Self {
        Self {
            folder: loaded.folder.clone(),
        }
    }
}

impl Files for FilesBeside {
    fn read(&self, path: &str) -> Result<String, String> {
        let unread = |error: std::io::Error| error.to_string();
        let real = fs::canonicalize(self.folder.join(path)).map_err(unread)?;
        let may_be_read = [self.folder.as_path(), Path::new(".")]
            .into_iter()
            .filter_map(|root| fs::canonicalize(root).ok())
            .any(|root| real.starts_with(root));
        if !may_be_read {
            return Err(
                "it lies neither below the template's folder nor below the current one".to_owned(),
            );
        }
        text_of(&real).map_err(|problem| format!("it {problem}"))
    }
}

/// The text of a regular file, which is read to a limit.
fn text_of(path: &Path) -> Result<String, Problem> {
    let bytes = read_bounded(&mut open_anywhere(path)?, MAX_TEMPLATE)?;
    String::from_utf8(bytes)
        .map_err(|_| Problem::Unreadable(std::io::Error::other("it is not UTF-8")))
}

/// Reads a template.
pub(super) fn load_template(path: &Path) -> Result<TemplateFile, Failure> {
    let shown = path.display().to_string();
    let refused = |kind, why: &dyn std::fmt::Display| {
        Failure::new(kind, format!("cannot read the template `{shown}`: {why}"))
            .hint("`--template` names a SAM template, a file such as `template.yaml`")
    };
    let unreadable = |why: &dyn std::fmt::Display| refused(Kind::Payload, why);
    let meta = fs::metadata(path).map_err(|error| missing(path, &error, refused))?;
    if !meta.is_file() {
        return Err(refused(Kind::Usage, &"it is not a file"));
    }
    let text = text_of(path).map_err(|problem| unreadable(&format!("it {problem}")))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    Ok(TemplateFile {
        source: source_path(path),
        shown,
        folder,
        text,
    })
}

/// A template that is not there is a mistake of the command line: says where it was looked for.
fn missing(
    path: &Path,
    error: &std::io::Error,
    refused: impl Fn(Kind, &dyn std::fmt::Display) -> Failure,
) -> Failure {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    if ![NotFound, NotADirectory].contains(&error.kind()) {
        return refused(Kind::Payload, error);
    }
    let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    refused(
        Kind::Usage,
        &format!("`{}` does not exist", place.display()),
    )
}

/// What the manifest calls a template: its path from the current folder when it lies there, since a path of one machine would
/// make another source of the same template elsewhere.
fn source_path(path: &Path) -> String {
    let here = std::env::current_dir();
    let below = here.ok().and_then(|here| {
        let real = fs::canonicalize(&here).ok()?;
        let below = path
            .strip_prefix(&here)
            .or_else(|_| path.strip_prefix(&real));
        below.ok().map(Path::to_owned)
    });
    canonical_ref(
        &below
            .unwrap_or_else(|| path.to_owned())
            .display()
            .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_a_template_does_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("app");
        fs::create_dir_all(below.join("inner")).unwrap();
        fs::write(below.join("inner/api.yaml"), "inside").unwrap();
        fs::write(folder.path().join("outside.yaml"), "outside").unwrap();
        let link = below.join("link.yaml");
        std::os::unix::fs::symlink(folder.path().join("outside.yaml"), link).unwrap();
        let beside = FilesBeside { folder: below };

        assert_eq!(beside.read("inner/api.yaml"), Ok("inside".to_owned()));
        for path in ["../outside.yaml", "link.yaml", "/etc/hostname"] {
            let why = beside.read(path).unwrap_err();
            assert!(why.contains("lies neither below"), "{path}: {why}");
        }
        assert!(beside.read("inner").unwrap_err().contains("not a file"));
    }
}
