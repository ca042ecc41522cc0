//! The suites by name: their steps, and what they deploy.

use serde::Deserialize;

use super::site::{Site, StepError};
use super::{restart, runtime, smoke, standard};

/// A list of steps that belong together; each starts where the one before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Deploy, call every function, deploy again.
    Smoke,
    /// What people do day by day: plan, change, prune, provision, ask what happened.
    Standard,
    /// How functions are run.
    Runtime,
    /// What is left of a deploy when parts of the stack, or the deploy itself, are killed.
    Restart,
}

/// One step: its name, which is what it shows, and how.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Site<'_>) -> Result<(), StepError>,
}

impl Suite {
    /// In the order in which they are usually run.
    pub const ALL: [Self; 4] = [Self::Smoke, Self::Standard, Self::Runtime, Self::Restart];

    /// The word in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Standard => "standard",
            Self::Runtime => "runtime",
            Self::Restart => "restart",
        }
    }

    /// Names of the artifacts that its steps deploy.
    pub fn artifacts(self) -> &'static [&'static str] {
        match self {
            Self::Smoke => &["shop"],
            Self::Standard => &["shop", "shop-changed", "shop-newer"],
            Self::Runtime => &["probe", "probe-changed"],
            Self::Restart => &["shop", "shop-changed"],
        }
    }

    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Self::Smoke => smoke::STEPS,
            Self::Standard => standard::STEPS,
            Self::Runtime => runtime::STEPS,
            Self::Restart => restart::STEPS,
        }
    }
}
