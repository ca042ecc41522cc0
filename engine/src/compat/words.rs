//! A finding as one sentence, the same wherever a person meets it.

use super::finding::{Finding, Grade};

impl Finding {
    /// Its grade and its comparison, in one line without a period.
    pub fn sentence(&self) -> String {
        let grade = match self.grade {
            Grade::Pass => "pass",
            Grade::Note => "note",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        };
        format!("{grade}: {}", self.comparison())
    }

    /// Component, found, where it was read from and required, in one line without a period.
    pub fn comparison(&self) -> String {
        let container = self
            .container
            .as_ref()
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        let source = self
            .source
            .as_ref()
            .map(|source| format!(" from {source}"))
            .unwrap_or_default();
        let found = match &self.found {
            Some(found) => format!("found {found}{source}"),
            None => format!("could not be observed{source}"),
        };
        format!(
            "{}{container}: {found}, required {}",
            self.component, self.required
        )
    }
}
