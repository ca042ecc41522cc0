//! The secret file: read once, its values dropped.

use std::collections::BTreeSet;
use std::path::Path;

use super::LoadError;
use super::confined::{open_anywhere, read_bounded};
use crate::contract::{Place, Rule, Violation, check_secrets, parse_secret_env};
use crate::yaml;

/// A secret file is at most 1 MiB.
const MAX_SECRET_FILE: u64 = 1 << 20;

/// Checks that a secret file gives every required name a value. Nothing of its content is returned.
pub fn secrets(path: Option<&Path>, required: &BTreeSet<&str>) -> Result<(), LoadError> {
    let violations = match path {
        None => check_secrets(required, "", None),
        Some(path) => in_file(path, required),
    };
    if violations.is_empty() {
        Ok(())
    } else {
        Err(LoadError::Violations(violations))
    }
}

fn in_file(path: &Path, required: &BTreeSet<&str>) -> Vec<Violation> {
    let file = path.display().to_string();
    let read =
        open_anywhere(path).and_then(|mut opened| read_bounded(&mut opened, MAX_SECRET_FILE));
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(problem) => {
            let message = format!("the secret file {problem}");
            let violation = Violation::new(problem.rule(), Place::file(file), message);
            return vec![violation.with_hint("`--secret-env` names a file of `KEY=value` lines")];
        }
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return vec![Violation::new(
            Rule::Yaml(yaml::Rule::NotUtf8),
            Place::file(file),
            "the secret file is not UTF-8",
        )];
    };
    match parse_secret_env(&file, text) {
        Ok(given) => check_secrets(required, &file, Some(&given)),
        Err(violations) => violations,
    }
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
        match secrets(Some(&path), &BTreeSet::from(["A"])) {
            Ok(()) => Ok(()),
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
        assert!(secrets(None, &BTreeSet::new()).is_ok());
        assert!(secrets(None, &BTreeSet::from(["A"])).is_err());
    }
}
