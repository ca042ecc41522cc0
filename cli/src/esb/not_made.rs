//! Findings of a run that made no artifact: an error does not hide the warnings beside it.

use crate::esb::findings::say;
use crate::failure::Failure;
use producer::report::TemplateFinding;

/// Why there is no artifact, and what else was found.
pub(super) struct NotMade {
    pub(super) failure: Box<Failure>,
    /// Warnings and notes.
    pub(super) findings: Vec<TemplateFinding>,
}

impl NotMade {
    /// Says what else was found, and leaves the failure.
    pub(super) fn said(self, verbose: u8) -> Failure {
        say(&self.findings, verbose);
        *self.failure
    }
}

impl From<Failure> for NotMade {
    fn from(failure: Failure) -> Self {
        Self {
            failure: Box::new(failure),
            findings: Vec::new(),
        }
    }
}
