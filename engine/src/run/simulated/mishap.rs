//! What can go wrong with one call.

use crate::machine::FailureKind;
use crate::merge::ConfigFile;
use crate::run::world::Fault;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It is refused; nothing happens.
    Refused,
    /// It is done, and the answer is a failure.
    ReplyLost,
    /// It is done twice, as when a client repeats what it thinks was lost.
    Twice,
    /// It takes its time: it is done once a later call is made, or time passes.
    Slow,
    /// The process dies before it is done.
    KilledBefore,
    /// The process dies after it is done.
    KilledAfter,
    /// The process dies, and the engine carries it out when it has been asked for this many other things. Files are written by
    /// the process itself, under a lock that ends with it, and a tag is one small message: of those nothing happens later.
    KilledLate(usize),
    /// Somebody changes the world just before.
    Changed(Change),
}

/// What somebody else does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Every container whose version is known runs another one.
    Version(&'static str),
    /// The registry loses what a reference names, and every image beside it.
    ImageLost(&'static str),
    /// Somebody pushes images of their own under every key's tag beside a reference.
    ImageReplaced(&'static str),
    /// Somebody pushes an image of their own under a reference.
    TagMoved(&'static str),
    /// A file of the output directory is edited by hand: what is replaced, by what.
    Edited(ConfigFile, &'static str, &'static str),
}

/// What a call that went wrong answers.
pub(super) fn fault(kind: FailureKind, message: &str) -> Fault {
    Fault::new(kind, message).retryable()
}
