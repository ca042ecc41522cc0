//! Why nothing was simulated.

use engine::contract::{Violation, render_violations};
use engine::load::LoadError;
use engine::run::DeployJournalError;

/// Why nothing was simulated. Its text is for the output of a test: every violation with its place.
#[derive(thiserror::Error)]
pub enum SimulationError {
    /// The artifact cannot be loaded, or breaks the payload contract.
    #[error("{}", loading(.0))]
    Artifact(#[source] LoadError),
    /// No stack is what the artifact asks for.
    #[error("no stack is what the artifact asks for:\n  {}", .0.join("\n  "))]
    NoSuchStack(Vec<String>),
    /// A fault was injected into a step that the deploy does not come to.
    #[error("the deploy makes no call in its step `{0}`, so that nothing can go wrong there")]
    NoSuchCall(String),
    /// The deploy cannot be recorded.
    #[error("the deploy cannot be recorded")]
    Journal(#[from] DeployJournalError),
}

/// As people read it: a test that ends with an error prints this.
impl std::fmt::Debug for SimulationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  cause: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn loading(error: &LoadError) -> String {
    match error {
        LoadError::Violations(violations) => rendered(violations),
        LoadError::Unreadable { .. } | LoadError::Unwritable { .. } => error.to_string(),
    }
}

fn rendered(violations: &[Violation]) -> String {
    format!(
        "the artifact breaks the payload contract\n{}",
        render_violations(violations)
    )
}
