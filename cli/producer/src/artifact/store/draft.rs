//! An artifact that is being written: beside its place, then in it.
//!
//! It is written into a folder beside its place, brought to disk, and changes places with what stood there in one step. Where the
//! file system cannot do that, the old folder steps aside first: whoever looks in that moment finds no artifact, never half of one.
//! A killed run may leave that folder aside; the next one puts it back.
//!
//! A manifest elsewhere is taken out of its place before and put there after: it never names an artifact that it was not made with.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;

use super::file::{put, synced};
use super::parallel::on_each;
use super::separate_manifest::SeparateManifest;
use super::working_folder::{WorkingFolder, beside, lock};
use super::{WriteError, parent, replaceable, unwritable};
use crate::artifact::tree::{Tree, TreeFile};

/// What an artifact is called that has stepped aside.
pub(super) const ASIDE: &str = "esb-old";

/// An artifact in the making. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct Draft {
    beside: WorkingFolder,
    place: PathBuf,
}

impl Draft {
    /// Begins an artifact for a place. What is there already must be an artifact, or nothing.
    pub fn begin(place: &Path) -> Result<Self, WriteError> {
        let draft = Self {
            beside: WorkingFolder::begin(place)?,
            place: place.to_owned(),
        };
        draft.take_up()?;
        replaceable(place)?;
        Ok(draft)
    }

    /// Takes up an artifact that stepped aside in a killed run.
    fn take_up(&self) -> Result<(), WriteError> {
        let aside = self.aside();
        if !aside.exists() {
            Ok(())
        } else if self.place.exists() {
            // Out of the way as a whole: what is removed in part must never be taken for an artifact.
            let rubbish = self.path().join(ASIDE);
            fs::rename(&aside, &rubbish).map_err(unwritable(&aside))?;
            self.beside.clear()
        } else {
            fs::rename(&aside, &self.place).map_err(unwritable(&self.place))
        }
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        self.beside.path()
    }

    fn aside(&self) -> PathBuf {
        beside(parent(&self.place), &self.place, ASIDE)
    }

    /// Writes the files.
    pub fn write(&self, tree: &Tree) -> Result<(), WriteError> {
        let files: Vec<(&str, &TreeFile)> = tree.files().collect();
        let folders: BTreeSet<&str> = files
            .iter()
            .filter_map(|(path, _)| path.rsplit_once('/'))
            .map(|(folder, _)| folder)
            .collect();
        for folder in folders {
            let folder = self.path().join(folder);
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&folder)
                .map_err(unwritable(&folder))?;
        }
        on_each(&files, |(path, piece)| put(&self.path().join(path), piece))?;
        Ok(())
    }

    /// Puts the artifact in its place, and its manifest where that lies elsewhere; what stood there is gone afterwards.
    pub fn publish(mut self, mut manifest: Option<SeparateManifest>) -> Result<(), WriteError> {
        // Beginning has looked already; writing may have taken a while.
        replaceable(&self.place)?;
        // Hundreds of small files and their folders: one call for all of them costs a tenth of one for each.
        syncfs(&self.beside.lock).map_err(|error| unwritable(self.path())(error.into()))?;
        let old = self.place.exists().then(|| lock(&self.place, &self.place));
        let old = old.transpose()?;
        if let Some(manifest) = &mut manifest {
            manifest.withdraw()?;
        }
        match old {
            None => {
                fs::rename(self.path(), &self.place).map_err(unwritable(&self.place))?;
                self.beside.moved();
                manifest.map_or(Ok(()), SeparateManifest::publish)?;
            }
            Some(old) => {
                self.exchange()?;
                // The old artifact bears the name of the draft: it is held like one until it is removed.
                self.beside.lock = old;
                manifest.map_or(Ok(()), SeparateManifest::publish)?;
                self.beside.remove()?;
            }
        }
        synced(parent(&self.place))
    }

    /// Changes places with the old artifact.
    fn exchange(&self) -> Result<(), WriteError> {
        match renameat_with(CWD, self.path(), CWD, &self.place, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.step_aside(),
            Err(error) => Err(unwritable(&self.place)(error.into())),
        }
    }

    /// The same in three steps. Only a whole artifact is ever aside.
    fn step_aside(&self) -> Result<(), WriteError> {
        let aside = self.aside();
        fs::rename(&self.place, &aside).map_err(unwritable(&self.place))?;
        if let Err(error) = fs::rename(self.path(), &self.place) {
            // What cannot be put back now goes back when the next run begins.
            let _ = fs::rename(&aside, &self.place);
            return Err(unwritable(&self.place)(error));
        }
        fs::rename(&aside, self.path()).map_err(unwritable(&aside))
    }
}
