//! Templates as they lie on disk.

use std::fs;
use std::path::{Path, PathBuf};

use engine::contract::canonical_ref;

use crate::failure::{Failure, Kind};

/// The largest template that is read (contract, section 1, has the same bound for an artifact's files).
const MAX_TEMPLATE: u64 = 8 << 20;

/// A template as it was found.
pub(super) struct Loaded {
    /// As the user named it.
    pub(super) shown: String,
    /// As the manifest names it.
    pub(super) source: String,
    pub(super) folder: PathBuf,
    pub(super) text: String,
}

/// Reads a template.
pub(super) fn load_template(path: &Path) -> Result<Loaded, Failure> {
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
    if meta.len() > MAX_TEMPLATE {
        return Err(unreadable(&"it is larger than 8 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    Ok(Loaded {
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
