//! An artifact in memory, and putting it on disk or comparing it.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use engine::contract::{FunctionName, Manifest, manifest_text};
use engine::load;

use crate::applier::prepare::load_failure;
use crate::failure::{Failure, Kind, is_full};
use crate::report::counted;
use producer::artifact::CONFIG;
use producer::artifact::store::{self, Difference, Draft, MANIFEST, SeparateManifest, WriteError};
use producer::artifact::tree::{Tree, TreeFile};
use producer::report::{Level, TemplateFinding};

/// An artifact in memory.
pub(super) struct NewArtifact {
    /// Every file below the output folder but the manifest.
    pub(super) tree: Tree,
    /// The manifest, whose roots are relative to its own folder.
    pub(super) manifest: Manifest,
    /// Where the manifest goes.
    pub(super) manifest_path: PathBuf,
    /// Where the rest goes.
    pub(super) output: PathBuf,
    /// Names of the folders of the entries.
    pub(super) entries: Vec<String>,
    /// What is odd.
    pub(super) warnings: Vec<TemplateFinding>,
    /// How many functions there are.
    pub(super) functions: usize,
    /// Functions that the templates make for `arm64`.
    pub(super) arm64: Vec<FunctionName>,
}

/// What putting an artifact on disk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    /// It is there now.
    Written,
    /// It was there, byte for byte.
    Unchanged,
}

impl NewArtifact {
    /// With `--strict-warnings`, a warning about the templates is a failure.
    pub(super) fn check_warnings(&self, are_failures: bool) -> Result<(), Failure> {
        let is_warning = |finding: &&TemplateFinding| finding.level == Level::Warning;
        let count = self.warnings.iter().filter(is_warning).count();
        if !are_failures || count == 0 {
            return Ok(());
        }
        let warnings = counted(count as u64, "warning");
        let message = format!("the templates give {warnings}, and `--strict-warnings` is set");
        Err(Failure::new(Kind::Payload, message)
            .hint("mend what the warnings name, or leave `--strict-warnings` out"))
    }

    /// Whether the manifest lies elsewhere than the rest.
    fn is_elsewhere(&self) -> bool {
        self.manifest_path != self.output.join(MANIFEST)
    }

    /// Every file below the output folder.
    fn files(&self) -> Cow<'_, Tree> {
        if self.is_elsewhere() {
            return Cow::Borrowed(&self.tree);
        }
        let mut tree = self.tree.clone();
        tree.put(MANIFEST, TreeFile::text(manifest_text(&self.manifest)));
        Cow::Owned(tree)
    }

    /// Whether what is on disk is this, byte for byte.
    fn is_current(&self) -> bool {
        let has_manifest = || {
            let text = manifest_text(&self.manifest);
            let there = store::present(&self.manifest_path);
            there.is_ok_and(|there| there.is_some_and(|there| there == text.as_bytes()))
        };
        (!self.is_elsewhere() || has_manifest()) && store::is_same(&self.files(), &self.output)
    }

    /// How what is on disk differs, file by file.
    pub(super) fn differences(&self) -> Result<Vec<Difference>, Failure> {
        let stored = |error: WriteError| unstored(&error);
        let mut found = store::differences(&self.files(), &self.output).map_err(stored)?;
        if !self.is_elsewhere() {
            return Ok(found);
        }
        let text = manifest_text(&self.manifest);
        let mut add = |how| {
            let path = self.manifest_path.display().to_string();
            found.insert(0, Difference { path, how });
        };
        match store::present(&self.manifest_path).map_err(stored)? {
            Some(there) if there == text.as_bytes() => {}
            Some(_) => add("differs"),
            None => add("is missing"),
        }
        Ok(found)
    }

    /// What a file of configuration holds on disk, and what the templates give. The other files are code: their names say enough.
    pub(super) fn texts(&self, difference: &Difference) -> Option<(String, String)> {
        let path = difference.path.as_str();
        let is_manifest = path == MANIFEST || Path::new(path) == self.manifest_path;
        let is_config = path.split('/').nth(1) == Some(CONFIG);
        if !is_manifest && !is_config {
            return None;
        }
        let (place, after) = if is_manifest {
            (self.manifest_path.clone(), manifest_text(&self.manifest))
        } else {
            (self.output.join(path), self.text(path))
        };
        Some((fs::read_to_string(place).unwrap_or_default(), after))
    }

    /// A made file as text; nothing where the templates give no such file.
    fn text(&self, path: &str) -> String {
        match self.tree.get(path) {
            Some(TreeFile::Bytes { content, .. }) => String::from_utf8_lossy(content).into_owned(),
            Some(_) | None => String::new(),
        }
    }

    /// Writes the artifact beside its place, has the engine check it, and puts it there. One that is there already was checked when it was
    /// put there, and stays.
    pub(super) fn publish(&self) -> Result<Published, Failure> {
        let stored = |error: WriteError| unstored(&error);
        let draft = Draft::begin(&self.output).map_err(stored)?;
        let mut elsewhere = None;
        if self.is_elsewhere() {
            let text = manifest_text(&self.manifest);
            elsewhere = SeparateManifest::begin(&self.manifest_path, &text).map_err(stored)?;
        }
        // What cannot be read is replaced.
        if self.is_current() {
            return Ok(Published::Unchanged);
        }
        draft.write(&self.tree).map_err(stored)?;
        // The manifest that is checked lies with its entries, wherever the real one goes.
        let mut near = self.manifest.clone();
        for (entry, name) in near.artifacts.iter_mut().zip(&self.entries) {
            entry.artifact_root.clone_from(name);
        }
        let inside = draft.path().join(MANIFEST);
        load::write_manifest(&inside, &near).map_err(|error| load_failure(&error))?;
        load::artifact(&inside).map_err(|error| load_failure(&error))?;
        if self.is_elsewhere() {
            fs::remove_file(&inside).map_err(|error| Failure::of(Kind::Publish, &error))?;
        }
        draft.publish(elsewhere).map_err(stored)?;
        Ok(Published::Written)
    }
}

fn unstored(error: &WriteError) -> Failure {
    match error {
        WriteError::Write { source, .. } => {
            Failure::of(Kind::Publish, error).hint(if is_full(source) {
                "free some space there, then run the same command again"
            } else {
                "let this user write there, or name another place with `--output` and `--manifest`"
            })
        }
        WriteError::Read { .. } => Failure::of(Kind::Publish, error)
            .hint("let this user read what is there, then run the same command again"),
        WriteError::NotOurs { path, .. } => Failure::of(Kind::Refused, error).hint(format!(
            "remove `{}`, and write into a folder that nobody else may write to",
            path.display()
        )),
        WriteError::Busy(_) => Failure::of(Kind::Refused, error)
            .hint("wait until it has ended, then run the same command again"),
        WriteError::NotAFile(_) => {
            Failure::of(Kind::Refused, error).hint("name a file with `--manifest`")
        }
        WriteError::NotAManifest(_) => Failure::of(Kind::Refused, error)
            .hint("name another file with `--manifest`: what stands there is replaced"),
        WriteError::NotAnArtifact { .. } => Failure::of(Kind::Refused, error).hint(
            "name a folder of its own with `--output`: what stands there is replaced as a whole",
        ),
    }
}
