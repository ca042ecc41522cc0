//! A finding as one sentence, the same wherever a person meets it.

use super::finding::{Finding, Grade};

impl Finding {
    /// Grade, component, found, required and where it was read from, in one line without a period.
    pub fn sentence(&self) -> String {
        let grade = match self.grade {
            Grade::Pass => "pass",
            Grade::Note => "note",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        };
        let container = self
            .container
            .as_ref()
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        let found = self.found.as_deref().unwrap_or("not observed");
        let source = self
            .source
            .as_ref()
            .map(|source| format!(" from {source}"))
            .unwrap_or_default();
        format!(
            "{grade}: {}{container}: found {found}{source}, required {}",
            self.component, self.required
        )
    }
}
