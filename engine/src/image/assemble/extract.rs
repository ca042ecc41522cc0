//! Single files out of a layer or an archive.

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::tree::clean;

/// Hands over the bytes of each file of an uncompressed archive that is wanted, by its path as [`FileContent`] has it. Of files with
/// one path the last one counts.
///
/// [`FileContent`]: super::FileContent
pub fn extract(
    archive: impl Read,
    wanted: &BTreeSet<&str>,
    each: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = clean(&String::from_utf8_lossy(&entry.path_bytes()));
        let is_file = matches!(
            entry.header().entry_type(),
            tar::EntryType::Regular | tar::EntryType::Continuous
        );
        if is_file && wanted.contains(path.as_str()) {
            each(&path, &mut entry)?;
        }
    }
    Ok(())
}
