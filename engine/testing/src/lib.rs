//! Tests of deploys, without Docker and in milliseconds.
//!
//! A [`Simulation`] deploys artifacts onto a [`Stack`] that exists in memory: the same contract, the same check of the stack, the same merge
//! and the same events as a real deploy has; only images, files and containers are simulated. What happened is asserted with the patterns of
//! `artifactctl assert`.
//!
//! ```
//! use artifactctl_testing::{Simulation, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let artifact = "../../fixtures/artifact/artifact.yml";
//! let mut simulation = Simulation::new(Stack::compatible_with(artifact)?);
//! simulation.deploy(artifact)?;
//!
//! simulation.edit("orders-list");
//! let deploy = simulation.deploy(artifact)?;
//! deploy.assert_events("Requested Observed CompatChecked Merged ImagesKept ImageBuilt Applied")?;
//! assert_eq!(deploy.built(), ["orders-list"]);
//! # Ok(())
//! # }
//! ```
//!
//! A deploy that meets trouble goes on where it stopped:
//!
//! ```
//! use artifactctl_testing::{SimulatedFault, Simulation, Stack, assert_events};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let artifact = "../../fixtures/artifact/artifact.yml";
//! let mut simulation = Simulation::new(Stack::compatible_with(artifact)?);
//! simulation.inject("publish:killed-before".parse::<SimulatedFault>()?);
//! assert!(simulation.deploy(artifact)?.is_interrupted());
//!
//! let deploy = simulation.deploy(artifact)?;
//! assert!(deploy.is_applied());
//! assert_events!(deploy, "... Resumed ... Applied");
//! # Ok(())
//! # }
//! ```
//!
//! Deploys that `artifactctl` recorded are asserted in the same way, see [`Journals`].

mod clock;
mod error;
mod events;
mod fault;
mod journals;
mod simulation;
mod stack;
#[cfg(test)]
mod tests;

pub use error::SimulationError;
pub use events::{DeployEvents, PatternMismatch};
pub use fault::{FaultName, SimulatedFault, UnknownFault};
pub use journals::{Journals, JournalsError, TargetJournal};
pub use simulation::Simulation;
pub use stack::Stack;

/// Panics unless the events of a deploy fit a pattern, with both side by side.
///
/// The first argument is a [`DeployEvents`], the second the text of a pattern.
#[macro_export]
macro_rules! assert_events {
    ($deploy:expr, $pattern:expr $(,)?) => {
        if let Err(mismatch) = $deploy.assert_events($pattern) {
            panic!("{mismatch}");
        }
    };
}
