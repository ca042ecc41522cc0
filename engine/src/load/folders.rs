//! Folders of functions whose Dockerfile is not where it is looked for.

use std::path::{Path, PathBuf};

use rustix::fs::Dir;

use super::confined::{Problem, Root};
use crate::contract::{FunctionName, misspelt, quoted};

/// At most this many names of a folder are looked at.
const MAX_NAMES: usize = 10_000;

/// What is odd about the folder of a function without a Dockerfile.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OddFolder {
    /// It has a file whose name is nearly `Dockerfile`, or stands in a folder that is nearly `functions`.
    Misnamed {
        /// What stands there, below the root.
        found: PathBuf,
        /// Where it is looked for, below the root.
        expected: PathBuf,
    },
    /// It is there, with something in it, and has no Dockerfile.
    Without(PathBuf),
}

/// Looks for the Dockerfile of a function that has none. What cannot be looked at is not there.
pub(super) fn odd_folder(root: &Root, function: &FunctionName) -> Option<OddFolder> {
    let folder = Path::new("functions").join(function.as_str());
    let expected = folder.join("Dockerfile");
    if let Ok(names) = names(root, &folder) {
        let near = names
            .iter()
            .find(|name| misspelt(name, &["Dockerfile"]).is_some());
        return match near {
            Some(name) => Some(OddFolder::Misnamed {
                found: folder.join(name),
                expected,
            }),
            None if names.is_empty() => None,
            None => Some(OddFolder::Without(folder)),
        };
    }
    let near = names(root, Path::new("")).ok()?.into_iter().find(|name| {
        let folder = Path::new(name).join(function.as_str());
        misspelt(name, &["functions"]).is_some()
            && names(root, &folder).is_ok_and(|names| names.iter().any(|name| name == "Dockerfile"))
    })?;
    Some(OddFolder::Misnamed {
        found: Path::new(&near).join(function.as_str()).join("Dockerfile"),
        expected,
    })
}

impl OddFolder {
    /// What is wrong, below the root that the user names.
    pub(super) fn message(&self, image: &str, function: &FunctionName) -> String {
        let shown = |path: &Path| quoted(&path.display().to_string());
        match self {
            Self::Misnamed { found, expected } => format!(
                "{} is not read, so that the image {} of the function `{function}` is not built: \
                 the file must be {}",
                shown(found),
                quoted(image),
                shown(expected)
            ),
            Self::Without(folder) => format!(
                "{} has no Dockerfile, so that the image {} of the function `{function}` is not built",
                shown(folder),
                quoted(image)
            ),
        }
    }
}

/// The names in a folder below the root, sorted.
fn names(root: &Root, folder: &Path) -> Result<Vec<String>, Problem> {
    let opened = root.open_dir(folder)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&opened)
        .map_err(Problem::of)?
        .take(MAX_NAMES)
    {
        let entry = entry.map_err(Problem::of)?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
