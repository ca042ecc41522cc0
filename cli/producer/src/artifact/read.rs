//! Files that have to be understood: regular ones, of a bounded size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::tree::TreeFile;

/// The most bytes of a file that has to be understood.
const MAX_TEXT: u64 = 1 << 20;

/// Why a file cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error("its `{path}` is not UTF-8 text of at most 1 MiB")]
    NotText { path: String },
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Opens a regular file. Whatever else has taken its place by now is refused, and nobody waits for the other end of a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(nonblock).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// The text of a file that this tool has to understand.
pub(super) fn text_of(piece: &TreeFile, path: &str) -> Result<String, TextError> {
    let not_text = || TextError::NotText {
        path: path.to_owned(),
    };
    let bytes = match piece {
        TreeFile::Bytes { content, .. } => content.to_vec(),
        TreeFile::Copy { from, .. } => bounded(from)?,
        TreeFile::Link(_) => return Err(not_text()),
    };
    if bytes.len() as u64 > MAX_TEXT {
        return Err(not_text());
    }
    String::from_utf8(bytes).map_err(|_| not_text())
}

/// The bytes of a file, one more than the limit at most.
fn bounded(path: &Path) -> Result<Vec<u8>, TextError> {
    let read = || {
        let mut bytes = Vec::new();
        open(path)?.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| TextError::Unreadable {
        path: PathBuf::from(path),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(path: &Path) -> TreeFile {
        TreeFile::Copy {
            from: path.to_owned(),
            executable: false,
        }
    }

    #[test]
    fn a_large_file_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requirements.txt");
        // A hole takes no room on the disk, and eight GiB of memory for whoever reads it.
        File::create(&path).unwrap().set_len(8 << 30).unwrap();
        let error = text_of(&piece(&path), "requirements.txt").unwrap_err();
        assert_eq!(
            error.to_string(),
            "its `requirements.txt` is not UTF-8 text of at most 1 MiB"
        );
    }

    #[test]
    fn nobody_waits_for_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package.json");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let error = text_of(&piece(&path), "package.json").unwrap_err();
        assert!(error.to_string().contains("package.json"), "{error}");
    }
}
