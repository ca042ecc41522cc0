//! Files of parameters, read from disk.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::failure::{Failure, Kind};
use producer::parameters::{Given, MAX_FILE_BYTES, read_file};

/// The values of a file. It may be a pipe (`<(…)` of a shell), so that a secret need not lie on disk; it is read to a limit.
pub(super) fn of_file(path: &Path, section: &str) -> Result<Given, Failure> {
    let read = || {
        let mut text = String::new();
        let file = fs::File::open(path)?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error: std::io::Error| {
        let mut failure = Failure::of(Kind::Usage, &error);
        failure.message = format!("cannot read `{}`: {}", path.display(), failure.message);
        failure
    })?;
    read_file(&path.display().to_string(), &text, section).map_err(|violations| {
        let what = format!("`{}` is no file of parameters", path.display());
        Failure::violated(Kind::Usage, &what, violations)
    })
}
