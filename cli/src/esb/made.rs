//! An artifact in memory, and putting it on disk or comparing it.

use std::fs;
use std::path::{Path, PathBuf};

use engine::contract::{FunctionName, Manifest, manifest_text};
use engine::load;

use crate::applier::prepare::load_failure;
use crate::failure::{Failure, Kind};
use crate::producer::artifact::store::{self, Draft, MANIFEST, StoreError};
use crate::producer::artifact::tree::{Piece, Tree};
use crate::producer::report::Finding;

/// An artifact in memory.
pub(super) struct Made {
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
    pub(super) warnings: Vec<Finding>,
    /// How many functions there are.
    pub(super) functions: usize,
    /// Functions that the templates make for `arm64`.
    pub(super) arm64: Vec<FunctionName>,
}

impl Made {
    /// How what is on disk differs, a line for each file.
    pub(super) fn differences(&self) -> Result<Vec<String>, Failure> {
        let text = Piece::text(manifest_text(&self.manifest));
        let mut tree = self.tree.clone();
        if self.manifest_path == self.output.join(MANIFEST) {
            tree.put(MANIFEST, text);
            return store::differences(&tree, &self.output).map_err(|error| unstored(&error));
        }
        let mut found =
            store::differences(&tree, &self.output).map_err(|error| unstored(&error))?;
        let there = fs::read(&self.manifest_path).unwrap_or_default();
        if there != manifest_text(&self.manifest).as_bytes() {
            found.insert(0, format!("{} differs", self.manifest_path.display()));
        }
        Ok(found)
    }

    /// Writes the artifact beside its place, has the engine check it, and puts it there.
    pub(super) fn publish(&self) -> Result<(), Failure> {
        let stored = |error: StoreError| unstored(&error);
        let draft = Draft::begin(&self.output).map_err(stored)?;
        draft.write(&self.tree).map_err(stored)?;
        // The manifest that is checked lies with its entries, wherever the real one goes.
        let mut near = self.manifest.clone();
        for (entry, name) in near.artifacts.iter_mut().zip(&self.entries) {
            entry.artifact_root.clone_from(name);
        }
        let inside = draft.path().join(MANIFEST);
        let written = |path: &Path, manifest: &Manifest| {
            load::write_manifest(path, manifest).map_err(|error| load_failure(&error))
        };
        written(&inside, &near)?;
        load::artifact(&inside).map_err(|error| load_failure(&error))?;
        let outside = self.manifest_path != self.output.join(MANIFEST);
        if outside {
            fs::remove_file(&inside).map_err(|error| Failure::of(Kind::Publish, &error))?;
        }
        draft.publish().map_err(stored)?;
        if outside {
            let folder = self.manifest_path.parent().unwrap_or(Path::new(""));
            fs::create_dir_all(folder).map_err(|error| Failure::of(Kind::Publish, &error))?;
            written(&self.manifest_path, &self.manifest)?;
        }
        Ok(())
    }
}

fn unstored(error: &StoreError) -> Failure {
    match error {
        StoreError::Write { .. } | StoreError::Read { .. } => Failure::of(Kind::Publish, error),
        StoreError::Busy(_) => Failure::of(Kind::Refused, error)
            .hint("wait until it has ended, then run the same command again"),
        StoreError::NotAnArtifact { .. } => Failure::of(Kind::Refused, error).hint(
            "name a folder of its own with `--output`: what stands there is replaced as a whole",
        ),
    }
}
