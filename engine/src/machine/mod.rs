//! The state machine of a deploy: facts fold into a state, the state says what comes next.
//!
//! Pure. `decide` says whether a command is allowed and what becomes true, `evolve` is the only transition table,
//! `next` says what the world owes us. Not here: doing it (`run`).

mod event;

pub use event::{
    AbandonReason, Abandoned, Applied, Attempt, Base, CompatChecked, Event, Failed, FailureKind,
    ImageBuilt, ImageSource, Merged, ObservedStack, Options, ProvisionResult, PublishedFile,
    Requested, Resumed, Step,
};
