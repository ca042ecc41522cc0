//! What can go wrong in a simulated deploy, by name.

use std::fmt;
use std::str::FromStr;

use engine::machine::Step;
use engine::run::simulated::Mishap;

/// The steps in which something can go wrong, with their names.
const STEPS: [(&str, Step); 6] = [
    ("observe", Step::Observe),
    ("merge", Step::Merge),
    ("image", Step::Image),
    ("publish", Step::Publish),
    ("tag", Step::Tag),
    ("provision", Step::Provision),
];

/// What goes wrong, with their names.
const FAULTS: [(&str, FaultName); 4] = [
    ("refused", FaultName::Refused),
    ("answer-lost", FaultName::AnswerLost),
    ("killed-before", FaultName::KilledBefore),
    ("killed-after", FaultName::KilledAfter),
];

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultName {
    /// `refused`: nothing is done, and the answer is an error.
    Refused,
    /// `answer-lost`: it is done, and the answer is an error.
    AnswerLost,
    /// `killed-before`: the process dies before it is done.
    KilledBefore,
    /// `killed-after`: the process dies after it is done, before it hears so.
    KilledAfter,
}

/// A fault in a step, written `STEP:FAULT`, as in `image:refused`. In a step that both looks and changes something, the change is what
/// goes wrong.
///
/// Steps are `observe`, `merge`, `image`, `publish`, `tag` and `provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedFault {
    /// The step in which it happens: in its first call that changes something, else in its first call.
    pub step: Step,
    /// What happens.
    pub fault: FaultName,
}

impl SimulatedFault {
    /// The step's name.
    pub(crate) fn step_name(self) -> &'static str {
        let named = STEPS.iter().find(|(_, step)| *step == self.step);
        named.map_or("check", |(name, _)| name)
    }

    pub(crate) fn mishap(self) -> Mishap {
        match self.fault {
            FaultName::Refused => Mishap::Refused,
            FaultName::AnswerLost => Mishap::ReplyLost,
            FaultName::KilledBefore => Mishap::KilledBefore,
            FaultName::KilledAfter => Mishap::KilledAfter,
        }
    }
}

/// The text names no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: Vec<&str>| names.join(", ");
        write!(
            f,
            "`{}` is no fault; write STEP:FAULT, where STEP is one of {} and FAULT one of {}",
            self.0,
            names(STEPS.iter().map(|(name, _)| *name).collect()),
            names(FAULTS.iter().map(|(name, _)| *name).collect()),
        )
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for SimulatedFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let find = || {
            let (step, fault) = text.split_once(':')?;
            let (_, step) = STEPS.iter().find(|(name, _)| *name == step)?;
            let (_, fault) = FAULTS.iter().find(|(name, _)| *name == fault)?;
            Some(Self {
                step: *step,
                fault: *fault,
            })
        };
        find().ok_or_else(|| UnknownFault(text.to_owned()))
    }
}
