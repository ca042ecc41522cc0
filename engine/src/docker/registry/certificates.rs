//! What Docker keeps of one registry's certificates: `/etc/docker/certs.d/HOST[:PORT]`.
//!
//! The engine reads the same folder when it pushes and pulls. Here: which files count, as the engine has it. Not here: whether a
//! registry's certificate is verified at all (`access`), and what a failed handshake means (`error`).

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::{fs, io};

use reqwest::{Certificate, Identity};

use super::error::RegistryError;
use crate::load::{Problem, open_anywhere, read_bounded};

/// Where Docker looks for certificates, one folder for each registry.
pub(in crate::docker) const FOLDER: &str = "/etc/docker/certs.d";

/// The largest file that is read.
const FILE_LIMIT: u64 = 1 << 20;

/// The certificates for one registry.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// Authorities (`*.crt`) that are trusted besides those of this machine.
    pub(super) authorities: Vec<Certificate>,
    /// Who we are (`NAME.cert` with `NAME.key`), for registries that ask for it. Of several pairs the first by name counts.
    pub(super) client: Option<Identity>,
}

/// Reads the certificates for a registry below a folder. No folder means that there are none.
///
/// As the engine does: every `*.crt` is a list of authorities, and a client's certificate without its key is an error. A file
/// that this user may not read is left out with a warning, because the engine has rights that this user lacks.
pub(super) fn read(folder: &Path, host: &str) -> Result<Certificates, RegistryError> {
    let folder = folder.join(host);
    let names = match names(&folder) {
        Ok(names) => names,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn(&folder, &error);
            }
            return Ok(Certificates::default());
        }
    };
    let mut found = Certificates::default();
    for name in &names {
        let path = folder.join(name);
        let refuse = |problem: String| RegistryError::Certificates {
            path: path.clone(),
            problem,
        };
        let other = |ending: &str| path.with_extension(ending);
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("crt") => {
                let Some(text) = text(&path)? else { continue };
                let list = Certificate::from_pem_bundle(&text).unwrap_or_default();
                if list.is_empty() {
                    return Err(refuse("holds no certificate in PEM form".to_owned()));
                }
                found.authorities.extend(list);
            }
            Some("cert") => {
                let key = other("key");
                if !names.contains(&file_name(&key)) {
                    let key = file_name(&key);
                    return Err(refuse(format!(
                        "is a client's certificate without its key `{key}`; an authority's ends in `.crt`"
                    )));
                }
                let (Some(mut pair), Some(key)) = (text(&path)?, text(&key)?) else {
                    continue;
                };
                pair.push(b'\n');
                pair.extend(key);
                let identity = Identity::from_pem(&pair)
                    .map_err(|_| refuse("and its key are no pair in PEM form".to_owned()))?;
                found.client.get_or_insert(identity);
            }
            Some("key") => {
                let certificate = file_name(&other("cert"));
                if !names.contains(&certificate) {
                    return Err(refuse(format!(
                        "is a client's key without its certificate `{certificate}`"
                    )));
                }
            }
            Some(_) | None => {}
        }
    }
    Ok(found)
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The bytes of a file; nothing, and a warning, when this user may not read it.
fn text(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    let read = open_anywhere(path).and_then(|mut file| read_bounded(&mut file, FILE_LIMIT));
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(problem @ Problem::Unreadable(_)) => {
            warn(path, &problem);
            Ok(None)
        }
        Err(problem) => Err(RegistryError::Certificates {
            path: path.to_owned(),
            problem: problem.to_string(),
        }),
    }
}

fn warn(path: &Path, problem: &impl Display) {
    tracing::warn!(path = %path.display(), %problem, "a registry's certificates are left out");
}

/// Where the certificate of the authority of a registry is to be put.
pub(in crate::docker) fn authority_file(host: &str) -> PathBuf {
    Path::new(FOLDER).join(host).join("ca.crt")
}
