//! Reading artifacts, secret files and build inputs from disk; writing manifests and their ids.
//!
//! The edge between files and the pure rooms. Whatever lies below an artifact root is only ever read, confined to the root
//! (`confined`), and `runtime-base` is not even opened. Not here: what the texts mean (`contract`), publishing (`publish`).

mod artifact;
mod builds;
mod complete;
mod confined;
mod entry;
mod folders;
mod inputs;
mod pattern;
mod secrets;
mod sync;
mod write;

use std::path::PathBuf;

pub use artifact::{Artifact, LoadedEntry, LoadedImage, artifact, artifact_with, manifest};
pub use builds::{BuildInputs, build_inputs, without_registry};
pub(crate) use complete::configuration;
pub use complete::{CompleteArtifact, complete};
#[cfg(feature = "docker")]
pub(crate) use confined::Root;
pub use confined::{Problem, open_anywhere, read_bounded};
pub use inputs::{InputError, InputLimits, inputs, inputs_within};
pub use secrets::{secrets, secrets_among, secrets_by_name};
pub use sync::{IdChange, SyncOutcome, sync_ids};
pub use write::write_manifest;

use crate::contract::Violation;

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The artifact breaks the payload contract; every breach of every file.
    #[error("the artifact breaks the payload contract: {} violations", .0.len())]
    Violations(Vec<Violation>),
    /// The manifest itself cannot be read.
    #[error("cannot read the manifest `{}`", path.display())]
    Unreadable {
        /// The manifest, as it was named.
        path: PathBuf,
        /// Why.
        #[source]
        problem: Problem,
    },
    /// The manifest cannot be written.
    #[error("cannot write the manifest `{}`", path.display())]
    Unwritable {
        /// The manifest, as it was named.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
