//! Writing a manifest of our own.

use std::path::Path;

use super::LoadError;
use super::sync::write;
use crate::contract::{Manifest, manifest_text, parse_manifest};

/// Writes a manifest as a whole, its ids computed, or leaves the file as it was: temp file beside it, fsync, mode 0644,
/// rename, fsync of the directory. A manifest that would break the payload contract is not written.
pub fn write_manifest(path: &Path, manifest: &Manifest) -> Result<(), LoadError> {
    let text = manifest_text(manifest);
    parse_manifest(&path.display().to_string(), &text).map_err(LoadError::Violations)?;
    write(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::contract::{ArtifactEntry, Mode, SourceTemplate};

    fn manifest(project: &str) -> Manifest {
        Manifest {
            project: project.to_owned(),
            env: "dev".to_owned(),
            mode: Mode::Docker,
            runtime_stack: None,
            artifacts: vec![ArtifactEntry {
                id: None,
                artifact_root: "a".to_owned(),
                runtime_config_dir: "config".to_owned(),
                bundle_manifest: None,
                required_secret_env: Vec::new(),
                source_template: Some(SourceTemplate {
                    path: "a.yaml".to_owned(),
                    sha256: None,
                    parameters: BTreeMap::new(),
                }),
            }],
            generated_at: None,
            generator: None,
        }
    }

    #[test]
    fn a_manifest_is_written_anew_and_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("artifact.yml");

        write_manifest(&path, &manifest("one")).unwrap();
        write_manifest(&path, &manifest("two")).unwrap();

        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            manifest_text(&manifest("two"))
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_manifest_that_breaks_the_contract_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("artifact.yml");
        let mut broken = manifest("one");
        broken.artifacts[0].runtime_config_dir = "../config".to_owned();

        let refused = write_manifest(&path, &broken).unwrap_err();

        assert!(matches!(refused, LoadError::Violations(_)), "{refused}");
        assert!(!path.exists());
    }
}
