//! Answers that were saved with `--save-defaults`. They are suggestions at a terminal, and nothing else: no artifact ever
//! depends on them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use engine::contract::Digest;

use crate::failure::{Failure, Kind};

/// Answers by parameter.
pub(super) struct SavedAnswers {
    path: Option<PathBuf>,
    values: BTreeMap<String, String>,
}

impl SavedAnswers {
    /// The answers that were saved for these templates. A file that cannot be read suggests nothing.
    pub(super) fn of(templates: &[PathBuf]) -> Self {
        let path = place(templates);
        let values = path
            .as_ref()
            .and_then(|path| fs::read(path).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { path, values }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Saves them, for this user only.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let no_place = || {
            Failure::new(Kind::Usage, "there is no place to save answers in")
                .hint("set `HOME` or `XDG_STATE_HOME`")
        };
        let path = self.path.as_deref().ok_or_else(no_place)?;
        let folder = path.parent().ok_or_else(no_place)?;
        let text = serde_json::to_vec_pretty(&self.values)
            .map_err(|error| Failure::of(Kind::Internal, &error))?;
        write(folder, path, &text).map_err(|error| {
            let mut failure = Failure::of(Kind::Usage, &error);
            failure.message = format!(
                "cannot save answers in `{}`: {}",
                path.display(),
                failure.message
            );
            failure
        })
    }
}

/// The file is made with mode 0600, as temporary files are.
fn write(folder: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}

/// A file of its own for each set of templates, below the state directory.
fn place(templates: &[PathBuf]) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    let paths: Vec<String> = templates
        .iter()
        .map(|path| std::path::absolute(path).map(|path| path.display().to_string()))
        .collect::<Result<_, _>>()
        .ok()?;
    let digest = Digest::of(paths.join("\n"));
    Some(state.join(format!("esb/answers/{}.json", &digest.hex()[..16])))
}
