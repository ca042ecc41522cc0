//! What is wrong with an artifact that cannot be loaded, or with the secrets that came with it, in words.

use engine::contract::{Violation, render_violations};
use engine::load::LoadError;

use crate::failure::{Failure, Kind, is_full};

/// Rules that are about the secrets which a command was given.
const GIVEN_SECRETS: [&str; 4] = [
    "bad-secret-line",
    "empty-secret",
    "missing-secret",
    "no-secret-file",
];

/// Whether all that is wrong is with the secrets that a command was given, or was not given.
pub(crate) fn are_given(violations: &[Violation]) -> bool {
    let given = |violation: &Violation| GIVEN_SECRETS.contains(&&*violation.rule);
    violations.iter().all(given)
}

/// An artifact that cannot be loaded.
pub(crate) fn load_failure(error: &LoadError) -> Failure {
    match error {
        LoadError::Violations(violations) => {
            let places = match violations.len() {
                1 => "in one place".to_owned(),
                several => format!("in {several} places"),
            };
            // What was not given is no fault of the artifact.
            let are_given = are_given(violations);
            let headline = if are_given {
                "the secrets that the artifact requires are not all given".to_owned()
            } else {
                format!("the artifact violates the payload contract {places}")
            };
            let message = format!(
                "{headline}; nothing was changed\n\n{}",
                render_violations(violations)
            );
            let mut failure = violations
                .iter()
                .filter_map(|violation| violation.hint.clone())
                .take(3)
                .fold(Failure::new(Kind::Payload, message), Failure::hint);
            failure.violations = violations.as_slice().into();
            failure.hint(if are_given {
                "give what is named above, then run the same command again"
            } else {
                "correct what is named above, then run the same command again"
            })
        }
        LoadError::Unreadable { .. } => Failure::of(Kind::Payload, error)
            .hint("`--artifact` names the manifest, a file such as `build/artifact.yml`"),
        LoadError::Unwritable { source, .. } => {
            Failure::of(Kind::Publish, error).hint(if is_full(source) {
                "free some space where the manifest is, then run the same command again"
            } else {
                "let this user write to the manifest's directory, or run the command elsewhere"
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::contract::Rule;

    use super::*;

    #[test]
    fn a_secret_that_is_not_given_is_no_fault_of_the_artifact() {
        let violation = |rule| {
            let place = engine::contract::Place::file("artifact.yml");
            LoadError::Violations(vec![Violation::new(rule, place, "is missing")])
        };
        let failure = load_failure(&violation(Rule::NoSecretFile));
        assert!(
            failure
                .message
                .starts_with("the secrets that the artifact requires are not all given"),
            "{}",
            failure.message
        );
        let failure = load_failure(&violation(Rule::UnknownFunction));
        assert!(failure.message.contains("violates the payload contract"));
        for rule in [
            Rule::BadSecretLine,
            Rule::EmptySecret,
            Rule::MissingSecret,
            Rule::NoSecretFile,
        ] {
            assert!(GIVEN_SECRETS.contains(&rule.name()), "{}", rule.name());
        }
    }
}
