//! The state machine of a deploy: events fold into a state, the state says what comes next.
//!
//! Pure. `decide` says whether a command is allowed and what becomes true, `evolve` is the only transition table,
//! `next` says what the world owes us. Not here: doing it (`run`).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod codec;
mod credentials;
mod decide;
mod documents;
mod event;
mod evolve;
mod next;
mod payload;
mod pruned;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod state;
#[cfg(test)]
mod tests;
mod upcast;

pub use codec::{DecodeError, SCHEMA, decode, encode, payload_json};
pub use decide::{Command, Refusal, decide};
pub use documents::{Document, EarlierImage, FormerFunction, ImageRecord, Images};
pub use event::Event;
pub use evolve::{Illegal, evolve, fold};
pub use next::{Effect, Next, next};
pub use payload::{
    AbandonReason, Abandoned, Applied, Attempt, Base, CompatChecked, ComposeCall, DriftFound,
    Failed, FailureKind, Held, ImageBuilt, ImagePrefix, ImageSource, ImagesKept, LostHolder,
    Merged, MovedTag, ObservedStack, Options, OwedImages, Owners, ProvisionResult, PublishedFile,
    RegistryNames, Released, Requested, Resumed, Step, TakenOver,
};
pub use pruned::{Pruned, PrunedImages};
pub use state::{Deploy, Hold, Pending, RecordedEvent, Stage, State};
