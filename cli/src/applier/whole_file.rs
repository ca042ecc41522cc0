//! Files that are written for somebody: beside their place, and moved there when they are complete and on the disk.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::failure::{Failure, Kind};

/// A file that is there as a whole or not at all. An earlier one is whole until then.
pub(crate) struct WholeFile<'a> {
    pub(crate) path: &'a Path,
    /// What it is: an export, a backup.
    pub(crate) what: &'static str,
    /// What to do when it cannot be written.
    pub(crate) hint: &'static str,
    /// An earlier one is replaced.
    pub(crate) replaces: bool,
}

impl WholeFile<'_> {
    /// It cannot be written.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        let message = format!("cannot write the {} `{}`", self.what, self.path.display());
        let mut failure = Failure::new(Kind::Unreachable, message);
        failure.causes.push(error.to_string());
        failure.hint(self.hint)
    }

    fn is_there(&self) -> Failure {
        let message = format!("`{}` is there already", self.path.display());
        Failure::new(Kind::Refused, message).hint("`--force` replaces it")
    }

    /// Writes the file, and whatever `write` returns when that and everything behind it went well.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let failed = |error: io::Error| self.failed(&error);
        if self.path.exists() && !self.path.is_file() {
            let message = format!(
                "`{}` is not a file that can be replaced",
                self.path.display()
            );
            return Err(Failure::new(Kind::Usage, message).hint(self.hint));
        }
        if !self.replaces && self.path.exists() {
            return Err(self.is_there());
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let mut beside = tempfile::Builder::new()
            .prefix(&format!(".artifactctl-{}-", self.what))
            .tempfile_in(folder)
            .map_err(failed)?;
        let mut out = BufWriter::new(beside.as_file_mut());
        let written = write(&mut out)?;
        out.flush().map_err(failed)?;
        drop(out);
        beside.as_file().sync_all().map_err(failed)?;
        let moved = if self.replaces {
            beside.persist(self.path)
        } else {
            beside.persist_noclobber(self.path)
        };
        moved.map_err(|error| {
            if error.error.kind() == ErrorKind::AlreadyExists {
                self.is_there()
            } else {
                failed(error.error)
            }
        })?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Ok(written)
    }
}
