//! The secret file: read once, for what it lacks and for what nobody may see.

use std::collections::BTreeSet;
use std::path::Path;

use super::LoadError;
use super::confined::{Problem, open_anywhere, read_bounded};
use crate::contract::{Lookup, Place, Rule, SecretFile, SecretValues, Violation, check_secrets};
use crate::yaml;

/// A secret file is at most 1 MiB.
const MAX_SECRET_FILE: u64 = 1 << 20;

/// Checks that a secret file gives every required name a value; the values, to be kept out of what others print. A value
/// may refer to the environment that is handed over.
pub fn secrets(
    path: Option<&Path>,
    required: &BTreeSet<&str>,
    environment: Lookup<'_>,
) -> Result<SecretValues, LoadError> {
    let read = match path {
        None => match check_secrets(required, "", None) {
            missing if missing.is_empty() => Ok(SecretValues::default()),
            missing => Err(missing),
        },
        Some(path) => in_file(path, required, environment),
    };
    read.map_err(LoadError::Violations)
}

/// The values that Compose's environment file gives these names. A file that cannot be understood is refused: its values
/// could not be kept out of what the provisioner prints.
pub fn secrets_among(
    path: &Path,
    names: &BTreeSet<&str>,
    environment: Lookup<'_>,
) -> Result<SecretValues, LoadError> {
    let file = parsed(path, "the environment file", environment).map_err(LoadError::Violations)?;
    Ok(file.values(names))
}

/// The values that Compose's environment file gives names that tell a secret, where no artifact says which names are secret.
/// A file that cannot be understood is refused, as by [`secrets_among`].
pub fn secrets_by_name(path: &Path, environment: Lookup<'_>) -> Result<SecretValues, LoadError> {
    let file = parsed(path, "the environment file", environment).map_err(LoadError::Violations)?;
    Ok(file.values(&file.telling_names()))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    open_anywhere(path).and_then(|mut opened| read_bounded(&mut opened, MAX_SECRET_FILE))
}

fn in_file(
    path: &Path,
    required: &BTreeSet<&str>,
    environment: Lookup<'_>,
) -> Result<SecretValues, Vec<Violation>> {
    let given = parsed(path, "the secret file", environment)?;
    let file = path.display().to_string();
    match check_secrets(required, &file, Some(&given.names())) {
        missing if missing.is_empty() => Ok(given.values(required)),
        missing => Err(missing),
    }
}

fn parsed(path: &Path, what: &str, environment: Lookup<'_>) -> Result<SecretFile, Vec<Violation>> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|problem| {
        let message = format!("{what} {problem}");
        let violation = Violation::new(problem.rule(), Place::file(&file), message);
        vec![violation.with_hint("name a file of `KEY=value` lines")]
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        vec![Violation::new(
            Rule::Yaml(yaml::YamlRule::NotUtf8),
            Place::file(&file),
            format!("{what} is not UTF-8"),
        )]
    })?;
    SecretFile::parse(&file, text, environment)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn check(bytes: Option<&[u8]>) -> Result<(), Vec<Violation>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.env");
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        match secrets(Some(&path), &BTreeSet::from(["A"]), &|_| None) {
            Ok(_) => Ok(()),
            Err(LoadError::Violations(violations)) => Err(violations),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_file_that_gives_every_name_is_enough() {
        assert_eq!(check(Some(b"A=hunter2\n")), Ok(()));
    }

    #[rstest]
    #[case(None, "missing-file", 0)]
    #[case(Some(&b"B=hunter2\n"[..]), "missing-secret", 0)]
    #[case(Some(&b"A=\n"[..]), "empty-secret", 0)]
    #[case(Some(&b"A=1\nhunter2\n"[..]), "bad-secret-line", 2)]
    #[case(Some(&b"A=hunter2\xff\n"[..]), "not-utf8", 0)]
    fn what_is_wrong_is_named_and_never_shown(
        #[case] bytes: Option<&[u8]>,
        #[case] rule: &str,
        #[case] line: u32,
    ) {
        let violations = check(bytes).unwrap_err();

        assert_eq!(
            (violations[0].rule.as_str(), violations[0].place.line),
            (rule, line)
        );
        assert!(!format!("{violations:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let violations = check(Some(&vec![b'#'; (1 << 20) + 1])).unwrap_err();

        assert_eq!(violations[0].rule, "too-large");
    }

    #[test]
    fn without_required_names_no_file_is_needed() {
        assert!(secrets(None, &BTreeSet::new(), &|_| None).is_ok());
        assert!(secrets(None, &BTreeSet::from(["A"]), &|_| None).is_err());
    }
}
