//! The one place where a failure gets its exit code, its words and its next step.

use engine::contract::{Violation, render_violations};
use engine::machine::{Failed, FailureKind};
use engine::redact::credentials;
use engine::run::Fault;
use serde::Serialize;
use uuid::Uuid;

/// What kind of failure a command ended with. Each has its exit code; `docs/guide/exit-codes.md` is generated from this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A bug.
    Internal,
    /// The command line is wrong.
    Usage,
    /// The artifact breaks the payload contract.
    Payload,
    /// The running stack is incompatible, or could not be verified.
    Incompatible,
    /// Another deploy holds the target, or the state does not allow it.
    Refused,
    /// An image could not be built, pushed or pulled.
    Image,
    /// Publishing or provisioning failed.
    Publish,
    /// The journal is damaged, or written by a newer tool.
    Journal,
    /// Engine, registry or journal cannot be reached.
    Unreachable,
    /// An assertion or a verification did not hold.
    Assertion,
    /// Drift was found.
    Drift,
    /// A person stopped it.
    Interrupted,
}

impl Kind {
    /// Every kind.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Internal,
        Self::Usage,
        Self::Payload,
        Self::Incompatible,
        Self::Refused,
        Self::Image,
        Self::Publish,
        Self::Journal,
        Self::Unreachable,
        Self::Assertion,
        Self::Drift,
        Self::Interrupted,
    ];

    /// The exit code of the process.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Payload => 3,
            Self::Incompatible => 4,
            Self::Refused => 5,
            Self::Image => 6,
            Self::Publish => 7,
            Self::Journal => 8,
            Self::Unreachable => 9,
            Self::Assertion => 10,
            Self::Drift => 11,
            Self::Interrupted => 130,
        }
    }

    /// What the code means, as the documentation says it.
    #[cfg(test)]
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Internal => "internal error, a bug",
            Self::Usage => "usage",
            Self::Payload => {
                "artifact violates the payload contract, or no artifact can be made of a template"
            }
            Self::Incompatible => "running stack is incompatible, or could not be verified",
            Self::Refused => {
                "refused: another deploy holds the target, or the state does not allow it"
            }
            Self::Image => "image build, push or pull failed",
            Self::Publish => "publish or provision failed",
            Self::Journal => "journal damaged, or written by a newer tool",
            Self::Unreachable => "the world is unreachable: engine, registry, journal directory",
            Self::Assertion => "an assertion or a verification did not hold",
            Self::Drift => {
                "drift found (`deploy --fail-on-drift`, `status --exit-code`, `plan --exit-code` with changes, `esb artifact generate --check`)"
            }
            Self::Interrupted => "interrupted",
        }
    }
}

/// Says whether an error of the system means that there is no room.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&error.kind())
}

impl From<FailureKind> for Kind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Payload => Self::Payload,
            FailureKind::Incompatible => Self::Incompatible,
            FailureKind::Image => Self::Image,
            FailureKind::Drift => Self::Drift,
            FailureKind::Unrestorable => Self::Refused,
            FailureKind::Publish | FailureKind::Provision => Self::Publish,
            FailureKind::Unreachable => Self::Unreachable,
            FailureKind::Interrupted => Self::Interrupted,
            FailureKind::Internal => Self::Internal,
        }
    }
}

/// Why a command failed, for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failure {
    /// What kind of failure it is.
    pub(crate) kind: Kind,
    /// What went wrong; may have several lines.
    pub(crate) message: String,
    /// Its causes, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
    /// The last lines of a build or a provisioner.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) output: Box<[String]>,
    /// The rollback that followed, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rollback: Option<Box<RolledBack>>,
    /// Next actions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hints: Vec<String>,
    /// What is wrong with the artifact, as data; the message says the same in words.
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    pub(crate) violations: Box<[Violation]>,
}

/// What became of a rollback that a failed deploy was to be followed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RolledBack {
    /// The deploy that was gone back to; none when none could be.
    pub(crate) to: Option<Uuid>,
    /// The rollback, which is a deploy of its own; none when it was not begun.
    pub(crate) deploy: Option<Uuid>,
    /// What was in effect before is in effect again.
    pub(crate) applied: bool,
    /// The same in words.
    pub(crate) message: String,
}

impl RolledBack {
    /// None was begun.
    pub(crate) fn not_done(why: String) -> Self {
        Self {
            to: None,
            deploy: None,
            applied: false,
            message: why,
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            output: Box::default(),
            rollback: None,
            hints: Vec::new(),
            violations: Box::default(),
        }
    }

    /// From an error and everything below it; a cause that repeats its outer error is left out.
    pub(crate) fn of(kind: Kind, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        let mut said = failure.message.clone();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !said.contains(&text) {
                failure.causes.push(text.clone());
                said = text;
            }
            source = cause.source();
        }
        failure
    }

    /// With what is wrong, each with its place and its source line.
    pub(crate) fn violated(kind: Kind, what: &str, violations: Vec<Violation>) -> Self {
        let message = format!("{what}\n\n{}", render_violations(&violations));
        let hints = violations
            .iter()
            .filter_map(|violation| violation.hint.clone());
        let mut failure = hints.take(3).fold(Self::new(kind, message), Self::hint);
        failure.violations = violations.into();
        failure
    }

    /// The same without credentials, whoever said what is in it.
    pub(crate) fn without_credentials(mut self) -> Self {
        let texts = self.causes.iter_mut().chain(&mut self.output);
        let rollback = self.rollback.iter_mut().map(|after| &mut after.message);
        let texts = texts.chain(&mut self.hints).chain(rollback);
        for text in std::iter::once(&mut self.message).chain(texts) {
            *text = credentials(text).into_owned();
        }
        self
    }

    /// The message and its causes in one line.
    pub(crate) fn sentence(&self) -> String {
        std::iter::once(&self.message)
            .chain(&self.causes)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// The same with the rollback that followed.
    pub(crate) fn then(mut self, rollback: RolledBack) -> Self {
        self.rollback = Some(Box::new(rollback));
        self
    }

    /// The same with a next action; one that is there already is not said twice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        let about = failed
            .function
            .map(|function| format!("function `{function}`: "))
            .unwrap_or_default();
        let mut failure = Self::new(failed.kind.into(), format!("{about}{}", failed.message));
        failure.causes = failed.causes;
        failure.output = failed.output.into();
        failure.hints = failed.hints;
        failure
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let mut failure = Self::new(fault.kind.into(), fault.message);
        failure.causes = fault.causes;
        failure.output = fault.output.into();
        failure.hints = fault.hints;
        failure
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_kind_has_an_exit_code_of_its_own() {
        let codes: BTreeSet<u8> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn every_kind_has_its_advice() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/guide/troubleshooting.md"
        ))
        .unwrap();
        for kind in Kind::ALL {
            let name = serde_json::to_value(kind).unwrap();
            let name = name.as_str().unwrap();
            let title = format!("## `{name}`, exit {}\n\n", kind.code());
            let (_, advice) = page
                .split_once(&title)
                .unwrap_or_else(|| panic!("docs/guide/troubleshooting.md has no `{title}`"));
            let advice = advice.split("\n## ").next().unwrap();
            assert!(advice.trim().len() > 50, "{name}: {advice}");
        }
    }

    #[test]
    fn the_documented_exit_codes_are_those_of_the_code() {
        let mut table =
            String::from("| code | meaning |\n|---|---|\n| 0 | done, or nothing to do |\n");
        for kind in Kind::ALL {
            writeln!(table, "| {} | {} |", kind.code(), kind.meaning()).unwrap();
        }
        let documented = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/guide/exit-codes.md"
        ))
        .unwrap();
        assert!(
            documented.contains(&table),
            "docs/guide/exit-codes.md should hold this table:\n{table}"
        );
    }
}
