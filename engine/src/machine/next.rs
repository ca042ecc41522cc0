//! What the world owes us.

use super::decide::Command;
use super::payload::ComposeCall;
use super::state::{Pending, Stage, State};
use crate::compat::Verdict;
use crate::contract::FunctionName;

/// What comes next.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful live at a time; a box would only hide the shape"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A decision that needs nothing from outside: record it.
    Record(Command),
    /// Something to do in the world.
    Perform(Effect),
    /// Nothing, until somebody asks for something.
    Rest,
}

/// Something to do in the world; each is idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at what runs.
    Observe {
        /// The compose project.
        project: String,
    },
    /// Read the output directory and merge.
    Merge,
    /// Prove or build these images.
    Images {
        /// The functions, sorted; none stands for all that the artifact builds.
        functions: Option<Vec<FunctionName>>,
    },
    /// Publish the configuration, and run the provisioner when asked.
    Publish {
        /// Run the provisioner afterwards, called like this.
        provision: Option<ComposeCall>,
    },
}

/// Says what comes next. Reads the state, never the last event.
pub fn next(state: &State) -> Next {
    let (Some(deploy), None) = (&state.deploy, &state.hold) else {
        return Next::Rest;
    };
    match &deploy.stage {
        Stage::Requested => Next::Perform(Effect::Observe {
            project: deploy.request.project.clone(),
        }),
        Stage::Observed => Next::Record(Command::Check),
        Stage::Checked(checked) => match checked.verdict {
            Verdict::Compatible => Next::Perform(Effect::Merge),
            Verdict::Incompatible => Next::Record(Command::Reject),
        },
        Stage::Merged { .. } => {
            let pending = deploy.pending();
            if pending.is_empty() {
                return Next::Perform(Effect::Publish {
                    provision: deploy.request.options.provision.clone(),
                });
            }
            let functions = match pending {
                Pending::Functions(functions) => Some(functions.into_iter().cloned().collect()),
                Pending::Document(_) => None,
            };
            Next::Perform(Effect::Images { functions })
        }
        Stage::Applied(_) | Stage::Failed(_) | Stage::Abandoned(_) => Next::Rest,
    }
}
