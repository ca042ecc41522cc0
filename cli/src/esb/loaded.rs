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
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(
            Kind::Payload,
            format!("cannot read the template `{shown}`: {why}"),
        )
        .hint("`--template` names a SAM template, a file such as `template.yaml`")
    };
    let meta = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !meta.is_file() {
        return Err(unreadable(&"it is no file"));
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
